package gpucheck

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Verdict says what came of a claim.
type Verdict string

// The verdicts.
const (
	Pass        Verdict = "pass"
	Fail        Verdict = "FAIL"
	NotMeasured Verdict = "not measured"
)

// Claim is a statement about the GPUs of a machine that can be checked.
type Claim struct {
	// Subject is what claims are chosen by; Name is unique within it.
	Subject, Name string
	// Says is the claim in words, Limit what the measured value is compared with.
	Says, Limit string
	// Cost is about how long the check takes on a GPU. It is not begun if less time is
	// left.
	Cost time.Duration
	// Check checks the claim. An error means that the claim does not hold, unless it is
	// one of skipf or the context has ended.
	Check func(ctx context.Context, s *Session) (Outcome, error)
}

// ID returns the name of a claim among all: "subject/name".
func (c *Claim) ID() string { return c.Subject + "/" + c.Name }

// Outcome is what a check has measured.
type Outcome struct {
	Holds    bool
	Measured string
}

// measured returns an outcome.
func measured(holds bool, format string, args ...any) (Outcome, error) {
	return Outcome{Holds: holds, Measured: fmt.Sprintf(format, args...)}, nil
}

// errSkipped marks the reason why a claim cannot be checked here.
var errSkipped = errors.New("not measured")

type skipped struct{ reason string }

func (s skipped) Error() string { return s.reason }
func (s skipped) Unwrap() error { return errSkipped }

// skipf returns an error that says why a claim cannot be checked here.
func skipf(format string, args ...any) error { return skipped{fmt.Sprintf(format, args...)} }

// The subjects, in the order in which they are checked.
const (
	Machine     = "machine"
	Doctor      = "doctor"
	Correctness = "correctness"
	Bits        = "bits"
	Shapes      = "shapes"
	Faults      = "faults"
	Scale       = "scale"
	Decode      = "decode"
	Speed       = "speed"
)

// Subjects are all of them.
var Subjects = []string{Machine, Doctor, Correctness, Bits, Shapes, Faults, Scale, Decode, Speed}
