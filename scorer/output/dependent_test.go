package output

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestFault36_DependentRowsAreOnRecord: _SUCCESS and Verify report what the record allows, and Verify finds
// a _SUCCESS that differs from the record.
func TestFault36_DependentRowsAreOnRecord(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		st := new(mem.Store)
		job := testJob(row.JSONL)
		job.DependentRows = allowed
		r := begin(t, st, job, numbered(20))
		for chunk := range r.c.Count() {
			r.commit(t, chunk)
		}
		s, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{})
		if err != nil || s.DependentRows != allowed {
			t.Fatalf("DependentRows of _SUCCESS = %v, %v, want %v", s.DependentRows, err, allowed)
		}
		report, err := Verify(t.Context(), st)
		if err != nil || !report.OK() || report.DependentRows != allowed || strings.Contains(report.String(), DependentRowsNote) != allowed {
			t.Errorf("allowed %v: Verify() = %v\n%s", allowed, err, report.String())
		}
		if strings.Contains(objects(t, st)[jobName], "dependent") != allowed {
			t.Errorf("the record has a field that older releases do not know:\n%s", objects(t, st)[jobName])
		}

		s.DependentRows = !allowed
		body, err := encodeRecord(&s)
		if err != nil {
			t.Fatal(err)
		}
		st.Put(SuccessName, body)
		if report, err = Verify(t.Context(), st); err != nil || report.OK() || !strings.Contains(report.String(), "dependent rows allowed: it says") {
			t.Errorf("allowed %v: Verify() of an altered _SUCCESS = %v, want a problem\n%s", allowed, err, report.String())
		}
	}
}

// TestFault36_OlderRecordsAllowDependentRows: a job that began before releases checked for dependent
// rows can be finished with a model that is now refused, if that is allowed.
func TestFault36_OlderRecordsAllowDependentRows(t *testing.T) {
	st := new(mem.Store)
	job := testJob(row.JSONL)
	if _, _, err := Join(t.Context(), st, job); err != nil {
		t.Fatal(err)
	}
	job.DependentRows, job.Decoding = true, 2
	if have, created, err := Join(t.Context(), st, job); err != nil || created || have.DependentRows {
		t.Errorf("Join() = %+v, created %v, %v, want the existing record", have, created, err)
	}
}
