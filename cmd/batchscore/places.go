package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// placeKinds says in the help of a flag which places it takes. placesHelp gives
// the spellings.
const placeKinds = "a folder, or object storage"

// placeFlags say how to reach places in object storage.
type placeFlags struct {
	endpoint, credentials string
	// patience is for places on a network; set before a place is opened.
	patience patient.Options
}

func (f *placeFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.endpoint, "endpoint", "", "reach object storage at `URL`: an emulator or a sovereign cloud")
	fs.StringVar(&f.credentials, "credentials", "",
		"read credentials from `FILE`, in lines NAME=VALUE (default the environment, else the storage's default sign-in)")
	var once sync.Once
	f.patience.Report = func(what string, err error, _ time.Duration) {
		once.Do(func() {
			fmt.Fprintf(cmd.ErrOrStderr(), "batchscore: %s failed: %v; trying again for up to %v\n", what, err, patient.DefaultPatience)
		})
	}
}

// storages are the storages that places may be in. A new storage takes its own
// package and one entry here.
var storages = place.Table{
	dir.Scheme,
	azblob.Scheme,
}

// placesHelp is for the help text of commands that take places.
var placesHelp = storages.Help()

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

// openPlace opens a place. A store on a network is wrapped in a patient one.
func (f *placeFlags) openPlace(what string, scheme place.Scheme, p place.Place) (store.Store, error) {
	st, err := p.Open(place.Options{Endpoint: f.endpoint, Credentials: f.credentials, Transport: transport})
	if err != nil {
		return nil, config(fmt.Errorf("%s: %w", what, err))
	}
	if scheme.Local() {
		return st, nil
	}
	return patient.New(st, f.patience), nil
}

// transport carries the requests to storages; nil, except in tests, is the
// storage's own.
var transport http.RoundTripper

// create makes one file appear whole or not at all. A local file is replaced; an
// object that exists is store.ErrExist.
func (f *placeFlags) create(ctx context.Context, what, spec string, write func(io.Writer) error) error {
	scheme, p, err := storages.Parse(spec)
	if err != nil {
		return usagef("%s: %w", what, err)
	}
	if scheme.Local() {
		return writeWhole(spec, write)
	}
	folder, name := p.Split()
	if name == "" {
		return usagef("%s: %s is a container, not an object in it", what, p)
	}
	st, err := f.openPlace(what, scheme, folder)
	if err != nil {
		return err
	}
	_, err = store.CreateFrom(ctx, st, name, write)
	if errors.Is(err, store.ErrExist) {
		return config(fmt.Errorf("%s: %w; no object is replaced: choose another name, or delete it", what, err))
	}
	return err
}

// setPatience prepares the places of a run: calls are tried again until the
// deadline, and pauses are logged.
func (f *placeFlags) setPatience(deadline time.Duration, log zerolog.Logger) {
	if deadline > 0 {
		f.patience.Deadline = time.Now().Add(deadline)
	}
	// Long throttling makes thousands of pauses. A few of them are enough here;
	// logStorage gives the sum of all at the end.
	some := log.Sample(&zerolog.BurstSampler{Burst: 5, Period: 10 * time.Second})
	f.patience.Report = func(what string, err error, pause time.Duration) {
		some.Warn().Err(err).Dur("pause", pause).Msg(what + " failed: trying again")
	}
}

// logStorage logs how the calls to a place on a network went.
func logStorage(what string, st store.Store, log zerolog.Logger) {
	s, ok := store.StatsOf(st)
	if !ok {
		return
	}
	log.Info().Str("place", st.String()).Int64("calls", s.Calls).Int64("retries", s.Retries).
		Int64("throttled", s.Throttled).Int64("stalls", s.Stalls).Int64("resumed", s.Resumed).
		Int64("settled", s.Settled).Dur("paused", s.Paused).Int("limit", s.Limit).Msg(what)
}
