package row

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/shard/jsonform"
)

// tasks lists every task. The first is the one of contracts that name none.
var tasks = []Task{Classify, MultiLabel, Embed, Raw, Detect}

// Task is one kind of answer. All are a task[A], each declared in a file of its
// own; the interface hides the type of their answers.
type Task interface {
	// Name is how a model's contract and the job record spell the task.
	Name() string
	// Headings are those of the answer's columns in a table for people.
	Headings() []string
	// Cells are the texts under Headings for a row.
	Cells(r *Row) []string
	// Caption is what the answer of an image says in a few words, such as its
	// label. Rows are counted by it.
	Caption(r *Row) string
	// answerColumns returns the columns of the answer, and those that follow from it.
	answerColumns(models.Activation) []Column

	rules
	coder
}

// rules say which answers there are.
type rules interface {
	// accepts returns an error if the task cannot take what such a model gives.
	accepts(c *models.Contract) error
	// answers returns the memory of answers that are made with b.
	answers(b binding) Answers
	// check returns an error if the row contradicts itself or the activation.
	check(r *Row, activation models.Activation) error
	// label returns the text that carries the mark of simulated jobs; false if
	// there is none.
	label(answer any) (text string, ok bool)
	// eachLabel calls count with each label by which the answer is counted. Tasks
	// such as embeddings have none.
	eachLabel(answer any, count func(label string))
	// marked returns the task whose columns the rows of a simulated job have.
	marked() Task
	// as returns the task with the columns that files of that form have; without vectors
	// where they are bare.
	as(form Form, bare bool) Task
	// prefixed returns the task with that text in front of the names of all columns.
	prefixed(prefix string) Task
	// bound returns the task for a model with such settings and that width.
	bound(settings models.Settings, width int) Task
	// matrix and numbersOf are those of the answers as vectors.
	matrix() (dims int, element models.Element)
	numbersOf(r *Row) []float32
	// longest returns how many elements a list of an answer has at most, and how many
	// bytes one of them takes in a file. topK is the limit of lists of the best classes.
	longest(topK int) (elements, size int)
}

// coder writes, reads and compares answers, column after column. An answer is nil
// or a pointer to the task's type. Writing and reading files is for what Task.as
// returns.
type coder interface {
	columnNames() []string
	newAnswers(n int) (at func(i int) any)
	equal(a, b any) bool
	finite(answer any) error
	appendJSON(buf []byte, r *Row) []byte
	parseJSON(p jsonform.Parser, answer any, m *memory) jsonform.Parser
	appendCSV(buf []byte, r *Row) []byte
	parseCSV(fields []string, answer any) error
	parquetFields() []reflect.StructField
	vectorSizes() map[string]int
	appendParquet(w *parquetValues, r *Row)
	readParquet(r *parquetColumns, answer any)
}

// New returns the task of that name for a model with such settings and that
// models.Contract.AnswerWidth, as a contract or a job record names them: columns and limits
// of a task may depend on them. The errors are those of Named.
func New(name string, settings models.Settings, width int) (Task, error) {
	t, err := Named(name)
	if err != nil {
		return nil, err
	}
	return t.bound(settings, width), nil
}

// Named returns the task of that name as it is without a model. The empty name is that of
// Classify. An unknown name is an error that lists the tasks there are.
func Named(name string) (Task, error) {
	if name == "" {
		return tasks[0], nil
	}
	var names []string
	for _, t := range tasks {
		if t.Name() == name {
			return t, nil
		}
		names = append(names, t.Name())
	}
	return nil, fmt.Errorf("unknown task %q; there are: %s", name, strings.Join(names, ", "))
}

