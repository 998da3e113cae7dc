package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// closedPort returns an address of this machine at which nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + l.Addr().String()
}

// TestFault11_FirstContact reaches no storage, with every command that takes a place. Each
// says at once until when it tries, and in the end what it has tried. The patience is
// short; package patient tests that 30 s are the most.
func TestFault11_FirstContact(t *testing.T) {
	t.Parallel()
	model, photos, endpoint := tiny(t, graphtest.Options{}), pictures(t, 2), closedPort(t)
	env := append(newDesk(t).env, azblob.ConnectionString+"=", azblob.SASToken+"=", azblob.Key+"=bm90IGEga2V5")
	until := regexp.MustCompile(`trying again until \d\d:\d\d:\d\d UTC`)
	const place = "az://acme/labels/o"
	for _, args := range [][]string{
		{"show", place}, {"verify", place}, {"repair", place}, {"merge", place, "-o", "-"}, {"jobs", "status", place},
		{"plan", "--images", place}, {"sample", "--images", place, "--out", t.TempDir()}, {"sample", "--images", photos, "--out", place},
		{"run", "--images", place, "--out", filepath.Join(t.TempDir(), "out"), "--model", model},
		{"run", "--images", photos, "--out", place, "--model", model},
		{"run", "--images", photos, "--out", place, "--model", model, "--create-container"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			r := finish(t, command(t, env, append(args, "--endpoint", endpoint, "--patience", "2s")...))
			if r.code != 75 || len(until.FindAllString(r.stderr, -1)) != 1 || strings.Contains(r.stderr, "the store of") {
				t.Errorf("got %v, want 75, one message that says until when, and no statistics", r)
			}
			for _, want := range []string{
				"storage unavailable: az://acme/labels/o/ gave no answer in ", "connection refused",
				"tried: " + endpoint + "/acme (from --endpoint), without a proxy, with the key in AZURE_STORAGE_KEY of the environment",
				"correct the address if it is wrong",
			} {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("stderr has no %q: %v", want, r)
				}
			}
		})
	}
}

// TestPatience takes other times than the default.
func TestPatience(t *testing.T) {
	t.Parallel()
	env := append(newDesk(t).env, azblob.ConnectionString+"=", azblob.SASToken+"=", azblob.Key+"=bm90IGEga2V5", azblob.Endpoint+"="+closedPort(t))
	for patience, want := range map[string]struct {
		code int
		says string
	}{
		"0":    {code: 75, says: " to one call"},
		"-3s":  {code: 64, says: "invalid value -3s for --patience: want a time from zero up"},
		"long": {code: 64, says: "invalid value \"long\" for --patience"},
	} {
		r := finish(t, command(t, env, "show", "az://acme/labels/o", "--patience="+patience))
		if r.code != want.code || !strings.Contains(r.stderr, want.says) || strings.Contains(r.stderr, "trying again") {
			t.Errorf("--patience=%s: %v, want %d and %q", patience, r, want.code, want.says)
		}
	}
}

// TestFault30_Proxy reaches no proxy. The message names it, without its password.
func TestFault30_Proxy(t *testing.T) {
	t.Parallel()
	host := strings.TrimPrefix(closedPort(t), "http://")
	env := append(newDesk(t).env, azblob.ConnectionString+"=", azblob.SASToken+"=", azblob.Key+"=bm90IGEga2V5", azblob.Endpoint+"=",
		"NO_PROXY=", "no_proxy=", "https_proxy=", "HTTPS_PROXY=http://planted:planted@"+host)
	r := finish(t, command(t, env, "show", "az://acme/labels/o", "--patience", "2s"))
	const address = "tried: https://acme.blob.core.windows.net (the default of Azure's public cloud), through the proxy http://"
	if r.code != 75 || !strings.Contains(r.stderr, address+host+", with the key") || strings.Contains(r.stderr, "planted") {
		t.Errorf("got %v, want 75 with the proxy and without its password", r)
	}
}

