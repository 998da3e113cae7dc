package deploy

import (
	"errors"
	"testing"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	var f Faults
	f.Add(nil)
	if err := f.Err(); err != nil {
		t.Errorf("no faults: %v", err)
	}
	f.Add(ErrNoJob)
	f.Add(nil)
	if err := f.Err(); err != ErrNoJob {
		t.Errorf("one fault: %v, want %v itself", err, ErrNoJob)
	}
	f.Say("second: %w", ErrService)
	var outer Faults
	outer.Say("first")
	outer.Add(f.Err())
	outer.Add(ErrNoJob) // again
	err := outer.Err()
	want := "3 faults:\n  first\n  " + ErrNoJob.Error() + "\n  second: " + ErrService.Error()
	if err == nil || err.Error() != want || !errors.Is(err, ErrNoJob) || !errors.Is(err, ErrService) {
		t.Errorf("got %v, want %s", err, want)
	}
}
