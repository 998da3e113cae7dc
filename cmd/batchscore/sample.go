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
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

func newSample() *cobra.Command {
	var f sampleFlags
	cmd := &cobra.Command{
		Use:   "sample --images PLACE --out PLACE [-n N]",
		Short: "Copy a deterministic sample of a collection, to try a job on",
		Long: `sample copies N images of a collection under their names. It chooses them by their
names and the seed alone: the same collection gives the same sample on any machine,
and a larger sample contains a smaller one. An image that has been copied before is
not copied again.

` + placesHelp,
		Example: "  batchscore sample --images az://acme/photos/2019 -n 500 --out sample",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd)
	return cmd
}

// sampleFlags say which images to copy, and where to.
type sampleFlags struct {
	places      placeFlags
	images, out string
	n           int
	seed        uint64
	allFiles    bool
}

func (f *sampleFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.images, "images", "", "take images from `PLACE`: "+placeKinds+" (required)")
	fs.StringVar(&f.out, "out", "", "copy them to `PLACE`: "+placeKinds+" (required)")
	fs.IntVarP(&f.n, "number", "n", 500, "copy `N` images")
	fs.Uint64Var(&f.seed, "seed", 0, "choose the images by this `SEED`; another one gives another sample")
	registerAllFiles(fs, &f.allFiles)
	groupFlags(cmd, "Storage flags", func() {
		f.places.register(cmd)
		f.places.registerCreate(cmd)
	})
}

// run copies the sample.
func (f *sampleFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	switch {
	case f.images == "":
		return usagef("--images is missing: the place of the images")
	case f.out == "":
		return usagef("--out is missing: the place for the sample")
	case f.n < 1:
		return usagef("invalid value %d for -n: want a number of images above zero", f.n)
	}
	from, err := f.places.open("--images", f.images)
	if err != nil {
		return err
	}
	to, err := f.places.openToWrite(ctx, "--out", f.out)
	if err != nil {
		return err
	}
	if from.String() == to.String() {
		return usagef("--images and --out are the same place, %s", to)
	}
	chosen, total, passed, err := choose(ctx, from, filesTaken(f.allFiles), f.n, f.seed)
	if err != nil {
		return err
	}
	if total == 0 {
		return listing.NoImages(from, passed)
	}
	c := copier{from: from, to: to, stderr: stderr}
	if err := c.copy(ctx, chosen); err != nil {
		return err
	}
	unread := ""
	if n := c.unread.Load(); n > 0 {
		unread = fmt.Sprintf(", %d could not be read", n)
	}
	there := len(chosen) - int(c.unread.Load())
	_, err = fmt.Fprintf(stdout, "%d of %d images of %s are in %s: %d copied (%s), %d were there already%s%s\n",
		there, total, from, to, there-int(c.had.Load()), formatBytes(c.bytes.Load()), c.had.Load(), unread, andPassedOver(passed))
	return err
}

// maxCopies is how many images are copied at the same time.
const maxCopies = 16

// copier copies images and counts what became of them.
type copier struct {
	from, to store.Store
	stderr   io.Writer

	bytes  atomic.Int64 // copied
	had    atomic.Int64 // images that were copied before
	unread atomic.Int64 // images that could not be read
}

// copy copies the chosen images, except those that have been copied before.
func (c *copier) copy(ctx context.Context, chosen []store.Object) error {
	start := time.Now()
	sizes := map[string]int64{} // of what is there, by name
	err := c.to.List(ctx, "", func(o store.Object) error {
		sizes[o.Name] = o.Size
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("list the sample in %s: %w", c.to, err)
	}

	progress := &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}, Bar: newBar(c.stderr, "copying")}
	progress.Start(len(chosen))
	stderr := progress.Bar.Above(c.stderr)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxCopies)
	for _, o := range chosen {
		g.Go(func() error {
			if size, ok := sizes[o.Name]; ok && size == o.Size {
				c.had.Add(1)
				progress.Add(1, 0)
				return nil
			} else if ok {
				return fmt.Errorf("%s already has another %q, of %d bytes instead of %d: choose another place", c.to, o.Name, size, o.Size)
			}
			switch err := copyObject(ctx, c.from, c.to, o); {
			case errors.Is(err, store.ErrExist): // another sample was faster, or the listing named it twice
				c.had.Add(1)
			case isOfOneImage(err):
				c.unread.Add(1)
				fmt.Fprintf(stderr, "batchscore: not in the sample: %v\n", err)
			case err != nil:
				return err
			default:
				c.bytes.Add(o.Size)
			}
			progress.Add(1, 0)
			return nil
		})
	}
	err = g.Wait()
	progress.Finish(time.Since(start))
	return err
}

// isOfOneImage reports whether err concerns only the image that was being read.
func isOfOneImage(err error) bool {
	var u unreadImage
	return errors.As(err, &u) &&
		(errors.Is(err, store.ErrUnreadable) || errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrChanged))
}

// unreadImage marks errors of reading an image.
type unreadImage struct{ error }

func (u unreadImage) Unwrap() error { return u.error }

// copyObject copies one image. Errors of reading it are unreadImage.
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

// choose returns the n images of a collection whose names have the lowest hashes,
// in any order, how many images there are, and which files were passed over.
func choose(ctx context.Context, images store.Store, files listing.Files, n int, seed uint64) ([]store.Object, int, listing.PassedOver, error) {
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

// hash returns the key by which samples are chosen, lowest first.
func hash(name string, seed uint64) [32]byte {
	return sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), name...))
}

// candidate is an image that may be in the sample.
type candidate struct {
	hash   [32]byte
	object store.Object
}

func (c candidate) before(o candidate) bool { return string(c.hash[:]) < string(o.hash[:]) }

// lowest is a heap of candidates with the highest hash on top.
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
