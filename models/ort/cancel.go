package ort

import (
	"context"

	onnx "github.com/yalue/onnxruntime_go"
)

// watcher sets the terminate flag of a run when the run's context ends. It has one
// goroutine for the life of a batch, because a new one for every run, or
// context.AfterFunc, would allocate.
type watcher struct {
	runs    chan context.Context
	ended   chan struct{}
	stopped chan struct{}
}

func (w *watcher) start(options *onnx.RunOptions) {
	w.runs, w.ended, w.stopped = make(chan context.Context), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.stopped)
		for ctx := range w.runs {
			select {
			case <-w.ended:
			case <-ctx.Done():
				// Both fail for destroyed options only, and stop is called before that.
				_ = options.Terminate()
				<-w.ended
				_ = options.UnsetTerminate()
			}
		}
	}()
}

// begin must be called before a run. It waits until the last run's flag is cleared.
func (w *watcher) begin(ctx context.Context) { w.runs <- ctx }

// end must be called after the run has returned.
func (w *watcher) end() { w.ended <- struct{}{} }

func (w *watcher) stop() {
	if w.runs != nil {
		close(w.runs)
		<-w.stopped
		w.runs = nil
	}
}
