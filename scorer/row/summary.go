package row

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Summary says what the answers of a job are.
type Summary struct {
	// Labels are the labels of most images, that of most first, and at most
	// SummaryLabels of them. OtherLabels is how many labels there are besides, and
	// OtherImages how many images have those.
	Labels      []LabelCount `json:"labels,omitempty"`
	OtherLabels int          `json:"other_labels,omitempty"`
	OtherImages int          `json:"other_images,omitempty"`
	// Certainty is nil if the answers have none.
	Certainty *Certain `json:"certainty,omitempty"`
}

// SummaryLabels is how many labels a Summary lists.
const SummaryLabels = 20

// LabelCount is the number of images that have a label.
type LabelCount struct {
	Label  string `json:"label"`
	Images int    `json:"images"`
}

// Certain is how sure the answers of a job are, as the column Certainty says.
type Certain struct {
	Mean float64 `json:"mean"`
	// Least is that of the image Path, the first one with the least.
	Least float64 `json:"least"`
	Path  string  `json:"path"`
}

// Summing makes the Summary of rows that are added one after another.
type Summing struct {
	task      Task
	certainty *Column // nil if the answers have none
	labels    map[string]int
	sum       float64
	n         int
	least     Certain
}

// NewSumming returns a Summing without rows.
func (s Schema) NewSumming() *Summing {
	sum := &Summing{task: s.Task, labels: map[string]int{}}
	columns := s.Columns()
	if i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == Certainty }); i >= 0 {
		sum.certainty = &columns[i]
	}
	return sum
}

// Add adds rows, which may be reused afterwards. Images that failed have no answer to
// count.
func (s *Summing) Add(rows []Row) {
	for i := range rows {
		r := &rows[i]
		if r.Status != StatusOK {
			continue
		}
		s.task.eachLabel(r.Answer, s.count)
		if s.certainty == nil {
			continue
		}
		v := s.certainty.Of(r)
		if v.Unknown || !finite(float32(v.Number)) {
			continue
		}
		s.sum += v.Number
		if s.n++; s.n == 1 || v.Number < s.least.Least {
			s.least.Least, s.least.Path = v.Number, strings.Clone(r.Path)
		}
	}
}

func (s *Summing) count(label string) {
	if n, ok := s.labels[label]; ok {
		s.labels[label] = n + 1
		return
	}
	s.labels[strings.Clone(label)] = 1
}

// Summary returns the summary of all rows that were added; nil if there is nothing to
// say about their answers.
func (s *Summing) Summary() *Summary {
	if len(s.labels) == 0 && s.n == 0 {
		return nil
	}
	all := &Summary{}
	for _, label := range slices.SortedFunc(maps.Keys(s.labels), func(a, b string) int {
		return cmp.Or(s.labels[b]-s.labels[a], strings.Compare(a, b))
	}) {
		if n := s.labels[label]; len(all.Labels) < SummaryLabels {
			all.Labels = append(all.Labels, LabelCount{Label: label, Images: n})
		} else {
			all.OtherLabels++
			all.OtherImages += n
		}
	}
	if s.n > 0 {
		all.Certainty = &Certain{Mean: s.sum / float64(s.n), Least: s.least.Least, Path: s.least.Path}
	}
	return all
}

func (t *task[A]) eachLabel(answer any, count func(label string)) {
	if t.counted != nil {
		t.counted(t.of(answer), count)
	}
}
