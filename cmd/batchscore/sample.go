package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newSample() *cobra.Command {
	var f sampleFlags
	cmd := &cobra.Command{
		Use:   "sample {--images PLACE | --from OUT} --out PLACE",
		Short: "Copy a deterministic sample of a collection, or images of a result chosen by their rows",
		Long: `sample copies N images of a collection under their names. It chooses them by their
names and the seed alone: the same collection gives the same sample on any machine,
and a larger sample contains a smaller one. An image that has been copied before is
not copied again. Left out, named and counted are images that cannot be read, that
the place cannot hold under their names, or that are larger than what a run decodes;
then the exit code is 3. Links that leave the place of the images are left out, named
and counted, too, without that: --follow-links copies them.

With --from OUT it chooses from the images of a result, and also writes their rows to
rows.csv and rows.jsonl next to them, with the address that each image has in the
collection. --where takes the conditions that "show --where" takes. --least-sure N
takes those of the least certainty, the least certain first. --per-label N takes at
most N of each label. An image that was changed or deleted since it was scored is
left out, and named; that alone is exit code 0. The images are where the job found them; --images names
another place that has them under the same names.

` + placesHelp,
		Example: `  batchscore sample --images az://acme/photos/2019 -n 500 --out sample
  batchscore sample --from result --least-sure 200 --per-label 20 --out to-label
  batchscore sample --from result --where 'status=truncated,corrupt' -n 50 --out broken`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags().Changed); err != nil {
				return err
			}
			if f.from != "" {
				return f.runFrom(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd)
	return cmd
}

// sampleFlags say which images to copy, and where to.
type sampleFlags struct {
	places            placeFlags
	images, from, out string
	n                 int
	seed              uint64
	allFiles, follow  bool

	// With from:
	where               string
	leastSure, perLabel int  // 0 if not given
	numbered            bool // the user said how many images
}

func (f *sampleFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.images, "images", "", "take images from `PLACE`: "+placeKinds+" (required without --from)")
	fs.StringVar(&f.from, "from", "", "choose by the rows of the output folder `OUT`, and copy the rows too")
	fs.StringVar(&f.out, "out", "", "copy them to `PLACE`: "+placeKinds+" (required)")
	fs.IntVarP(&f.n, "number", "n", 500, "copy `N` images; with --per-label the default is as many as that allows")
	fs.Uint64Var(&f.seed, "seed", 0, "choose the images by this `SEED`; another one gives another sample")
	fs.IntVar(&f.leastSure, "least-sure", 0, "copy the `N` images of the least certainty (with --from)")
	fs.IntVar(&f.perLabel, "per-label", 0, "copy at most `N` images of each label; those that failed count by status (with --from)")
	registerJoined(fs, &f.where, "where", " ", "copy only images whose row fulfils these `CONDITIONS`, such as 'label=Sexy score<0.6' (with --from)")
	registerAllFiles(fs, &f.allFiles)
	fs.BoolVar(&f.follow, "follow-links", false, "copy also what links lead to that leave the place of the images")
	groupFlags(cmd, "Storage flags", func() {
		f.places.register(cmd)
		f.places.registerCreate(cmd)
	})
}

// check returns an error if flags contradict one another. given reports whether a flag
// was given.
func (f *sampleFlags) check(given func(flag string) bool) error {
	if f.images == "" && f.from == "" {
		return usagef("--images is missing: the place of the images, or --from: the output folder to choose from")
	}
	if f.out == "" {
		return usagef("--out is missing: the place for the sample")
	}
	if f.n < 1 {
		return usagef("invalid value %d for -n: want a number of images above zero", f.n)
	}
	for _, flag := range []struct {
		name  string
		value int
	}{{"least-sure", f.leastSure}, {"per-label", f.perLabel}} {
		if given(flag.name) && flag.value < 1 {
			return invalid(flag.name, flag.value, "a number of images above zero")
		}
	}
	if f.from == "" {
		for _, flag := range []string{"where", "least-sure", "per-label"} {
			if given(flag) {
				return usagef("--%s chooses by rows: name the output folder that has them with --from", flag)
			}
		}
		return nil
	}
	if given("all-files") {
		return usagef("--all-files is not for --from: the images are those that were scored")
	}
	for _, flag := range []string{"number", "seed"} {
		if given("least-sure") && given(flag) {
			return usagef("--least-sure says how many images, and which: leave out --%s", flag)
		}
	}
	f.numbered = given("least-sure") || given("number")
	if given("per-label") && !given("number") {
		f.n = math.MaxInt
	}
	if given("least-sure") {
		f.n = f.leastSure
	}
	return nil
}

// run copies a sample of a collection.
func (f *sampleFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	from, to, err := f.open(ctx, f.images, stderr)
	if err != nil {
		return err
	}
	chosen, total, passed, err := chooseImages(ctx, from, filesTaken(f.allFiles), f.n, f.seed)
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
	if _, err = printf(stdout, "%s%s\n", c.summary(len(chosen), total), andPassedOver(passed)); err != nil {
		return err
	}
	return c.complete()
}

