package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	reportpage "github.com/batchscore/batchscore/scorer/review/page"
	"github.com/batchscore/batchscore/scorer/review/thumbnail"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// thumbs are the thumbnails of a report.
type thumbs struct {
	all []thumbnail.Thumb // by their number
	// fewer is how many were left out so that the page is not too large.
	fewer int
	// tooLarge is how many bytes the page has without any picture, if that is too much; else 0.
	tooLarge int64
	none     string // why there is none
	links    int    // how many images are links out of their place
}

// thumb returns a thumbnail and its sides; nil if there is none.
func (p thumbs) thumb(n int) ([]byte, int, int) {
	if n < 0 || n >= len(p.all) {
		return nil, 0, 0
	}
	t := &p.all[n]
	return t.JPEG, t.Width, t.Height
}

// note says what is missing; empty if nothing is.
func (p thumbs) note() string {
	switch {
	case p.none != "":
		return "; it has no pictures: " + p.none
	case p.tooLarge > 0:
		return fmt.Sprintf("; it has no pictures, and its text alone, %s, is more than --max-megabytes", formatBytes(p.tooLarge))
	case p.fewer > 0:
		return fmt.Sprintf("; %s left out to keep it below --max-megabytes", numberOf(p.fewer, "picture"))
	case p.links > 0:
		return fmt.Sprintf("; %s left out: the images are links that lead out of their place (--follow-links shows them)", numberOf(p.links, "picture"))
	}
	return ""
}

// readPictures makes the thumbnails of the galleries. Without access to the images there are none,
// and the findings say why.
func (f *reportFlags) readPictures(ctx context.Context, stderr io.Writer, job *output.Job, out string, found *review.Findings,
	entries review.Entries,
) (thumbs, error) {
	none := func(why string) (thumbs, error) {
		found.NoPictures = why
		found.DropThumbs(why)
		return thumbs{none: why}, nil
	}
	if f.noPictures {
		return none("they were not asked for")
	}
	if len(entries.Thumbs) == 0 {
		return thumbs{}, nil
	}
	images, err := f.images.open(f.places, job, out)
	if err != nil {
		if f.images.place != "" {
			return thumbs{}, err
		}
		return none(redact(err.Error()))
	}
	images.versions(entries.Thumbs, entries.Sample)
	seen := thumbs{all: make([]thumbnail.Thumb, len(entries.Thumbs))}
	bar := newSteps(stderr, "reading pictures", len(entries.Thumbs))
	opt := thumbnail.Options{Decode: images.decode, IgnoreOrientation: images.ignoreOrientation, Progress: func(done, _ int) { bar.to(done) }}
	err = thumbnail.Make(ctx, images.store, entries.Thumbs, opt, func(i int, t thumbnail.Thumb) { seen.all[i] = t })
	bar.end()
	switch {
	case errors.Is(err, thumbnail.ErrNoAccess) && ctx.Err() == nil:
		return none(redact(err.Error()))
	case err != nil:
		return thumbs{}, err
	}
	seen.put(found)
	opt.Progress = nil
	if err := readSides(ctx, images.store, entries.Sample, opt, found); err != nil {
		return thumbs{}, err
	}
	return seen, nil
}

// sampledSides is of how many images a report shows width and height.
const sampledSides = 500

// readSides reads the headers of a sample of the images.
func readSides(ctx context.Context, images store.Store, sample []shard.Entry, opt thumbnail.Options, found *review.Findings) error {
	sides := &review.Pixels{}
	all := make([]thumbnail.Size, len(sample))
	err := thumbnail.Sizes(ctx, images, sample, opt, func(i int, s thumbnail.Size) { all[i] = s })
	if ctx.Err() != nil || err != nil && !errors.Is(err, thumbnail.ErrNoAccess) {
		return err
	}
	for _, s := range all { // in the order of the sample, whichever was read first
		if s.Width == 0 {
			sides.Unread++
			continue
		}
		sides.Sides = append(sides.Sides, [2]int{s.Width, s.Height})
	}
	if err == nil {
		found.Pixels = sides
	}
	return nil
}

// put says of each picture of the galleries how large its image is, and why it has no thumbnail.
func (p *thumbs) put(found *review.Findings) {
	found.EachPicture(func(one *review.Picture) {
		if one.Thumb < 0 {
			return
		}
		t := &p.all[one.Thumb]
		if errors.Is(t.Err, store.ErrOutside) {
			p.links++
		}
		one.Width, one.Height = t.ImageWidth, t.ImageHeight
		if t.Err != nil {
			one.Thumb, one.NoThumb = -1, redact(t.Err.Error())
		}
	})
}

// fit leaves out pictures so that the page takes at most that many bytes: of each gallery only the
// first k images remain, for the largest k that fits. Without a picture it may still be larger.
func (p *thumbs) fit(found *review.Findings, most int64) error {
	all := found.Galleries
	longest := 0
	for _, g := range all {
		longest = max(longest, len(g.Pictures))
	}
	// size returns how large the page is with k images of each gallery, which then remain.
	size := func(k int) (int64, error) {
		found.Galleries = nil
		for _, g := range all {
			g.Pictures = g.Pictures[:min(k, len(g.Pictures))]
			found.Galleries = append(found.Galleries, g)
		}
		var n byteCount
		err := reportpage.Write(&n, found, pageOptions(p.thumb))
		return int64(n), err
	}
	n, err := size(longest)
	if n <= most || err != nil {
		return err
	}
	lo, hi := 0, longest-1 // lo fits, or is 0
	for lo < hi {
		k := (lo + hi + 1) / 2
		n, err := size(k)
		if err != nil {
			return err
		}
		if n <= most {
			lo = k
		} else {
			hi = k - 1
		}
	}
	n, err = size(lo)
	for _, g := range all {
		p.fewer += max(len(g.Pictures)-lo, 0)
	}
	if n > most {
		p.tooLarge = n
	}
	return err
}

// byteCount counts what is written to it.
type byteCount int64

func (c *byteCount) Write(p []byte) (int, error) {
	*c += byteCount(len(p))
	return len(p), nil
}