// TestFault11_Outage takes the storage away from a run that has begun. Patience is what
// --patience says, and one line says until when.
func TestFault11_Outage(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, blobs, out := tiny(t, graphtest.Options{}), upload(t, server, pictures(t, 12)), newPlace(t, server)
	var down, requests atomic.Int64
	endpoint := proxied(t, server, func(w http.ResponseWriter, r *http.Request) bool {
		if isImageRequest(r) {
			down.Store(1)
		}
		if down.Load() == 0 {
			return false
		}
		requests.Add(1)
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close() // what the client gets is no answer
		}
		return true
	})
	args := []string{"run", "--images", blobs, "--out", out, "--model", model, "--patience", "3s"}
	r := withBlobs(t, server, endpoint, args...)
	if r.code != 75 || !strings.Contains(r.stderr, "given up after") || strings.Contains(r.stderr, "gave no answer") {
		t.Errorf("got %v, want 75 and the error of a storage that has answered before", r)
	}
	if sums := regexp.MustCompile(`"message":"the store of the images: \d+ of \d+ calls were made again"}\n(.*\n)*batchscore: `); !sums.MatchString(r.stderr) {
		t.Errorf("got %v, want the statistics of the storage before the error", r)
	}
	line := regexp.MustCompile(`\{"level":"warn".*"pause_s":[0-9.]+,"pauses":1,"until":"[0-9T:-]+Z?".*failed: trying again until \d\d:\d\d:\d\d UTC"\}`)
	if n := strings.Count(r.stderr, "trying again"); n != 1 || !line.MatchString(r.stderr) || requests.Load() < 5 {
		t.Errorf("%d lines for %d requests, want one line like %s: %v", n, requests.Load(), line, r)
	}
	down.Store(-1) // from now on: images come back
	if r := withBlobs(t, server, server.Endpoint, args...); r.code != 0 || strings.Contains(r.stderr, "the store of") {
		t.Errorf("with the storage back: %v, want 0 and no statistics of calls that all went well", r)
	}
}

// TestMissingContainer names containers that do not exist, and makes those that are
// written to.
func TestMissingContainer(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, photos := tiny(t, graphtest.Options{}), pictures(t, 6)
	place := func(container string) string { return "az://" + azuritetest.Account + "/" + container + "/x" }
	for _, args := range [][]string{
		{"show", place("none")}, {"verify", place("none")}, {"merge", place("none"), "-o", "-"}, {"jobs", "status", place("none")},
		{"plan", "--images", place("none")}, {"sample", "--images", place("none"), "--out", t.TempDir()},
		{"sample", "--images", photos, "--out", place("none")},
		{"run", "--images", place("none"), "--out", filepath.Join(t.TempDir(), "out"), "--model", model},
		{"run", "--images", photos, "--out", place("none"), "--model", model},
	} {
		r := withBlobs(t, server, server.Endpoint, args...)
		if r.code != 78 || !strings.Contains(r.stderr, "no such container: the account batchtest has no container none") ||
			strings.Contains(r.stderr, "access refused") {
			t.Errorf("batchscore %q: %v, want 78 and no such container", args, r)
		}
	}
	out := place("labels")
	for _, args := range [][]string{
		{"sample", "--images", photos, "--out", place("sample"), "--create-container"},
		{"run", "--images", place("sample"), "--out", out, "--model", model, "--create-container"},
		{"run", "--images", place("sample"), "--out", out, "--model", model, "--create-container"}, // it exists
		{"merge", out, "-o", place("merged") + "/all.csv", "--create-container"},
		{"verify", out},
	} {
		if r := withBlobs(t, server, server.Endpoint, args...); r.code != 0 {
			t.Errorf("batchscore %q: %v", args, r)
		}
	}
	if n := strings.Count(readBlob(t, server, place("merged"), "all.csv"), "\n"); n != 7 {
		t.Errorf("all.csv has %d lines, want a header and 6 rows", n)
	}
}

// TestEndpointInTheEnvironment names the emulator in the environment, in both ways. Every
// command obeys, and launch passes it on to its ranks.
func TestEndpointInTheEnvironment(t *testing.T) {
	t.Parallel()
	needMpirun(t)
	server := azuritetest.Start(t)
	model, blobs := tiny(t, graphtest.Options{}), upload(t, server, pictures(t, 12))
	for name, env := range map[string][]string{
		"variable": append(server.Env(), azblob.Endpoint+"="+server.Endpoint),
		"connection string": {azblob.ConnectionString + "=AccountName=" + azuritetest.Account + ";AccountKey=" + server.Key +
			";BlobEndpoint=" + server.Endpoint + "/" + azuritetest.Account},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := append(newDesk(t).env, env...)
			container := "az://" + azuritetest.Account + "/" + server.Container(t)
			out, labels := container+"/out", t.TempDir()
			for _, args := range [][]string{
				{"plan", "--images", blobs},
				{"sample", "--images", blobs, "-n", "3", "--out", container + "/sample"},
				{"run", "--images", blobs, "--out", out, "--model", model},
				{"launch", "-n", "2", "--images", blobs, "--out", container + "-new/out", "--model", model, "--name", "away",
					"--create-container", "--patience", "1m"},
				{"verify", out}, {"show", out}, {"repair", out}, {"merge", out, "-o", container + "/all.csv"},
				{"jobs", "status", out}, {"jobs", "status", "away"}, {"jobs", "fetch", "away", labels},
			} {
				if r := finish(t, command(t, env, args...)); r.code != 0 || strings.Contains(r.stdout+r.stderr, server.Key) {
					t.Errorf("batchscore %q: %v, want 0", args, r)
				}
			}
			got, err := os.ReadFile(filepath.Join(labels, "labels.jsonl"))
			if n := strings.Count(string(got), "\n"); err != nil || n != 12 {
				t.Errorf("jobs fetch wrote %d labels, %v; want 12", n, err)
			}
		})
	}
}

