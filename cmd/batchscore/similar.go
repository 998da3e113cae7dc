package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newSimilar() *cobra.Command {
	var f similarFlags
	similar := &cobra.Command{
		Use:   "similar OUT [IMAGE...]",
		Short: "Find the images that are most similar to some, or near duplicates, by their vectors",
		Long: `similar compares the vectors of an output of the task embed. The similarity of two images
is the cosine of the angle between their vectors, from -1 to 1.

Vectors of a network differ most in a few directions that many images share, so that all
portraits may look the same. With images and --queries, the mean of the vectors of OUT is
therefore taken off, and such directions are evened out, if OUT has 16 images or more.
Similarities are lower then, and depend on the images of OUT. --cosine leaves that out.
--pairs compares by the plain cosine.

With IMAGE, which is the name of an image of OUT, it prints the images that are most similar
to it. --queries does so for every image of another output, such as one of new images that
the same model has embedded. --pairs compares all images with each other and prints the pairs
of near duplicates, the most similar first.

All comparisons are exact. The vectors are copied to the folder for temporary files (TMPDIR),
4 bytes for each number, and the names of the images. --pairs keeps 300 bytes of each image in
memory; a million images take from minutes to two hours of processor time, depending on how
much they differ.

` + placesHelp,
		Example: `  batchscore similar vectors 2019/beach.jpg
  batchscore similar vectors --queries vectors-of-new --limit 1 --json
  batchscore similar vectors --pairs --at-least 0.98 --limit 1000`,
		Args: someArgs("OUT"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c, args[0], args[1:])
		},
	}
	fs := similar.Flags()
	fs.BoolVar(&f.pairs, "pairs", false, "find near duplicates among all images")
	fs.StringVar(&f.queries, "queries", "", "find the images of OUT that are most similar to each image of the output `OUT2`")
	fs.Float64Var(&f.atLeast, "at-least", 0.95, "with --pairs: images are near duplicates from this `SIMILARITY` on, above 0 and at most 1")
	fs.BoolVar(&f.cosine, "cosine", false, "with images and --queries: compare by the plain cosine")
	fs.IntVar(&f.limit, "limit", 0, "print at most `N` images for each, or N pairs (default 10, with --pairs 100)")
	fs.StringVar(&f.head, "head", "", "compare the vectors of the answer called `NAME`, where rows have several")
	fs.BoolVar(&f.json, "json", false, "print JSON, one line for each image or pair")
	groupFlags(similar, "Storage flags", func() { f.places.register(similar) })
	return similar
}

// similarFlags say what to compare.
type similarFlags struct {
	places        placeFlags
	pairs, json   bool
	cosine        bool
	queries, head string
	atLeast       float64
	limit         int
}

func (f *similarFlags) run(c *cobra.Command, out string, images []string) error {
	ways := 0
	for _, given := range []bool{len(images) > 0, f.pairs, f.queries != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return usagef("name images of %s, or give --queries or --pairs: one of the three", printable.Field(out))
	case f.limit < 0 || f.limit == 0 && c.Flags().Changed("limit"):
		return invalid("limit", f.limit, "a number above zero")
	case !(f.atLeast > 0 && f.atLeast <= 1):
		return invalid("at-least", f.atLeast, "a similarity above 0 and at most 1")
	case f.pairs && f.cosine:
		return usagef("--pairs always compares by the plain cosine; --cosine is about images and --queries")
	case !f.pairs && c.Flags().Changed("at-least"):
		return usagef("--at-least is about --pairs")
	}
	st, err := f.places.open("OUT", out)
	if err != nil {
		return err
	}
	rows := map[string]int{}
	for _, image := range images {
		rows[image] = -1
	}
	s := similarity{st: st, stdout: c.OutOrStdout(), stderr: c.ErrOrStderr(), json: f.json}
	if s.vectors, err = s.read(c.Context(), st, f.head, rows); err != nil {
		return err
	}
	defer s.vectors.Close()
	if f.pairs {
		return s.pairs(c.Context(), f.atLeast, cmp.Or(f.limit, 100))
	}
	if !f.cosine {
		if s.evening, err = embedding.NewEvening(c.Context(), s.vectors.Vectors, 0); err != nil {
			return err
		}
		if s.evening != nil && !f.json {
			if err := sayLine(s.stderr, "directions that many images share are evened out; --cosine compares by the plain cosine"); err != nil {
				return err
			}
		}
	}
	var q queries
	if f.queries != "" {
		other, err := f.places.open("--queries", f.queries)
		if err != nil {
			return err
		}
		if err := sameVectors(c.Context(), st, other, f.head); err != nil {
			return err
		}
		q.st = other
		if q.vectors, err = s.read(c.Context(), other, f.head, nil); err != nil {
			return err
		}
		defer q.vectors.Close()
		for n := range q.vectors.Rows() {
			q.rows = append(q.rows, n)
		}
	} else {
		q.st, q.vectors, q.own = st, s.vectors, true
		for _, image := range images {
			if rows[image] < 0 {
				return config(fmt.Errorf("%s has no image %q: give the name as show prints it", st, image))
			}
			q.rows = append(q.rows, rows[image])
		}
	}
	return s.nearest(c.Context(), &q, cmp.Or(f.limit, 10))
}

