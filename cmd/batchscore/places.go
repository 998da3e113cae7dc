package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/place"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// placeKinds says in the help of a flag which places it takes. placesHelp gives
// the spellings.
const placeKinds = "a folder, or object storage"

// placeFlags say how to reach places in object storage.
type placeFlags struct {
	endpoint, credentials string
	patience              time.Duration
	makes                 bool // the container that is written to
	// flags are those that register has added; nil if it was not called.
	flags *pflag.FlagSet
	// within opens folders so that no link out of them is followed.
	within bool
	// options are for places on a network; set before a place is opened.
	options patient.Options
}

func (f *placeFlags) register(cmd *cobra.Command) {
	f.flags = cmd.Flags()
	f.flags.StringVar(&f.endpoint, "endpoint", "", "reach object storage at `URL`: an emulator or a sovereign cloud")
	f.flags.StringVar(&f.credentials, "credentials", "",
		"read credentials from `FILE`, in lines NAME=VALUE (default the environment, else the storage's default sign-in)")
	f.flags.DurationVar(&f.patience, "patience", patient.DefaultPatience,
		"try again for `DURATION` when object storage does not answer; for at most 30s if it has not answered before")
	f.options.Report = sayPauses(cmd.ErrOrStderr)
}

// registerCreate adds the flag for commands that write to a place.
func (f *placeFlags) registerCreate(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.makes, "create-container", false, "make the container that is written to, unless it exists")
}

// patient returns the options of places on a network.
func (f *placeFlags) patient() patient.Options {
	o := f.options
	o.Contact = patient.DefaultContact
	given := f.flags != nil && f.flags.Changed("patience")
	switch {
	case f.patience > 0 && (given || o.Deadline.IsZero()):
		o.Patience = f.patience
	case given:
		o.Patience = time.Nanosecond // nothing is tried again
	}
	return o
}

// storages are the storages that places may be in. A new storage takes its own
// package and one entry here.
var storages = place.Table{
	dir.Scheme,
	azblob.Scheme,
}

// placesHelp is for the help text of commands that take places. placesTopic says
// how to sign in to each storage, too.
var (
	placesHelp  = strings.ToUpper(storages.Forms()[:1]) + storages.Forms()[1:] + ".\n'batchscore help places' says how to sign in."
	placesTopic = storages.Help()
)

