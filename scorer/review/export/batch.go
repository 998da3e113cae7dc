package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/review/thumbnail"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

const (
	// batchImages and batchBytes are how many images, and bytes of them, are prepared
	// together at most. An image that is larger is prepared alone.
	batchImages = 128
	batchBytes  = 64 << 20
	// readers is how many images are read at the same time.
	readers = 16
)

// batch prepares what a format needs of images, many at the same time, and hands them to
// its writer in order.
type batch struct {
	request *Request
	to      Folder
	writer  Writer
	report  *Report

	items []*Item
	bytes int64
	sizes chan *preprocess.Previewer
	most  int64 // bytes of one image
	read  atomic.Int64
}

func newBatch(r *Request, to Folder, w Writer, report *Report) (*batch, error) {
	b := &batch{request: r, to: to, writer: w, report: report, most: r.Decode.MaxBytes}
	if b.most == 0 {
		b.most = preprocess.DefaultMaxBytes(preprocess.DefaultMaxPixels)
	}
	if r.Format.Needs < Files {
		return b, nil
	}
	b.sizes = make(chan *preprocess.Previewer, readers)
	for range readers {
		p, err := preprocess.NewPreviewer(1, r.ignoresOrientation(), r.Decode)
		if err != nil {
			b.close()
			return nil, err
		}
		b.sizes <- p
	}
	return b, nil
}

// ignoresOrientation reports whether the job took images as they are stored.
func (r *Request) ignoresOrientation() bool {
	return r.Job.Preprocess != nil && r.Job.Preprocess.IgnoreOrientation
}

func (b *batch) close() {
	for len(b.sizes) > 0 {
		(<-b.sizes).Close()
	}
}

// add adds an image, and hands on those that are prepared.
func (b *batch) add(ctx context.Context, it *Item) error {
	if b.request.Format.Needs == Rows {
		return b.write(ctx, it)
	}
	if len(b.items) == batchImages || len(b.items) > 0 && b.bytes+it.Entry.Size > batchBytes {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	own := *it
	b.items = append(b.items, &own)
	b.bytes += it.Entry.Size
	return nil
}

// flush prepares the images of the batch and hands them on.
func (b *batch) flush(ctx context.Context) error {
	failed := make([]error, len(b.items))
	var err error
	switch {
	case len(b.items) == 0:
		return nil
	case b.request.Format.Needs == Sizes:
		err = b.measure(ctx, failed)
	case b.request.Format.Needs == Files && b.request.Options.Link:
		err = b.link(ctx, failed)
	default:
		err = b.fetch(ctx, failed)
	}
	if err != nil {
		return err
	}
	for i, it := range b.items {
		if failed[i] == nil {
			if err := b.write(ctx, it); err != nil {
				return err
			}
			continue
		}
		b.report.leave(failed[i])
		if b.request.LeftOut != nil {
			b.request.LeftOut(it.Entry, failed[i])
		}
		if b.request.Progress != nil {
			b.request.Progress.Add(1, 1)
		}
	}
	b.report.Bytes = b.read.Load()
	b.items, b.bytes = b.items[:0], 0
	return nil
}

func (b *batch) write(ctx context.Context, it *Item) error {
	if err := b.writer.Add(ctx, it); err != nil {
		return fmt.Errorf("%q: %w", it.Entry.Path, err)
	}
	b.report.Written++
	if b.request.Progress != nil {
		b.request.Progress.Add(1, 0)
	}
	return nil
}

// entry returns the entry by which an image is read.
func (b *batch) entry(it *Item) shard.Entry {
	e := it.Entry
	if b.request.AnyVersion {
		e.ETag = ""
	}
	return e
}

// measure reads the sizes of the images.
func (b *batch) measure(ctx context.Context, failed []error) error {
	entries := make([]shard.Entry, len(b.items))
	for i, it := range b.items {
		entries[i] = b.entry(it)
	}
	opt := thumbnail.Options{Decode: b.request.Decode, IgnoreOrientation: b.request.ignoresOrientation()}
	return thumbnail.Sizes(ctx, b.request.Images, entries, opt, func(i int, s thumbnail.Size) {
		b.items[i].Width, b.items[i].Height, failed[i] = s.Width, s.Height, s.Err
	})
}

// link puts links to the images in the folder. One that is damaged has no size.
func (b *batch) link(ctx context.Context, failed []error) error {
	if err := b.measure(ctx, failed); err != nil {
		return err
	}
	for i, it := range b.items {
		if errors.As(failed[i], new(*codec.Failure)) {
			failed[i] = nil
		}
		if failed[i] != nil {
			continue
		}
		if err := b.place(it, nil); err != nil {
			return err
		}
	}
	return nil
}

// fetch reads the images, and puts copies of them in the folder if the format needs that.
func (b *batch) fetch(ctx context.Context, failed []error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, it := range b.items {
		g.Go(func() error {
			body, err := b.whole(ctx, b.entry(it))
			if isOfOne(err) {
				failed[i] = err
				return nil
			}
			if err != nil {
				return err
			}
			b.read.Add(int64(len(body)))
			p := <-b.sizes
			it.Width, it.Height, err = p.Size(ctx, body)
			b.sizes <- p
			if err != nil && ctx.Err() != nil {
				return err // otherwise the image has no size, as some that failed
			}
			if b.request.Format.Needs == Bodies {
				it.Body = body
				return nil
			}
			return b.place(it, body)
		})
	}
	return g.Wait()
}

// isOfOne reports whether an error concerns one image only.
func isOfOne(err error) bool {
	return errors.Is(err, store.ErrUnreadable) || errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrChanged) ||
		errors.Is(err, store.ErrOutside) || errors.Is(err, store.ErrName) || errors.Is(err, errTooLarge)
}