// open opens the place of the images and the one for the sample.
func (f *sampleFlags) open(ctx context.Context, images string, stderr io.Writer) (from, to store.Store, err error) {
	f.places.within = !f.follow
	from, err = f.places.open("--images", images)
	f.places.within = false
	if err != nil {
		return nil, nil, err
	}
	if to, err = f.places.openToWrite(ctx, "--out", f.out); err != nil {
		return nil, nil, err
	}
	if from.String() == to.String() {
		return nil, nil, usagef("the images and --out are the same place, %s", to)
	}
	if inside(images, f.out) {
		printf(stderr, "batchscore: --out %s is inside the place of the images, %s: the next job that scores that place scores the copies too\n",
			printable.Text(f.out), printable.Text(from.String()))
	}
	return from, to, f.places.aside(ctx, "--out", f.out, to)
}

// copier copies images and counts what became of them.
type copier struct {
	from, to store.Store
	stderr   io.Writer
	scored   bool // the images are those of a result
	// streams has room for the images that pass through in pieces at one time.
	streams chan struct{}

	bytes atomic.Int64 // copied
	had   atomic.Int64 // images that were copied before

	mu     sync.Mutex
	unread map[string]error // images that could not be read, or named as they are, by name
}

// summary says what came of chosen images of a total.
func (c *copier) summary(chosen, total int) string {
	there, had := chosen-len(c.unread), int(c.had.Load())
	line := fmt.Sprintf("%d of %s of %s are in %s: %d copied (%s), %d were there already",
		there, images(total), c.from, c.to, there-had, formatBytes(c.bytes.Load()), had)
	if len(c.unread) == 0 {
		return line
	}
	unread := len(c.unread)
	var wrong []string
	for _, kind := range leftOut {
		if n := c.count(kind.err); n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", n, kind.what))
			unread -= n
		}
	}
	if unread > 0 {
		line += fmt.Sprintf(", %d could not be read", unread)
	}
	for _, w := range wrong {
		line += ", " + w
	}
	if !c.scored {
		return line
	}
	var since []string
	for _, kind := range []struct {
		err  error
		what string
	}{{store.ErrChanged, "changed"}, {store.ErrNotExist, "deleted"}} {
		if n := c.count(kind.err); n > 0 {
			since = append(since, fmt.Sprintf("%d %s since", n, kind.what))
		}
	}
	if since != nil {
		line += " (" + strings.Join(since, ", ") + ")"
	}
	return line
}

// count returns how many images were left out for a reason.
func (c *copier) count(reason error) int {
	n := 0
	for _, err := range c.unread {
		if errors.Is(err, reason) {
			n++
		}
	}
	return n
}

// complete returns errLeftOut if images are missing, except for links that are left out
// unless the user asks for them, and for images that are no longer those that were scored.
func (c *copier) complete() error {
	n := len(c.unread) - c.count(store.ErrOutside)
	if c.scored {
		n -= c.count(store.ErrChanged) + c.count(store.ErrNotExist)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return marked{errors.New("1 image is not in the sample: it is named above"), errLeftOut}
	}
	return fmt.Errorf("%d %w: each is named above", n, errLeftOut)
}

// copy copies the chosen images, except those that have been copied before.
func (c *copier) copy(ctx context.Context, chosen []store.Object) error {
	start := time.Now()
	c.unread = map[string]error{}
	c.streams = make(chan struct{}, maxStreams)
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
				return config(fmt.Errorf("%s already has another %q, of %d bytes instead of %d: choose another place", c.to, o.Name, size, o.Size))
			}
			switch err := c.copyObject(ctx, o); {
			case errors.Is(err, store.ErrExist): // another sample was faster, or the listing named it twice
				c.had.Add(1)
			case isOfOneImage(err):
				c.mu.Lock()
				c.unread[o.Name] = err
				hint := ""
				if errors.Is(err, store.ErrOutside) {
					hint = "; --follow-links copies it"
				}
				printf(stderr, "batchscore: not in the sample: %s%s\n", printable.Text(err.Error()), hint)
				c.mu.Unlock()
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

// chooseImages returns the n images of a collection whose names have the lowest hashes,
// in any order, how many images there are, and which files were passed over.
func chooseImages(ctx context.Context, images store.Store, files listing.Files, n int, seed uint64) ([]store.Object, int, listing.PassedOver, error) {
	best := choose.First[candidate]{N: n, Less: candidate.before}
	total := 0
	passed, err := listing.Walk(ctx, images, files, func(o store.Object) error {
		total++
		best.Add(candidate{choose.Hash(o.Name, seed), o})
		return nil
	})
	var chosen []store.Object
	for _, c := range best.Items {
		chosen = append(chosen, c.object)
	}
	return chosen, total, passed, err
}

// candidate is an image that may be in the sample.
type candidate struct {
	hash   [32]byte
	object store.Object
}

func (c candidate) before(o candidate) bool { return string(c.hash[:]) < string(o.hash[:]) }
