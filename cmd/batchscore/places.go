package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
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

// placeFlags say how places in blob storage are reached. A place is a local
// path, or a folder in blob storage.
type placeFlags struct {
	endpoint, credentials string
	// patience is for places on a network; set before a place is opened.
	patience patient.Options
}

func (f *placeFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.endpoint, "endpoint", "", "address of the blob service, for an emulator or a sovereign cloud")
	fs.StringVar(&f.credentials, "credentials", "", "file of lines NAME=VALUE with credentials for blob storage; by default the environment, then Azure's own chain")
	var once sync.Once
	f.patience.Report = func(what string, err error, _ time.Duration) {
		once.Do(func() {
			fmt.Fprintf(cmd.ErrOrStderr(), "batchscore: %s failed: %v; trying again for up to %v\n", what, err, patient.DefaultPatience)
		})
	}
}

// placesHelp is for the help text of commands that take places.
const placesHelp = `A place is a local path, or az://ACCOUNT/CONTAINER/PREFIX, or
https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX. To sign in to blob
storage, AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or
AZURE_STORAGE_SAS_TOKEN is taken from the environment or from the file that
--credentials names (AZURE_STORAGE_ACCOUNT tells whose they are), else Azure's
default chain: workload identity, managed identity, command line tools.
`

// spelled is the one spelling of a place, whatever the working directory.
func spelled(spec string) (string, error) {
	scheme, err := given(spec)
	if err != nil {
		return "", err
	}
	if scheme != place.Local {
		p, err := azblob.ParsePlace(spec)
		return p.String(), err
	}
	abs, err := filepath.Abs(spec)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	return abs, nil
}

// given is the scheme of a place that must be named: an empty one, from a variable
// that is not set, does not mean the folder that one happens to be in.
func given(spec string) (string, error) {
	if spec == "" {
		return "", fmt.Errorf("the place is empty; the folder you are in is spelled . (a dot)")
	}
	return place.Scheme(spec)
}

// localOnly refuses a place elsewhere where a flag or argument takes a path on
// this machine: written there, it would make a folder named "az:".
func localOnly(what, path string) error {
	scheme, err := place.Scheme(path)
	switch {
	case err != nil:
		return usagef("%s: %w", what, err)
	case scheme != place.Local:
		return usagef("%s: it takes a path on this machine, not a place in blob storage", what)
	}
	return nil
}

// open opens the place that the flag or argument called what says.
func (f *placeFlags) open(what, spec string) (store.Store, error) {
	scheme, err := given(spec)
	if err != nil {
		return nil, usagef("%s: %w", what, err)
	}
	if scheme != place.Local {
		p, err := azblob.ParsePlace(spec)
		if err != nil {
			return nil, usagef("%s: %w", what, err)
		}
		st, err := f.blobs(what, p)
		if err != nil {
			return nil, err
		}
		return patient.New(st, f.patience), nil
	}
	st, err := dir.New(spec, dir.Options{})
	if err != nil {
		return nil, config(fmt.Errorf("%s: %w", what, err))
	}
	return st, nil
}

// transport carries the requests to blob storage; nil, but in tests, is the
// store's own.
var transport http.RoundTripper

func (f *placeFlags) blobs(what string, p azblob.Place) (*azblob.Store, error) {
	credentials := azblob.FromEnvironment(os.LookupEnv)
	if f.credentials != "" {
		var err error
		if credentials, err = azblob.FromFile(f.credentials); err != nil {
			return nil, config(fmt.Errorf("--credentials: %w", err))
		}
	}
	st, err := azblob.New(azblob.Options{Place: p, Credentials: credentials, Endpoint: f.endpoint, Transport: transport})
	if err != nil {
		return nil, config(fmt.Errorf("%s: %w", what, err))
	}
	return st, nil
}

// create makes one file appear whole or not at all. A local file takes the
// place of what was there; a blob is created, or it is store.ErrExist.
func (f *placeFlags) create(ctx context.Context, what, spec string, write func(io.Writer) error) error {
	if place.IsLocal(spec) {
		return writeWhole(spec, write)
	}
	p, err := azblob.ParsePlace(spec)
	if err != nil {
		return usagef("%s: %w", what, err)
	}
	folder, name := p.Split()
	if name == "" {
		return usagef("%s: %s is a container, not a blob in it", what, p)
	}
	st, err := f.blobs(what, folder)
	if err != nil {
		return err
	}
	_, err = patient.New(st, f.patience).CreateFrom(ctx, name, write)
	if errors.Is(err, store.ErrExist) {
		return config(fmt.Errorf("%s: %w; no blob is replaced: name another, or delete that one", what, err))
	}
	return err
}

// beFor sets the patience of a run: it ends with the deadline, and tells of
// every pause.
func (f *placeFlags) beFor(deadline time.Duration, log zerolog.Logger) {
	if deadline > 0 {
		f.patience.Deadline = time.Now().Add(deadline)
	}
	// Long throttling makes thousands of pauses: some of them tell enough, and
	// tell counts them all at the end.
	some := log.Sample(&zerolog.BurstSampler{Burst: 5, Period: 10 * time.Second})
	f.patience.Report = func(what string, err error, pause time.Duration) {
		some.Warn().Err(err).Dur("pause", pause).Msg(what + " failed: trying again")
	}
}

// tell logs what a place on a network has been through.
func tell(what string, st store.Store, log zerolog.Logger) {
	p, ok := st.(*patient.Store)
	if !ok {
		return
	}
	s := p.Stats()
	log.Info().Str("place", st.String()).Int64("calls", s.Calls).Int64("retries", s.Retries).
		Int64("throttled", s.Throttled).Int64("stalls", s.Stalls).Int64("resumed", s.Resumed).
		Int64("settled", s.Settled).Dur("paused", s.Paused).Int("limit", s.Limit).Msg(what)
}
