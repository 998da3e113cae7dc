package gpucheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
)

// Options say what is checked, and with what.
type Options struct {
	// Program is the path of batchscore; Env is added to the environment of its
	// processes.
	Program string
	Env     []string
	// Out is the folder of the report, which Check makes.
	Out string
	// Model is a trained classification model, as run --model takes it; Images is a
	// folder of photographs.
	Model, Images string
	// ModelFile is the file of the model, Contract its contract.
	ModelFile string
	Contract  models.Contract
	// Speed are the models whose speed is measured: networks, as models build names them,
	// with random weights, or ONNX files that say what they need.
	Speed []string
	// Least is how long each point of the sweep is measured.
	Least time.Duration
	// Budget is how long all checks may take together.
	Budget time.Duration
	// Only are the subjects to check, besides Machine; nil is all.
	Only []string
	// Begun is called with the name of each claim before it is checked, its number from 1
	// and how many there are; nil for nothing.
	Begun func(id string, n, of int)
	// Told is called with each result once it is known; nil for nothing.
	Told func(Result)
	// Provenance is that of this program.
	Provenance result.Provenance
}

// Result is what came of one claim.
type Result struct {
	Subject  string  `json:"subject"`
	Claim    string  `json:"claim"`
	Says     string  `json:"says"`
	Limit    string  `json:"limit"`
	Verdict  Verdict `json:"verdict"`
	Measured string  `json:"measured,omitempty"`
	// Reason says why the claim does not hold, or why it was not measured.
	Reason string `json:"reason,omitempty"`
	// Seconds is how long the check took.
	Seconds float64 `json:"seconds"`
	// Commands are what was run, in this order. Claims may share commands.
	Commands []Command `json:"commands,omitempty"`
}

// ID returns the name of the claim among all: "subject/name".
func (r *Result) ID() string { return r.Subject + "/" + r.Claim }

// limitReason begins the reason of a claim whose measured value is beyond its limit.
const limitReason = "the limit: "

// patience is how many times its cost a check may take. One that takes longer hangs.
const patience = 4

// checker is the state that the claims of one check share.
type checker struct {
	Options
	began    time.Time
	logs     int // files of logs
	prepared prepared
	figures  figures
	gpus     []device.GPUFacts // nil if they have not been opened
	// sweep is what was measured of speeds; nil before that.
	sweep         *sweep
	sweepCommands []Command
}

// Check checks claims in this order, and returns the report, which it has also written
// to o.Out. If ctx ends, what is left is not measured. An error means that there is no
// report.
func Check(ctx context.Context, claims []Claim, o Options) (*Report, error) {
	c := &checker{Options: o, began: time.Now(), prepared: prepared{}}
	for _, folder := range []string{o.Out, c.path("logs"), c.path(workFolder)} {
		if err := os.Mkdir(folder, 0o777); err != nil {
			return nil, err
		}
	}
	r := &Report{Schema: Schema, Provenance: o.Provenance, Budget: o.Budget.Seconds()}
	for i := range claims {
		if o.Begun != nil {
			o.Begun(claims[i].ID(), i+1, len(claims))
		}
		result := c.check(ctx, &claims[i])
		r.Claims = append(r.Claims, result)
		if o.Told != nil {
			o.Told(result)
		}
	}
	r.Hardware = hardware(c.gpus)
	for i := range c.gpus {
		c.gpus[i].Versions(r.Provenance.Versions)
	}
	r.Interrupted = ctx.Err() != nil
	r.Seconds = time.Since(c.began).Seconds()
	r.Samples, r.Unmeasured = c.figures.samples, c.figures.unmeasured
	return r, errors.Join(r.write(o.Out), os.RemoveAll(c.path(workFolder)))
}

// path returns the path of a file in the folder of the report.
func (c *checker) path(name string) string { return filepath.Join(c.Out, name) }

// left returns how much of the budget is left.
func (c *checker) left() time.Duration { return c.Budget - time.Since(c.began) }

// check checks one claim.
func (c *checker) check(ctx context.Context, claim *Claim) Result {
	r := Result{Subject: claim.Subject, Claim: claim.Name, Says: claim.Says, Limit: claim.Limit}
	left := c.left()
	switch {
	case len(c.Only) > 0 && !slices.Contains(c.Only, claim.Subject) && claim.Subject != Machine: // the report names the GPUs
		r.Verdict, r.Reason = NotMeasured, "not asked for with --only"
		return r
	case ctx.Err() != nil:
		r.Verdict, r.Reason = NotMeasured, "the check was interrupted before"
		return r
	case left < claim.Cost:
		r.Verdict = NotMeasured
		r.Reason = fmt.Sprintf("it takes about %v, and %v of --time %v are left", claim.Cost, max(left, 0).Round(time.Second), c.Budget)
		return r
	}
	// A check that hangs must not take the time of all others.
	within := max(patience*claim.Cost, time.Minute)
	bounded, cancel := context.WithTimeout(ctx, min(left, within))
	defer cancel()
	s := &Session{checker: c, claim: claim}
	start := time.Now()
	outcome, err := claim.Check(bounded, s)
	r.Seconds, r.Commands, r.Measured = time.Since(start).Seconds(), s.commands, outcome.Measured
	switch {
	case err == nil && outcome.Holds:
		r.Verdict = Pass
	case err == nil:
		r.Verdict, r.Reason = Fail, limitReason+claim.Limit
	case errors.Is(err, errSkipped):
		r.Verdict, r.Reason = NotMeasured, err.Error()
	case ctx.Err() != nil:
		r.Verdict, r.Reason = NotMeasured, "the check was interrupted"
	case bounded.Err() != nil && left <= within:
		r.Verdict, r.Reason = NotMeasured, fmt.Sprintf("--time %v was over before the end of the check", c.Budget)
	case bounded.Err() != nil:
		r.Verdict, r.Reason = Fail, fmt.Sprintf("the check did not end within %v: %v", within, err)
	default:
		r.Verdict, r.Reason = Fail, strings.TrimSpace(err.Error())
	}
	return r
}

// figures are what the checks found out besides their verdicts.
type figures struct {
	samples    []result.Sample
	unmeasured []string // points of the sweep
}
