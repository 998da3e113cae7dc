package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/azblob"
)

// TestFault45_RecordedPlace: a record cannot send credentials to an address of its choice.
func TestFault45_RecordedPlace(t *testing.T) {
	for place, want := range map[string]bool{
		"/data/photos":               true,
		"az://acme/photos":           true,
		"AZ://acme/photos":           false,
		"az://acme/photos/2019/":     true,
		"az://acme/photos/2019":      true,
		"photos":                     false,
		"":                           false,
		"../../photos":               false,
		"s3://bucket/x":              false,
		"az:///x":                    false,
		"https://203.0.113.5/acme/c": false,
		"http://127.0.0.1:8080/a/c":  false,
		"http://localhost/acme/c":    false,
		"https://acme.blob.core.windows.net/photos": false,
		"https://evil.example.com/photos/x":         false,
	} {
		f := new(placeFlags)
		if err := f.checkRecorded("images", place, "az://acme/out"); (err == nil) != want || err != nil && !errors.Is(err, output.ErrMismatch) {
			t.Errorf("checkRecorded(%q) = %v, want it accepted: %v", place, err, want)
		}
	}
}

// noRequests fails a test that sends a request.
type noRequests struct{ t *testing.T }

func (n noRequests) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("a request to %s", r.URL.Redacted())
	return nil, errors.New("no request is allowed")
}

// TestFault45_RecordedAccount: a record cannot send credentials to an account of its choice,
// also at Azure's own address: only to that of the output, or to one that the credentials name.
func TestFault45_RecordedAccount(t *testing.T) {
	for _, name := range []string{azblob.ConnectionString, azblob.Account, azblob.Key, azblob.SASToken, azblob.Endpoint} {
		t.Setenv(name, "")
	}
	const images = "az://other/photos/"
	named := filepath.Join(t.TempDir(), "named")
	writeFile(t, named, []byte(azblob.Account+"=other\n"+azblob.Key+"=a2V5\n"))
	unnamed := filepath.Join(t.TempDir(), "unnamed")
	writeFile(t, unnamed, []byte(azblob.Key+"=a2V5\n"))
	for _, test := range []struct {
		out, credentials string
		env              map[string]string
		want             bool
	}{
		{out: "az://other/result", want: true},
		{out: "AZ://other/result", want: true},
		{out: "az://acme/result"},
		{out: "az://other2/result"},
		{out: "https://acme.blob.core.windows.net/other"},
		{out: "https://other.blob.core.windows.net/result", want: true},
		{out: "result"},
		{out: "other"},
		{out: "result", credentials: named, want: true},
		{out: "result", credentials: unnamed},
		{out: "result", env: map[string]string{azblob.Account: "other"}, want: true},
		{out: "result", env: map[string]string{azblob.Account: "acme", azblob.Key: "a2V5"}},
		{out: "result", env: map[string]string{azblob.ConnectionString: "AccountName=other;AccountKey=a2V5"}, want: true},
		{out: "result", env: map[string]string{azblob.ConnectionString: "AccountName=acme;AccountKey=a2V5"}},
		{out: "result", env: map[string]string{azblob.ConnectionString: "AccountName=other;AccountKey=a2V5"}, credentials: unnamed},
	} {
		t.Run("", func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			f := placeFlags{credentials: test.credentials}
			err := f.checkRecorded("images", images, test.out)
			if (err == nil) != test.want || err != nil && (exitCode(err, nil) != 64 || !strings.Contains(err.Error(), "--images")) {
				t.Errorf("%+v: %v", test, err)
			}
		})
	}

	// The commands that follow a record.
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", pictures(t, 2), "--out", out, "--model", tiny(t, graphtest.Options{}), "--provider", "simulate:rate=inf")
	var job output.Job
	jobFile := filepath.Join(out, "_batchscore", "job.json")
	var done output.Success
	doneFile := filepath.Join(out, output.SuccessName)
	for file, record := range map[string]any{jobFile: &job, doneFile: &done} {
		body, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(body, record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	job.Images = images
	writeFile(t, jobFile, resealed(t, &job))
	writeFile(t, doneFile, resealed(t, &done))
	transport = noRequests{t}
	t.Cleanup(func() { transport = nil })
	for _, line := range [][]string{
		{"verify", out, "--strict-drift"},
		{"sample", "--from", out, "-n", "1", "--out", filepath.Join(t.TempDir(), "sample")},
	} {
		var stdout, stderr bytes.Buffer
		code := Main(line, &stdout, &stderr)
		if text := stderr.String(); code != 64 || !strings.Contains(text, `the account "other"`) || !strings.Contains(text, "--images") {
			t.Errorf("%v: exit code %d, %s%s", line, code, stdout.String(), text)
		}
	}
}
