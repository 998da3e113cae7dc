package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// Logs implements deploy.Launcher. Every line has its pod in front. With follow it
// also shows pods that replace others. Each pod is followed by its own kubectl. If
// there are too many pods, some are shown completely once others have ended. For a
// scheduled job it shows the present run and returns when that has ended.
func (e *Engine) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.followed)
	lines := &lineWriter{w: w}
	seen := map[string]bool{}
	var looked error
	for {
		var ended bool
		var pods []item
		if ended, pods, looked = e.look(ctx, id); looked != nil {
			break
		}
		for _, p := range pods {
			name := p.Metadata.Name
			if seen[name] || !p.hasLog() {
				continue
			}
			if !follow {
				if looked = e.log(ctx, name, w, "--prefix"); looked != nil {
					return looked
				}
				continue
			}
			seen[name] = g.TryGo(func() error {
				out := lines.stream()
				err := e.log(ctx, name, out, "--prefix", "--follow")
				out.flush()
				return err
			})
			if !seen[name] {
				ended = false
			}
		}
		if ended || !follow {
			break
		}
		if err := deploy.Sleep(ctx, e.poll); err != nil {
			return g.Wait()
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return looked
}

// log writes what a pod has printed; nothing if the pod was lost with its node.
func (e *Engine) log(ctx context.Context, pod string, w io.Writer, flags ...string) error {
	err := e.stream(ctx, nil, w, append([]string{"logs", "pod/" + pod}, flags...)...)
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// look reports whether the job has ended, and lists its pods. A scheduled job counts
// as ended while none of its runs is at work.
func (e *Engine) look(ctx context.Context, id string) (ended bool, pods []item, err error) {
	items, err := e.find(ctx, id)
	if err != nil {
		return false, nil, err
	}
	work, pods, err := split(items, id)
	if err != nil {
		return false, nil, err
	}
	if work.Kind == "CronJob" {
		runs := slices.ContainsFunc(items, func(i item) bool { return i.Kind == "Job" && i.status().State == deploy.Running })
		return !runs, pods, nil
	}
	return work.status().State.Ended(), pods, nil
}

// lineWriter lets several streams write to one writer by whole lines.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) stream() *lineStream { return &lineStream{to: l} }

type lineStream struct {
	to   *lineWriter
	rest []byte
}

func (s *lineStream) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	end := bytes.LastIndexByte(s.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	s.to.mu.Lock()
	_, err := s.to.w.Write(s.rest[:end])
	s.to.mu.Unlock()
	s.rest = append(s.rest[:0], s.rest[end:]...)
	return len(p), err
}

// flush writes a last line without an end.
func (s *lineStream) flush() {
	if len(s.rest) > 0 {
		_, _ = s.Write([]byte("\n"))
	}
}

// Fetch implements deploy.Launcher. It writes the log of every pod to POD.log.
func (e *Engine) Fetch(ctx context.Context, id, folder string) error {
	_, pods, err := e.look(ctx, id)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range pods {
		if p.hasLog() {
			if err := e.fetchLog(ctx, p.Metadata.Name, root); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) fetchLog(ctx context.Context, pod string, folder *os.Root) error {
	err := atomicfile.WriteIn(folder, pod+".log", 0o600, func(w io.Writer) error { return e.log(ctx, pod, w) })
	if err != nil {
		return fmt.Errorf("fetch the log of %s: %w", pod, err)
	}
	return nil
}
