package hook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// sender returns a sender to a server that answers with codes, one after another, and the
// pauses between its tries. It waits for none of them.
func sender(t *testing.T, header http.Header, codes ...int) (*Sender, *[]time.Duration, *int) {
	t.Helper()
	tries := new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		code := codes[min(*tries, len(codes)-1)]
		*tries++
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(server.Close)
	target, err := Parse(server.URL + "/a/secret?path=1")
	if err != nil {
		t.Fatal(err)
	}
	var pauses []time.Duration
	s := &Sender{Target: target, Log: zerolog.Nop(), wait: func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return nil
	}}
	return s, &pauses, tries
}

// TestSendTriesAgain checks which answers are tried again, and for how long.
func TestSendTriesAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		codes  []int
		header http.Header
		limit  time.Duration
		tries  int
		want   string // of the error; empty for none
		least  time.Duration
	}{
		{name: "taken", codes: []int{200}, tries: 1},
		{name: "taken at last", codes: []int{500, 429, 408, 502, 204}, tries: 5, least: firstWait / 2},
		{name: "refused", codes: []int{404}, tries: 1, want: "it answers 404"},
		{name: "a redirect", codes: []int{307}, header: http.Header{"Location": {"http://127.0.0.1:1/other"}}, tries: 1, want: "redirects are not followed"},
		{name: "asked to wait", codes: []int{429, 200}, header: http.Header{"Retry-After": {"7"}}, tries: 2, least: 7 * time.Second},
		{name: "asked to wait too long", codes: []int{503}, header: http.Header{"Retry-After": {"3600"}}, tries: 1, want: "given up after 1 tries"},
		{name: "no time", codes: []int{503}, limit: time.Millisecond, tries: 1, want: "given up"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, pauses, tries := sender(t, test.header, test.codes...)
			if s.Limit = test.limit; s.Limit > 0 {
				s.Limit += time.Second / 4 // for the try itself
			}
			n, err := s.Send(t.Context(), Message{Event: Complete, ID: "i", Out: "/o", Body: []byte("{}")})
			if n != test.tries || *tries != test.tries {
				t.Errorf("%d tries, of which the server saw %d, want %d", n, *tries, test.tries)
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("Send() = %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the path: %v", err)
			}
			for _, p := range *pauses {
				if p < test.least || p > lastWait {
					t.Errorf("a pause of %v, want at least %v", p, test.least)
				}
			}
		})
	}
}

// TestNobodyThere: an address that takes no connection is tried again, and its error does
// not show the path.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	target, err := Parse(server.URL + "/a/secret")
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	waited := 0
	s := &Sender{Target: target, Log: zerolog.Nop(), wait: func(context.Context, time.Duration) error {
		if waited++; waited == 4 {
			return errors.New("enough")
		}
		return nil
	}}
	tries, err := s.Send(t.Context(), Message{})
	if tries != 4 || err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Send() = %d, %v", tries, err)
	}
}

// TestParse checks what is an address, what a command, and what neither.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text    string
		shown   string // empty for an error
		secret  bool
		plain   bool
		command bool
	}{
		{text: "https://example.com/x?y", shown: "https://example.com"},
		{text: "HTTP://example.com", shown: "http://example.com", plain: true},
		{text: "http://127.0.0.1:80/x", shown: "http://127.0.0.1:80"},
		{text: "http://[::1]:80/x", shown: "http://[::1]:80"},
		{text: "http://localhost/x", shown: "http://localhost"},
		{text: "http://localhost.example.com/x", shown: "http://localhost.example.com", plain: true},
		{text: "https://u:p@example.com/", shown: "https://example.com", secret: true},
		{text: "https://hooks.slack.com/services/T/B/x", shown: "https://hooks.slack.com", secret: true},
		{text: "https://x.webhook.office.com/a", shown: "https://x.webhook.office.com", secret: true},
		{text: "https://nothooks.slack.com.example.com/a", shown: "https://nothooks.slack.com.example.com"},
		{text: "curl -d @- https://example.com/x", shown: "the command", command: true},
		{text: "mail -s done me@example.com", shown: "the command", command: true},
		{text: "X=http://a/b curl $X", shown: "the command", command: true},
		{text: ""}, {text: "ftp://example.com"}, {text: "https://"}, {text: "https://a b/"}, {text: "a\x00b"},
	} {
		target, err := Parse(test.text)
		if (err != nil) != (test.shown == "") {
			t.Errorf("Parse(%q) = %v", test.text, err)
			continue
		}
		if err != nil {
			continue
		}
		if got := target.String(); got != test.shown || (target.Open() != nil) != test.secret || target.Plain() != test.plain ||
			(target.command != "") != test.command {
			t.Errorf("Parse(%q) is shown as %q, secret %v, plain %v, want %+v", test.text, got, target.Open(), target.Plain(), test)
		}
	}
}

