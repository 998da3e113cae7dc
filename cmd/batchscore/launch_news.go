package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// newsEvery is the time between two looks for news of a job's engine.
var newsEvery = 15 * time.Second

// news says what a job waits for, or a part of it or its end, and that its engine does not answer.
type news struct {
	engine string
	out    io.Writer
	log    *zerolog.Logger // in JSON; nil for text on out
	// last is what was said last; silent reports whether it was that the engine does not
	// answer.
	last   string
	silent bool
}

func (n *news) say(kind *event.Kind, text string) { sayOf(n.log, n.out, kind, n.engine, text) }

// tell says what an answer of the engine has that is new.
func (n *news) tell(status deploy.Status, err error) {
	switch {
	case errors.Is(err, deploy.ErrUnreachable):
		if !n.silent {
			n.say(event.EngineSilent, printable.Line(err.Error())+"; trying again")
		}
		n.silent = true
		return
	case err != nil:
		return
	case n.silent:
		n.say(event.EngineAnswers, n.engine+" answers again")
		n.silent = false
	}
	what := ""
	switch {
	case status.Reason == "", status.State.Ended():
	case status.State == deploy.Queued:
		what = "waits"
	case status.State == deploy.Running: // not all of it
		what = "is running"
	case status.State == deploy.Stopping:
		what = "is stopping"
	}
	text := ""
	if what != "" {
		text = printable.Line(fmt.Sprintf("the job %s on %s: %s", what, n.engine, status.Reason))
	}
	if text != "" && text != n.last {
		n.say(event.JobWaits, text)
	}
	n.last = text
}

// announce tells news of the job until the returned function is called.
func (w *watched) announce(ctx context.Context, out io.Writer) (end func() *news) {
	n := &news{engine: w.r.Engine, out: out, log: w.log}
	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		for deploy.Sleep(ctx, newsEvery) == nil {
			if status, err := w.l.Status(ctx, w.r.ID); ctx.Err() == nil {
				n.tell(status, err)
				if err == nil {
					w.cancelUnneeded(ctx, status, n)
				}
			}
		}
	})
	return func() *news {
		cancel()
		looking.Wait()
		return n
	}
}

// inTurn returns the writers so that one writes at a time.
func inTurn(a, b io.Writer) (io.Writer, io.Writer) {
	var mu sync.Mutex
	return &serialWriter{&mu, a}, &serialWriter{&mu, b}
}

type serialWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (t *serialWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(p)
}
