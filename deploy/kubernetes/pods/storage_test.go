package pods

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/batchscore/batchscore/scorer/store/azblob"
)

// account is the one account of the blob storage that up.sh runs.
const account = "batchtest"

// storage has images and results in blob storage, whose key is a secret of the job.
func (c *cluster) storage(t *testing.T) {
	key, endpoint := c.upload(t)
	wrong := "d3Jvbmc="
	for _, s := range []struct {
		name, key string
		mpi       bool
		code      int
	}{
		{name: "Indexed", key: key},
		{name: "MPI", key: key, mpi: true},
		{name: "IndexedWrongKey", key: wrong, code: 78},
		{name: "MPIWrongKey", key: wrong, code: 78, mpi: true},
	} {
		t.Run(s.name, func(t *testing.T) {
			out := "az://" + account + "/pods/out-" + strings.ToLower(s.name)
			name := "Storage/" + s.name
			c.table.note("\n== %s\n", name)
			// The machine that launches has the right key in its environment: the job's is
			// another one.
			t.Setenv(azblob.Account, account)
			t.Setenv(azblob.Key, key)
			t.Setenv("JOB_KEY", s.key)
			began := time.Now()
			j := c.launch(t, options{mpi: s.mpi, job: map[string]any{
				"images": "az://" + account + "/pods/images", "out": out,
				"environment": map[string]string{"SSL_CERT_FILE": "/data/ca.crt", azblob.Account: account},
				"secrets":     map[string]any{azblob.Key: map[string]any{"env": "JOB_KEY"}},
				"run":         map[string]any{"endpoint": endpoint},
			}})
			code, rows, verified := j.end(t), "none", ""
			j.status = j.said(t)
			if code != s.code {
				t.Errorf("launch ended with %d, want %d; it printed:\n%s", code, s.code, j.printed.String())
			}
			if s.code == 0 {
				have := c.count(t, out, "--endpoint", endpoint)
				if rows = have.String(); have != c.whole() {
					t.Errorf("%s has %s, want %s", out, rows, c.whole())
				}
				verified = c.verify(t, out, "--endpoint", endpoint)
			}
			if strings.Contains(j.printed.String(), s.key) {
				t.Error("launch printed the key")
			}
			c.table.note("launch printed:\n%s\nstatus: %s\n", j.printed.String(), j.status)
			took := time.Since(began)
			c.table.add(name, !t.Failed(), code, rows, verified, took, j.status)
		})
	}
}

// upload copies the images into blob storage.
func (c *cluster) upload(t *testing.T) (key, endpoint string) {
	t.Helper()
	body, err := os.ReadFile(c.path("storage.json"))
	var s struct{ Endpoint, Key string }
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	credential, err := service.NewSharedKeyCredential(account, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := service.NewClientWithSharedKeyCredential(s.Endpoint+"/"+account, credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	container := client.NewContainerClient("pods")
	_, _ = container.Delete(t.Context(), nil) // of a former test
	if _, err := container.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(c.path("data/images"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(c.path("data/images"), f.Name()))
		if err == nil {
			_, err = container.NewBlockBlobClient("images/"+f.Name()).UploadBuffer(t.Context(), content, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s.Key, s.Endpoint
}