// spelled returns the one spelling of a place, whatever the working directory.
func spelled(spec string) (string, error) {
	_, p, err := storages.Parse(spec)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// isLocal reports whether a place is a path on this machine. One that begins with an
// unknown scheme is not: opening it is an error that says so.
func isLocal(spec string) bool {
	scheme, err := storages.Scheme(spec)
	return err == nil && scheme.Local()
}

// localOnly refuses a place elsewhere where a flag or argument takes a path on
// this machine: without it, a folder named "az:" would be created.
func localOnly(what, path string) error {
	scheme, err := storages.Scheme(path)
	switch {
	case err != nil:
		return usagef("%s: %w", what, err)
	case !scheme.Local():
		return usagef("%s: it takes a path on this machine, not a place in object storage", what)
	}
	return nil
}

// open opens the place that the flag or argument called what names.
func (f *placeFlags) open(what, spec string) (store.Store, error) {
	scheme, p, err := storages.Parse(spec)
	if err != nil {
		return nil, usagef("%s: %w", what, err)
	}
	return f.openPlace(what, scheme, p)
}

// checkRecorded returns an error unless a place that the record of the output out names is
// spelled as records spell places, and in the account of the output or in one that the
// credentials name. Others can write to an output. A URL with an address of its own, or the
// account of somebody else, decides where requests with this user's credentials go; a record
// may not.
func (f *placeFlags) checkRecorded(what, spec, out string) error {
	_, p, err := storages.Parse(spec)
	local := isLocal(spec)
	if err != nil || local && !filepath.IsAbs(spec) || !local && strings.TrimSuffix(p.String(), "/") != strings.TrimSuffix(spec, "/") {
		return marked{fmt.Errorf("%s: the record names the place %.200q, and no job records a place in that form", what, spec), output.ErrMismatch}
	}
	if local {
		return nil
	}
	scheme, account := accountOf(spec)
	if one, err := spelled(out); err == nil {
		if s, a := accountOf(one); s == scheme && a == account {
			return nil
		}
	}
	if n, ok := p.(place.Named); ok && n.Names(f.placeOptions()) {
		return nil
	}
	return usagef("%s: the record names the place %.200q; neither the output nor the credentials are of the account %.100q, "+
		"so nothing is sent to it. If that is right, name the place with --images", what, spec, account)
}

// accountOf returns the scheme of a place in object storage, and what follows it.
func accountOf(spec string) (scheme, account string) {
	scheme, rest := place.Cut(spec)
	account, _, _ = strings.Cut(rest, "/")
	return scheme, account
}

func (f *placeFlags) placeOptions() place.Options {
	return place.Options{Endpoint: f.endpoint, Credentials: f.credentials, Transport: transport, Within: f.within}
}

// openPlace opens a place. A store on a network is wrapped in a patient one.
func (f *placeFlags) openPlace(what string, scheme place.Scheme, p place.Place) (store.Store, error) {
	st, err := p.Open(f.placeOptions())
	if err != nil {
		return nil, config(fmt.Errorf("%s: %w", what, err))
	}
	switch {
	case scheme.Local():
		return st, nil
	case f.patience < 0:
		return nil, invalid("patience", f.patience, "a time from zero up, such as 15m")
	}
	return patient.New(st, f.patient()), nil
}

// openToWrite opens a place that is written to. With --create-container it makes
// the container first.
func (f *placeFlags) openToWrite(ctx context.Context, what, spec string) (store.Store, error) {
	st, err := f.open(what, spec)
	if err == nil {
		err = f.makeRoot(ctx, what, st)
	}
	return st, err
}

// makeRoot makes the container of a place if that was asked for.
func (f *placeFlags) makeRoot(ctx context.Context, what string, st store.Store) error {
	if !f.makes {
		return nil
	}
	if _, err := store.Make(ctx, st); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// transport carries the requests to storages; nil, except in tests, is the
// storage's own.
var transport http.RoundTripper

// setPatience prepares the places of a run: calls are tried again until the
// deadline, and pauses are logged.
func (f *placeFlags) setPatience(deadline time.Duration, log zerolog.Logger) {
	if deadline > 0 {
		f.options.Deadline = time.Now().Add(deadline)
	}
	var some seldom
	f.options.Report = func(p patient.Pause) {
		if more, now := some.say(time.Now()); now {
			event.StorageRetried.On(log).Err(p.Err).Float64("pause_s", telemetry.Seconds(p.Wait)).Int("pauses", more).Time("until", p.Until.UTC()).
				Msg(p.What + how(p) + again(p.Until))
		}
	}
}

// how says whether a call has failed, in the middle of a message.
func how(p patient.Pause) string {
	if p.Wait == 0 {
		return " has no answer yet: "
	}
	return " failed: "
}

// sayPauses returns a patient.Options.Report that prints to what stderr returns.
func sayPauses(stderr func() io.Writer) func(patient.Pause) {
	var some seldom
	return func(p patient.Pause) {
		more, now := some.say(time.Now())
		switch {
		case now && more == 1:
			sayError(stderr(), fmt.Sprintf("%v; %s", p.Err, again(p.Until)))
		case now:
			sayError(stderr(), fmt.Sprintf("%v; %d calls failed since the last message; %s", p.Err, more, again(p.Until)))
		}
	}
}

// again says until when a call is tried again.
func again(until time.Time) string {
	if until.IsZero() {
		return "trying again"
	}
	format := "15:04:05 UTC"
	if time.Until(until) > 12*time.Hour {
		format = "2006-01-02 15:04:05 UTC"
	}
	return "trying again until " + until.UTC().Format(format)
}

// seldom lets one of many messages through in a minute, the first at once. A
// storage that does not answer makes thousands of pauses.
type seldom struct {
	mu   sync.Mutex
	next time.Time
	held int
}

// say reports whether a message may be printed now, and how many there have been
// since the last one that was, including this one.
func (s *seldom) say(now time.Time) (since int, may bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held++
	if now.Before(s.next) {
		return 0, false
	}
	since, s.held = s.held, 0
	s.next = now.Add(time.Minute)
	return since, true
}

// logStorage logs how the calls to a place on a network went, if some did not go
// well.
func logStorage(what string, st store.Store, log zerolog.Logger) {
	s, ok := store.StatsOf(st)
	if !ok || !s.Answered || s.Retries+s.Throttled+s.Stalls+s.Resumed+s.Settled == 0 {
		return
	}
	event.StorageTotals.On(log).Str("place", st.String()).Int64("calls", s.Calls).Int64("retries", s.Retries).
		Int64("throttled", s.Throttled).Int64("stalls", s.Stalls).Int64("resumed", s.Resumed).
		Int64("settled", s.Settled).Float64("paused_s", telemetry.Seconds(s.Paused)).Int("limit", s.Limit).
		Msgf("%s: %d of %d calls were made again", what, s.Retries, s.Calls)
}
