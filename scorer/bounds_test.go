package scorer

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// pngOfSize returns a PNG whose header says it has that many pixels, and which has none. Within
// the bounds its status is truncated, and beyond them too_large.
func pngOfSize(width, height uint32) []byte {
	chunk := func(kind, body string) string {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		sum := crc32.ChecksumIEEE([]byte(kind + body))
		return string(b) + kind + body + string(binary.BigEndian.AppendUint32(nil, sum))
	}
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	return []byte("\x89PNG\r\n\x1a\n" + chunk("IHDR", string(size)+"\x08\x02\x00\x00\x00") +
		chunk("IDAT", "\x78\x9c\x03\x00\x00\x00\x00\x01") + chunk("IEND", "") + strings.Repeat("behind the end ", 300))
}

// TestFault18_BoundsOfTheJob: the bounds of the job's record decide which images
// are too large, for every worker that takes part.
func TestFault18_BoundsOfTheJob(t *testing.T) {
	images := collection(t, 3)
	put(t, images, "a.png", pngOfSize(10_000, 10_000)) // 100 megapixels
	put(t, images, "b.png", pngOfSize(14_000, 13_000)) // 182
	put(t, images, "c.png", pngOfSize(7000, 7000))     // 49
	for _, c := range []struct {
		name    string
		decode  preprocess.Options
		old     bool // a record that names no bounds
		want    map[string]string
		mention string
	}{
		{name: "by default", decode: preprocess.Options{}, old: false, want: map[string]string{
			"a.png": "truncated",
			"b.png": "too_large",
			"c.png": "truncated",
		},
			mention: "14000x13000 pixels, more than the 178956970 of --max-pixels"},
		{name: "asked for", decode: preprocess.Options{MaxPixels: 50_000_000}, old: false, want: map[string]string{
			"a.png": "too_large",
			"b.png": "too_large",
			"c.png": "truncated",
		},
			mention: "14000x13000 pixels, more than the 50000000 of --max-pixels"},
		{
			name:    "larger",
			decode:  preprocess.Options{MaxPixels: 200_000_000},
			old:     false,
			want:    map[string]string{"a.png": "truncated", "b.png": "truncated", "c.png": "truncated"},
			mention: "",
		},
		{name: "bytes", decode: preprocess.Options{MaxBytes: 4000}, old: false, want: map[string]string{
			"a.png": "too_large",
			"b.png": "too_large",
			"c.png": "too_large",
		},
			mention: "bytes, more than the 4000 of --max-bytes"},
		{name: "a job of before", decode: preprocess.Options{}, old: true, want: map[string]string{
			"a.png": "too_large",
			"b.png": "too_large",
			"c.png": "truncated",
		},
			mention: "14000x13000 pixels, more than the 89478485 of --max-pixels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := new(mem.Store)
			o := options(t, images, out)
			if c.old {
				job := o.Job
				job.Device, job.AutoBatch = "fake", 4
				if have, _, err := output.Join(t.Context(), out, job); err != nil || have.MaxPixels != 0 || have.MaxBytes != 0 {
					t.Fatal(have, err)
				}
			}
			o.Decode = c.decode
			frozenWith(t, o)
			mustRun(t, options(t, images, out)) // which asks for nothing
			verified(t, out)
			all := rows(t, out)
			for name, want := range c.want {
				if r := all[name]; r.Status != want {
					t.Errorf("%s is %s (%s), want %s", name, r.Status, r.Error, want)
				}
			}
			if e := all["b.png"].Error; !strings.Contains(e, c.mention) {
				t.Errorf("the error of b.png is %q, want %q in it", e, c.mention)
			}
			o.Decode.MaxPixels = 12345
			const names = "--max-pixels: the job has "
			if _, err := Run(t.Context(), o); !errors.Is(err, output.ErrOtherJob) || !strings.Contains(err.Error(), names) {
				t.Errorf("other bounds: Run() = %v, want ErrOtherJob with %q", err, names)
			}
		})
	}
}

// partless is a store that takes no part.
type partless struct{ store.Store }

func (p partless) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	if strings.HasPrefix(name, "part-") {
		return store.Object{}, store.ErrDenied
	}
	return p.Store.Create(ctx, name, body)
}

// frozenWith begins the job of o, which fails once its manifest is frozen: it has no
// part then.
func frozenWith(t *testing.T, o Options) {
	t.Helper()
	o.Out = partless{o.Out}
	if _, err := Run(t.Context(), o); !errors.Is(err, store.ErrDenied) {
		t.Fatalf("Run() = %v, want the error of the first part", err)
	}
}

// TestFault43_TooLargeIsScoredAgain: a retry may have larger bounds than the job
// that it is of, whose other rows stay as they are.
func TestFault43_TooLargeIsScoredAgain(t *testing.T) {
	images, out := collection(t, 3), new(mem.Store)
	put(t, images, "a.png", pngOfSize(14_000, 13_000))
	put(t, images, "b.png", pngOfSize(16_000, 16_000))
	mustRun(t, options(t, images, out))
	before := rows(t, out)
	o := options(t, images, out)
	o.Retry, o.Decode.MaxPixels = row.Selection{string(codec.StatusTooLarge)}, 200_000_000
	for range 2 { // the second finds one image, which is still too large
		mustRun(t, o)
		verified(t, out)
	}
	after := rows(t, out)
	if a, b := before["a.png"], after["a.png"]; a.Status != string(codec.StatusTooLarge) || b.Status != string(codec.StatusTruncated) {
		t.Errorf("a.png was %s and is %s, want too_large and truncated", a.Status, b.Status)
	}
	if b := after["b.png"]; b.Status != string(codec.StatusTooLarge) || !strings.Contains(b.Error, "200000000") {
		t.Errorf("b.png is %s: %s", b.Status, b.Error)
	}
	if a, b := before[pictureName(0)], after[pictureName(0)]; classified(a).Label != classified(b).Label || a.Status != b.Status {
		t.Errorf("a row that was ok changed: %+v, %+v", a, b)
	}
	job, err := output.ReadJob(t.Context(), out)
	if err != nil || job.MaxPixels != preprocess.DefaultMaxPixels {
		t.Errorf("the record has max_pixels %d, %v, want %d", job.MaxPixels, err, preprocess.DefaultMaxPixels)
	}
}

// TestFault43_RetryWithOtherBounds begins a retry and continues with another that has
// other bounds, or none: the first is finished with its own.
func TestFault43_RetryWithOtherBounds(t *testing.T) {
	for _, test := range []struct {
		name   string
		pixels int64
		status codec.Status // of an image of 182 megapixels whose data are missing
	}{
		{name: "larger ones", pixels: 300_000_000, status: codec.StatusTruncated},
		{name: "those of the job", pixels: 0, status: codec.StatusTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			images, out := collection(t, 3), new(mem.Store)
			put(t, images, "a.png", pngOfSize(14_000, 13_000))
			mustRun(t, options(t, images, out))
			begun := options(t, images, out)
			begun.Retry, begun.Decode.MaxPixels = row.Selection{string(codec.StatusTooLarge)}, 180_000_000
			begun.Deadline = time.Nanosecond
			if _, err := Run(t.Context(), begun); err == nil {
				t.Fatal("the retry was to pause")
			}
			o := options(t, images, out)
			o.Retry, o.Decode.MaxPixels = begun.Retry, test.pixels
			s := mustRun(t, o)
			verified(t, out)
			if got := rows(t, out)["a.png"]; s.Generation() != 2 || got.Status != string(test.status) {
				t.Errorf("retry %d, and a.png is %s: %s", s.Generation(), got.Status, got.Error)
			}
		})
	}
}
