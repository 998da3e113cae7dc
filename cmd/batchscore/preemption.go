package main

import (
	"context"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// orPreempted returns a channel that is closed when stop is, or when the cloud
// announces that it will take this machine away.
func orPreempted(ctx context.Context, stop <-chan struct{}, endpoint string, log zerolog.Logger) <-chan struct{} {
	p := deploy.Preemption{
		Endpoint: endpoint,
		Client:   &http.Client{Timeout: 5 * time.Second},
		Every:    time.Second,
		Failed:   func(err error) { event.EvictionsUnknown.On(log).Err(err).Msg("cannot read scheduled events") },
	}
	either := make(chan struct{})
	go func() {
		defer close(either)
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		preempted := make(chan deploy.Event, 1)
		go func() {
			if e, err := p.Wait(waiting); err == nil {
				preempted <- e
			}
		}()
		select {
		case <-stop:
		case e := <-preempted:
			event.MachineEvicted.On(log).Str("notice", e.Type).Str("not_before", e.NotBefore).Msg("this machine is about to be taken away: draining")
		}
	}()
	return either
}
