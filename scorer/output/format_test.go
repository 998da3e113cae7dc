package output

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestAnOlderJobKeepsItsForm continues a job of an older release, whose record does not
// name the form of rows: the new rows have the old form.
func TestAnOlderJobKeepsItsForm(t *testing.T) {
	for _, f := range formats {
		st := new(mem.Store)
		old := testJob(f)
		old.ID = "old"
		body, err := encodeRecord(&old)
		if err != nil || bytes.Contains(body, []byte("row_form")) {
			t.Fatalf("encodeRecord() = %v, want no row_form in\n%s", err, body)
		}
		st.Put(jobName, body)
		r := complete(t, st, testJob(f), 20)
		checkRows(t, st, numbered(20))
		if r.j.Schema().Typed {
			t.Errorf("%s: the rows are typed", f)
		}
		var want []row.Row
		for chunk := range r.c.Count() {
			want = append(want, rowsOf(r.m, r.c, chunk)...)
		}
		for _, to := range []row.Format{row.JSONL, row.CSV} {
			var merged bytes.Buffer
			if err := Merge(t.Context(), st, &merged, to); err != nil {
				t.Fatal(err)
			}
			once, err := row.Schema{Task: row.Classify, Format: to}.Encode(want)
			if err != nil || !bytes.Equal(merged.Bytes(), once) {
				t.Errorf("%s to %s: the rows do not have the older form", f, to)
			}
		}
	}
}

// TestANewerForm: a record with a form of rows that this program does not know is
// refused.
func TestANewerForm(t *testing.T) {
	st := new(mem.Store)
	newer := testJob(row.JSONL)
	newer.RowForm = rowForm + 1
	body, err := encodeRecord(&newer)
	if err != nil {
		t.Fatal(err)
	}
	st.Put(jobName, body)
	if _, err := ReadJob(t.Context(), st); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "form 2") {
		t.Errorf("ReadJob() = %v, want ErrMismatch that names the form", err)
	}
}
