package main

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// signals turns the first SIGINT, SIGTERM or SIGUSR1 into a request to stop. The
// second ends the process, and so does overdue if the process still runs a while after
// the first.
type signals struct {
	stop    chan struct{} // closed by the first signal
	c       chan os.Signal
	quit    chan struct{}
	overdue func(code int)
	patient atomic.Bool // the command may take any time to stop

	mu    sync.Mutex
	first os.Signal
}

func newSignals() *signals {
	return &signals{stop: make(chan struct{}), c: make(chan os.Signal, 2), quit: make(chan struct{})}
}

// listen starts to catch signals.
func (s *signals) listen(overdue func(code int)) {
	s.overdue = overdue
	signal.Notify(s.c, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
	go s.watch()
}

func (s *signals) watch() {
	var late <-chan time.Time
	for {
		select {
		case sig := <-s.c:
			s.mu.Lock()
			again := s.first != nil
			if !again {
				s.first = sig
			}
			s.mu.Unlock()
			if again {
				os.Exit(stopCode(sig))
			}
			close(s.stop)
			late = time.After(overdueAfter)
		case <-late:
			if !s.patient.Load() {
				s.overdue(stopCode(s.received()))
			}
		case <-s.quit:
			return
		}
	}
}

// received returns the first signal, or nil.
func (s *signals) received() os.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// close stops catching signals.
func (s *signals) close() {
	signal.Stop(s.c)
	close(s.quit)
}

// stopCode returns the exit code of a command that sig stopped.
func stopCode(sig os.Signal) int {
	if sig == os.Interrupt {
		return 130
	}
	return 128 + int(syscall.SIGTERM)
}
