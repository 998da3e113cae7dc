package output

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestRecordsOfOlderReleases reads records that have none of the fields that were added
// since the first release. A record's checksum is that of the whole record written
// again, so every new field needs omitempty.
func TestRecordsOfOlderReleases(t *testing.T) {
	for _, tt := range []struct {
		file, object string
		read         func(t *testing.T, st *mem.Store) (id string, err error)
		want         string
	}{
		{
			file: "summary.json", object: workerFolder + "node1-41.json", want: "node1-41",
			read: func(t *testing.T, st *mem.Store) (string, error) {
				all, err := ReadSummaries(t.Context(), st)
				if len(all) != 1 {
					return "", err
				}
				return all[0].Worker.ID, err
			},
		},
		{
			file: "job.json", object: jobName, want: "0123456789abcdef",
			read: func(t *testing.T, st *mem.Store) (string, error) {
				j, err := ReadJob(t.Context(), st)
				return j.ID, err
			},
		},
		{
			file: "success.json", object: SuccessName, want: "0123456789abcdef",
			read: func(t *testing.T, st *mem.Store) (string, error) {
				s, err := ReadSuccess(t.Context(), st)
				return s.Job, err
			},
		},
	} {
		t.Run(tt.file, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata", "older", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			st := new(mem.Store)
			st.Put(tt.object, body)
			if got, err := tt.read(t, st); err != nil || got != tt.want {
				t.Errorf("read %s: %q, %v, want %q; does a new field lack omitempty?", tt.file, got, err, tt.want)
			}
		})
	}
}
