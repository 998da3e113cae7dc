package gpucheck

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/bench/result"
)

// said returns the claim of a test, which ends as check does.
func claimed(name string, check func(ctx context.Context, s *Session) (Outcome, error)) Claim {
	return Claim{Subject: Bits, Name: name, Says: "It is so.", Limit: "1", Check: check}
}

// checked checks claims, and returns the report and its folder.
func checked(ctx context.Context, t *testing.T, o Options, claims ...Claim) (*Report, string) {
	t.Helper()
	o.Out, o.Program = filepath.Join(t.TempDir(), "report"), "/bin/sh"
	if o.Budget == 0 {
		o.Budget = time.Minute
	}
	o.Provenance = result.Here(map[string]string{"batchscore": "v1"}, 0)
	r, err := Check(ctx, claims, o)
	if err != nil {
		t.Fatal(err)
	}
	return r, o.Out
}

// script returns a check that runs a script in a shell.
func script(code int, text string) func(ctx context.Context, s *Session) (Outcome, error) {
	return func(ctx context.Context, s *Session) (Outcome, error) {
		e, err := s.must(ctx, code, []string{"WORD=some words"}, "-c", text)
		if err != nil {
			return Outcome{}, err
		}
		return measured(true, "%s", e.stdout)
	}
}

func TestVerdicts(t *testing.T) {
	r, folder := checked(t.Context(), t, Options{},
		claimed("good", script(0, `echo "$WORD"`)),
		claimed("red", func(context.Context, *Session) (Outcome, error) { return measured(false, "2") }),
		claimed("crash", script(0, "echo 'batchscore: it is broken' >&2; echo more >&2; exit 3")),
		claimed("signal", script(0, "kill -9 $$")),
		claimed("skip", func(context.Context, *Session) (Outcome, error) { return Outcome{}, skipf("there is one GPU") }),
		claimed("error", func(context.Context, *Session) (Outcome, error) { return Outcome{}, errors.New("a | b") }),
		Claim{Subject: Speed, Name: "long", Cost: time.Hour},
	)
	want := []struct {
		verdict          Verdict
		measured, reason string
	}{
		{verdict: Pass, measured: "some words\n"},
		{verdict: Fail, measured: "2", reason: "the limit: 1"},
		{verdict: Fail, reason: "exit code 3 instead of 0: it is broken (logs/002-bits-crash.log)"},
		{verdict: Fail, reason: "exit code -1 instead of 0: it wrote nothing (logs/003-bits-signal.log)"},
		{verdict: NotMeasured, reason: "there is one GPU"},
		{verdict: Fail, reason: "a | b"},
		{verdict: NotMeasured, reason: "it takes about 1h0m0s, and 1m0s of --time 1m0s are left"},
	}
	for i, w := range want {
		if c := r.Claims[i]; c.Verdict != w.verdict || c.Measured != w.measured || c.Reason != w.reason {
			t.Errorf("%s: %q, measured %q, because %q; want %+v", c.ID(), c.Verdict, c.Measured, c.Reason, w)
		}
	}
	if got := r.Summary(); got != "1 of 7 claims hold, 4 fail, 2 not measured" {
		t.Errorf("summary: %s", got)
	}
	log, err := os.ReadFile(filepath.Join(folder, r.Claims[0].Commands[0].Log))
	if err != nil || !strings.HasPrefix(string(log), "$ WORD='some words' /bin/sh -c 'echo \"$WORD\"'\nsome words\n(exit status 0 after") {
		t.Errorf("the log: %v\n%s", err, log)
	}
	page, err := os.ReadFile(filepath.Join(folder, MarkdownFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`a \| b`, "[1](logs/002-bits-crash.log)", "## Bits", "1 of 7 claims hold", "❌ **FAIL** | **red** It is so."} {
		if !strings.Contains(string(page), text) {
			t.Errorf("report.md has no %q:\n%s", text, page)
		}
	}
	var back Report
	text, err := os.ReadFile(filepath.Join(folder, JSONFile))
	if err := errors.Join(err, json.Unmarshal(text, &back)); err != nil || back.Schema != Schema || back.Summary() != r.Summary() {
		t.Errorf("report.json: %v\n%s", err, text)
	}
	if _, err := os.Stat(filepath.Join(folder, workFolder)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the work folder: %v, want it removed", err)
	}
}

// TestInterrupted ends a check in the middle of a claim: the report has what was done
// before.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, folder := checked(ctx, t, Options{},
		claimed("before", script(0, "true")),
		claimed("during", func(ctx context.Context, s *Session) (Outcome, error) {
			p, err := s.start(ctx, nil, "-c", "while :; do sleep 0.01; done")
			if err != nil {
				return Outcome{}, err
			}
			cancel()
			_, err = p.wait(ctx)
			return Outcome{}, err
		}),
		claimed("after", script(0, "true")),
	)
	if !r.Interrupted || r.Summary() != "1 of 3 claims hold, 0 fail, 2 not measured" {
		t.Errorf("interrupted %v: %s", r.Interrupted, r.Summary())
	}
	page, err := os.ReadFile(filepath.Join(folder, MarkdownFile))
	if err != nil || !strings.Contains(string(page), "The check was interrupted") {
		t.Errorf("report.md: %v\n%s", err, page)
	}
}

