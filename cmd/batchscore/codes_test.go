package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/store"
)

// TestEnginesKnowEveryExitCode checks that every exit code in the help that an engine
// reacts to is in exactly one of the lists for engines.
func TestEnginesKnowEveryExitCode(t *testing.T) {
	var documented []int
	for _, m := range regexp.MustCompile(`(?m)^  (\d+) `).FindAllStringSubmatch(exitCodesHelp, -1) {
		code, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		documented = append(documented, code)
	}
	// Complete, any failure, what a report is about, and a person at a terminal: for engines nothing to tell.
	told := slices.Concat([]int{0, 1, 7, 130}, deploy.FinalCodes, deploy.RetryCodes)
	slices.Sort(told)
	if !slices.Equal(documented, told) {
		t.Errorf("documented: %v; listed for engines, with 0, 1, 7 and 130: %v", documented, told)
	}
}

// TestOutOfMemoryMayBeTriedAgain: another program may have taken the device's memory.
func TestOutOfMemoryMayBeTriedAgain(t *testing.T) {
	err := fmt.Errorf("score images of chunk 3: %w: %w", models.ErrNothingFits, models.ErrOutOfMemory)
	if code := exitCode(err, nil); code != 75 {
		t.Errorf("exit code %d, want 75", code)
	}
	if code := exitCode(fits(err, "--batches"), nil); code != 78 {
		t.Errorf("exit code %d of a benchmark, want 78", code)
	}
}

// TestDeviceFaultMayBeTriedAgain: a GPU that fails during the run is tried again, one that
// cannot be used at the start is not. Nor is a batch that the machine's memory cannot hold.
func TestDeviceFaultMayBeTriedAgain(t *testing.T) {
	fault := fmt.Errorf("chunk 3: %w: CUDA failure 700", models.ErrDevice)
	for _, test := range []struct {
		err  error
		want int
	}{
		{err: fault, want: 75},
		{err: fmt.Errorf("%w: the probe batch failed: %w", models.ErrProvider, fault), want: 78},
		{err: fmt.Errorf("memory for a batch: %w", models.ErrHostMemory), want: 78},
	} {
		if code := exitCode(test.err, nil); code != test.want {
			t.Errorf("%v: exit code %d, want %d", test.err, code, test.want)
		}
	}
}

// TestTooManyOpenFiles tests that a machine's limit is not an image's fault, nor final.
func TestTooManyOpenFiles(t *testing.T) {
	err := fmt.Errorf("score images of chunk 3: %w", &os.PathError{Op: "open", Path: os.DevNull, Err: syscall.EMFILE})
	if code := exitCode(err, nil); code != 75 {
		t.Errorf("%v: exit code %d, want 75", err, code)
	}
}

// TestFault46_AFolderThatDoesNotAnswer: a soft mount returns an input/output error when its
// server does not answer, also where the command line's folders are first looked at.
func TestFault46_AFolderThatDoesNotAnswer(t *testing.T) {
	err := config(fmt.Errorf("--images: look at the folder /mnt/images: %w: %w", store.ErrUnavailable, syscall.EIO))
	if code := exitCode(err, nil); code != 75 {
		t.Errorf("%v: exit code %d, want 75", err, code)
	}
}
