package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/hook"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

// hookFlags say whom to tell of a job.
type hookFlags struct {
	onEnd, onFailure string
	secret           string
	limit            time.Duration
}

func (f *hookFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	const takes = ": an address, which gets a POST, or a command, which gets it on its standard input; or env:VARIABLE or file:PATH, which hold one of them"
	fs.StringVar(&f.onEnd, "on-end", "", "when the job ends, send _SUCCESS, or what happened instead, to `HOOK`"+takes)
	fs.StringVar(&f.onFailure, "on-first-failure", "", "when the first image of the job fails, send it to `HOOK`, as for --on-end")
	fs.StringVar(&f.secret, "hook-secret", "", "sign what is sent to addresses with the secret in `REFERENCE`: env:VARIABLE or file:PATH")
	fs.DurationVar(&f.limit, "hook-timeout", hook.DefaultLimit, "give up a hook after `DURATION`, all tries together; the job's exit code is the same")
}

// hookChoices are the hooks of a run, resolved.
type hookChoices struct {
	onEnd, onFailure hook.Target
	secret           []byte
	limit            time.Duration
	without          []string // variables that commands do not get
}

// choices returns what the flags say, or what is wrong with them. Values that were given
// by reference are kept out of every message from now on.
func (f *hookFlags) choices(cmd *cobra.Command) (*hookChoices, error) {
	c := &hookChoices{limit: f.limit, without: append(secretVariables(), telemetrySecrets()...)}
	var err error
	if c.onEnd, err = c.target("on-end", f.onEnd); err != nil {
		return nil, err
	}
	if c.onFailure, err = c.target("on-first-failure", f.onFailure); err != nil {
		return nil, err
	}
	none := c.onEnd.Zero() && c.onFailure.Zero()
	for _, name := range []string{"hook-secret", "hook-timeout"} {
		if none && cmd.Flags().Changed(name) {
			return nil, usagef("--%s needs --on-end or --on-first-failure", name)
		}
	}
	if f.limit < time.Second || f.limit > hook.MostLimit {
		return nil, invalid("hook-timeout", f.limit, fmt.Sprintf("1s to %v", hook.MostLimit))
	}
	if f.secret == "" {
		return c, nil
	}
	secret, referred := deploy.ParseSecret(f.secret)
	if !referred || secret.Env == "" && secret.File == "" {
		return nil, usagef("--hook-secret: want env:VARIABLE or file:PATH, never the secret itself")
	}
	text, err := c.read("hook-secret", secret)
	if err != nil {
		return nil, err
	}
	if len(text) < leastSecret {
		return nil, config(fmt.Errorf("--hook-secret: the secret has %d characters: want at least %d", len(text), leastSecret))
	}
	hide(text)
	c.secret = []byte(text)
	for name, t := range map[string]hook.Target{"on-end": c.onEnd, "on-first-failure": c.onFailure} {
		if t.Plain() {
			return nil, config(fmt.Errorf("--%s: with --hook-secret the address must begin with https://, or be on this machine", name))
		}
	}
	return c, nil
}

// checkHook checks a hook that is given by value: it must not be a secret.
func checkHook(name, text string) error {
	if _, referred := deploy.ParseSecret(text); text == "" || referred {
		return nil
	}
	t, err := hook.Parse(text)
	if err != nil {
		return usagef("--%s: %w", name, err)
	}
	if err := t.Open(); err != nil {
		return usagef("--%s: %w: put it into a variable or a file, and give env:VARIABLE or file:PATH", name, err)
	}
	return nil
}

// target returns the hook that a flag names; the zero value if it was not given.
func (c *hookChoices) target(name, text string) (hook.Target, error) {
	if text == "" {
		return hook.Target{}, nil
	}
	secret, referred := deploy.ParseSecret(text)
	if !referred {
		if err := checkHook(name, text); err != nil {
			return hook.Target{}, err
		}
		return hook.Parse(text)
	}
	value, err := c.read(name, secret)
	if err != nil {
		return hook.Target{}, err
	}
	t, err := hook.Parse(value)
	if err != nil {
		return t, config(fmt.Errorf("--%s: %s: %w", name, text, err))
	}
	hide(value)
	hide(t.Secrets()...)
	return t, nil
}

// read returns the value of a reference.
func (c *hookChoices) read(flag string, s deploy.Secret) (string, error) {
	if s.Env != "" {
		c.without = append(c.without, s.Env)
	}
	if s.Env == "" && s.File == "" {
		return "", usagef("--%s: want env:VARIABLE or file:PATH; under secrets in job.yaml, other references become variables", flag)
	}
	values, err := deploy.Job{Secrets: map[string]deploy.Secret{"--" + flag: s}}.Resolve()
	if err != nil {
		return "", config(errors.New(strings.TrimPrefix(err.Error(), "secrets: ")))
	}
	return strings.TrimSpace(values["--"+flag]), nil
}

