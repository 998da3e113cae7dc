package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// planting is a user whose environment and files are full of secrets, each another one.
// What any of the commands prints, writes, stores or passes on is searched for them.
type planting struct {
	home    string // all that commands may write to
	env     []string
	program string            // of the tests by default
	secrets map[string]string // by where they are

	mu    sync.Mutex
	found map[string]bool
}

func plant(t *testing.T) *planting {
	t.Helper()
	p := &planting{home: t.TempDir(), secrets: map[string]string{}, found: map[string]bool{}}
	for _, name := range []string{"AZURE_CLIENT_SECRET", "AZURE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PASSWORD", arm.TokenVariable, "PLANTED"} {
		p.env = append(p.env, name+"="+p.secret(name, 24))
	}
	p.env = append(p.env, "HTTPS_PROXY=http://user:"+url.QueryEscape(p.secret("the proxy", 24))+"@127.0.0.1:9", "AZURE_SDK_GO_LOGGING=all", "GOTRACEBACK=crash")
	for name, folder := range map[string]string{
		"HOME": "home", "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache", "TMPDIR": "tmp",
	} {
		path := filepath.Join(p.home, folder)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		p.env = append(p.env, name+"="+path)
	}
	return p
}

// secret returns n random bytes in base64, which are searched for from now on.
func (p *planting) secret(where string, n int) string {
	random := make([]byte, n)
	_, _ = rand.Read(random) // never fails
	p.secrets[where] = base64.StdEncoding.EncodeToString(random)
	return p.secrets[where]
}