// TestSeldom lets messages through: the first, and one a minute after it.
func TestSeldom(t *testing.T) {
	var s seldom
	begin := time.Now()
	for _, test := range []struct {
		after time.Duration
		since int
		may   bool
	}{
		{after: 0, since: 1, may: true},
		{after: time.Second, since: 0, may: false},
		{after: 59 * time.Second, since: 0, may: false},
		{after: 60 * time.Second, since: 3, may: true},
		{after: 61 * time.Second, since: 0, may: false},
		{after: 10 * time.Minute, since: 2, may: true},
	} {
		if since, may := s.say(begin.Add(test.after)); since != test.since || may != test.may {
			t.Errorf("after %v: %d, %v; want %d, %v", test.after, since, may, test.since, test.may)
		}
	}
	soon := time.Now().Add(time.Minute).UTC()
	if got, want := again(soon), "trying again until "+soon.Format("15:04:05")+" UTC"; got != want {
		t.Errorf("again = %q, want %q", got, want)
	}
	later := time.Now().Add(48 * time.Hour).UTC()
	if got, want := again(later), "trying again until "+later.Format("2006-01-02 15:04:05")+" UTC"; got != want {
		t.Errorf("again = %q, want %q", got, want)
	}
}

// TestImagesThatAreNoFolder names things that are not a folder of images.
func TestImagesThatAreNoFolder(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	photos := pictures(t, 2)
	blobs := upload(t, server, photos)
	for images, says := range map[string]string{
		filepath.Join(photos, "none"):        "none: does not exist\n",
		filepath.Join(photos, "*", "*.jpg"):  "does not exist; patterns are not expanded: give the folder " + photos + "/, and all images beneath it are taken\n",
		filepath.Join(photos, "img-?.jpg"):   "patterns are not expanded: give the folder " + photos + "/,",
		blobs + "/*.jpg":                     "it is empty; check --images; patterns are not expanded: give the folder " + blobs + "/,",
		filepath.Join(photos, "none", "sub"): "sub: does not exist\n",
	} {
		for _, args := range [][]string{{"plan"}, {"sample", "--out", t.TempDir()}} {
			r := withBlobs(t, server, server.Endpoint, append(args, "--images", images)...)
			if r.code != 78 || !strings.Contains(r.stderr, says) || strings.Contains(r.stderr, "no such file") {
				t.Errorf("batchscore %q --images %s: %v, want 78 and %q", args, images, r, says)
			}
		}
	}
	for _, model := range []string{"az://acme/models/x.onnx", "https://acme.blob.core.windows.net/models/x.onnx"} {
		r := must(t, 64, "run", "--images", photos, "--out", filepath.Join(t.TempDir(), "out"), "--model", model)
		if !strings.Contains(r.stderr, "it takes a path on this machine, not a place in object storage; copy the file to this machine first") {
			t.Errorf("--model %s: %v", model, r)
		}
	}
}

// TestProxyThatDoesNotExist: the error names the proxy's variable, not the account, and
// nothing of its password.
func TestProxyThatDoesNotExist(t *testing.T) {
	t.Parallel()
	env := []string{"HTTPS_PROXY=http://user:secret@[::bad", "NO_PROXY=", "AZURE_STORAGE_KEY=a2V5"}
	r := finish(t, command(t, env, "verify", "az://acme/photos/out"))
	if r.code != 78 || !strings.Contains(r.stderr, "the proxy that HTTPS_PROXY names") || strings.Contains(r.stderr, "correct the account") ||
		strings.Contains(r.stderr, "secret") {
		t.Errorf("got %v, want exit code 78 and the proxy", r)
	}
}
