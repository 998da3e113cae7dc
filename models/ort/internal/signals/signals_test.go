package signals

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/ort/internal/signaltest"
)

func TestKeep(t *testing.T) {
	// Go handles this signal and wants it on the alternate stack.
	const s = syscall.SIGUSR2
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, s)
	defer signal.Stop(caught)
	if foreign, onStack := signaltest.Handler(s); foreign || !onStack {
		t.Fatalf("before: foreign %v, on the alternate stack %v", foreign, onStack)
	}

	var log bytes.Buffer
	failure := errors.New("no GPU")
	err := Keep(zerolog.New(&log), func() error {
		if !signaltest.Install(s) {
			t.Fatal("cannot install a handler")
		}
		if foreign, onStack := signaltest.Handler(s); !foreign || onStack {
			t.Fatalf("within: foreign %v, on the alternate stack %v", foreign, onStack)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
	if foreign, onStack := signaltest.Handler(s); foreign || !onStack {
		t.Errorf("after: foreign %v, on the alternate stack %v", foreign, onStack)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), s.String()) {
		t.Errorf("got log %q, want one line about %s", &log, s)
	}
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
	if got := <-caught; got != s {
		t.Errorf("caught %v, want %v", got, s)
	}
}
