package output

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Freeze returns the manifest that all workers of the job share: the stored one, or
// else the one that build returns, after storing it. If several workers build at
// once, the first to store its manifest decides for all. If build fails, nothing is
// stored. The caller closes the manifest; Freeze closes what build returned if it is
// not the result.
//
// A damaged manifest is ErrMismatch.
func Freeze(ctx context.Context, st store.Store,
	build func(ctx context.Context) (*shard.Manifest, error)) (*shard.Manifest, error) {
	return freezeAs(ctx, st, manifestName, build)
}

// freezeAs is Freeze for the manifest of that name.
func freezeAs(ctx context.Context, st store.Store, name string,
	build func(ctx context.Context) (*shard.Manifest, error)) (*shard.Manifest, error) {
	m, err := readManifest(ctx, st, name)
	if !errors.Is(err, store.ErrNotExist) {
		return m, err
	}
	if m, err = build(ctx); err != nil {
		return nil, err
	}
	_, err = store.CreateFrom(ctx, st, name, m.Encode)
	if err == nil {
		return m, nil
	}
	m.Close()
	if ctx.Err() != nil {
		return nil, err
	}
	stored, readErr := readManifest(ctx, st, name)
	if errors.Is(readErr, store.ErrNotExist) && errors.Is(err, store.ErrExist) {
		return nil, notAFile(st, name)
	}
	if errors.Is(readErr, store.ErrNotExist) {
		return nil, fmt.Errorf("store the manifest: %w", err)
	}
	return stored, readErr
}

// room is where the entries of manifests are kept.
var room = scratch.Room()

// ReadManifest returns the frozen manifest, which the caller closes. The error is
// store.ErrNotExist if there is none yet, and ErrMismatch if it is damaged.
func ReadManifest(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	return readManifest(ctx, st, manifestName)
}

func readManifest(ctx context.Context, st store.Store, name string) (*shard.Manifest, error) {
	return decodeManifest(ctx, st, name, "choose another folder, or remove this one to begin again")
}

// readList reads a manifest of an output that Repair can make again, in the output or in the folder
// of one of its retries. One that is missing is ErrMismatch too.
func readList(ctx context.Context, out, place store.Store, name string) (*shard.Manifest, error) {
	m, err := decodeManifest(ctx, place, name, repairAdvice(out))
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s is gone from %s: the content %w; %s", name, place, ErrMismatch, repairAdvice(out))
	}
	return m, err
}

func decodeManifest(ctx context.Context, st store.Store, name, advice string) (*shard.Manifest, error) {
	r, _, err := st.Open(ctx, name, "")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	m, err := shard.DecodeManifest(r, room)
	if errors.Is(err, shard.ErrCorrupt) {
		return nil, fmt.Errorf("%s of %s: %w: %w; %s", name, st, ErrMismatch, err, advice)
	}
	return m, err
}

// readKnown returns the manifest of that name of a complete output, whose digest _SUCCESS has. It
// does not parse the lines, which the digest proves.
func readKnown(ctx context.Context, st store.Store, name, digest string) (*shard.Manifest, error) {
	r, _, err := st.Open(ctx, name, "")
	if errors.Is(err, store.ErrNotExist) {
		return nil, goneRecord(st, name)
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	m, err := shard.DecodeKnown(r, digest, room)
	if errors.Is(err, shard.ErrCorrupt) {
		return nil, fmt.Errorf("%s of %s: %w: it has changed since the job completed: %w; %s", name, st, ErrMismatch, err, repairAdvice(st))
	}
	return m, err
}

// Frozen reports whether the manifest is stored.
func Frozen(ctx context.Context, st store.Store) (bool, error) {
	r, _, err := st.Open(ctx, manifestName, "")
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}
