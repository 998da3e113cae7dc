package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/hook"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/shard"
)

// told is one request that a receiver got.
type told struct {
	header http.Header
	body   []byte
}

// receiver is a real HTTP server that keeps what it is told. It answers the first requests
// with the given codes, and 204 after that.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	all  []told
	code []int
}

func newReceiver(t *testing.T, codes ...int) *receiver {
	t.Helper()
	r := &receiver{code: codes}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		code := http.StatusNoContent
		if n := len(r.all); n < len(r.code) {
			code = r.code[n]
		}
		r.all = append(r.all, told{req.Header, body})
		w.WriteHeader(code)
	}))
	t.Cleanup(r.Close)
	return r
}

// got returns the requests for an event.
func (r *receiver) got(e hook.Event) []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []told
	for _, one := range r.all {
		if one.header.Get("X-Batchscore-Event") == string(e) {
			some = append(some, one)
		}
	}
	return some
}

// only returns the one request for an event.
func (r *receiver) only(t *testing.T, e hook.Event) told {
	t.Helper()
	got := r.got(e)
	if len(got) != 1 {
		t.Fatalf("%d requests for %s, want 1", len(got), e)
	}
	return got[0]
}

const hookSecret = "a-secret-of-the-receiver"

// document returns the body of a request that is not about a complete job.
func (one told) document(t *testing.T) (d happened) {
	t.Helper()
	if err := json.Unmarshal(one.body, &d); err != nil {
		t.Fatalf("%v: %s", err, one.body)
	}
	return d
}

// TestHooksOfFourRanks scores on four ranks, of whose images two cannot be decoded: the
// receiver is told once of the first failure and once of the end, with _SUCCESS byte for
// byte, although it refuses the first request. A rerun tells nothing again, a retry does.
func TestHooksOfFourRanks(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 60), filepath.Join(t.TempDir(), "out put é")
	writeFile(t, filepath.Join(in, "bad.jpg"), []byte("no picture"))
	writeFile(t, filepath.Join(in, "worse.jpg"), []byte("nor this"))
	r := newReceiver(t, 503)
	args := []string{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4", "--log-format", "json",
		"--on-end", "env:HOOK_URL", "--on-first-failure", "env:HOOK_URL", "--hook-secret", "env:HOOK_SECRET"}
	env := []string{"HOOK_URL=" + r.URL + "/services/T0/very-secret-path", "HOOK_SECRET=" + hookSecret}
	ranks := func(args ...string) processResult {
		cmd := mpirun(t, 4, args...)
		cmd.Env = append(cmd.Env, env...)
		return finish(t, cmd)
	}
	first := ranks(args...)
	if first.code != 0 {
		t.Fatal(first)
	}
	for _, secret := range []string{"very-secret-path", hookSecret} {
		if strings.Contains(first.stdout+first.stderr, secret) {
			t.Errorf("the output has the secret %q: %v", secret, first)
		}
	}

	var failure, end told
	for _, one := range r.got(hook.FirstFailure) {
		failure = one // the last try
	}
	d := failure.document(t)
	if d.Event != hook.FirstFailure || len(d.Examples) == 0 || d.Examples[0].Status == "ok" || d.ExitCode != nil || d.Job == "" {
		t.Errorf("the first failure is %s", failure.body)
	}
	if n := len(r.got(hook.FirstFailure)) + len(r.got(hook.Complete)); n != 3 {
		t.Errorf("%d requests, want 3: two events, the first of which was refused once", n)
	}
	got := r.got(hook.Complete)
	end = got[len(got)-1]
	success, err := os.ReadFile(filepath.Join(out, "_SUCCESS"))
	if err != nil || !bytes.Equal(end.body, success) {
		t.Errorf("the body is\n%s, want _SUCCESS:\n%s%v", end.body, success, err)
	}
	if end.header.Get("X-Batchscore-Exit-Code") != "0" || !strings.HasSuffix(end.header.Get("X-Batchscore-Out"), "/out put %C3%A9") ||
		end.header.Get("Content-Type") != "application/json" || end.header.Get("X-Batchscore-Delivery") == "" {
		t.Errorf("headers: %v", end.header)
	}
	var unix int64
	var sum string
	if _, err := fmt.Sscanf(strings.Replace(end.header.Get("X-Batchscore-Signature"), ",v1=", " ", 1), "t=%d %s", &unix, &sum); err != nil {
		t.Fatal(err)
	}
	if want := hook.Signature([]byte(hookSecret), success, time.Unix(unix, 0)); end.header.Get("X-Batchscore-Signature") != want {
		t.Errorf("the signature is %q, want %q", end.header.Get("X-Batchscore-Signature"), want)
	}

	n := len(r.got(hook.Complete))
	if again := ranks(args...); again.code != 0 || len(r.got(hook.Complete)) != n {
		t.Errorf("a rerun tells again: %v", again)
	}
	if again := ranks(append(args, "--retry", "failed")...); again.code != 0 || len(r.got(hook.Complete)) != n+1 {
		t.Errorf("after a retry: %d requests for the completion, want %d: %v", len(r.got(hook.Complete)), n+1, again)
	}
	if len(r.got(hook.FirstFailure)) > 2 {
		t.Error("the first failure was told again")
	}
}