// ForContract returns the task that a model's contract names. It is an error
// wrapping models.ErrModel if there is no such task, or if the contract does not
// suit it.
func ForContract(c *models.Contract) (Task, error) {
	var t Task
	var err error
	if list := HeadsOf(c, 1); list != nil {
		t, err = Several(list)
	} else {
		t, err = New(c.Task, c.Settings, c.AnswerWidth())
	}
	if err == nil {
		err = t.accepts(c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its contract: %w", models.ErrModel, err)
	}
	return t, nil
}

// RecordedName returns what the job record says of a task: nothing of Classify, as
// in records of jobs that were begun before there were others.
func RecordedName(t Task) string {
	if t.Name() == tasks[0].Name() {
		return ""
	}
	return t.Name()
}

// task is a Task whose answers are of type A.
type task[A any] struct {
	name    string
	columns []column[A]
	form    Form // of the files that as was called for
	prefix  string
	// derived are columns that people can ask for, and that no format writes. One
	// called Certainty says how sure an answer is.
	derived []derived[A]
	// none is the answer of an image that failed.
	none A
	// labelOf returns the text that carries the mark of simulated jobs; nil if no
	// column does.
	labelOf func(a *A) *string
	// bind changes the task for a model with such settings and that width; nil if none of
	// it depends on them.
	bind func(t *task[A], settings models.Settings, width int)
	// vectors are the answers as vectors; nil if they are none.
	vectors *vectors[A]
	// most returns what longest does; nil is a list of topK classes.
	most func(topK int) (elements, size int)
	// width returns how many numbers per image the model must give. Nil takes the
	// width that the contract says.
	width func(c *models.Contract) int
	// room gives the lists of new answers their memory, whoever makes them; nil if they
	// have none, or only such that a binding decides.
	room func(answers []A)
	// reserve does the same for answers that are made with b; nil if room is enough.
	reserve func(answers []A, b *binding)
	// fill makes the answer from the model's numbers for one image, which it may
	// change, and from where the image is in the model's input. Its error completes "its
	// output for image ...".
	fill func(a *A, b *binding, numbers []float32, at preprocess.Placement) error
	// valid reports whether an image that did not fail can have the answer; nil
	// takes every answer.
	valid func(a *A) bool
	// inRange returns an error if the model's output, interpreted as activation, cannot
	// have led to the answer; nil takes every answer.
	inRange func(a *A, activation models.Activation) error
	// counted calls count with each label of an answer: one for a class, several or
	// none where several labels apply. Nil counts nothing.
	counted func(a *A, count func(label string))
	// describe is the answer in an error.
	describe func(a *A) string
	headings []string
	cells    func(a *A) []string
	caption  func(a *A) string
}

// binding is what answers are made with: a model's contract and the job's options.
type binding struct {
	contract *models.Contract
	// labels are those of the contract, marked where the job is simulated.
	labels    []string
	topK      int // the number of classes in an answer that lists the best ones
	simulated bool
	// work is the memory of fill for one image at a time.
	work *sync.Pool
}

func (t *task[A]) Name() string       { return t.name }
func (t *task[A]) Headings() []string { return t.headings }

func (t *task[A]) Cells(r *Row) []string {
	if r.Status == StatusOK {
		return t.cells(t.of(r.Answer))
	}
	none := make([]string, len(t.headings))
	none[len(none)-1] = "-"
	return none
}

func (t *task[A]) Caption(r *Row) string { return t.caption(t.of(r.Answer)) }

// of returns the answer that a row refers to.
func (t *task[A]) of(answer any) *A {
	if answer == nil {
		return &t.none
	}
	return answer.(*A)
}

// marked returns the task of a simulated job. Where no column carries the mark,
// one is added that does nothing else. Classify has labels, and a task without them
// should not need code of its own to be marked: its rows must not be taken for
// results either.
func (t *task[A]) marked() Task {
	if t.labelOf != nil {
		return t
	}
	m := *t
	m.columns = append(slices.Clone(t.columns), textColumn(t.prefix+"precision", func(*A) *string { text := Simulated; return &text }))
	m.headings = append(slices.Clone(t.headings), strings.ToUpper(t.prefix)+"PRECISION")
	m.cells = func(a *A) []string { return append(t.cells(a), Simulated) }
	m.caption = func(a *A) string { return labelMark + t.caption(a) }
	return &m
}

func (t *task[A]) bound(settings models.Settings, width int) Task {
	if t.bind == nil {
		return t
	}
	own := *t
	own.bind(&own, settings, width)
	return &own
}

func (t *task[A]) longest(topK int) (elements, size int) {
	if t.most == nil {
		return topK, classMost
	}
	return t.most(topK)
}

func (t *task[A]) as(form Form, bare bool) Task {
	w := *t
	w.form, w.columns = form, nil
	for _, c := range t.columns {
		if c.in(form) && !(bare && c.kind() == Vector) {
			w.columns = append(w.columns, c)
		}
	}
	return &w
}

// style is how the columns of one row are written.
type style struct {
	form Form
	// blank leaves out the numbers.
	blank bool
}

// style returns how a row is written. An image that failed has no numbers; if it has
// some all the same, they are written, for whoever looks for what is wrong.
func (t *task[A]) style(r *Row) style {
	return style{t.form, t.form >= Nullable && r.Status != StatusOK && t.equal(r.Answer, nil)}
}

func (t *task[A]) accepts(c *models.Contract) error {
	if t.width == nil {
		return nil
	}
	if want, have := t.width(c), c.HeadNumbers(0); have != want {
		return fmt.Errorf("task %s takes %d numbers per image, and the model gives %d", t.name, want, have)
	}
	return nil
}

func (t *task[A]) check(r *Row, activation models.Activation) error {
	a := t.of(r.Answer)
	consistent := r.Error != "" && t.equal(a, nil)
	if r.Status == StatusOK {
		consistent = r.Error == "" && (t.valid == nil || t.valid(a))
	}
	if !consistent {
		return fmt.Errorf("status %q with %s and error %q", r.Status, t.describe(a), r.Error)
	}
	if t.inRange != nil {
		return t.inRange(a, activation)
	}
	return nil
}

func (t *task[A]) label(answer any) (string, bool) {
	if t.labelOf == nil {
		return "", false
	}
	return *t.labelOf(t.of(answer)), true
}

// newAnswers returns the memory of n answers. Numbers that are left out stay as they
// are in it.
func (t *task[A]) newAnswers(n int) func(i int) any {
	all := slices.Repeat([]A{t.none}, n)
	if t.room != nil {
		t.room(all)
	}
	return func(i int) any { return &all[i] }
}

func (t *task[A]) equal(a, b any) bool {
	x, y := t.of(a), t.of(b)
	if x == y {
		return true
	}
	for _, c := range t.columns {
		if !c.equal(x, y) {
			return false
		}
	}
	return true
}

func (t *task[A]) finite(answer any) error {
	a := t.of(answer)
	for _, c := range t.columns {
		if err := c.finite(a); err != nil {
			return err
		}
	}
	return nil
}

func (t *task[A]) columnNames() []string {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name())
	}
	return names
}
