package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// panicInRequest makes a command panic when it requests an image from blob storage.
const panicInRequest = "BATCHSCORE_TEST_PANIC_IN_REQUEST"

func init() {
	if os.Getenv(panicInRequest) != "" {
		transport = panics{}
	}
}

type panics struct{}

func (panics) RoundTrip(r *http.Request) (*http.Response, error) {
	if isImageRequest(r) {
		panic("planted")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestBlobsAndFolders scores one collection from Azurite to Azurite, from a folder to
// Azurite, and from Azurite to a folder. The merged bytes are the same everywhere.
func TestBlobsAndFolders(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model := tiny(t, graphtest.Options{})
	folder := pictures(t, 24)
	for i, name := range []string{"a b#c%d+e.jpg", "100%.jpg", "new\nline.jpg", "cafe\u0301.jpg", "query?x=1&y=2.jpg", "dot./x.jpg", "broken.jpg"} {
		body := picture(t, 100+i)
		if name == "broken.jpg" {
			body = body[:40]
		}
		writeFile(t, filepath.Join(folder, name), body)
	}
	blobs := upload(t, server, folder)

	var want string
	for i, places := range [][2]string{
		{folder, filepath.Join(t.TempDir(), "out")},
		{folder, newPlace(t, server)},
		{blobs, newPlace(t, server)},
		{blobs, filepath.Join(t.TempDir(), "out")},
	} {
		in, out := places[0], places[1]
		for _, args := range [][]string{
			{"run", "--images", in, "--out", out, "--model", model, "--chunk", "5"},
			{"verify", out},
			{"show", out},
			{"plan", "--images", in, "--world", "3"},
		} {
			if r := withBlobs(t, server, server.Endpoint, args...); r.code != 0 {
				t.Fatalf("batchscore %q: %v", args, r)
			}
		}
		r := withBlobs(t, server, server.Endpoint, "merge", out, "-o", "-")
		if r.code != 0 {
			t.Fatalf("got %v, want exit code 0", r)
		}
		if i == 0 {
			want = r.stdout
		}
		if r.stdout != want || strings.Count(want, "\n") != 31 {
			t.Errorf("%s to %s: %d bytes in %d lines, or others than\n%s", in, out, len(r.stdout), strings.Count(r.stdout, "\n"), want)
		}

		if !strings.HasPrefix(out, "az:") {
			manifest, err := os.ReadFile(filepath.Join(out, "_batchscore", "manifest.jsonl"))
			if n := strings.Count(string(manifest), `,"md5":"`); err != nil || n != 31*(i/3) {
				t.Errorf("%s: the manifest holds %d MD5 digests, %v; blobs have one, files none", in, n, err)
			}
		}

		// Into a blob.
		target := newPlace(t, server)
		args := []string{"merge", out, "-o", target + "/all rows.jsonl"}
		if r := withBlobs(t, server, server.Endpoint, args...); r.code != 0 {
			t.Fatalf("got %v, want exit code 0", r)
		}
		if got := readBlob(t, server, target, "all rows.jsonl"); got != want {
			t.Errorf("merged into a blob: %d bytes, or others", len(got))
		}
		if r := withBlobs(t, server, server.Endpoint, args...); r.code != 0 {
			t.Errorf("merged into the same blob again: %v", r)
		}
	}
}

// TestBlobRanks scores from Azurite to Azurite on four ranks under mpirun.
func TestBlobRanks(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model := tiny(t, graphtest.Options{})
	blobs, alone, four := upload(t, server, pictures(t, 40)), newPlace(t, server), newPlace(t, server)
	flags := func(out string) []string {
		return []string{"--images", blobs, "--out", out, "--model", model, "--chunk", "3", "--endpoint", server.Endpoint}
	}
	if r := finish(t, command(t, server.Env(), append([]string{"run"}, flags(alone)...)...)); r.code != 0 {
		t.Fatalf("got %v, want exit code 0", r)
	}
	needMpirun(t)
	launcher := []string{"launch", "-n", "4", "--"}
	if r := finish(t, command(t, server.Env(), append(launcher, flags(four)...)...)); r.code != 0 {
		t.Fatalf("got %v, want exit code 0", r)
	}
	one := withBlobs(t, server, server.Endpoint, "merge", alone, "-o", "-")
	many := withBlobs(t, server, server.Endpoint, "merge", four, "-o", "-")
	if one.code != 0 || one.stdout != many.stdout || strings.Count(one.stdout, "\n") != 40 {
		t.Errorf("one rank: %v\nfour ranks: %v", one, many)
	}
}

// proxied serves the emulator through a handler, which answers a request itself if it
// returns true. It returns the endpoint.
func proxied(t testing.TB, server *azuritetest.Server, instead func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ErrorLog: log.New(io.Discard, "", 0)}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !instead(w, r) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// isImageRequest reports whether a request reads one of the images.
func isImageRequest(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".jpg")
}

// TestFault13_DeniedInMidRun makes the service refuse the credentials after five images.
// There is one message, and nothing is tried again.
func TestFault13_DeniedInMidRun(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, blobs, out := tiny(t, graphtest.Options{}), upload(t, server, pictures(t, 60)), newPlace(t, server)
	var images, refused atomic.Int64
	var expired atomic.Bool
	expired.Store(true)
	endpoint := proxied(t, server, func(w http.ResponseWriter, r *http.Request) bool {
		if !isImageRequest(r) || images.Add(1) <= 5 || !expired.Load() {
			return false
		}
		refused.Add(1)
		w.Header().Set("x-ms-error-code", "AuthenticationFailed")
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	args := []string{"run", "--images", blobs, "--out", out, "--model", model, "--chunk", "4", "--log-level", "warn"}
	r := withBlobs(t, server, endpoint, args...)
	if r.code != 78 || strings.Count(r.stderr, "refuses access") != 1 || strings.Count(r.stderr, "403") != 1 {
		t.Errorf("got %v, want 78 and one message", r)
	}
	if n := refused.Load(); n > 60 {
		t.Errorf("%d requests for 60 images were refused, want the worker to stop asking", n)
	}
	expired.Store(false)
	if r := withBlobs(t, server, endpoint, args...); r.code != 0 {
		t.Errorf("with the credentials back: %v", r)
	}
	if r := withBlobs(t, server, endpoint, "verify", out); r.code != 0 {
		t.Errorf("got %v, want exit code 0", r)
	}
}

// TestFault13_ExpiredToken starts with a token that has expired.
func TestFault13_ExpiredToken(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	blobs := upload(t, server, pictures(t, 1))
	token := sasToken(t, server, blobs, time.Now().Add(-time.Hour))
	r := finish(t, command(t, []string{azblob.SASToken + "=" + token},
		"plan", "--images", blobs, "--endpoint", server.Endpoint))
	if r.code != 78 || !strings.Contains(r.stderr, "the token expired at") || strings.Contains(r.stderr, "sig=") {
		t.Errorf("%v", r)
	}
}

// TestFault14And15_Blobs deletes one blob and replaces another after the
// listing.
func TestFault14And15_Blobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, blobs, out := tiny(t, graphtest.Options{}), upload(t, server, pictures(t, 12)), newPlace(t, server)
	p, err := azblob.ParsePlace(blobs)
	if err != nil {
		t.Fatal(err)
	}
	client := server.Client().NewContainerClient(p.Container)
	var once sync.Once
	endpoint := proxied(t, server, func(_ http.ResponseWriter, r *http.Request) bool {
		if isImageRequest(r) {
			once.Do(func() {
				// The request's own context may end before these do.
				ctx := context.WithoutCancel(r.Context())
				if _, err := client.NewBlobClient("in/batch 2/00011.jpg").Delete(ctx, nil); err != nil {
					t.Error(err)
				}
				body := streaming.NopCloser(bytes.NewReader(picture(t, 999)))
				if _, err := client.NewBlockBlobClient("in/batch 2/00008.jpg").Upload(ctx, body, nil); err != nil {
					t.Error(err)
				}
			})
		}
		return false
	})
	if r := withBlobs(t, server, endpoint, "run", "--images", blobs, "--out", out, "--model", model, "--max-errors", "2"); r.code != 0 {
		t.Fatalf("got %v, want exit code 0", r)
	}
	rows := withBlobs(t, server, endpoint, "merge", out, "-o", "-").stdout
	for name, status := range map[string]string{"00011": "not_found", "00008": "changed", "00005": "ok"} {
		found := false
		for line := range strings.Lines(rows) {
			found = found || strings.Contains(line, name) && strings.Contains(line, `"status":"`+status+`"`)
		}
		if !found {
			t.Errorf("%s is not %s in\n%s", name, status, rows)
		}
	}
}

// TestFault30_Blobs signs in in every way, in runs that succeed and runs that fail, and
// searches everything that they write and print for the secrets.
func TestFault30_Blobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, blobs := tiny(t, graphtest.Options{}), upload(t, server, pictures(t, 6))
	inTime := sasToken(t, server, blobs, time.Now().Add(time.Hour))
	signature, _, _ := strings.Cut(inTime[strings.Index(inTime, "sig=")+len("sig="):], "&")
	plain, err := url.QueryUnescape(signature)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{server.Key, url.QueryEscape(server.Key), signature, plain}
	file := filepath.Join(t.TempDir(), "credentials")
	writeFile(t, file, []byte(azblob.Key+"="+server.Key+"\n"))

	var mode atomic.Value
	mode.Store("")
	endpoint := proxied(t, server, func(w http.ResponseWriter, r *http.Request) bool {
		if !isImageRequest(r) {
			return false
		}
		switch mode.Load() {
		case "refused":
			http.Error(w, "refused: "+r.URL.String(), http.StatusForbidden)
		case "redirected":
			http.Redirect(w, r, "http://elsewhere.example"+r.URL.String(), http.StatusTemporaryRedirect) //nolint:gosec // G710: that is the fault
		case "wrong":
			http.Error(w, "wrong: "+r.URL.String(), http.StatusBadRequest)
		default:
			return false
		}
		return true
	})
	for i, how := range [][]string{
		{azblob.Key + "=" + server.Key},
		{azblob.SASToken + "=" + inTime},
		{azblob.ConnectionString + "=AccountName=" + azuritetest.Account + ";AccountKey=" + server.Key},
		{azblob.ConnectionString + "=BlobEndpoint=" + endpoint + "/" + azuritetest.Account + ";SharedAccessSignature=" + inTime},
		nil, // from the file
	} {
		for want, m := range map[string]string{"0": "", "78": "refused", "78 ": "redirected", "1": "wrong", "2": "panic"} {
			if m != "" && i > 1 {
				continue // how a request is signed, not where from, decides what an error could show
			}
			mode.Store(m)
			out := blobs[:len(blobs)-len("in")] + fmt.Sprint("out", i, m)
			env := append([]string{"GOTRACEBACK=all"}, how...)
			if m == "panic" {
				env = append(env, panicInRequest+"=1")
			}
			args := []string{"run", "--images", blobs, "--out", out, "--model", model, "--endpoint", endpoint, "--log-level", "debug"}
			if how == nil {
				args = append(args, "--credentials", file)
			}
			r := finish(t, command(t, env, args...))
			if fmt.Sprint(r.code) != strings.TrimSpace(want) {
				t.Errorf("%d, %s: got %v, want exit code %s", i, m, r, want)
			}
			if m == "panic" && !strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("there was no panic: %v", r)
			}
			for _, secret := range secrets {
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("%d, %s shows %q", i, m, secret)
				}
			}
		}
	}
	p, err := azblob.ParsePlace(blobs)
	if err != nil {
		t.Fatal(err)
	}
	objects := contents(t, server, p.Container)
	if len(objects) < 20 {
		t.Fatalf("%d objects, so this test would prove little", len(objects))
	}
	for name, body := range objects {
		for _, secret := range secrets {
			if strings.Contains(name+body, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
}

// contents returns all blobs of a container by their names.
func contents(t testing.TB, server *azuritetest.Server, container string) map[string]string {
	t.Helper()
	all := map[string]string{}
	client := server.Client().NewContainerClient(container)
	for pages := client.NewListBlobsFlatPager(nil); pages.More(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			all[*item.Name] = readBlob(t, server, "az://"+azuritetest.Account+"/"+container, *item.Name)
		}
	}
	return all
}

// TestTokenOnTheCommandLine checks that every command refuses a token in a place before
// it does anything else.
func TestTokenOnTheCommandLine(t *testing.T) {
	t.Parallel()
	const place = "https://acme.blob.core.windows.net/photos/x?sv=2024-11-04&sig=planted"
	for _, args := range [][]string{
		{"run", "--images", place, "--out", "out", "--model", "m.onnx"},
		{"run", "--images", "photos", "--out", place, "--model", "m.onnx"},
		{"plan", "--images", place}, {"verify", place}, {"show", place}, {"merge", place, "-o", "-"},
		{"launch", "--", "--images", place, "--out", "out", "--model", "m.onnx"},
		{"launch", "--", "--images", "photos", "--out=" + place, "--model", "m.onnx"},
	} {
		r := must(t, 64, args...)
		if !strings.Contains(r.stderr, azblob.SASToken) || strings.Contains(r.stderr, "planted") {
			t.Errorf("%q: %v", args, r)
		}
	}
}

// TestSilentStorage reads from a storage that does not answer. The command says so, and
// a signal ends it.
func TestSilentStorage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, []string{"AZURE_STORAGE_CONNECTION_STRING=", "AZURE_STORAGE_SAS_TOKEN=", "AZURE_STORAGE_KEY=bm90IGEga2V5"},
		"show", "az://acme/labels/o", "--endpoint", "http://"+l.Addr().String())
	var stdout, stderr storetest.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a word", func() bool { return strings.Contains(stderr.String(), "trying again") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 || !strings.Contains(stderr.String(), "ended by a signal") {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
}