// TestHookOfOtherEnds: a job that is stopped, paused or fails tells so, once per start,
// with its exit code, also before there is a job.
func TestHookOfOtherEnds(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 400), slow(t)
	out := filepath.Join(t.TempDir(), "out")
	r := newReceiver(t)
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--on-end", r.URL, "--chunk", "8"}

	must(t, 78, "run", "--images", filepath.Join(in, "none"), "--out", out, "--model", model, "--on-end", r.URL)
	if d := r.only(t, hook.Failed).document(t); *d.ExitCode != 78 || d.Message == "" || d.Images != nil {
		t.Errorf("a job without images tells %+v", d)
	}
	must(t, 75, append(args, "--budget-images", "8")...)
	if d := r.only(t, hook.Paused).document(t); *d.ExitCode != 75 || d.Images == nil || *d.Images != 400 || *d.Done < 8 || *d.AtWork != 0 {
		t.Errorf("a paused job tells %+v", d)
	}
	before := countParts(t, out)
	cmd := mpirun(t, 2, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a part", func() bool { return countParts(t, out) > before })
	for _, pid := range children(t, cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	wait(t, cmd, &stdout, &stderr)
	if d := r.only(t, hook.Stopped).document(t); *d.ExitCode != 143 || d.World != 2 {
		t.Errorf("a stopped job tells %+v", d)
	}
	must(t, 75, append(args, "--budget-images", "8")...)
	paused := r.got(hook.Paused)
	if len(paused) != 2 || paused[0].header.Get("X-Batchscore-Delivery") == paused[1].header.Get("X-Batchscore-Delivery") {
		t.Errorf("%d pauses were told, want 2 with IDs of their own", len(paused))
	}
}

// TestEndEvents checks what each end of a rank is called.
func TestEndEvents(t *testing.T) {
	t.Parallel()
	complete, not := &output.Success{Job: "j"}, new(output.Success)
	for _, test := range []struct {
		err  error
		done *output.Success
		want hook.Event
	}{
		{done: complete, want: hook.Complete},
		{err: scorer.ErrTooManyFailed, done: complete, want: hook.Complete},
		{err: scorer.ErrDrifted, done: complete, want: hook.Complete},
		{err: scorer.ErrNotDelivered, done: complete, want: hook.Complete},
		{err: scorer.ErrFailing, done: not, want: hook.Failing},
		{err: scorer.ErrPaused, done: not, want: hook.Paused},
		{err: scorer.ErrStopped, done: not, want: hook.Stopped},
		{err: store.ErrUnavailable, done: not, want: hook.Failed},
		{err: store.ErrUnavailable, done: complete, want: hook.Failed},
	} {
		if got := endEvent(fmt.Errorf("why: %w", test.err), test.done); test.err != nil && got != test.want {
			t.Errorf("%v is called %s, want %s", test.err, got, test.want)
		}
	}
	if got := endEvent(nil, complete); got != hook.Complete {
		t.Errorf("success is called %s", got)
	}
}

// TestHookThatNobodyTook: a receiver that fails changes neither the exit code nor the
// output, and the next command on the complete job tells what is untold. So does one after
// a rank that was killed while it told.
func TestHookThatNobodyTook(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 8), filepath.Join(t.TempDir(), "out")
	model := tiny(t, graphtest.Options{})
	run := func(hook ...string) []string {
		return append([]string{"run", "--images", in, "--out", out, "--model", model, "--log-format", "json"}, hook...)
	}
	r := newReceiver(t, 400)
	says(t, must(t, 0, run("--on-end", r.URL)...), `"level":"error"`, "it answers 400")

	// A command that never ends is killed with what it started, and the job is complete.
	marks := t.TempDir()
	says(t, must(t, 0, run("--hook-timeout", "1s", "--on-end", "sleep 300 & echo $! >"+marks+"/child; wait")...), "it did not end in time and was killed")
	child, err := os.ReadFile(filepath.Join(marks, "child"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the hook's child", func() bool { return !exists("/proc/" + strings.TrimSpace(string(child))) })

	cmd := command(t, nil, run("--on-end", "touch "+marks+"/began; sleep 300")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hook", func() bool { return exists(filepath.Join(marks, "began")) })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	must(t, 0, run("--on-end", `cat >`+marks+`/body; env >`+marks+`/env; echo a line; echo $BATCHSCORE_EVENT $BATCHSCORE_EXIT_CODE >`+marks+`/what`)...)
	success, _ := os.ReadFile(filepath.Join(out, "_SUCCESS"))
	body, _ := os.ReadFile(filepath.Join(marks, "body"))
	what, _ := os.ReadFile(filepath.Join(marks, "what"))
	if !bytes.Equal(body, success) || string(what) != "complete 0\n" {
		t.Errorf("the command got %q and\n%s", what, body)
	}
	must(t, 0, run("--on-end", "touch "+marks+"/again")...)
	if exists(filepath.Join(marks, "again")) {
		t.Error("an event that was told is told again")
	}
}

// TestAnyRankTellsTheCompletion: a rank that did not complete the job tells its completion if
// nobody else has, and once. So a rank that is killed after _SUCCESS takes nothing with it.
func TestAnyRankTellsTheCompletion(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 8), filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}))
	st, err := dir.New(out, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	done, err := output.ReadSuccess(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	target, err := hook.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for rank := range 3 {
		h := newHooks(&hookChoices{onEnd: target, limit: time.Minute}, shard.World{Rank: rank, Size: 3}, out, nil)
		h.opened(t.Context(), st)
		h.completed(&done)
		all.Go(func() { h.end(t.Context(), nil, 0) })
	}
	all.Wait()
	r.only(t, hook.Complete)
}

// TestRanksEndDifferently: a rank that is stopped does not keep others of the same start from
// telling that too many images fail.
func TestRanksEndDifferently(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 16), filepath.Join(t.TempDir(), "out")
	must(t, 75, "run", "--images", in, "--out", out, "--model", slow(t), "--chunk", "2", "--budget-images", "2")
	st, err := dir.New(out, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	target, err := hook.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	var ranks []*hooks
	for rank := range 3 {
		h := newHooks(&hookChoices{onEnd: target, limit: time.Minute}, shard.World{Rank: rank, Size: 3}, out, nil)
		h.opened(t.Context(), st)
		ranks = append(ranks, h)
	}
	ranks[0].end(t.Context(), scorer.ErrStopped, 143)
	ranks[1].end(t.Context(), scorer.ErrFailing, 6)
	ranks[2].end(t.Context(), scorer.ErrFailing, 6)
	r.only(t, hook.Stopped)
	if d := r.only(t, hook.Failing).document(t); *d.ExitCode != 6 {
		t.Errorf("told %+v", d)
	}
}

// TestHookCommandGetsNoSecret: keys of the storage, and what hooks were referred to, are
// not in the environment of a command.
func TestHookCommandGetsNoSecret(t *testing.T) {
	t.Parallel()
	in, out, marks := pictures(t, 2), filepath.Join(t.TempDir(), "out"), t.TempDir()
	cmd := command(t, []string{"AZURE_STORAGE_KEY=a-key-of-an-account-in-base64", "HOOK=env >" + marks + "/env", "KEPT=yes",
		"OTEL_SDK_DISABLED=true", "OTEL_EXPORTER_OTLP_HEADERS=a=token", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=token", "OTEL_EXPORTER_OTLP_METRICS_HEADERS=a=token"},
		"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--on-end", "env:HOOK")
	if r := finish(t, cmd); r.code != 0 {
		t.Fatal(r)
	}
	env, err := os.ReadFile(filepath.Join(marks, "env"))
	if err != nil || !strings.Contains(string(env), "KEPT=yes") || !strings.Contains(string(env), "BATCHSCORE_OUT="+out) ||
		strings.Contains(string(env), "AZURE_STORAGE_KEY") || strings.Contains(string(env), "HOOK=") || strings.Contains(string(env), "a=token") {
		t.Errorf("the environment is %s, %v", env, err)
	}
}

// TestVerificationOfTheReference runs the Python and the shell that docs/reference.md shows,
// with the signature of a request, and with one whose body, secret or time is another.
func TestVerificationOfTheReference(t *testing.T) {
	t.Parallel()
	var python, shell string
	for _, b := range fencedBlocks(t, "docs/reference.md") {
		switch {
		case strings.Contains(b.text, "def genuine("):
			python = b.text
		case strings.Contains(b.text, "openssl dgst"):
			shell = b.text
		}
	}
	if python == "" || shell == "" {
		t.Fatal("docs/reference.md has no verification in Python and in shell")
	}
	body := []byte("{\"job\": \"x\", \"é\": 1}\n")
	for _, test := range []struct {
		name, secret string
		body         []byte
		age          time.Duration
		want         bool
	}{
		{name: "genuine", secret: hookSecret, body: body, want: true},
		{name: "another body", secret: hookSecret, body: append(body, ' ')},
		{name: "another secret", secret: hookSecret + "x", body: body},
		{name: "an old one", secret: hookSecret, body: body, age: time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "body"), body)
			signature := hook.Signature([]byte(test.secret), test.body, time.Now().Add(-test.age))
			for program, text := range map[string]string{
				"python3": python + "\nimport os, sys\nsys.exit(0 if genuine(os.environ['SECRET'].encode(), os.environ['SIGNATURE'], open('body', 'rb').read()) else 1)\n",
				"bash":    shell,
			} {
				cmd := process(t, []string{"SECRET=" + hookSecret, "SIGNATURE=" + signature}, program, "-c", text)
				cmd.Dir = dir
				if r := finish(t, cmd); (r.code == 0) != test.want {
					t.Errorf("%s: %v, want it genuine: %v", program, r, test.want)
				}
			}
		})
	}
}

