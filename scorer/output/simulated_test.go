package output

import (
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestWrongMark: one label that is marked as simulated in a job that is not makes the
// part altered, and all its rows still count. Merge and repair refuse such a part.
func TestWrongMark(t *testing.T) {
	for _, format := range formats {
		t.Run(string(format), func(t *testing.T) {
			st := new(mem.Store)
			r := complete(t, st, testJob(format), 20)
			rows := rowsOf(r.m, r.c, 1)
			marked := false
			for i := range rows {
				if a := rows[i].Answer.(*row.Classification); rows[i].Status == row.StatusOK && !marked {
					a.Label, marked = "simulated:"+a.Label, true
				}
			}
			if !marked {
				t.Fatal("no row of the part has a label")
			}
			body, err := r.j.Schema().Encode(rows)
			if err != nil {
				t.Fatal(err)
			}
			name := PartNames{format: format}.Name(1)
			st.Put(name, body)

			report, err := Verify(t.Context(), st)
			if err != nil {
				t.Fatal(err)
			}
			altered := 0
			for _, p := range report.Problems {
				if p.Kind != Altered || p.Object != name {
					t.Errorf("Verify() reports %+v, want problems of kind altered in %s only", p, name)
				}
				if strings.Contains(p.Detail, "of a simulated device") {
					altered++
				}
			}
			if altered != 1 || report.Rows != 20 || report.MissingImages != 0 || report.Parts != r.c.Count() {
				t.Errorf("Verify() = %d problems with the mark, %d rows, %d images missing, %d parts, want 1, 20, 0, %d",
					altered, report.Rows, report.MissingImages, report.Parts, r.c.Count())
			}

			if p, err := Observe(st).Look(t.Context()); err != nil || p.ImagesDone != 20 {
				t.Errorf("Look() = %d images done, %v, want 20", p.ImagesDone, err)
			}
			_, err = readPart(t.Context(), st, &r.j, r.m, 1)
			if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "of a simulated device") {
				t.Errorf("readPart() = %v, want ErrMismatch that names a simulated device", err)
			}
			repaired, err := Repair(t.Context(), st)
			if err != nil || repaired.Missing != 1 {
				t.Errorf("Repair() = %+v, %v, want one part set aside", repaired, err)
			}
		})
	}
}

// TestDamagedRowsHaveOneText: the error of a damaged part says once that it does not
// match.
func TestDamagedRowsHaveOneText(t *testing.T) {
	j := testJob(row.JSONL)
	_, err := j.decode([]byte("no row\n"), 8)
	if !errors.Is(err, ErrMismatch) || !errors.Is(err, row.ErrDamaged) || strings.Contains(err.Error(), row.ErrDamaged.Error()) {
		t.Errorf("decode() = %q, want ErrMismatch and ErrDamaged without the text of the latter", err)
	}
}
