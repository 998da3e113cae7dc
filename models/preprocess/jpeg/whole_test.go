package jpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestWholeScan tests that check finds the same with wholeScan as with bitReader alone, for
// whole JPEGs and for damaged ones, in memory that other images have used.
func TestWholeScan(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.jpg")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	var images [][]byte
	for _, file := range files {
		images = append(images, codectest.File(t, file))
	}
	for _, quality := range []int{1, 50, 100} {
		var b bytes.Buffer
		img := codectest.Picture(129, 75, uint64(quality))
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		images = append(images, b.Bytes())
	}
	noise := image.NewGray(image.Rect(0, 0, 90, 60)) // long codes and large coefficients
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rnd.Uint32())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, noise, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	images = append(images, b.Bytes())
	for _, src := range images {
		for range 60 {
			damaged := bytes.Clone(src)
			switch at := 2 + rnd.IntN(len(src)-2); rnd.IntN(4) {
			case 0:
				damaged = append(damaged[:at], 0xff, mEOI)
			case 1:
				damaged = damaged[:at]
			case 2:
				damaged = append(damaged[:at], damaged[min(at+1+rnd.IntN(9), len(src)):]...)
			default:
				damaged[at] ^= 1 << rnd.IntN(8)
			}
			images = append(images, damaged)
		}
	}
	slow, quick := memory{}, memory{quick: new(wholeScan)}
	whole, broken := 0, 0
	for i, src := range images {
		switch compareChecks(t, &slow, &quick, src) {
		case found:
			whole++
		case refused:
			broken++
		}
		if t.Failed() {
			t.Fatalf("image %d: %x", i, src)
		}
	}
	t.Logf("%d are whole and %d are not", whole, broken)
	if whole < len(files) || broken < 300 {
		t.Errorf("%d are whole and %d are not: too few", whole, broken)
	}
}

// What check finds in a file.
const (
	unread  = iota // its headers are wrong
	refused        // its coded data are
	found
)

// compareChecks tests that check finds the same in src with the wholeScan of quick as with
// bitReader alone. It returns what check finds.
func compareChecks(t *testing.T, slow, quick *memory, src []byte) int {
	t.Helper()
	h, fail := walk(src, codectest.Small)
	if fail != nil {
		return unread
	}
	want, wantFail := check(slow, src, h, codectest.Small, h.colour())
	got, gotFail := check(quick, src, h, codectest.Small, h.colour())
	switch {
	case (gotFail == nil) != (wantFail == nil) || gotFail != nil && *gotFail != *wantFail:
		t.Errorf("%v, want %v", gotFail, wantFail)
	case gotFail != nil:
		return refused
	case !bytes.Equal(got.data, want.data) || got.partial != want.partial || got.uneven != want.uneven:
		t.Error("another JPEG is written")
	}
	return found
}

// FuzzWholeScan reads any bytes as TestWholeScan does.
func FuzzWholeScan(f *testing.F) {
	for _, src := range codectest.Seeds(f, Format, "../testdata") {
		f.Add(src)
	}
	slow, quick := memory{}, memory{quick: new(wholeScan)}
	f.Fuzz(func(t *testing.T, src []byte) { compareChecks(t, &slow, &quick, src) })
}

// TestWholeScanReads tests that wholeScan reads a whole scan itself, and leaves b and s as
// bitReader would.
func TestWholeScanReads(t *testing.T) {
	src := codectest.File(t, "..", "testdata", "jpeg-420.jpg")
	h, fail := walk(src, codectest.Bounds)
	if fail != nil {
		t.Fatal(fail)
	}
	c := checker{src: src, h: &h, at: 2}
	for i := range h.frame.components {
		c.comps[i].init(&h, i)
	}
	for {
		m := c.marker()
		if m != mSOS {
			if fail := c.segment(m); fail != nil {
				t.Fatal(fail)
			}
			continue
		}
		n := int(src[c.at])<<8 | int(src[c.at+1])
		s, fail := c.scanHeader(src[c.at+2 : c.at+n])
		if fail != nil {
			t.Fatal(fail)
		}
		for i := range s.comps {
			if fail := s.comps[i].tables(&c, s); fail != nil {
				t.Fatal(fail)
			}
		}
		coded, _ := unstuff(nil, src, c.at+n)
		const units = 3 * 2 // of 41x31 pixels
		a, b := bitReader{data: coded}, bitReader{data: coded}
		for range units {
			if err := a.unit(s, 0, 0, new(int)); err != nil {
				t.Fatal(err)
			}
		}
		var last []int32
		for i := range s.comps {
			last, s.comps[i].last = append(last, s.comps[i].last), 0
		}
		w := new(wholeScan)
		w.prepare(s)
		if !w.read(&b, s, units) {
			t.Fatal("a whole scan was not read")
		}
		for i := range s.comps {
			if s.comps[i].last != last[i] {
				t.Errorf("component %d ends with %d, want %d", i, s.comps[i].last, last[i])
			}
		}
		if a.used() != b.used() || a.bits(5) != b.bits(5) {
			t.Errorf("%d bits were read, want %d and the same after them", b.used(), a.used())
		}
		if w.read(&bitReader{data: coded[:len(coded)/2]}, s, units) {
			t.Error("half a scan was read as a whole one")
		}
		return
	}
}
