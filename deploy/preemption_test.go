package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// metadata is a metadata service of machine vm-7 whose n-th answer about
// events is answers[n], the last from then on.
func metadata(t *testing.T, answers ...string) *httptest.Server {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Metadata") != "true":
			http.Error(w, "no Metadata header", http.StatusBadRequest)
		case strings.HasPrefix(r.URL.Path, "/metadata/instance"):
			fmt.Fprint(w, "vm-7")
		default:
			i := min(int(n.Add(1)), len(answers)) - 1
			if answers[i] == "" {
				http.Error(w, "not now", http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, answers[i])
		}
	}))
	t.Cleanup(s.Close)
	return s
}

const none = `{"DocumentIncarnation":1,"Events":[]}`

func event(kind, machine string) string {
	return fmt.Sprintf(`{"Events":[{"EventId":"1","EventType":%q,"EventStatus":"Scheduled","Resources":[%q]}]}`, kind, machine)
}

func TestPreemptionOfThisMachine(t *testing.T) {
	s := metadata(t, none, "", event("Freeze", "vm-7"), event("Preempt", "vm-8"), event("Preempt", "vm-7"))
	failed := 0
	p := Preemption{Endpoint: s.URL, Client: s.Client(), Every: time.Millisecond, Failed: func(error) { failed++ }}
	e, err := p.Wait(t.Context())
	if err != nil || e.Type != "Preempt" || failed != 1 {
		t.Errorf("event %+v, error %v, %d failures: want Preempt after one failure", e, err, failed)
	}
}

func TestPreemptionEndsWithItsContext(t *testing.T) {
	s := metadata(t, none)
	ctx, cancel := context.WithCancel(t.Context())
	p := Preemption{Endpoint: s.URL, Client: s.Client(), Every: time.Hour, Failed: func(error) {}}
	cancel()
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("want Canceled, have %v", err)
	}
}