// TestBudget ends a claim that takes more time than there is.
func TestBudget(t *testing.T) {
	r, _ := checked(t.Context(), t, Options{Budget: 50 * time.Millisecond},
		claimed("endless", script(0, "while :; do sleep 0.01; done")), claimed("next", script(0, "true")))
	want := []string{"--time 50ms was over before the end of the check", "it takes about 0s, and 0s of --time 50ms are left"}
	for i, c := range r.Claims {
		if c.Verdict != NotMeasured || c.Reason != want[i] {
			t.Errorf("%s: %s, %q; want not measured, %q", c.Claim, c.Verdict, c.Reason, want[i])
		}
	}
}

func TestOnly(t *testing.T) {
	var told []string
	r, _ := checked(t.Context(), t, Options{Only: []string{Bits}, Told: func(r Result) { told = append(told, r.ID()) }},
		Claim{Subject: Speed, Name: "a"}, claimed("b", script(0, "true")))
	if r.Summary() != "1 of 2 claims hold, 0 fail, 1 not measured" || strings.Join(told, " ") != "speed/a bits/b" {
		t.Errorf("%s, told %v", r.Summary(), told)
	}
}

// TestOnceIsShared checks that the commands of a file that several claims need are those
// of each of them, and run once.
func TestOnceIsShared(t *testing.T) {
	runs := 0
	check := func(ctx context.Context, s *Session) (Outcome, error) {
		path, err := s.once(ctx, "file", func(string) error {
			runs++
			_, err := s.must(ctx, 0, nil, "-c", "true")
			return err
		})
		return Outcome{Holds: filepath.Base(path) == "file"}, err
	}
	r, _ := checked(t.Context(), t, Options{}, claimed("a", check), claimed("b", check))
	if runs != 1 || r.Count(Pass) != 2 || len(r.Claims[1].Commands) != 1 || r.Claims[0].Commands[0] != r.Claims[1].Commands[0] {
		t.Errorf("made %d times; %+v", runs, r.Claims)
	}
}

// TestClaims checks the list of claims itself.
func TestClaims(t *testing.T) {
	seen := map[string]bool{}
	subjects := map[string]bool{}
	for _, c := range Claims() {
		if seen[c.ID()] || c.Says == "" || c.Limit == "" || c.Cost <= 0 || c.Check == nil || titles[c.Subject] == "" {
			t.Errorf("%s is there twice, or lacks something: %+v", c.ID(), c)
		}
		seen[c.ID()], subjects[c.Subject] = true, true
	}
	for _, s := range Subjects {
		if !subjects[s] {
			t.Errorf("no claim is about %s", s)
		}
	}
}

func TestScreen(t *testing.T) {
	r := Report{Claims: []Result{
		{Subject: "bits", Claim: "twice", Verdict: Pass, Measured: "3200 rows are equal"},
		{Subject: "correctness", Claim: "fp16", Verdict: Fail, Measured: "37 of 40", Reason: "the limit: 99%"},
	}}
	var b strings.Builder
	if err := r.Write(&b, Screen{}); err != nil {
		t.Fatal(err)
	}
	const want = `pass          bits/twice            3200 rows are equal
FAIL          correctness/fp16      37 of 40; the limit: 99%

1 of 2 claims hold, 1 fail, 0 not measured
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}
	b.Reset()
	if err := r.Write(&b, Screen{Width: 60, Colour: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "\x1b[32mpass\x1b[0m          bits/twice") {
		t.Errorf("in colours:\n%s", &b)
	}
}

func TestFailures(t *testing.T) {
	report := "ok       cores  2\nFAIL     GPU 0  Tesla T4: wrong\n                scores\nok       disk   3\n                more\nFAIL     GPU 1  lost\n"
	if got := failures(report); got != "GPU 0 Tesla T4: wrong scores; GPU 1 lost" {
		t.Errorf("%q", got)
	}
}

// TestUnmeasured: points without time are one line, the others have their reasons.
func TestUnmeasured(t *testing.T) {
	var b strings.Builder
	(&Report{Unmeasured: []string{"a, batch 1: " + noTime, "b, batch 8: too little memory", "c, batch 1: " + noTime}}).speeds(&b, nil)
	got := b.String()
	if strings.Count(got, "\n- ") != 2 || !strings.Contains(got, "There was no time for 2 points") || !strings.Contains(got, "too little memory") {
		t.Errorf("%s", got)
	}
}

// TestBestSessions: the chart has the fastest number of sessions.
func TestBestSessions(t *testing.T) {
	row := func(sessions string, rate float64) *speedRow {
		return &speedRow{model: "m", precision: fp32, sessions: sessions, rates: map[int]float64{1: 1, 32: rate}}
	}
	if got := bestSessions([]*speedRow{row("1", 90), row("2", 80), row("3", 70)}); len(got) != 1 || got[0].sessions != "1" {
		t.Errorf("%+v", got)
	}
}
