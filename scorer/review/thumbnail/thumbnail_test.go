package thumbnail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	turbo "github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// place holds images in memory, counts the bytes that are read, and fails as it is told.
type place struct {
	*mem.Store
	opened atomic.Int64
	read   atomic.Int64
	fail   func(name string, n int64) error // n is the number of the call
	longer string                           // an object that has a byte more than it is said to have
}

func (p *place) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	if err := p.failure(name); err != nil {
		return nil, store.Object{}, err
	}
	r, o, err := p.Store.Open(ctx, name, etag)
	if err == nil && name == p.longer {
		r = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(r, strings.NewReader("x")), r}
	}
	return p.count(r), o, err
}

func (p *place) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	if err := p.failure(name); err != nil {
		return nil, store.Object{}, err
	}
	r, o, err := p.Store.OpenRange(ctx, name, etag, offset, length)
	return p.count(r), o, err
}

func (p *place) failure(name string) error {
	n := p.opened.Add(1)
	if p.fail == nil {
		return nil
	}
	return p.fail(name, n)
}

func (p *place) count(r io.ReadCloser) io.ReadCloser {
	if r == nil {
		return nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r, counter{&p.read}), r}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) { c.n.Add(int64(len(b))); return len(b), nil }

// put creates an image and returns its entry.
func (p *place) put(t *testing.T, name string, body []byte) shard.Entry {
	t.Helper()
	o, err := p.Create(t.Context(), name, body)
	if err != nil {
		t.Fatal(err)
	}
	return shard.Entry{Path: name, Size: o.Size, ETag: o.ETag}
}

func newPlace() *place { return &place{Store: new(mem.Store)} }