// similarity compares the vectors of an output.
type similarity struct {
	st             store.Store
	vectors        *review.Vectors
	evening        *embedding.Evening // nil for the plain cosine
	stdout, stderr io.Writer
	json           bool
}

// read reads the vectors of an output, with a progress bar.
func (s *similarity) read(ctx context.Context, st store.Store, head string, rows map[string]int) (*review.Vectors, error) {
	total := 0
	if done, err := output.ReadSuccess(ctx, st); err == nil {
		total = done.CollectionSize()
	}
	bar := newSteps(s.stderr, "reading vectors", total)
	defer bar.end()
	v, err := review.VectorsOf(ctx, st, head, rows, bar.to)
	if errors.Is(err, row.ErrNoVector) {
		return nil, config(err)
	}
	if err == nil && v.Rows() == 0 {
		err = errors.Join(config(fmt.Errorf("%s has no image with a vector", st)), v.Close())
	}
	return v, err
}

// sameVectors returns an error if two outputs were made by different models, or if the vectors of
// one are not made as those of the other.
func sameVectors(ctx context.Context, one, other store.Store, head string) error {
	a, err := output.ExistingJob(ctx, one)
	if err != nil {
		return err
	}
	b, err := output.ExistingJob(ctx, other)
	if err != nil {
		return err
	}
	if a.ModelDigest != b.ModelDigest {
		return config(fmt.Errorf("%s and %s have vectors of different models, which cannot be compared", one, other))
	}
	if text := output.VectorsDiffer(a, b, head); text != "" {
		return config(fmt.Errorf("%s and %s have vectors that cannot be compared: %s", one, other, text))
	}
	return nil
}

// queries are rows whose neighbours are wanted.
type queries struct {
	st      store.Store
	vectors *review.Vectors
	rows    []int
	own     bool // they are rows of the output that is searched
}

// queryMemory is what queries take at most that are compared while the vectors are read once. It is
// a quarter of the memory that is free if that is less.
const queryMemory = 2 << 30

// queriesAtOnce returns how many queries of dims numbers are compared at once, given the memory that
// is free, if the n most similar ones of each are wanted.
func queriesAtOnce(free int64, dims, n int) int {
	each := 12*int64(dims) + 64*int64(n) + 256
	return int(max(min(free/4, queryMemory)/each, 16))
}

// nearest prints the neighbours of each query.
func (s *similarity) nearest(ctx context.Context, q *queries, n int) error {
	none := 0
	for some := range slices.Chunk(q.rows, queriesAtOnce(device.FreeMemory(), s.vectors.Dimensions(), n)) {
		var vectors [][]float32
		var rows []int
		for _, row := range some {
			v, err := q.vectors.Vector(row)
			if err != nil {
				return err
			}
			if !embedding.Comparable(v) {
				none++
				continue
			}
			vectors, rows = append(vectors, v), append(rows, row)
		}
		most := n
		if q.own {
			most++ // the query itself
		}
		near, err := embedding.Nearest(ctx, s.vectors.Vectors, s.evening, vectors, most, 0)
		if err != nil {
			return err
		}
		if err := s.printNearest(q, rows, near, n); err != nil {
			return err
		}
	}
	switch {
	case none == len(q.rows):
		return config(fmt.Errorf("%s: no image of those has a vector that can be compared: they failed, or all numbers are 0", q.st))
	case none > 0:
		return sayLine(s.stderr, "left out, because they failed, or their vectors cannot be compared: "+images(none))
	}
	return nil
}

