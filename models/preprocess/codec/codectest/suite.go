package codectest

import (
	"bytes"
	"encoding/json"
	"image/png"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// References decodes each file of a folder that has an ending of the format and, next to
// it, its pixels as NAME.ref.png, upright. No sample may differ by more than most.
func References(t *testing.T, f codec.Format, folder string, most int) {
	t.Helper()
	found := 0
	for _, extension := range strings.Fields(f.Extensions) {
		paths, err := filepath.Glob(filepath.Join(folder, "*."+extension+".ref.png"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			found++
			t.Run(filepath.Base(strings.TrimSuffix(path, ".ref.png")), func(t *testing.T) {
				ref, err := png.Decode(bytes.NewReader(File(t, path)))
				if err != nil {
					t.Fatal(err)
				}
				c, fail := Decode(t, f, Bounds, File(t, strings.TrimSuffix(path, ".ref.png")))
				if fail != nil {
					t.Fatal(fail)
				}
				got, w, h := c.Upright()
				want := RGB(ref)
				if w != ref.Bounds().Dx() || h != ref.Bounds().Dy() {
					t.Fatalf("decoded to %dx%d pixels, want %v", w, h, ref.Bounds())
				}
				for i := range want {
					if d := max(int(got[i])-int(want[i]), int(want[i])-int(got[i])); d > most {
						t.Fatalf("sample %d is %d, want %d and at most %d from it", i, got[i], want[i], most)
					}
				}
			})
		}
	}
	if found == 0 {
		t.Errorf("no files of %s with references in %s", f.Name, folder)
	}
}

// Orientations decodes each file of an archive that has an ending of the format. The
// archive's cases.json gives its orientation, and its stored width and height.
func Orientations(t *testing.T, f codec.Format, archive string) {
	t.Helper()
	files := Archive(t, archive)
	var cases map[string][3]int
	if err := json.Unmarshal(files["cases.json"], &cases); err != nil {
		t.Fatal(err)
	}
	endings := strings.Fields(f.Extensions)
	found := 0
	for name, want := range cases {
		for _, extension := range endings {
			if !strings.HasSuffix(name, "."+extension) {
				continue
			}
			found++
			t.Run(name, func(t *testing.T) {
				c, fail := Decode(t, f, Bounds, files[name])
				if fail != nil {
					t.Fatal(fail)
				}
				if got := [3]int{int(c.Orientation), c.Width, c.Height}; got != want {
					t.Errorf("orientation, width and height = %v, want %v", got, want)
				}
			})
		}
	}
	if found == 0 {
		t.Errorf("no files of %s in %s", f.Name, archive)
	}
}

// Prefixes decodes every part of src from its beginning: none may be a picture, unless it
// has the pixels of the whole, and none may make the codec panic.
func Prefixes(t *testing.T, f codec.Format, src []byte) {
	t.Helper()
	whole, fail := Decode(t, f, Bounds, src)
	if fail != nil {
		t.Fatal(fail)
	}
	d := New(t, f, codec.Config{})
	for n := range src {
		part := bytes.Clone(src[:n]) // so that a read past the end is one past the allocation
		if !f.Matches(part) {
			continue
		}
		c, fail := DecodeWith(t, d, Bounds, part)
		switch StatusOf(fail) {
		case codec.StatusOK:
			if !bytes.Equal(c.RGB(), whole.RGB()) {
				t.Fatalf("cut at %d of %d: ok with other pixels", n, len(src))
			}
		case codec.StatusTruncated, codec.StatusCorrupt:
		default:
			t.Fatalf("cut at %d of %d: %v, want truncated or corrupt", n, len(src), fail)
		}
	}
}

// ArchivedReferences decodes each file of an archive that has an ending of the format and, next to
// it, its pixels as NAME.ref.png. They must be equal. It then decodes parts of the file from its
// beginning: none may be a picture with other pixels.
func ArchivedReferences(t *testing.T, f codec.Format, archive string) {
	t.Helper()
	found := 0
	files := Archive(t, archive)
	for name, src := range files {
		ref := files[name+".ref.png"]
		if ref == nil || !slices.Contains(strings.Fields(f.Extensions), strings.TrimPrefix(filepath.Ext(name), ".")) {
			continue
		}
		found++
		t.Run(name, func(t *testing.T) {
			img, err := png.Decode(bytes.NewReader(ref))
			if err != nil {
				t.Fatal(err)
			}
			WantPixels(t, f, src, img.Bounds().Dx(), img.Bounds().Dy(), RGB(img))
			wantAlpha(t, f, src, files[name+".alpha.png"])
			d := New(t, f, codec.Config{})
			for n := len(src) % 7; n < len(src)-7; n += 7 {
				part := bytes.Clone(src[:n]) // so that a read past the end is one past the allocation
				if !f.Matches(part) {
					continue
				}
				c, fail := DecodeWith(t, d, Bounds, part)
				need := d.Need(part, Bounds)
				switch StatusOf(fail) {
				case codec.StatusOK:
					if !bytes.Equal(c.RGB(), RGB(img)) {
						t.Fatalf("cut at %d of %d: ok with other pixels", n, len(src))
					}
					if need.Width != c.Width || need.Height != c.Height {
						t.Fatalf("cut at %d of %d: Need says %dx%d", n, len(src), need.Width, need.Height)
					}
				case codec.StatusTruncated, codec.StatusCorrupt:
				default:
					t.Fatalf("cut at %d of %d: %v, want truncated or corrupt", n, len(src), fail)
				}
			}
		})
	}
	if found == 0 {
		t.Errorf("no files of %s with references in %s", f.Name, archive)
	}
}

// alphaCanvas wants alpha.
type alphaCanvas struct {
	Canvas
	told bool
}

func (c *alphaCanvas) Alpha() bool {
	c.told = true
	return true
}

// wantAlpha tests that a picture has this alpha, the grey of a PNG, or none.
func wantAlpha(t *testing.T, f codec.Format, src, reference []byte) {
	t.Helper()
	c := &alphaCanvas{}
	if fail, err := New(t, f, codec.Config{}).Decode(src, Bounds, c); fail != nil || err != nil {
		t.Fatal(fail, err)
	}
	if c.told != (reference != nil) {
		t.Fatalf("the codec says that there is alpha: %t, want %t", c.told, reference != nil)
	}
	if reference == nil {
		return
	}
	img, err := png.Decode(bytes.NewReader(reference))
	if err != nil {
		t.Fatal(err)
	}
	want := RGB(img)
	for i := range c.Width * c.Height {
		if got := c.Row(i / c.Width)[4*(i%c.Width)+3]; got != want[3*i] {
			t.Fatalf("alpha of pixel %d is %d, want %d", i, got, want[3*i])
		}
	}
}

// ArchivedSeeds returns the files of an archive that have an ending of the format.
func ArchivedSeeds(tb testing.TB, f codec.Format, archive string) (seeds [][]byte) {
	tb.Helper()
	for name, src := range Archive(tb, archive) {
		if slices.Contains(strings.Fields(f.Extensions), strings.TrimPrefix(filepath.Ext(name), ".")) {
			seeds = append(seeds, src)
		}
	}
	if len(seeds) == 0 {
		tb.Fatalf("no files of %s in %s", f.Name, archive)
	}
	return seeds
}