// environment returns that of a command: this process's own, without secrets.
func (c *hookChoices) environment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(c.without, name)
	})
}

// hooks tell others of one run, as far as the flags ask for it.
type hooks struct {
	*hookChoices
	world shard.World
	stop  <-chan struct{}
	me    claim.Worker

	log   zerolog.Logger
	out   store.Store // nil until it is open
	place string      // of the output
	ends  int         // ends of the job that were told before this rank began; -1 if not known
	done  output.Success

	mu       sync.Mutex
	examples []example
	first    *sync.WaitGroup // the first failure that is being told
	told     bool            // or was
}

// newHooks returns the hooks of a run; nil if it has none.
func newHooks(c *hookChoices, world shard.World, place string, stop <-chan struct{}) *hooks {
	if c.onEnd.Zero() && c.onFailure.Zero() {
		return nil
	}
	return &hooks{hookChoices: c, world: world, stop: stop, me: claim.ThisProcess(world), place: place, ends: -1, log: zerolog.Nop(), first: new(sync.WaitGroup)}
}

// logs says where to log.
func (h *hooks) logs(log zerolog.Logger) {
	if h != nil {
		h.log = log
	}
}

// completed says what came of the job.
func (h *hooks) completed(done *output.Success) {
	if h != nil {
		h.done = *done
	}
}

// opened says that the output is open.
func (h *hooks) opened(ctx context.Context, out store.Store) {
	if h == nil {
		return
	}
	h.out, h.place = out, out.String()
	if h.onEnd.Zero() {
		return
	}
	n, err := hook.Ends(ctx, out)
	if err != nil {
		n = -1
	}
	h.ends = n
}

