package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	stdjpeg "image/jpeg"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
)

// bombs is the environment variable for the test with large images, in a control group of
// 1 GB: make bombs.
const bombs = "BATCHSCORE_BOMBS"

// TestBombs scores images that declare far more pixels than they have bytes, between
// ordinary ones, in a control group whose memory the largest would exceed several times
// over. Nothing is killed, and the rows do not depend on the number of decoders. Of each
// format there is one image that is too large, and some that fit, but not all at once.
func TestBombs(t *testing.T) {
	t.Parallel()
	limit, large, fits := 256<<20, 4730, 1600
	if _, err := jpeg.Backend(); err != nil {
		skipWithout(t, "libjpeg-turbo, which alone decodes arithmetic JPEG", err.Error())
	}
	if os.Getenv(bombs) != "" {
		limit, large, fits = 1<<30, 9459, 3400
	}
	binary := plainProgram(t)
	in, model := t.TempDir(), tiny(t, graphtest.Options{})
	write := func(name string, body []byte) {
		if err := os.WriteFile(filepath.Join(in, name), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const ordinary = 16
	for i := range ordinary {
		var b bytes.Buffer
		if err := stdjpeg.Encode(&b, codectest.Picture(800, 600, uint64(i)), nil); err != nil {
			t.Fatal(err)
		}
		write(fmt.Sprintf("photo-%02d.jpg", i), b.Bytes())
	}
	kinds := map[string]func(t *testing.T, side int) []byte{
		"plain.png":      func(t *testing.T, side int) []byte { return pngBomb(t, side, false) },
		"interlaced.png": func(t *testing.T, side int) []byte { return pngBomb(t, side, true) },
		"strip.tif":      func(t *testing.T, side int) []byte { return tiffBomb(t, side, false) },
		"tile.tif":       func(t *testing.T, side int) []byte { return tiffBomb(t, side, true) },
		"lossless.webp":  func(_ *testing.T, side int) []byte { return webpBomb(side) },
		"arithmetic.jpg": func(_ *testing.T, side int) []byte { return arithmeticBomb(side) },
	}
	for name, make := range kinds {
		write("large-"+name, make(t, large))
		body := make(t, fits)
		for i := range 4 {
			write(fmt.Sprintf("fits-%d-%s", i, name), body)
		}
	}
	var first []byte
	for _, decoders := range []int{1, 2, 16} {
		group := newGroup(t, fmt.Sprintf("batchscore-test-%d-%d", os.Getpid(), decoders), limit)
		out := filepath.Join(t.TempDir(), "out")
		cmd := process(t, nil, "sh", "-c", `echo $$ >"$0" && exec "$@"`, group.join, binary, "run", "--images", in, "--out", out,
			"--model", model, "--provider", "simulate:rate=inf", "--decoders", strconv.Itoa(decoders), "--max-errors", "100%")
		if r := finish(t, cmd); r.code != 0 {
			t.Fatalf("%d decoders: %s", decoders, r)
		}
		peak, kills := group.peak(t), group.kills(t)
		t.Logf("%d decoders: at most %d of %d MiB", decoders, peak>>20, limit>>20)
		if kills > 0 || peak >= int64(limit) {
			t.Errorf("%d decoders take %d of %d bytes, and %d processes were killed", decoders, peak, limit, kills)
		}
		rows := filepath.Join(t.TempDir(), "rows.jsonl")
		must(t, 0, "merge", out, "-o", rows)
		body, err := os.ReadFile(rows)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = body
		}
		if !bytes.Equal(body, first) {
			t.Errorf("%d decoders give other rows than 1:\n%s\n%s", decoders, body, first)
		}
	}
	for line := range strings.Lines(string(first)) {
		want := `"status":"ok"`
		if strings.Contains(line, `"large-`) {
			want = `"status":"too_large"`
			if !strings.Contains(line, "--max-image-memory") || !strings.Contains(line, " MiB of memory") {
				t.Errorf("no size and no flag: %s", line)
			}
		}
		if !strings.Contains(line, want) {
			t.Errorf("want %s: %s", want, line)
		}
	}
	if n := strings.Count(string(first), "\n"); n != ordinary+5*len(kinds) {
		t.Errorf("%d rows, want %d", n, ordinary+5*len(kinds))
	}
}

// group is a control group with a limit for memory.
type group struct {
	folder string
	join   string // the file that a process writes its number to
	v2     bool
}

// newGroup makes a control group of version 1 or 2, which is removed after the test.
func newGroup(t *testing.T, name string, limit int) group {
	t.Helper()
	var faults []string
	for _, at := range []struct {
		mount, file string
		v2          bool
	}{
		{mount: "/sys/fs/cgroup/memory", file: "memory.limit_in_bytes"},
		{mount: "/sys/fs/cgroup", file: "memory.max", v2: true},
		{mount: "/sys/fs/cgroup/unified", file: "memory.max", v2: true},
	} {
		if at.v2 {
			if _, err := os.Stat(filepath.Join(at.mount, "cgroup.controllers")); err != nil {
				faults = append(faults, err.Error())
				continue
			}
			// Without this right, the limit below cannot be set either, which says so.
			_ = os.WriteFile(filepath.Join(at.mount, "cgroup.subtree_control"), []byte("+memory"), 0o644)
		}
		g := group{folder: filepath.Join(at.mount, name), v2: at.v2}
		g.join = filepath.Join(g.folder, "cgroup.procs")
		err := os.Mkdir(g.folder, 0o755)
		if err == nil {
			if err = os.WriteFile(filepath.Join(g.folder, at.file), []byte(strconv.Itoa(limit)), 0o644); err == nil {
				t.Cleanup(func() {
					if err := os.Remove(g.folder); err != nil {
						t.Error(err)
					}
				})
				return g
			}
			err = fmt.Errorf("%w (%v)", err, os.Remove(g.folder))
		}
		faults = append(faults, err.Error())
	}
	skipWithout(t, "a control group for memory ("+strings.Join(faults, "; ")+")",
		"run as root, or in a container that may make control groups below its own")
	return group{}
}

// number returns the number after a word in a file of the group; "" is the whole file.
func (g group) number(t *testing.T, file, word string) int64 {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(g.folder, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s has no %q:\n%s", file, word, body)
	return 0
}

func (g group) peak(t *testing.T) int64 {
	if g.v2 {
		return g.number(t, "memory.peak", "")
	}
	return g.number(t, "memory.max_usage_in_bytes", "")
}

func (g group) kills(t *testing.T) int64 {
	if g.v2 {
		return g.number(t, "memory.events", "oom_kill ")
	}
	return g.number(t, "memory.oom_control", "oom_kill ")
}

// blackRows returns n zeros in zlib's format, which are the same compressed block again and again.
func blackRows(t *testing.T, n int) []byte {
	t.Helper()
	deflated := func(n int, end func(*flate.Writer) error) []byte {
		var b bytes.Buffer
		z, err := flate.NewWriter(&b, flate.BestSpeed)
		if err == nil {
			_, err = z.Write(make([]byte, n))
		}
		if err = errors.Join(err, end(z)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	const block = 1 << 20
	b := append([]byte{0x78, 0x01}, bytes.Repeat(deflated(block, (*flate.Writer).Flush), n/block)...)
	b = append(b, deflated(n%block, (*flate.Writer).Close)...)
	const prime = 65521 // of Adler-32
	return binary.BigEndian.AppendUint32(b, uint32(n%prime)<<16|1)
}

// pngBomb returns a black PNG of four samples of 16 bits.
func pngBomb(t *testing.T, side int, interlaced bool) []byte {
	n := 0
	passes := [][4]int{{0, 0, 1, 1}}
	if interlaced {
		passes = [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	for _, p := range passes {
		n += (side - p[1] + p[3] - 1) / p[3] * (1 + 8*((side-p[0]+p[2]-1)/p[2]))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(side))
	head = append(binary.BigEndian.AppendUint32(head, uint32(side)), 16, 6, 0, 0, 0)
	if interlaced {
		head[12] = 1
	}
	b := append([]byte(codectest.PNGSignature), codectest.PNGChunk("IHDR", head)...)
	b = append(b, codectest.PNGChunk("IDAT", blackRows(t, n))...)
	return append(b, codectest.PNGChunk("IEND", nil)...)
}

// tiffBomb returns a black TIFF of four samples of 16 bits, in one strip or one tile.
func tiffBomb(t *testing.T, side int, tile bool) []byte {
	block := side
	if tile {
		block = (side + 15) / 16 * 16
	}
	data := blackRows(t, 8*block*block)
	const short, long = 3, 4
	size, at := uint32(side), uint32(0)
	entries := func() [][4]uint32 {
		list := [][4]uint32{{256, long, 1, size}, {257, long, 1, size}, {258, short, 4, at}, {259, short, 1, 8}, {262, short, 1, 2}}
		strip := [][4]uint32{{273, long, 1, at + 8}, {277, short, 1, 4}, {278, long, 1, size}, {279, long, 1, uint32(len(data))}, {338, short, 1, 2}}
		if tile {
			strip = [][4]uint32{{277, short, 1, 4}, {322, long, 1, uint32(block)}, {323, long, 1, uint32(block)},
				{324, long, 1, at + 8}, {325, long, 1, uint32(len(data))}, {338, short, 1, 2}}
		}
		return append(list, strip...)
	}
	at = uint32(len(codectest.TIFF(entries()...)))
	b := codectest.TIFF(entries()...)
	return append(append(b, 16, 0, 16, 0, 16, 0, 16, 0), data...)
}

// webpBomb returns a lossless WebP of one colour.
func webpBomb(side int) []byte {
	bits := uint64(side-1) | uint64(side-1)<<14
	// No transform, no cache, no further codes; then five codes of one symbol, which is 0.
	bits |= 0x11111 << (32 + 3)
	data := append([]byte{0x2f}, binary.LittleEndian.AppendUint64(nil, bits)...)
	data = append(data, 0) // even
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(12+len(data)))...)
	b = append(append(b, "WEBPVP8L"...), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
	return append(b, data...)
}

// arithmeticBomb returns a JPEG of three components in 16 scans, whose coefficients are all
// zero: the decoder keeps those of the whole image until the last scan.
func arithmeticBomb(side int) []byte {
	b := append([]byte{0xff, 0xd8, 0xff, 0xdb, 0, 67, 0}, bytes.Repeat([]byte{1}, 64)...) // SOI, DQT
	b = append(b, 0xff, 0xca, 0, 17, 8, byte(side>>8), byte(side), byte(side>>8), byte(side), 3)
	b = append(b, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
	b = append(b, 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0) // the DC of all, then four bytes
	for _, band := range [][2]byte{{1, 5}, {6, 14}, {15, 27}, {28, 40}, {41, 63}} {
		for component := byte(1); component <= 3; component++ {
			b = append(b, 0xff, 0xda, 0, 8, 1, component, 0, band[0], band[1], 0, 0, 0, 0, 0)
		}
	}
	return append(b, 0xff, 0xd9)
}
