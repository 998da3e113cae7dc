package row

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Measurement is the answer of Raw: the numbers of the model as they are.
type Measurement struct {
	// Values are [columns]. Those of an image that failed are 0, and rows leave them out.
	Values []float32
}

// Raw gives an image the numbers of the model, each in a column with a name.
var Raw Task = &task[Measurement]{
	name: models.Raw,
	bind: func(t *task[Measurement], s models.Settings, _ int) {
		n := len(s.Columns)
		t.columns = nil
		for i, name := range s.Columns {
			t.columns = append(t.columns, floatColumn(name, func(a *Measurement) *float32 { return &a.Values[i] }))
		}
		t.none = Measurement{make([]float32, n)}
		t.room = func(answers []Measurement) {
			all := make([]float32, len(answers)*n)
			for i := range answers {
				answers[i].Values, all = all[:n:n], all[n:]
			}
		}
		t.vectors = &vectors[Measurement]{dims: n, of: func(a *Measurement) []float32 { return a.Values }}
		t.width = func(*models.Contract) int { return n }
		t.most = func(int) (int, int) { return 1, n * rawMost }
		t.headings = nil
		shown := s.Columns[:min(n, shownValues)]
		for _, name := range shown {
			t.headings = append(t.headings, strings.ToUpper(name))
		}
		t.cells = func(a *Measurement) []string {
			var all []string
			for i := range shown {
				all = append(all, strconv.FormatFloat(float64(a.Values[i]), 'f', 4, 64))
			}
			return all
		}
	},
	fill: func(a *Measurement, _ *binding, numbers []float32, _ preprocess.Placement) error {
		copy(a.Values, numbers)
		return nil
	},
	describe: func(a *Measurement) string { return fmt.Sprintf("%d numbers", len(a.Values)) },
	headings: []string{"VALUES"},
	cells:    func(a *Measurement) []string { return []string{vectorCell(a.Values)} },
	caption:  func(*Measurement) string { return "numbers" },
}

const (
	// rawMost is how many bytes a number takes in a file at most, with the name of its column.
	rawMost = 128
	// shownValues is how many of the numbers a table shows.
	shownValues = 4
)
