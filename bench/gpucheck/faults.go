package gpucheck

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/models/device"
)

// faultsClaims are about runs that are disturbed.
func faultsClaims() []Claim {
	stopped := func(name, says string, code int, signal syscall.Signal) Claim {
		return Claim{
			Subject: Faults, Name: name, Says: says, Limit: fmt.Sprintf("exit code %d, then equal bytes", code), Cost: 20 * time.Second,
			Check: func(ctx context.Context, s *Session) (Outcome, error) { return s.resumed(ctx, name, code, signal) },
		}
	}
	return []Claim{
		stopped("sigterm", "A run that is stopped with SIGTERM ends with 143, and completes with the same bytes when it is started again.", 143, syscall.SIGTERM),
		stopped("kill", "A run that is killed completes with the same bytes when it is started again.", -1, syscall.SIGKILL),
		{
			Subject: Faults, Name: "memory", Says: "A run that runs out of the GPU's memory halves its batch, and completes with the same scores.",
			Limit: fmt.Sprintf("exit code 0, no score differs by more than %g", limitFloat32), Cost: 40 * time.Second, Check: outOfMemory,
		},
		{
			Subject: Faults, Name: "hidden", Says: "A run that may use no GPU (CUDA_VISIBLE_DEVICES is empty) ends with 78, and not on the CPU.",
			Limit: "exit code 78", Cost: 10 * time.Second,
			Check: func(ctx context.Context, s *Session) (Outcome, error) {
				e, err := s.must(ctx, 78, []string{device.VisibleVariable + "="}, s.job("hidden", s.Images, s.Model, cuda...)...)
				if err != nil {
					return Outcome{}, err
				}
				return measured(true, "exit code 78: %s", e.message())
			},
		},
	}
}

// resumed disturbs a run with a signal in the middle, starts it again, and compares its
// rows with those of a run that was not disturbed.
func (s *Session) resumed(ctx context.Context, name string, code int, signal syscall.Signal) (Outcome, error) {
	whole, err := s.whole(ctx, batch, "")
	if err != nil {
		return Outcome{}, err
	}
	images, err := s.collection(ctx)
	if err != nil {
		return Outcome{}, err
	}
	job := s.job(name, images, s.Model, chunked(batch)...)
	p, err := s.start(ctx, nil, job...)
	if err != nil {
		return Outcome{}, err
	}
	parts := s.disturb(ctx, p, filepath.Join(s.work(name), "part-*"), signal)
	e, err := p.wait(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if e.command.ExitCode == 0 {
		return Outcome{}, skipf("the run was complete before it could be disturbed: give more, or larger, --images")
	}
	if err := e.expect(code); err != nil {
		return Outcome{}, err
	}
	if _, err := s.must(ctx, 0, nil, job...); err != nil {
		return Outcome{}, fmt.Errorf("started again: %w", err)
	}
	differ, err := sameBytes(whole, s.work(name+".jsonl"))
	if err != nil {
		return Outcome{}, err
	}
	if differ != "" {
		return measured(false, "disturbed after %d of %d chunks; %s", parts, repeats, differ)
	}
	return measured(true, "disturbed after %d of %d chunks; equal bytes", parts, repeats)
}

// disturb sends a signal to a process once it has committed a part, and returns how many
// there were then.
func (s *Session) disturb(ctx context.Context, p *process, parts string, signal syscall.Signal) int {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		found, _ := filepath.Glob(parts)
		if len(found) > 0 {
			_ = p.cmd.Process.Signal(signal) // one that has ended is reported by its exit code
			return len(found)
		}
		select {
		case <-ctx.Done():
			return 0
		case <-p.ended:
			return 0
		case <-tick.C:
		}
	}
}

// limits are limits of memory to try, in MiB. Which one is too little for a batch depends
// on the GPU and the model; one that is too little for the model itself comes last.
var limits = []int{4096, 2560, 1536, 1024, 640, 448, 320}

// halved is in the message of a run about a batch that is too large.
const halved = "batch halved"

// outOfMemory scores the collection in large batches with less and less memory, until a
// run halves its batch.
func outOfMemory(ctx context.Context, s *Session) (Outcome, error) {
	const large = 4 * batch
	whole, err := s.whole(ctx, batch, "")
	if err != nil {
		return Outcome{}, err
	}
	images, err := s.collection(ctx)
	if err != nil {
		return Outcome{}, err
	}
	for _, limit := range limits {
		name := fmt.Sprintf("memory-%d", limit)
		e, err := s.must(ctx, 0, nil, s.job(name, images, s.Model, append([]string{"--batch", fmt.Sprint(large), "--chunk", fmt.Sprint(large),
			"--gpu-memory", fmt.Sprint(limit)}, cuda...)...)...)
		if err != nil {
			return Outcome{}, fmt.Errorf("with %d MiB: %w", limit, err)
		}
		if times := strings.Count(e.stderr, halved); times > 0 {
			o, err := alike(whole, s.work(name+".jsonl"), limitFloat32)
			o.Measured = fmt.Sprintf("with %d MiB the batch of %d was halved (times: %d); %s", limit, large, times, o.Measured)
			return o, err
		}
	}
	return Outcome{}, skipf("a batch of %d images needs no more than %d MiB", large, limits[len(limits)-1])
}
