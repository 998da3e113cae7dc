// Package agreement keeps the ranks of a job from decoding images of one format with
// different libraries. The first rank that meets an image of which a library of its own
// makes the pixels records the library in the output; every rank compares. A job without
// such images has no record.
package agreement

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// Libraries implements codec.Libraries for a job. It asks the store once for each library. The
// error for another library than the job's is output.ErrMismatch.
type Libraries struct {
	agree  func(output.Decoder) error
	mu     sync.Mutex
	agreed map[string]bool
}

// OnLibraries returns the Libraries of the job in out. It asks under ctx.
func OnLibraries(ctx context.Context, out store.Store) *Libraries {
	return &Libraries{agreed: map[string]bool{}, agree: func(d output.Decoder) error { return agree(ctx, out, d) }}
}

// Agree implements codec.Libraries. Any goroutine may call it.
func (l *Libraries) Agree(name, identity string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.agreed[name] {
		return nil
	}
	if err := l.agree(output.Decoder{Library: name, Identity: identity}); err != nil {
		return err
	}
	l.agreed[name] = true
	return nil
}

func agree(ctx context.Context, out store.Store, mine output.Decoder) error {
	body, err := json.Marshal(mine)
	if err != nil {
		return err
	}
	name := output.DecodersFolder + mine.Library + ".json"
	_, err = out.Create(ctx, name, append(body, '\n'))
	if err == nil {
		return nil
	}
	stored, _, readErr := store.ReadAll(ctx, out, name, output.MaxDecoder)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	var theirs output.Decoder
	if err := json.Unmarshal(stored, &theirs); err != nil {
		return fmt.Errorf("%s of %s: %w: the record is damaged: %w", name, out, output.ErrMismatch, err)
	}
	if theirs == mine {
		return nil
	}
	return fmt.Errorf("the decoders of %s: %w: it has images that %s decodes, which is %s in the job and %s on this rank, so that rows would"+
		" depend on the rank: install the same release everywhere, or use a new --out", out, output.ErrMismatch, mine.Library,
		called(theirs.Identity), called(mine.Identity))
}

// Recorded returns the libraries that made pixels of the rows of an output, also in its retries.
func Recorded(ctx context.Context, out store.Store) ([]output.Decoder, error) {
	retries, err := output.ReadRetries(ctx, out)
	if err != nil {
		return nil, err
	}
	places := []store.Store{out}
	for n := range retries.Complete {
		places = append(places, output.Generation(out, n+1))
	}
	var all []output.Decoder
	for _, place := range places {
		var names []string
		err := place.List(ctx, output.DecodersFolder, func(o store.Object) error {
			names = append(names, o.Name)
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return nil, err
		}
		for _, name := range names {
			body, _, err := store.ReadAll(ctx, place, name, output.MaxDecoder)
			if err != nil {
				return nil, err
			}
			var d output.Decoder
			if err := json.Unmarshal(body, &d); err != nil {
				return nil, fmt.Errorf("%s of %s: %w: the record is damaged: %w", name, place, output.ErrMismatch, err)
			}
			if d.Identity != "" {
				all = append(all, d)
			}
		}
	}
	return all, nil
}

// Differs returns why rows that those libraries made are not those of this machine, for people;
// empty if they are. identity returns that of a library here, or nothing if it is not installed:
// then rows are kept, and a new image that needs it stops the job.
func Differs(recorded []output.Decoder, identity func(library string) string) string {
	for _, d := range recorded {
		if here := identity(d.Library); here != "" && here != d.Identity {
			return fmt.Sprintf("decoder of some images: %s there, %s here", d.Identity, here)
		}
	}
	return ""
}

// Keep makes the libraries that made rows which a job keeps, or adds to, those of the job in out.
func Keep(ctx context.Context, out store.Store, recorded []output.Decoder) error {
	for _, d := range recorded {
		if err := agree(ctx, out, d); err != nil {
			return fmt.Errorf("keep rows: %w", err)
		}
	}
	return nil
}

// called is how an identity is called in a message.
func called(identity string) string {
	if identity == "" {
		return "not installed"
	}
	return identity
}
