package row

import (
	"fmt"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Schema is all that decides what the rows of a job may say and how they are
// written.
type Schema struct {
	Task   Task
	Format Format
	Form   Form
	// Activation is how the model's output is interpreted, as the job record says.
	Activation models.Activation
	// TopK is how many classes an answer lists at most. Only Decode uses it.
	TopK int
	// Simulated marks every row: no model computed it.
	Simulated bool
	// Bare leaves out the columns of vectors.
	Bare bool
}

// Form is the version of how rows are written. A job keeps the one that it was begun
// with, which its record names.
type Form int

const (
	// Untyped rows are those of the first releases: readers that guess types from the
	// first lines may take their scores for integers.
	Untyped Form = iota
	// Typed rows show the types of their columns in the text formats: a whole number in
	// a column of floats has a decimal point, and each line of JSON has path_base64, if
	// only empty.
	Typed
	// Nullable rows of images that failed have no numbers, where older forms have 0 or
	// -1: they are null, and empty in CSV. Rows also have the columns that were
	// added with this form.
	Nullable

	// Newest is the form of new jobs.
	Newest = Nullable
)

// Simulated is the precision of a job whose device computes nothing.
const Simulated = "simulated"

// labelMark begins every label of a simulated job, so that no row of it can be
// taken for a result, wherever it is copied to.
const labelMark = Simulated + ":"

// Shown returns the task whose columns the rows have: in a simulated job, with
// the mark.
func (s Schema) Shown() Task {
	if s.Simulated {
		return s.Task.marked()
	}
	return s.Task
}

// written returns the task with the columns that the rows have in their file.
func (s Schema) written() Task { return s.Shown().as(s.Form, s.Bare) }

// CheckMark returns an error that names the first row whose label lacks the mark of
// simulated jobs, or has it in a job that is not simulated. Rows of images that
// failed carry no mark.
func (s Schema) CheckMark(rows []Row) error {
	for i := range rows {
		if rows[i].Status != StatusOK {
			continue
		}
		label, ok := s.Task.label(rows[i].Answer)
		switch simulated := strings.HasPrefix(label, labelMark); {
		case !ok || simulated == s.Simulated:
		case simulated:
			return fmt.Errorf("row %d has label %q of a simulated device, and the job is not simulated", i, label)
		default:
			return fmt.Errorf("row %d has label %q, and the job is simulated", i, label)
		}
	}
	return nil
}

// Equal reports whether two rows are written identically.
func (s Schema) Equal(a, b *Row) bool {
	return a.Path == b.Path && a.PathBase64 == b.PathBase64 && a.Size == b.Size && a.Status == b.Status &&
		a.Error == b.Error && s.Task.equal(a.Answer, b.Answer)
}

// RowMost returns how many bytes a row may take in a file, on average.
func (s Schema) RowMost() int64 {
	elements, size := s.Task.longest(s.TopK)
	return rowMost + int64(elements)*int64(size)
}

// Check returns an error that says in what the columns of a row contradict one
// another or the job; nil if they do not.
func (s Schema) Check(r *Row) error { return s.Task.check(r, s.Activation) }

// Answers is the memory of the answers of one chunk, used for one chunk after
// another.
type Answers interface {
	// Grow makes room for the answers of n images.
	Grow(n int)
	// Fill makes the answer of image i from the model's numbers for it, which it may
	// change, and gives it to r. at is where the image is in the model's input. The answer is valid until that of another image i
	// is made. Different images may be filled at once.
	//
	// An error means that the model's output is not a valid answer. It wraps
	// models.ErrModel.
	Fill(i int, numbers []float32, at preprocess.Placement, r *Row) error
}

// NewAnswers returns the memory of answers from a model with that contract. An
// answer that lists the best classes lists topK of them.
func (s Schema) NewAnswers(c *models.Contract, topK int) Answers {
	return s.Task.answers(newBinding(c, topK, s.Simulated))
}

func newBinding(c *models.Contract, topK int, simulated bool) binding {
	labels := c.Labels
	if simulated {
		labels = make([]string, c.Labelled())
		for i := range labels {
			labels[i] = labelMark + c.Label(i)
		}
	}
	return binding{contract: c, labels: labels, topK: topK, simulated: simulated, work: new(sync.Pool)}
}

func (t *task[A]) answers(b binding) Answers { return &answers[A]{task: t, binding: b} }

// answers is the memory of answers of type A.
type answers[A any] struct {
	task    *task[A]
	binding binding
	all     []A
}

func (m *answers[A]) Grow(n int) {
	if n <= len(m.all) {
		return
	}
	m.all = make([]A, n)
	if m.task.room != nil {
		m.task.room(m.all)
	}
	if m.task.reserve != nil {
		m.task.reserve(m.all, &m.binding)
	}
}

var errNotFiniteOutput = &Unanswerable{StatusNotFinite, "contains NaN or infinity"}

// Unanswerable is the error of Answers.Fill for an image of which the model's numbers make no
// answer. It depends on that image alone, whose row has its status, StatusOutOfRange or
// StatusNotFinite, and its reason.
type Unanswerable struct{ Status, Reason string }

func (e *Unanswerable) Error() string { return e.Reason }

func (m *answers[A]) Fill(i int, numbers []float32, at preprocess.Placement, r *Row) error {
	var err error = errNotFiniteOutput
	if AllFinite(numbers) {
		err = m.task.fill(&m.all[i], &m.binding, numbers, at)
	}
	if err != nil {
		return fmt.Errorf("%w: its output for image %q %w", models.ErrModel, r.Path, err)
	}
	r.Answer = &m.all[i]
	return nil
}
