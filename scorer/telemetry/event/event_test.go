package event_test

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// TestKinds checks what every kind promises to those who filter by it: one name each, of
// words that stay, a level, and a description.
func TestKinds(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)
	names := map[string]bool{}
	for _, k := range event.All() {
		switch {
		case !form.MatchString(k.Name):
			t.Errorf("%q is not in lower case with underscores", k.Name)
		case names[k.Name]:
			t.Errorf("two kinds have the name %s", k.Name)
		case len(k.Levels) == 0:
			t.Errorf("%s has no level", k.Name)
		case k.Means == "" || strings.HasSuffix(k.Means, "."):
			t.Errorf("%s: want a meaning without a full stop, got %q", k.Name, k.Means)
		case k.Person && k.Levels[0] < zerolog.WarnLevel:
			t.Errorf("%s asks for a person with the level %s", k.Name, k.Levels[0])
		}
		names[k.Name] = true
	}
	if len(names) < 40 {
		t.Errorf("found %d kinds, want 40 at least", len(names))
	}
}

// line returns what a log with a scope writes.
func line(t *testing.T, s *event.Scope, log func(zerolog.Logger)) map[string]any {
	t.Helper()
	var text bytes.Buffer
	log(zerolog.New(&text).Hook(s))
	fields := map[string]any{}
	if err := json.Unmarshal(text.Bytes(), &fields); err != nil {
		t.Fatalf("%v: %s", err, text.String())
	}
	return fields
}

func TestLine(t *testing.T) {
	t.Parallel()
	plain := line(t, new(event.Scope), func(log zerolog.Logger) { event.ChunkRaced.On(log).Int("chunk", 3).Msg("racing") })
	if len(plain) != 4 || plain["event"] != "chunk_raced" || plain["level"] != "info" || plain["chunk"] != 3.0 {
		t.Errorf("got %v, want the level, the name, the chunk and the message only", plain)
	}
	asking := line(t, new(event.Scope), func(log zerolog.Logger) { event.FoldersClosed.On(log).Msg("closed") })
	if asking["needs_person"] != true || asking["level"] != "warn" {
		t.Errorf("got %v, want a warning that asks for a person", asking)
	}
	failed := line(t, new(event.Scope), func(log zerolog.Logger) { event.Progress.At(log, zerolog.ErrorLevel).Msg("failed") })
	if failed["needs_person"] != true || failed["level"] != "error" {
		t.Errorf("got %v, want an error that asks for a person", failed)
	}
}

// TestScope checks that lines name the job from when it is known, and the span that they
// belong to, if they belong to one.
func TestScope(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := new(event.Scope)
	span := context.WithValue(t.Context(), key{}, "5f")
	say := func(log zerolog.Logger) { event.ChunkRaced.In(span, log).Msg("racing") }
	if got := line(t, s, say); got["job"] != nil || got["trace_id"] != nil {
		t.Errorf("got %v before anything is known", got)
	}
	s.SetJob("j1")
	s.SetSpans(func(ctx context.Context) (string, string) {
		id, _ := ctx.Value(key{}).(string)
		return id, id + "00"
	})
	if got := line(t, s, say); got["job"] != "j1" || got["trace_id"] != "5f" || got["span_id"] != "5f00" {
		t.Errorf("got %v, want the job and the span", got)
	}
	if got := line(t, s, func(log zerolog.Logger) { event.ChunkRaced.On(log).Msg("racing") }); got["job"] != "j1" || got["trace_id"] != nil {
		t.Errorf("got %v, want the job and no span", got)
	}
}

// TestAllocations checks that a line that the level leaves out costs no memory.
func TestAllocations(t *testing.T) {
	log := zerolog.New(&bytes.Buffer{}).Level(zerolog.InfoLevel)
	if n := testing.AllocsPerRun(100, func() { event.ChunkCommitted.On(log).Int("chunk", 3).Msg("committed") }); n > 0 {
		t.Errorf("%g allocations, want none", n)
	}
}
