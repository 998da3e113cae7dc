package output

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestAnOlderJobKeepsItsForm continues jobs of older releases, the first of which do
// not name the form of rows in the record: the new rows have the old form.
func TestAnOlderJobKeepsItsForm(t *testing.T) {
	for form := row.Untyped; form < row.Newest; form++ {
		for _, f := range formats {
			t.Run(fmt.Sprint(form, " ", f), func(t *testing.T) {
				st := new(mem.Store)
				old := testJob(f)
				old.ID, old.RowForm = "old", form
				body, err := encodeRecord(&old)
				if err != nil || bytes.Contains(body, []byte("row_form")) != (form > 0) {
					t.Fatalf("encodeRecord() = %v, want no row_form 0 in\n%s", err, body)
				}
				st.Put(jobName, body)
				r := complete(t, st, testJob(f), 20)
				checkRows(t, st, numbered(20))
				if got := r.j.Schema().Form; got != form {
					t.Errorf("the rows have form %d, want %d", got, form)
				}
				var want []row.Row
				for chunk := range r.c.Count() {
					want = append(want, rowsOf(r.m, r.c, chunk)...)
				}
				for _, to := range formats {
					var merged bytes.Buffer
					if err := Merge(t.Context(), st, &merged, MergeOptions{Format: to}); err != nil {
						t.Fatal(err)
					}
					schema := row.Schema{Task: row.Classify, Format: to, Form: form}
					if got, err := schema.Decode(merged.Bytes(), 1<<20); err != nil || !reflect.DeepEqual(got, want) {
						t.Errorf("to %s: the rows do not have the older form: %v", to, err)
					}
				}
			})
		}
	}
}

// TestANewerForm: a record with a form of rows that this program does not know is
// refused.
func TestANewerForm(t *testing.T) {
	st := new(mem.Store)
	newer := testJob(row.JSONL)
	newer.RowForm = row.Newest + 1
	body, err := encodeRecord(&newer)
	if err != nil {
		t.Fatal(err)
	}
	st.Put(jobName, body)
	if _, err := ReadJob(t.Context(), st); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), fmt.Sprintf("form %d", row.Newest+1)) {
		t.Errorf("ReadJob() = %v, want ErrMismatch that names the form", err)
	}
}