var errTooLarge = errors.New("too large")

// unreadable reports for each image whether it would be left out.
func (b *batch) unreadable(ctx context.Context, entries []shard.Entry) ([]bool, error) {
	lost := make([]bool, len(entries))
	if b.request.Options.Link {
		alone := &batch{request: b.request}
		for _, e := range entries {
			alone.items = append(alone.items, &Item{Entry: e})
		}
		failed := make([]error, len(entries))
		err := alone.measure(ctx, failed)
		for i := range failed {
			lost[i] = failed[i] != nil && !errors.As(failed[i], new(*codec.Failure))
		}
		return lost, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, e := range entries {
		g.Go(func() error {
			_, err := b.whole(ctx, b.entry(&Item{Entry: e}))
			if lost[i] = isOfOne(err); lost[i] {
				return nil
			}
			return err
		})
	}
	return lost, g.Wait()
}

// whole returns the bytes of an image.
func (b *batch) whole(ctx context.Context, e shard.Entry) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("read %q of %s: %w", e.Path, b.request.Images, err)
	}
	if e.Size > b.most {
		return fail(fmt.Errorf("%w: %d bytes, more than %d", errTooLarge, e.Size, b.most))
	}
	r, _, err := b.request.Images.Open(ctx, e.Path, e.ETag)
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, e.Size+1))
	if err == nil && int64(len(body)) != e.Size {
		err = fmt.Errorf("%w: it has %d bytes or more instead of %d", store.ErrChanged, len(body), e.Size)
	}
	if err != nil {
		return fail(err)
	}
	return body, nil
}

// place puts an image in the folder.
func (b *batch) place(it *Item, body []byte) error {
	namer, ok := b.writer.(Namer)
	if !ok {
		return fmt.Errorf("the format %s does not say what files of images are called", b.request.Format.Name)
	}
	var err error
	if it.File, err = namer.ImageName(it); err != nil {
		return fmt.Errorf("%q: %w", it.Entry.Path, err)
	}
	if linker, ok := b.to.(Linker); ok && b.request.Options.Link {
		return linker.Link(strings.TrimSuffix(b.request.Images.String(), "/")+"/"+it.Entry.Path, it.File)
	}
	w, err := b.to.Create(it.File)
	if err != nil {
		return err
	}
	_, err = w.Write(body)
	return errors.Join(err, w.Close())
}
