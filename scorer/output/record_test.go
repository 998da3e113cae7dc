package output

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
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

// TestRecordsOfNewerReleases: a record with a field or a version that this release does not
// know is not called damaged, and repair leaves it alone; one whose bytes changed is.
func TestRecordsOfNewerReleases(t *testing.T) {
	for file, object := range map[string]string{"job.json": jobName, "success.json": SuccessName, "summary.json": workerFolder + "node1-41.json"} {
		older, err := os.ReadFile(filepath.Join("testdata", "older", file))
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string][2]string{
			"field":   {"{\n", "{\n  \"from_the_future\": [1, 2],\n"},
			"version": {`"version": 1`, `"version": 2`},
			"kind":    {`"version": 1`, `"version": 1, "created": {}, "wall_seconds": {}, "worker": 7`},
		} {
			body := resealed(t, strings.Replace(string(older), change[0], change[1], 1))
			read := func(body string) error {
				st := new(mem.Store)
				st.Put(object, []byte(body))
				_, err := ReadSummaries(t.Context(), st)
				if file == "job.json" {
					_, err = ReadJob(t.Context(), st)
				}
				if file == "success.json" {
					_, err = ReadSuccess(t.Context(), st)
				}
				return err
			}
			err := read(body)
			if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "newer release") || strings.Contains(err.Error(), "remove") ||
				strings.Contains(err.Error(), "repair") {
				t.Errorf("%s, another %s: %v", file, name, err)
			}
			if err := read(strings.Replace(body, "sha256:", "sha256:0", 2)); err == nil || strings.Contains(err.Error(), "newer release") {
				t.Errorf("%s, another %s, damaged: %v", file, name, err)
			}
		}
	}
}

// resealed returns a record with the checksum of its bytes.
func resealed(t *testing.T, body string) string {
	t.Helper()
	var head struct{ Checksum string }
	if err := json.Unmarshal([]byte(body), &head); err != nil {
		t.Fatal(err)
	}
	open := strings.Replace(strings.TrimSuffix(body, "\n"), head.Checksum, "", 1)
	return strings.Replace(open, `"checksum": ""`, `"checksum": "`+digest([]byte(open))+`"`, 1) + "\n"
}