// TestOnce: of many ranks, any of which may fail to tell, exactly one tells at last, and
// all use the same ID.
func TestOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		st, ranks := new(mem.Store), rapid.IntRange(1, 6).Draw(t, "ranks")
		fails := rapid.SliceOfN(rapid.Bool(), ranks, ranks).Draw(t, "fails")
		o := rapid.SampledFrom([]Occasion{Completion("sha256:x"), AFailure(), AnEnd(0, Stopped), AnEnd(7, Failing)}).Draw(t, "occasion")
		names := rapid.SampledFrom([]claim.Names{claim.Named, claim.Numbered(10)}).Draw(t, "names")
		atOnce := rapid.Bool().Draw(t, "at once")
		var mu sync.Mutex
		var taken []string
		var all sync.WaitGroup
		for rank := range ranks {
			one := func() {
				me := claim.ThisProcess(shard.World{Rank: rank, Size: ranks})
				_, err := Once(context.Background(), st, names, me, o, func() (Message, int, error) {
					if fails[rank] {
						return Message{}, 1, errors.New("nobody there")
					}
					mu.Lock()
					defer mu.Unlock()
					taken = append(taken, o.ID("job"))
					return Message{Event: Complete, ID: o.ID("job")}, 1, nil
				})
				if err != nil && !fails[rank] {
					t.Errorf("Once() = %v", err)
				}
			}
			if all.Go(one); !atOnce {
				all.Wait()
			}
		}
		all.Wait()
		if some := slices.Contains(fails, false); len(taken) > 1 || !atOnce && some && len(taken) == 0 {
			t.Errorf("taken by %v", taken)
		}
		n, err := Ends(context.Background(), st)
		want := 0
		if _, err := fmt.Sscanf(o.name, endPrefix+"%d", &want); err == nil {
			want = (want + 1) * len(taken)
		}
		if strings.HasPrefix(o.name, endPrefix) && (n != want || err != nil) {
			t.Errorf("Ends() = %d, %v, want %d", n, err, want)
		}
	})
}

// TestEventsOfOneStart: ranks of one start that end differently tell each event once, and the
// next start has an end of its own. Each occasion has a right of its own.
func TestEventsOfOneStart(t *testing.T) {
	t.Parallel()
	st, me := new(mem.Store), claim.ThisProcess(shard.World{Size: 1})
	rights := map[claim.Right]string{}
	for start := range 2 {
		for _, e := range []Event{Stopped, Failing, Failed, Paused, Failing} {
			n, err := Ends(t.Context(), st)
			if start == 0 {
				n = 0
			}
			if n > start+1 || err != nil {
				t.Fatalf("Ends() = %d, %v", n, err)
			}
			o := AnEnd(start, e)
			if other, taken := rights[o.right]; taken && other != o.name {
				t.Errorf("%s and %s have one right", other, o.name)
			}
			_, before := rights[o.right]
			rights[o.right] = o.name
			told, err := Once(t.Context(), st, claim.Numbered(10), me, o, func() (Message, int, error) { return Message{Event: e}, 1, nil })
			if err != nil || told == before {
				t.Errorf("%s of start %d: told %v, %v", e, start, told, err)
			}
		}
	}
	if n, err := Ends(t.Context(), st); n != 2 || err != nil {
		t.Errorf("Ends() = %d, %v, want 2", n, err)
	}
}

// TestCommandIsTriedAgain: only the status 75 asks for that.
func TestCommandIsTriedAgain(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/tries"
	target, err := Parse("echo x >>" + file + "; [ $(wc -l <" + file + ") -ge 3 ] || exit 75")
	if err != nil {
		t.Fatal(err)
	}
	s := &Sender{Target: target, Env: []string{"PATH=/usr/bin:/bin"}, Log: zerolog.Nop(), wait: func(context.Context, time.Duration) error { return nil }}
	if tries, err := s.Send(t.Context(), Message{}); tries != 3 || err != nil {
		t.Errorf("Send() = %d, %v, want 3 tries", tries, err)
	}
	s.Target, _ = Parse("exit 3")
	if tries, err := s.Send(t.Context(), Message{}); tries != 1 || err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Send() = %d, %v, want one try and its status", tries, err)
	}
}

// FuzzHeaderText: whatever a place is called, it can be in a header and is told from others.
func FuzzHeaderText(f *testing.F) {
	for _, text := range []string{"", "/a b", " x ", "é\r\nX: y", "100%", "\x00\x7f\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := headerText(text)
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Fatalf("headerText(%q) = %q", text, got)
			}
		}
		if strings.TrimSpace(got) != got {
			t.Fatalf("headerText(%q) = %q, which a header trims", text, got)
		}
	})
}