// example is a failed image.
type example struct {
	Path   string `json:"path"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

// mostExamples is how many failed images a document names.
const mostExamples = 3

// failed takes note of the rows of failed images, and tells of the first one.
func (h *hooks) failed(ctx context.Context) func([]row.Row) {
	if h == nil {
		return nil
	}
	return func(rows []row.Row) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i := range rows {
			if len(h.examples) == mostExamples {
				break
			}
			h.examples = append(h.examples, example{rows[i].Path, rows[i].Status, redact(rows[i].Error)})
		}
		if h.onFailure.Zero() || h.told {
			return
		}
		h.told = true
		h.first.Go(func() { h.tell(ctx, h.onFailure, hook.AFailure(), hook.FirstFailure, -1, nil) })
	}
}

// endEvent returns what an end is called.
func endEvent(err error, done *output.Success) hook.Event {
	switch {
	case hasResult(done, err):
		return hook.Complete
	case errors.Is(err, scorer.ErrStopped), errors.Is(err, context.Canceled):
		return hook.Stopped
	case errors.Is(err, scorer.ErrPaused):
		return hook.Paused
	case errors.Is(err, scorer.ErrFailing):
		return hook.Failing
	}
	return hook.Failed
}

// end tells of the end of this rank, which ended with err and that exit code.
func (h *hooks) end(ctx context.Context, err error, code int) {
	if h == nil {
		return
	}
	done := &h.done
	defer h.first.Wait()
	if h.onEnd.Zero() {
		return
	}
	e := endEvent(err, done)
	if e != hook.Complete {
		h.tell(ctx, h.onEnd, hook.AnEnd(max(h.ends, 0), e), e, code, err)
		return
	}
	o := hook.Completion(done.Checksum)
	if !done.Mine && h.out != nil && h.leave(ctx, o) {
		return
	}
	h.tell(ctx, h.onEnd, o, e, code, err)
}

// mineFirst is for how long other ranks leave a completion to the rank that completed the job.
const mineFirst = 2 * time.Second

// leave reports whether another rank has told an occasion, or the output cannot say so. It
// waits for that rank, which may have been killed.
func (h *hooks) leave(ctx context.Context, o hook.Occasion) bool {
	told, err := hook.Told(ctx, h.out, o)
	if told || err != nil {
		return true
	}
	timer := time.NewTimer(mineFirst)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.stop:
	}
	return false
}

// stopLimit is for how long an event is told by a rank that was asked to stop.
const stopLimit = 4 * time.Second

// tell tells one occasion. Whatever becomes of that, the job ends as it would without it.
func (h *hooks) tell(ctx context.Context, to hook.Target, o hook.Occasion, e hook.Event, code int, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.limit+stopLimit)
	defer cancel()
	// The process is ended some time after a request to stop, whatever it does.
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-h.stop:
			timer := time.NewTimer(stopLimit)
			defer timer.Stop()
			select {
			case <-timer.C:
				cancel()
			case <-ended:
			}
		case <-ended:
		}
	}()
	s := &hook.Sender{Target: to, Secret: h.secret, Limit: h.limit, Env: h.environment(), Version: version, Log: h.log}
	send := func(names string) (m hook.Message, tries int, err error) {
		m = hook.Message{Event: e, ID: o.ID(names), Out: h.place, ExitCode: code}
		if m.Body, err = h.document(ctx, m, why); err == nil {
			tries, err = s.Send(ctx, m)
		}
		return m, tries, err
	}
	var told bool
	job, err := h.job(ctx, e)
	if err == nil {
		told, err = hook.Once(ctx, h.out, job.ClaimNames(0), h.me, o, func() (hook.Message, int, error) { return send(job.ID) })
	} else if told, err = h.world.Rank == 0, nil; told { // nobody else can be told apart
		_, _, err = send(h.me.ID)
	}
	switch {
	case err != nil:
		event.HookFailed.On(h.log).Str("what", string(e)).Str("to", to.String()).Err(err).Msg("the hook was not told; the job is as it is")
	case told:
		event.HookTold.On(h.log).Str("what", string(e)).Str("to", to.String()).Msg("the hook was told")
	}
}

// errNoMarks means that the output cannot tell which events were told.
var errNoMarks = errors.New("the output has no marks")

// job returns the job that an event is of, or why the output cannot keep a mark of it: it
// is not open, there is no job yet, or it could not be read when this rank began.
func (h *hooks) job(ctx context.Context, e hook.Event) (output.Job, error) {
	if h.out == nil || h.ends < 0 && e != hook.Complete && e != hook.FirstFailure {
		return output.Job{}, errNoMarks
	}
	return output.ReadJob(ctx, h.out)
}

// happened is what is sent of everything but the completion of a job.
type happened struct {
	Version  int        `json:"version"`
	Event    hook.Event `json:"event"`
	ID       string     `json:"id"`
	At       time.Time  `json:"at"` // by the rank's own clock
	Out      string     `json:"out"`
	Job      string     `json:"job,omitempty"`
	Rank     int        `json:"rank"`
	World    int        `json:"world"`
	Host     string     `json:"host"`
	ExitCode *int       `json:"exit_code,omitempty"`
	Message  string     `json:"message,omitempty"`
	// Images, Done and Statuses are nil if the output could not be read in time.
	Images   *int           `json:"images,omitempty"`
	Done     *int           `json:"images_done,omitempty"`
	Statuses map[string]int `json:"statuses,omitempty"`
	Failed   *int           `json:"failed,omitempty"`
	AtWork   *int           `json:"ranks_at_work,omitempty"`
	Examples []example      `json:"examples,omitempty"`
	See      string         `json:"see,omitempty"`
}

// lookLimit is for how long the progress of a job is looked up for a document.
const lookLimit = 5 * time.Second

// document returns the body for an event: _SUCCESS byte for byte, or what happened.
func (h *hooks) document(ctx context.Context, m hook.Message, why error) ([]byte, error) {
	if m.Event == hook.Complete {
		body, _, err := store.ReadAll(ctx, h.out, output.SuccessName, mostSuccess)
		return body, err
	}
	d := happened{Version: 1, Event: m.Event, ID: m.ID, At: time.Now().UTC().Round(time.Millisecond), Out: m.Out,
		Rank: h.world.Rank, World: h.world.Size, Host: h.me.Host}
	if m.ExitCode >= 0 {
		d.ExitCode = &m.ExitCode
	}
	if why != nil {
		d.Message = printable.Text(redact(why.Error()))
	}
	h.mu.Lock()
	d.Examples = slices.Clone(h.examples)
	h.mu.Unlock()
	if h.out != nil {
		look, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		if p, err := output.Observe(h.out).Look(look); err == nil {
			alive := p.Alive()
			for i := range p.Ranks {
				if r := &p.Ranks[i]; r.Alive && r.Rank == h.world.Rank && m.ExitCode >= 0 {
					alive-- // this one has ended
				}
			}
			failed := p.Failed()
			d.Job, d.Images, d.Done, d.Statuses, d.Failed, d.AtWork = p.Job, &p.Images, &p.ImagesDone, p.Statuses, &failed, &alive
			d.See = output.ShowCommand(h.place, p.Statuses)
		}
	}
	body, err := json.MarshalIndent(d, "", "  ")
	return append(body, '\n'), err
}

// mostSuccess is more bytes than _SUCCESS has.
const mostSuccess = 64 << 20
