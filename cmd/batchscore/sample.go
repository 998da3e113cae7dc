package main

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

func newSample() *cobra.Command {
	var places placeFlags
	var images, out string
	var n int
	var seed uint64
	var allFiles bool
	cmd := &cobra.Command{
		Use:   "sample --images PLACE -n N --out DIR",
		Short: "Copy a deterministic sample of a collection, to try a job on",
		Long: `sample copies N images of a collection, under the names that they have there. Which
ones is a matter of their names and the seed alone: the same collection gives
the same sample on any machine, and a larger sample holds the smaller one. What
was copied already is not copied again.

` + placesHelp,
		Example: "  batchscore sample --images az://acme/photos/2019 -n 500 --out sample",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case images == "":
				return usagef("--images is missing: the place of the images")
			case out == "":
				return usagef("--out is missing: the place for the sample")
			case n < 1:
				return usagef("-n %d: a sample holds at least one image", n)
			}
			from, err := places.open("--images", images)
			if err != nil {
				return err
			}
			to, err := places.open("--out", out)
			if err != nil {
				return err
			}
			if from.String() == to.String() {
				return usagef("--images and --out are the same place, %s", to)
			}
			return sample(cmd.Context(), cmd, from, to, filesTaken(allFiles), n, seed)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&images, "images", "", "place of the images (required)")
	fs.IntVarP(&n, "number", "n", 500, "number of images")
	fs.StringVar(&out, "out", "", "place for the sample (required)")
	fs.Uint64Var(&seed, "seed", 0, "another seed gives another sample")
	places.register(cmd)
	registerAllFiles(fs, &allFiles)
	return cmd
}

// copies is how many images are copied at once.
const copies = 16

func sample(ctx context.Context, cmd *cobra.Command, from, to store.Store, files output.Files, n int, seed uint64) error {
	start := time.Now()
	chosen, total, passed, err := choose(ctx, from, files, n, seed)
	if err != nil {
		return err
	}
	if total == 0 {
		return listing.NoImages(from, passed)
	}
	there := map[string]int64{}
	err = to.List(ctx, "", func(o store.Object) error {
		there[o.Name] = o.Size
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("list the sample in %s: %w", to, err)
	}

	progress := &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}, Bar: newBar(cmd.ErrOrStderr(), "copying")}
	progress.Start(len(chosen))
	stderr := progress.Bar.Above(cmd.ErrOrStderr())
	var bytes, had, unread atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(copies)
	for _, o := range chosen {
		g.Go(func() error {
			if size, ok := there[o.Name]; ok && size == o.Size {
				had.Add(1)
				progress.Add(1, 0)
				return nil
			} else if ok {
				return fmt.Errorf("%s holds another %q, of %d bytes and not %d: choose another place", to, o.Name, size, o.Size)
			}
			switch err := copyObject(ctx, from, to, o); {
			case errors.Is(err, store.ErrExist): // another sample was faster, or the listing named it twice
				had.Add(1)
			case isOfOneImage(err):
				unread.Add(1)
				fmt.Fprintf(stderr, "batchscore: not in the sample: %v\n", err)
			case err != nil:
				return err
			default:
				bytes.Add(o.Size)
			}
			progress.Add(1, 0)
			return nil
		})
	}
	err = g.Wait()
	progress.Finish(time.Since(start))
	if err != nil {
		return err
	}
	lie := len(chosen) - int(unread.Load())
	failed := ""
	if n := unread.Load(); n > 0 {
		failed = fmt.Sprintf(", %d could not be read", n)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d of %d images of %s lie in %s: %d copied (%s), %d were there already%s%s\n",
		lie, total, from, to, lie-int(had.Load()), formatBytes(bytes.Load()), had.Load(), failed, andPassedOver(passed))
	return err
}

// isOfOneImage reports whether err, of reading an image, says nothing about the
// others.
func isOfOneImage(err error) bool {
	var u unreadImage
	return errors.As(err, &u) &&
		(errors.Is(err, store.ErrUnreadable) || errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrChanged))
}

// unreadImage marks errors of reading.
type unreadImage struct{ error }

func (u unreadImage) Unwrap() error { return u.error }

func copyObject(ctx context.Context, from, to store.Store, o store.Object) error {
	r, _, err := from.Open(ctx, o.Name, o.ETag)
	if err != nil {
		return unreadImage{fmt.Errorf("read %q of %s: %w", o.Name, from, err)}
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return unreadImage{fmt.Errorf("read %q of %s: %w", o.Name, from, err)}
	}
	if _, err := to.Create(ctx, o.Name, body); err != nil {
		return fmt.Errorf("write %q to %s: %w", o.Name, to, err)
	}
	return nil
}

// choose returns the n images of a collection whose names hash lowest, in no
// order, how many images there are, and what else is there.
func choose(ctx context.Context, images store.Store, files output.Files, n int, seed uint64) ([]store.Object, int, output.PassedOver, error) {
	var best lowest
	total := 0
	passed, err := listing.Walk(ctx, images, files, func(o store.Object) error {
		total++
		c := candidate{hash(o.Name, seed), o}
		switch {
		case len(best) < n:
			heap.Push(&best, c)
		case c.before(best[0]):
			best[0] = c
			heap.Fix(&best, 0)
		}
		return nil
	})
	chosen := make([]store.Object, len(best))
	for i, c := range best {
		chosen[i] = c.object
	}
	return chosen, total, passed, err
}

// hash is where an image stands in the order that samples are taken in.
func hash(name string, seed uint64) [32]byte {
	return sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), name...))
}

type candidate struct {
	hash   [32]byte
	object store.Object
}

func (c candidate) before(o candidate) bool { return string(c.hash[:]) < string(o.hash[:]) }

// lowest is a heap of candidates with the last in the order on top.
type lowest []candidate

func (l lowest) Len() int           { return len(l) }
func (l lowest) Less(i, j int) bool { return l[j].before(l[i]) }
func (l lowest) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lowest) Push(c any)        { *l = append(*l, c.(candidate)) }
func (l *lowest) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}