// TestHooksThatAreRefused: what is wrong with a hook is said before anything is written,
// without the secret in it.
func TestHooksThatAreRefused(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 1), filepath.Join(t.TempDir(), "out")
	const slack = "https://hooks.slack.com/services/T000/B000/the-secret"
	for _, test := range []struct {
		code int
		args []string
		want string
	}{
		{code: 64, args: []string{"--on-end", slack}, want: "give env:VARIABLE or file:PATH"},
		{code: 64, args: []string{"--on-first-failure", "https://me:the-secret@example.com/"}, want: "the address is a secret"},
		{code: 64, args: []string{"--on-end", "ftp://example.com/the-secret"}, want: "https:// or http://"},
		{code: 64, args: []string{"--on-end", "keyvault:https://v/the-secret"}, want: "want env:VARIABLE or file:PATH"},
		{code: 78, args: []string{"--on-end", "env:NOT_SET"}, want: "NOT_SET is not set here"},
		{code: 78, args: []string{"--on-end", "file:/does/not/exist"}, want: "/does/not/exist"},
		{code: 64, args: []string{"--hook-secret", "env:SECRET"}, want: "needs --on-end"},
		{code: 64, args: []string{"--on-end", "true", "--hook-secret", "the-secret"}, want: "never the secret itself"},
		{code: 78, args: []string{"--on-end", "http://example.com/", "--hook-secret", "env:SECRET"}, want: "must begin with https://"},
		{code: 64, args: []string{"--on-end", "true", "--hook-timeout", "1ms"}, want: "hook-timeout"},
	} {
		args := append([]string{"run", "--images", in, "--out", out, "--model", "x.onnx"}, test.args...)
		r := finish(t, command(t, []string{"SECRET=" + hookSecret}, args...))
		if r.code != test.code || !strings.Contains(r.stderr, test.want) || strings.Contains(r.stderr, "the-secret") {
			t.Errorf("%v: got %v, want exit code %d and %q", test.args, r, test.code, test.want)
		}
	}
	r := batchscore(t, "launch", "--images", in, "--out", out, "--model", "x.onnx", "--dry-run", "--", "--on-end", slack)
	if r.code != 64 || strings.Contains(r.stdout+r.stderr, "the-secret") {
		t.Errorf("launch with a secret address: %v", r)
	}
	if exists(out) {
		t.Error("something was written")
	}
}
