package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort/gputrial"
)

type doctorFlags struct {
	device bool
	try    int // the local rank whose device a process of its own tries; -1 for none
	limit  time.Duration
}

func (f *doctorFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.device, "device", false, "compute a small network on every visible GPU, and compare it with the CPU's result")
	fs.IntVar(&f.try, "try-device", -1, "print as JSON what comes of the device of the local rank `N`")
	fs.DurationVar(&f.limit, "try-limit", 3*time.Minute, "let the trial of one GPU take `DURATION`")
	for _, name := range []string{"try-device", "try-limit"} {
		if err := fs.MarkHidden(name); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// args are the flags of a doctor that does the same.
func (f *doctorFlags) args() []string {
	if !f.device {
		return nil
	}
	return []string{"--device"}
}

// tryOne tries one device, and prints the report as JSON.
func tryOne(ctx context.Context, w io.Writer, localRank int) error {
	r, err := gputrial.Try(ctx, localRank)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(r)
}

// tryDevices returns one finding for each visible device, which a process of its own
// tries: CUDA shows a process one MIG device only, and a GPU may end the process that
// uses it.
func tryDevices(ctx context.Context, limit time.Duration) []finding {
	gpus := device.GPUs()
	if why := gpus.Missing(); why != "" {
		return []finding{{what: "a GPU", missing: why, failed: true}}
	}
	var findings []finding
	fast := false
	for n := range gpus.Visible() {
		f := finding{what: fmt.Sprintf("GPU %d", n)}
		r, err := tryElsewhere(ctx, n, limit)
		if err != nil {
			f.missing = err.Error()
		} else {
			f.state, f.missing = describeGPU(&r), r.Problem
			fast = fast || atLeastVolta(r.Capability)
		}
		if f.failed = f.missing != ""; f.failed && f.state != "" {
			f.state += ":"
		}
		findings = append(findings, f)
	}
	advice := "'batchscore models fuse' makes a quarter of the data to copy to a GPU"
	if fast {
		advice += "; 'batchscore models convert --precision fp16' makes a model for its tensor cores"
	}
	return append(findings, finding{what: "for GPUs", state: advice})
}

// tryElsewhere tries a device in a process of its own, which is killed after the limit.
func tryElsewhere(ctx context.Context, localRank int, limit time.Duration) (r gputrial.Report, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "doctor", "--try-device", strconv.Itoa(localRank))
	var printed, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &printed, &errs, time.Second
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		select {
		case err = <-ended:
		case <-time.After(5 * time.Second): // the driver does not even let it be killed
			err = ctx.Err()
		}
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return r, fmt.Errorf("it was not done within %v: the GPU or its driver hangs; see nvidia-smi, and dmesg for an Xid", limit)
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case err != nil:
		first, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		if first = strings.TrimPrefix(first, "batchscore: "); first != "" {
			return r, errors.New(first)
		}
		return r, fmt.Errorf("the process that tried it failed: %w", err)
	}
	if err := json.Unmarshal(printed.Bytes(), &r); err != nil {
		return r, fmt.Errorf("the process that tried it printed something else: %w", err)
	}
	return r, nil
}

// describeGPU says what a GPU is, and what came of the trial if it is usable.
func describeGPU(r *gputrial.Report) string {
	var parts []string
	add := func(known bool, form string, values ...any) {
		if known {
			parts = append(parts, fmt.Sprintf(form, values...))
		}
	}
	add(r.Name != "", "%s", r.Name)
	add(r.Bus != "", "at %s", r.Bus)
	add(r.Capability != "", "compute capability %s", r.Capability)
	add(r.MemoryMB > 0, "%d MiB", r.MemoryMB)
	add(r.MIG, "a MIG device")
	add(r.Node >= 0, "NUMA node %d", r.Node)
	add(r.Driver != "", "driver %s", r.Driver)
	add(r.CUDA != "", "CUDA %s", r.CUDA)
	add(r.CUDNN != "", "cuDNN %s", r.CUDNN)
	add(r.Problem == "", "computes as the CPU does (largest difference %.1g, at most %g)", r.Difference, gputrial.Tolerance)
	return strings.Join(parts, ", ")
}

// atLeastVolta reports whether a compute capability has tensor cores for fp16.
func atLeastVolta(capability string) bool {
	major, _, _ := strings.Cut(capability, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 7
}
