package tfjs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
)

// member is a header of a crafted archive, and what follows it.
type member struct {
	header tar.Header
	body   string
	zeros  int64 // that follow the body
}

func file(name, body string) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeReg}, body, 0}
}

func zeros(name string, n int64) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeReg}, "", n}
}

// claims returns a member of that size that ends after a few bytes.
func claims(name string, size int64, format tar.Format) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeReg, Size: size, Format: format}, "{}", 0}
}

// craft writes a .tgz. A header's size is that of the body and the zeros unless it says
// another one, of which the archive is not aware: it ends there.
func craft(t *testing.T, members ...member) string {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, m := range members {
		h := m.header
		h.Mode = 0o644
		claimed := h.Size
		if h.Size == 0 {
			h.Size = int64(len(m.body)) + m.zeros
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.body)); err != nil {
			t.Fatal(err)
		}
		for left, block := m.zeros, make([]byte, 1<<20); left > 0; left -= int64(len(block)) {
			if _, err := w.Write(block[:min(left, int64(len(block)))]); err != nil {
				t.Fatal(err)
			}
		}
		if claimed > 0 {
			break
		}
	}
	_ = w.Close() // it says so if a body is shorter than claimed
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "crafted.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCraftedArchives opens archives that were made to write elsewhere, or to take all
// memory. None takes more than what it holds.
func TestCraftedArchives(t *testing.T) {
	const model = `{"format":"layers-model","modelTopology":{},"weightsManifest":[]}`
	var many, names, copies []member
	for i := range 3000 {
		many = append(many, file(fmt.Sprintf("p/a/%d", i), ""))
		names = append(names, file(fmt.Sprintf("p/%d/model.json", i), ""))
		copies = append(copies, file("p/a/model.json", model))
	}
	small := bounds{unpacked: 32 << 20, all: 64 << 20, text: 1 << 20, files: 1000, models: 1000, name: 4096}
	link := func(name, to string, kind byte) member {
		return member{header: tar.Header{Name: name, Linkname: to, Typeflag: kind}}
	}
	for name, c := range map[string]struct {
		members []member
		says    string // of the error; empty for none
	}{
		"names that lead out": {members: []member{file("../../p/a/model.json", "x"), file("/p/a/model.json", "x"), file("p/a/model.json", model)}},
		"links and devices": {members: []member{
			link("p/a/model.json", "/etc/passwd", tar.TypeSymlink), link("p/a/shard", "p/a/model.json", tar.TypeLink),
			link("p/a/null", "", tar.TypeChar), link("p/a/fifo", "", tar.TypeFifo), file("p/a/model.json", model),
		}},
		"only a link":              {members: []member{link("p/a/model.json", "/etc/passwd", tar.TypeSymlink)}, says: "holds no model.json"},
		"the same file twice":      {members: copies[:2], says: "p/a/model.json twice"},
		"zeros to skip":            {members: []member{zeros("x", 128<<20), file("p/a/model.json", model)}, says: "more than 67108864 bytes"},
		"zeros to unpack":          {members: []member{file("p/a/model.json", model), zeros("p/a/x", 48<<20)}, says: "more than 33554432 bytes to unpack"},
		"zeros as a model":         {members: []member{zeros("p/a/model.json", 24<<20)}, says: "more than 1048576 bytes"},
		"many files":               {members: append(many, file("p/a/model.json", model)), says: "more than 1000 files"},
		"many models":              {members: names, says: "more than 1000 models"},
		"a long name":              {members: []member{file(strings.Repeat("n/", 200_000)+"model.json", model)}, says: "a name of 400010 bytes"},
		"a size beyond the end":    {members: []member{claims("p/a/model.json", 900<<10, tar.FormatUSTAR)}, says: "damaged .tgz"},
		"the largest size":         {members: []member{claims("p/a/model.json", 1<<63-1, tar.FormatPAX)}, says: "damaged .tgz"},
		"a size beyond all memory": {members: []member{file("p/a/model.json", model), claims("p/a/x", 1<<50, tar.FormatGNU)}, says: "damaged .tgz"},
	} {
		t.Run(name, func(t *testing.T) {
			path := craft(t, c.members...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := archive{path, small}
			dirs, err := a.folders(t.Context())
			var m memory
			if err == nil && len(dirs) > 0 {
				m, err = a.unpack(t.Context(), func(name string) bool { return filepath.Dir(name) == "p/a" })
			} else if err == nil {
				err = bad("the archive holds no model.json")
			}
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 40<<20 {
				t.Errorf("%d MB were allocated", taken>>20)
			}
			switch {
			case c.says == "" && (err != nil || string(m["p/a/model.json"]) != model || len(m) != 1):
				t.Errorf("got %d files, %v; want the model alone", len(m), err)
			case c.says != "" && (!errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 400):
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
