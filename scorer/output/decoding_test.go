package output

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestMixedDecodingIsOnRecord: if programs with other decoders made some of the rows, _SUCCESS and
// Verify report it.
func TestMixedDecodingIsOnRecord(t *testing.T) {
	type worker struct{ images, decoding int }
	for _, c := range []struct {
		name    string
		job     int // the decoding of the program that began it
		workers []worker
		retry   int // that of a retry, -1 for none
		mixed   bool
	}{
		{name: "an older job", job: 0, workers: []worker{{images: 20, decoding: 0}}, retry: -1, mixed: false},
		{
			name:    "an older job that a newer program finishes",
			job:     0,
			workers: []worker{{images: 10, decoding: 0}, {images: 10, decoding: 2}},
			retry:   -1,
			mixed:   true,
		},
		{
			name:    "an older job of which a newer program found all rows",
			job:     0,
			workers: []worker{{images: 20, decoding: 0}, {images: 0, decoding: 2}},
			retry:   -1,
			mixed:   false,
		},
		{name: "an older job that is retried", job: 0, workers: []worker{{images: 20, decoding: 0}}, retry: 2, mixed: true},
		{name: "a job of one program", job: 2, workers: []worker{{images: 10, decoding: 2}, {images: 10, decoding: 2}}, retry: 2, mixed: false},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := new(mem.Store)
			job := testJob(row.JSONL)
			job.Decoding = c.job
			r := begin(t, st, job, numbered(20))
			for chunk := range r.c.Count() {
				r.commit(t, chunk)
			}
			for rank, w := range c.workers {
				writeSummary(t, st, WorkerSummary{Worker: elsewhere(rank), Images: w.images, Decoding: w.decoding})
			}
			s := r.finish(t)
			if c.retry >= 0 {
				newer := r
				newer.j.Decoding = c.retry
				beginRetry(t, newer, 1).mend(t)
				s = r.finish(t)
			}
			if s.MixedDecoding != c.mixed {
				t.Errorf("MixedDecoding of _SUCCESS = %v, want %v", s.MixedDecoding, c.mixed)
			}
			report, err := Verify(t.Context(), st)
			if err != nil || !report.OK() || strings.Contains(report.String(), MixedDecodingNote) != c.mixed {
				t.Errorf("Verify() = %v, want mixed decoding %v\n%s", err, c.mixed, report.String())
			}
		})
	}
}