func jpegOf(t *testing.T, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	noise := rand.NewChaCha8([32]byte{byte(w), byte(h)})
	_, _ = noise.Read(img.Pix)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeAll(t *testing.T, p store.Store, entries []shard.Entry, opt Options) []Thumb {
	t.Helper()
	all := make([]Thumb, len(entries))
	last := 0
	opt.Progress = func(done, of int) {
		if done != last+1 || of != len(entries) {
			t.Errorf("progress of %d of %d after %d of %d", done, of, last, len(entries))
		}
		last = done
	}
	if err := Make(t.Context(), p, entries, opt, func(i int, th Thumb) { all[i] = th }); err != nil {
		t.Fatal(err)
	}
	if last != len(entries) {
		t.Errorf("progress ended at %d of %d", last, len(entries))
	}
	return all
}

// requireTurbo skips a test if libjpeg-turbo is missing, and fails it where tests must not
// be skipped.
func requireTurbo(t *testing.T) {
	t.Helper()
	if _, err := turbo.Backend(); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("BATCHSCORE_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestMake tests the pictures of good images: their aspect, their size, and that they look like
// the images. Each image is read once.
func TestMake(t *testing.T) {
	p := newPlace()
	var entries []shard.Entry
	sizes := [][4]int{{300, 200, 160, 107}, {200, 300, 107, 160}, {80, 60, 80, 60}, {1600, 2, 160, 1}}
	for i, s := range sizes {
		entries = append(entries, p.put(t, fmt.Sprintf("image %d.jpg", i), jpegOf(t, s[0], s[1])))
	}
	var half bytes.Buffer // transparent: the decoder leaves alpha out
	img := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	for i := range 40 * 40 {
		img.SetNRGBA(i%40, i/40, color.NRGBA{R: 250, G: 10, B: 10})
	}
	if err := png.Encode(&half, img); err != nil {
		t.Fatal(err)
	}
	entries = append(entries, p.put(t, "clear.png", half.Bytes()))
	all := makeAll(t, p, entries, Options{Side: 160})
	for i, s := range sizes {
		th := all[i]
		if th.Err != nil || th.ImageWidth != s[0] || th.ImageHeight != s[1] || th.Width != s[2] || th.Height != s[3] {
			t.Fatalf("image %d: %+v, want %v", i, th, s)
		}
		got, err := jpeg.Decode(bytes.NewReader(th.JPEG))
		if err != nil || got.Bounds().Dx() != s[2] || got.Bounds().Dy() != s[3] {
			t.Errorf("image %d: its thumbnail is %v, %v", i, got.Bounds(), err)
		}
		if len(th.JPEG) > 16<<10 {
			t.Errorf("image %d: its thumbnail has %d bytes", i, len(th.JPEG))
		}
	}
	got, err := jpeg.Decode(bytes.NewReader(all[len(sizes)].JPEG))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, _, _ := got.At(20, 20).RGBA(); r>>8 < 240 || g>>8 > 30 {
		t.Errorf("a transparent red pixel is %d, %d, want that of the decoder", r>>8, g>>8)
	}
	if n := p.opened.Load(); n != int64(len(entries)) {
		t.Errorf("%d images were opened %d times", len(entries), n)
	}
}

// TestMake_Same tests that the same images give the same bytes, whatever the number of workers.
func TestMake_Same(t *testing.T) {
	p := newPlace()
	var entries []shard.Entry
	for i := range 9 {
		entries = append(entries, p.put(t, fmt.Sprint(i), jpegOf(t, 200+i, 100)))
	}
	one, many := makeAll(t, p, entries, Options{Workers: 1}), makeAll(t, p, entries, Options{Workers: 8})
	for i := range one {
		if !bytes.Equal(one[i].JPEG, many[i].JPEG) {
			t.Errorf("image %d has two thumbnails", i)
		}
	}
	large := makeAll(t, p, entries[:1], Options{Side: SideLarge, Quality: 90})
	if large[0].Width != 200 || len(large[0].JPEG) <= len(one[0].JPEG) {
		t.Errorf("a large picture is %d wide in %d bytes", large[0].Width, len(large[0].JPEG))
	}
}

// TestMake_Bad tests what a Thumb says of images that have no picture.
func TestMake_Bad(t *testing.T) {
	p := newPlace()
	good := jpegOf(t, 200, 150)
	fine := p.put(t, "good", good)
	replaced := p.put(t, "replaced", good)
	if _, err := p.Replace(t.Context(), "replaced", jpegOf(t, 150, 200), replaced.ETag); err != nil {
		t.Fatal(err)
	}
	twin := p.put(t, "twin", append(good[:len(good):len(good)], 1))
	if _, err := p.Replace(t.Context(), "twin", append(good[:len(good):len(good)], 2), twin.ETag); err != nil { // as long as the other
		t.Fatal(err)
	}
	grown := p.put(t, "grown", good)
	grown.ETag, grown.Size = "", grown.Size-1
	shrunk := p.put(t, "shrunk", good)
	shrunk.ETag, shrunk.Size = "", shrunk.Size+1
	closed := p.put(t, "closed", good)
	p.fail = func(name string, _ int64) error {
		if name == "closed" {
			return &store.Unreadable{Why: "permission denied", Err: errors.New("open: permission denied")}
		}
		return nil
	}
	p.longer = "longer"
	entries := []shard.Entry{
		fine, replaced, grown, shrunk, p.put(t, p.longer, good),
		{Path: "gone", Size: 7, ETag: "x"}, p.put(t, "cut", good[:len(good)/2]), p.put(t, "text", []byte("<html>")),
		p.put(t, "large", codectest.PNGHeader(9000, 9000)), closed, {Path: "huge", Size: 1 << 40, ETag: "x"}, twin,
	}
	all := makeAll(t, p, entries, Options{Decode: preprocess.Options{MaxPixels: 1 << 20}})
	for i, want := range []string{
		"", ErrChanged.Error(), ErrChanged.Error(), ErrChanged.Error(), ErrChanged.Error(), ErrGone.Error(), "truncated: ", "not_image: ", "too_large: 9000x9000",
		"cannot be read: permission denied", "too_large: ", ErrChanged.Error(),
	} {
		err := all[i].Err
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) || (all[i].JPEG == nil) != (err != nil) {
			t.Errorf("%s: %v, want %q", entries[i].Path, err, want)
		}
	}
	var fail *codec.Failure
	if !errors.As(all[6].Err, &fail) || fail.Status != codec.StatusTruncated || all[6].ImageWidth != 200 {
		t.Errorf("a truncated image: %+v", all[6])
	}
}

// TestMake_Panic: a fault of a decoder costs one picture.
func TestMake_Panic(t *testing.T) {
	p := newPlace()
	var entries []shard.Entry
	for i := range 6 {
		entries = append(entries, p.put(t, fmt.Sprint(i), jpegOf(t, 200, 150)))
	}
	p.fail = func(name string, _ int64) error {
		if name == "2" || name == "3" {
			panic("index out of range")
		}
		return nil
	}
	for i, thumb := range makeAll(t, p, entries, Options{Workers: 1}) {
		switch {
		case i != 2 && i != 3:
			if thumb.Err != nil || thumb.JPEG == nil {
				t.Errorf("picture %d: %v", i, thumb.Err)
			}
		case thumb.Err == nil || !strings.Contains(thumb.Err.Error(), "mistake in batchscore: index out of range"):
			t.Errorf("picture %d: %v", i, thumb.Err)
		}
	}
}

// TestMake_NoAccess tests that a place that cannot be read ends it soon.
func TestMake_NoAccess(t *testing.T) {
	denied := fmt.Errorf("open: %w", store.ErrDenied)
	down := &store.Transient{Err: errors.New("connection refused")}
	for _, c := range []struct {
		name string
		fail func(name string, n int64) error
		most int64 // calls
	}{
		{name: "denied", fail: func(string, int64) error { return denied }, most: 4},
		{name: "denied later", fail: func(_ string, n int64) error {
			if n > 20 {
				return denied
			}
			return nil
		}, most: 24},
		{name: "down", fail: func(string, int64) error { return down }, most: 4},
		{name: "down later", fail: func(_ string, n int64) error {
			if n > 20 {
				return down
			}
			return nil
		}, most: 27},
	} {
		p := newPlace()
		entry := p.put(t, "good", jpegOf(t, 20, 20))
		entries := make([]shard.Entry, 1000)
		for i := range entries {
			entries[i] = entry
		}
		p.fail = c.fail
		err := Make(t.Context(), p, entries, Options{Workers: 4}, func(int, Thumb) {})
		if !errors.Is(err, ErrNoAccess) {
			t.Errorf("%s: %v, want ErrNoAccess", c.name, err)
		}
		if n := p.opened.Load(); n > c.most {
			t.Errorf("%s: %d calls, want %d at most", c.name, n, c.most)
		}
	}
	// A place that was emptied, or is not mounted.
	entries := []shard.Entry{{Path: "a", Size: 1, ETag: "x"}, {Path: "b", Size: 1, ETag: "x"}}
	if err := Make(t.Context(), newPlace(), entries, Options{}, func(int, Thumb) {}); !errors.Is(err, ErrNoAccess) {
		t.Errorf("an empty place: %v, want ErrNoAccess", err)
	}
	// One that fails now and then is no such place.
	p := newPlace()
	entry := p.put(t, "good", jpegOf(t, 20, 20))
	p.fail = func(_ string, n int64) error {
		if n%5 == 0 {
			return down
		}
		return nil
	}
	bad := 0
	entries = nil
	for range 40 {
		entries = append(entries, entry)
	}
	err := Make(t.Context(), p, entries, Options{Workers: 1}, func(_ int, th Thumb) {
		if th.Err != nil {
			bad++
		}
	})
	if err != nil || bad != 8 {
		t.Errorf("a place that fails now and then: %v, and %d images without a picture, want 8", err, bad)
	}
}

// TestRead_Patience tests that a store that does not answer is waited for only so long.
func TestRead_Patience(t *testing.T) {
	r := newReader(silent{new(mem.Store)}, &Options{})
	r.patience = time.Millisecond
	err := r.whole(t.Context(), shard.Entry{Path: "a", Size: 1, ETag: "x"}, func([]byte) error { return nil })
	if err = r.judge(t.Context(), err); !errors.Is(err, ErrNoAccess) {
		t.Errorf("%v, want ErrNoAccess", err)
	}
}

// silent answers nothing.
type silent struct{ store.Store }

func (silent) Open(ctx context.Context, _, _ string) (io.ReadCloser, store.Object, error) {
	<-ctx.Done()
	return nil, store.Object{}, ctx.Err()
}

// TestMake_Cancelled tests that it ends with its context.
func TestMake_Cancelled(t *testing.T) {
	p := newPlace()
	entry := p.put(t, "good", jpegOf(t, 20, 20))
	ctx, cancel := context.WithCancel(t.Context())
	err := Make(ctx, p, []shard.Entry{entry, entry, entry}, Options{Workers: 1}, func(int, Thumb) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if err := Make(t.Context(), p, nil, Options{}, nil); err != nil {
		t.Errorf("no images: %v", err)
	}
}

// TestSizes tests that sizes are found in the beginning of images, or in the whole where that
// is too short.
func TestSizes(t *testing.T) {
	requireTurbo(t)
	p := newPlace()
	big := jpegOf(t, 800, 600)
	exif := append([]byte{0xff, 0xe1, 0xff, 0xfd}, make([]byte, 65_531)...)
	late := bytes.Clone(big[:2])
	for range 5 {
		late = append(late, exif...)
	}
	late = append(late, big[2:]...)
	entries := []shard.Entry{
		p.put(t, "big", big), p.put(t, "late", late), p.put(t, "cut", big[:len(big)/2]), p.put(t, "small.jpg", jpegOf(t, 30, 20)),
		p.put(t, "text", bytes.Repeat([]byte("<html>"), 30_000)), {Path: "gone", Size: 9, ETag: "x"},
	}
	got := make([]Size, len(entries))
	if err := Sizes(t.Context(), p, entries[:1], Options{}, func(i int, s Size) { got[i] = s }); err != nil {
		t.Fatal(err)
	}
	if n := p.read.Load(); n > headersFirst || int64(len(big)) < 4*headersFirst {
		t.Errorf("%d of %d bytes were read, want %d at most", n, len(big), headersFirst)
	}
	p.read.Store(0)
	copied := entries[0]
	copied.ETag = "" // of a copy, that has another one
	if err := Sizes(t.Context(), p, []shard.Entry{copied}, Options{}, func(i int, s Size) { got[i] = s }); err != nil || got[0].Width != 800 {
		t.Fatal(got[0], err)
	}
	if n := p.read.Load(); n > headersFirst+1 {
		t.Errorf("%d bytes of a copy were read", n)
	}
	if err := Sizes(t.Context(), p, entries, Options{}, func(i int, s Size) { got[i] = s }); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][2]int{{800, 600}, {800, 600}, {800, 600}, {30, 20}, {}, {}} {
		s := got[i]
		if s.Width != want[0] || s.Height != want[1] || s.Bytes != entries[i].Size || (s.Err != nil) != (want[0] == 0) {
			t.Errorf("%s: %+v, want %v", entries[i].Path, s, want)
		}
	}
}
