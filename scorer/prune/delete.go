package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

const (
	// atOnce is how many objects are read or deleted at once.
	atOnce = 16
	// rounds is how often what is left of an output is listed and deleted.
	rounds = 5

	jobName = output.Folder + "job.json"
)

// partName matches the names that jobs give to parts.
var partName = regexp.MustCompile(`^part-(\d{5,}|\d{4,}/part-\d{7,})\.(jsonl|csv|parquet)$`)

// isOwn reports whether a job gave an object its name. Everything else stays.
func isOwn(name string) bool {
	if output.IsPart(name) {
		return partName.MatchString(name)
	}
	return output.IsOwn(name)
}

// own lists the objects of an output, and counts those that are not its own.
func own(ctx context.Context, st store.Store) (all []store.Object, others int, err error) {
	err = st.List(ctx, "", func(o store.Object) error {
		if isOwn(o.Name) {
			all = append(all, o)
		} else {
			others++
		}
		return nil
	})
	if errors.Is(err, store.ErrNotExist) {
		err = nil
	}
	return all, others, err
}

// deletionMark is the content of the mark of a deletion.
type deletionMark struct {
	// Abandoned reports whether the output had no _SUCCESS, so that somebody can continue its job
	// while the record of that is there.
	Abandoned bool `json:"abandoned,omitempty"`
}

// readDeletion returns the mark of a deletion; the zero one if it is gone or damaged.
func readDeletion(ctx context.Context, st store.Store) (m deletionMark, err error) {
	body, _, err := store.ReadAll(ctx, st, pruningName, markMost)
	if errors.Is(err, store.ErrNotExist) {
		return m, nil
	}
	if err == nil && json.Unmarshal(body, &m) != nil {
		return deletionMark{}, nil
	}
	return m, err
}

// deletes deletes an output. needed is called once the output has the mark of a deletion: if it
// returns a reason, the mark is taken away and the output stays.
func deletes(ctx context.Context, st store.Store, m deletionMark, needed func() (string, error)) (why string, err error) {
	mark, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	if _, err := st.Create(ctx, pruningName, append(mark, '\n')); err != nil && !errors.Is(err, store.ErrExist) {
		return "", fmt.Errorf("mark %s as being deleted: %w", st, err)
	}
	why, err = needed()
	if err != nil || why != "" {
		return why, errors.Join(err, remove(ctx, st, pruningName))
	}
	for _, name := range []string{output.SuccessName, jobName} {
		if err := remove(ctx, st, name); err != nil {
			return "", err
		}
	}
	for range rounds {
		all, _, err := own(ctx, st)
		if err != nil {
			return "", fmt.Errorf("list what is left of %s: %w", st, err)
		}
		all = slices.DeleteFunc(all, func(o store.Object) bool { return o.Name == pruningName })
		if len(all) == 0 {
			return "", remove(ctx, st, pruningName)
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, o := range all {
			g.Go(func() error { return gone(store.Delete(ctx, st, o.Name, o.ETag)) })
		}
		if err := g.Wait(); err != nil {
			return "", fmt.Errorf("delete %s: %w", st, err)
		}
	}
	return "", fmt.Errorf("%w: something still writes to %s; end it, and prune again", output.ErrIncomplete, st)
}

// remove deletes an object, if it exists.
func remove(ctx context.Context, st store.Store, name string) error {
	r, o, err := st.Open(ctx, name, "")
	if err == nil {
		r.Close()
		err = store.Delete(ctx, st, name, o.ETag)
	}
	if gone(err) != nil {
		return fmt.Errorf("delete %s of %s: %w", name, st, err)
	}
	return nil
}

// gone returns nil for the error of an object that does not exist, or that changed meanwhile: the
// next listing shows what is left.
func gone(err error) error {
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrChanged) {
		return nil
	}
	return err
}

// base returns the last element of a place.
func base(place string) string {
	place = strings.TrimSuffix(place, "/")
	return place[strings.LastIndexByte(place, '/')+1:]
}