func (s *similarity) printNearest(q *queries, rows []int, near [][]embedding.Neighbour, n int) error {
	for i, row := range rows {
		asked, err := q.vectors.Path(row)
		if err != nil {
			return err
		}
		var lines []similarLine
		for _, one := range near[i] {
			if q.own && one.Row == row || len(lines) == n {
				continue
			}
			found, err := s.vectors.Path(one.Row)
			if err != nil {
				return err
			}
			lines = append(lines, similarLine{Image: asked, Other: found, Similarity: one.Similarity})
		}
		if !s.json {
			if err := sayLine(s.stdout, printable.Field(asked)); err != nil {
				return err
			}
		}
		if err := s.print(lines, false); err != nil {
			return err
		}
	}
	return nil
}

// similarLine is one line of the result.
type similarLine struct {
	Image      string  `json:"image"`
	Other      string  `json:"other"`
	Similarity float64 `json:"similarity"`
}

// print prints lines as JSON or as a table, with the first image of each where both are asked for.
func (s *similarity) print(lines []similarLine, both bool) error {
	if s.json {
		e := json.NewEncoder(s.stdout)
		for _, line := range lines {
			if err := e.Encode(line); err != nil {
				return err
			}
		}
		return nil
	}
	w := newTable(s.stdout)
	for _, line := range lines {
		text := printable.Field(line.Other)
		if both {
			text = printable.Field(line.Image) + "\t" + text
		}
		printf(w, "%7.4f\t%s\n", line.Similarity, text)
	}
	return w.Flush()
}

// pairs prints the near duplicates among all images.
func (s *similarity) pairs(ctx context.Context, atLeast float64, n int) error {
	const parts = 1000
	bar := newSteps(s.stderr, "comparing images", parts)
	var told sync.Mutex
	farthest := 0
	found, err := embedding.FindDuplicates(ctx, s.vectors.Vectors, embedding.Options{
		Similar: atLeast, Duplicates: n, Groups: 1,
		Progress: func(part float64) {
			told.Lock()
			defer told.Unlock()
			farthest = max(farthest, int(part*parts))
			bar.to(farthest)
		},
	})
	bar.end()
	if err != nil {
		return err
	}
	var lines []similarLine
	for _, p := range found.Listed {
		a, errA := s.vectors.Path(p.A)
		b, errB := s.vectors.Path(p.B)
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		lines = append(lines, similarLine{Image: a, Other: b, Similarity: p.Similarity})
	}
	if err := s.print(lines, true); err != nil {
		return err
	}
	w := s.stdout
	if s.json {
		w = s.stderr
	}
	return sayDuplicates(w, found, atLeast)
}

// sayDuplicates prints what all near duplicates say together.
func sayDuplicates(w io.Writer, found *embedding.Duplicates, atLeast float64) error {
	text := fmt.Sprintf("%s: %d have a near duplicate, with a similarity of at least %v", images(found.Compared), found.WithDuplicate, atLeast)
	if found.WithDuplicate > 0 {
		text += fmt.Sprintf(", in %s; the largest group has %d images", numberOf(found.Pairs, "pair"), found.Groups[0].Images)
	}
	if more := found.Pairs - len(found.Listed); more > 0 {
		text += fmt.Sprintf("; %d pairs are not printed, see --limit", more)
	}
	if found.Crowded > 0 {
		text += fmt.Sprintf("; of %s with more than 200 near duplicates, not all are counted", images(found.Crowded))
	}
	if err := sayLine(w, text); err != nil {
		return err
	}
	if found.LeftOut > 0 {
		return sayLine(w, "left out, because they failed, or their vectors cannot be compared: "+images(found.LeftOut))
	}
	return nil
}