// search looks for every secret in every form.
func (p *planting) search(t *testing.T, where, text string) {
	t.Helper()
	for name, s := range p.secrets {
		quoted, _ := json.Marshal(s)
		inBase64 := base64.StdEncoding.EncodeToString([]byte(s))[:len(s)]
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`), inBase64} {
			if !strings.Contains(text, form) {
				continue
			}
			p.mu.Lock()
			if !p.found[where+name] {
				t.Errorf("%s shows the secret of %s", where, name)
			}
			p.found[where+name] = true
			p.mu.Unlock()
		}
	}
}

// run runs a command, and searches what it prints and the command lines of all processes.
func (p *planting) run(t *testing.T, env []string, args ...string) processResult {
	t.Helper()
	cmd := command(t, append(slices.Clone(p.env), env...), args...)
	if p.program != "" {
		cmd.Path = p.program
	}
	cmd.Dir = filepath.Join(p.home, "home")
	r := finish(t, cmd)
	p.search(t, "batchscore "+strings.Join(args[:min(2, len(args))], " "), r.stdout+r.stderr)
	return r
}

// watch searches the command lines of all processes until the context ends.
func (p *planting) watch(ctx context.Context, t *testing.T) (seen func() int) {
	t.Helper()
	lines, done := map[string]bool{}, make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for _, line := range commandLines(t) {
				if !lines[line] {
					p.search(t, "a command line", line)
				}
				lines[line] = true
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() int { <-done; return len(lines) }
}

// searchFiles searches all files and their names, unpacked if they are gzipped.
func (p *planting) searchFiles(t *testing.T) (files int) {
	t.Helper()
	err := filepath.WalkDir(p.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			if plain, err := io.ReadAll(z); err == nil {
				body = plain
			}
		}
		p.search(t, path, path+string(body))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return files
}

// TestPlantedSecrets runs commands that succeed and commands that fail, with secrets
// wherever commands take them from.
func TestPlantedSecrets(t *testing.T) {
	t.Parallel()
	needMpirun(t)
	server := azuritetest.Start(t)
	p := plant(t)
	p.secrets["the account"] = server.Key
	model, in := tiny(t, graphtest.Options{}), pictures(t, 4)
	blobs, at := upload(t, server, in), newPlace(t, server)
	writer := sasToken(t, server, at, time.Now().Add(time.Hour))
	signature := func(token string) string {
		values, err := url.ParseQuery(token)
		if err != nil {
			t.Fatal(err)
		}
		return values.Get("sig")
	}
	p.secrets["the SAS token"] = signature(writer)
	key, sas := []string{azblob.Key + "=" + server.Key}, []string{azblob.SASToken + "=" + writer}
	wrong := []string{azblob.Key + "=" + p.secret("a wrong key", 64)}
	file := func(name string) string { return filepath.Join(p.home, "home", name) }

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := p.watch(ctx, t)
	for _, c := range []struct {
		env  []string
		code int // -1 for any
		args []string
	}{
		{env: key, code: 0, args: []string{"run", "--images", blobs, "--out", at, "--model", model, "--log-level", "debug",
			"--profile", file("profile"), "--merge", file("labels.csv")}},
		{env: sas, code: 0, args: []string{"run", "--images", in, "--out", at + "/sas", "--model", model, "--log-level", "debug",
			"--log-format", "text"}},
		{env: wrong, code: 78, args: []string{"run", "--images", blobs, "--out", at + "/wrong", "--model", model, "--log-level", "debug"}},
		{env: wrong, code: 78, args: []string{"sample", "--images", blobs, "-n", "2", "--out", file("denied")}},
		{env: key, code: 0, args: []string{"sample", "--images", blobs, "-n", "2", "--out", file("sample")}},
		{env: sas, code: 0, args: []string{"verify", at + "/sas"}},
		{env: sas, code: 0, args: []string{"show", at + "/sas"}},
		{env: key, code: 0, args: []string{"jobs", "status", at}},
		{env: wrong, code: 78, args: []string{"jobs", "status", at, "--check"}},
		{env: key, code: 0, args: []string{"merge", at, "-o", file("merged.jsonl")}},
		{env: key, code: 0, args: []string{"bench", "run", "--images", blobs, "--model", model, "--rounds", "1", "--least", "10ms",
			"--save", file("bench.txt")}},
		{env: key, code: -1, args: []string{"doctor"}},
		{env: key, code: 0, args: []string{"version"}},
		{env: wrong, code: 75, args: []string{"run", "--images", "az://acme/photos", "--out", file("proxied"), "--model", model,
			"--patience", "1s"}},
		{env: key, code: -1, args: []string{"gpu-check", file("gpu-check")}},
		{env: key, code: 0, args: []string{"completion", "bash"}},
		{env: key, code: -1, args: []string{"__complete", "run", "--images", "az://"}},
	} {
		args := c.args
		if slices.Contains(args, at) || slices.Contains(args, blobs) || slices.Contains(args, at+"/sas") {
			args = append(slices.Clone(args), "--endpoint", server.Endpoint)
		}
		if r := p.run(t, c.env, args...); c.code >= 0 && r.code != c.code {
			t.Errorf("%s: got %v, want exit code %d", args[:2], r, c.code)
		}
	}
	p.launches(t, in, model)
	stop()
	if n := seen(); n < 10 {
		t.Errorf("%d command lines were seen, so this test would prove little", n)
	}
	if n := p.searchFiles(t); n < 20 {
		t.Errorf("%d files were written, so this test would prove little", n)
	}
	place, err := azblob.ParsePlace(at)
	if err != nil {
		t.Fatal(err)
	}
	objects := contents(t, server, place.Container)
	for name, body := range objects {
		p.search(t, "the blob "+name, name+body)
	}
	if len(objects) < 8 {
		t.Errorf("%d blobs were written, so this test would prove little", len(objects))
	}
	p.checkModes(t)
}

// launches starts jobs whose ranks get a secret: one that works, and one that an engine
// refuses with an error that repeats what it was sent.
func (p *planting) launches(t *testing.T, in, model string) {
	t.Helper()
	service := filepath.Join(p.home, "home", "service.yaml")
	for _, engine := range []struct {
		name, section string
		code          int
	}{
		{name: "local", section: "{}"},
		{name: "fake", section: "{folder: " + p.home + "/fake}"},
		{name: "fake", section: "{folder: " + p.home + "/fake2, refuses: true}", code: 78},
	} {
		writeFile(t, service, []byte(engine.name+": "+engine.section+"\n"))
		env := []string{serviceVar + "=" + service}
		out := filepath.Join(p.home, fmt.Sprint("out-", engine.name, engine.code))
		r := p.run(t, env, "launch", "--to", engine.name, "--images", in, "--out", out, "--model", model, "--secret", "TOKEN=env:PLANTED")
		if r.code != engine.code || engine.code != 0 && !strings.Contains(r.stderr, "REDACTED") {
			t.Errorf("launch to %s: got %v, want exit code %d", engine.name, r, engine.code)
		}
		for _, args := range [][]string{{"jobs", "list"}, {"jobs", "status"}, {"jobs", "logs"}} {
			p.run(t, env, args...)
		}
	}
}

// checkModes checks that nobody else can enter the folders that batchscore keeps of jobs.
func (p *planting) checkModes(t *testing.T) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(p.home, "state", "batchscore"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o700 {
			t.Errorf("%s has the mode %v, want none for others", path, info.Mode())
		}
		n++
		return err
	})
	if err != nil || n < 4 {
		t.Errorf("%d folders of jobs, %v", n, err)
	}
}

// TestCrashShowsNoSecret ends a run with SIGQUIT while a request with a signature is under
// way, by a user who asked for core dumps.
func TestCrashShowsNoSecret(t *testing.T) {
	t.Parallel()
	p := plant(t)
	asked, leave := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-leave
	}))
	defer server.Close()
	defer close(leave)
	token := "sv=2024-11-04&sp=rl&sr=c&sig=" + url.QueryEscape(p.secret("the SAS token", 32))
	place := "az://" + azuritetest.Account + "/photos"
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := process(t, append(p.env, azblob.SASToken+"="+token), "/bin/sh", "-c", `ulimit -S -c "$(ulimit -H -c)"; exec "$@"`, "sh", self, "run",
		"--images", place, "--out", filepath.Join(p.home, "out"), "--model", tiny(t, graphtest.Options{}), "--endpoint", server.URL)
	cmd.Dir = filepath.Join(p.home, "home")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err != nil {
		t.Error(err)
	}
	core := ""
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			core, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
	}
	if core != "0" {
		t.Errorf("core dumps may have %q bytes, want 0", core)
	}
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Error(err)
	}
	err = cmd.Wait()
	if err == nil || !strings.Contains(stderr.String(), "goroutine ") {
		t.Errorf("got %v and %s, want the stacks of a crash", err, &stderr)
	}
	p.search(t, "the crash", stdout.String()+stderr.String())
	p.searchFiles(t)
}

// TestRedact: every form of a secret is taken out, and a line of JSON stays one.
func TestRedact(t *testing.T) {
	const planted = "c2VjcmV0LWtleS1wbGFudGVk"
	t.Setenv(arm.TokenVariable, planted+"/token")
	t.Setenv("AZURE_CLIENT_SECRET", `quo"ted\`+planted)
	hide(planted + "of-a-job")
	for text, want := range map[string]string{
		"token " + planted + "/token.":                       "token REDACTED.",
		`client quo"ted\` + planted + " x":                   "client REDACTED x",
		"a job's " + planted + "of-a-job, too":               "a job's REDACTED, too",
		"Authorization: Bearer " + planted + " x":            "Authorization: Bearer REDACTED x",
		"Authorization: SharedKey acme:" + planted + "= x":   "Authorization: SharedKey acme:REDACTED x",
		"proxyconnect http://user:" + planted + "@proxy:1/x": "proxyconnect http://user:REDACTED@proxy:1/x",
		"https://acme/photos?sv=1&sig=" + planted + "&se=2":  "https://acme/photos?sv=1&sig=REDACTED&se=2",
		"az://acme/photos/at@home: no bearer of news":        "az://acme/photos/at@home: no bearer of news",
	} {
		if got := redact(text); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		line, err := json.Marshal(map[string]string{"error": `said "` + text + `"`})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := redacting(&b).Write(line); err != nil || !json.Valid(b.Bytes()) || strings.Contains(b.String(), planted) {
			t.Errorf("not a line without secrets: %s, %v", &b, err)
		}
	}
}
