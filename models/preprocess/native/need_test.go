package native

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// resident returns a line of a process's status, in bytes.
func resident(t *testing.T, pid int, line string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := bytes.Cut(b, []byte("\n"+line+":"))
	var kb int64
	if _, err := fmt.Sscan(string(rest), &kb); !ok || err != nil {
		t.Fatal(line, err)
	}
	return kb << 10
}

// growth starts the helper of a decoder, and returns a function that says by how many bytes the
// helper's memory has grown at most. What the process took while it began does not count: the
// race detector takes much.
func growth(t *testing.T, d *decoder) func() int64 {
	t.Helper()
	var err error
	if d.helper, err = d.library.start(); err != nil {
		t.Fatal(err)
	}
	pid := d.helper.cmd.Process.Pid
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	before := resident(t, pid, "VmRSS")
	return func() int64 { return resident(t, pid, "VmHWM") - before }
}

// TestNeed_Measured decodes large pictures of every kind, each in a new helper, and compares
// how far the helper's memory grows with what Need says: never more, and not much less.
func TestNeed_Measured(t *testing.T) {
	if sanitized {
		t.Skip("its shadow memory would count")
	}
	for _, c := range []struct {
		library *Library
		format  codec.Format
	}{
		{library: HEIF, format: heic}, {library: AVIF, format: avif}, {library: JXL, format: jxl}, {library: JP2, format: jp2},
	} {
		need(t, c.library)
		files, err := filepath.Glob("testdata/large/*." + c.format.Extensions[:3] + "*")
		if err != nil || len(files) < 4 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			src := codectest.File(t, file)
			d, ok := codectest.New(t, c.format, codec.Config{}).(*decoder)
			if !ok {
				t.Fatal("another type of decoder")
			}
			said := d.Need(src, codectest.Bounds)
			grown := growth(t, d)
			if fail, err := d.Decode(src, codectest.Bounds, &codectest.Canvas{}); fail != nil || err != nil {
				t.Fatal(file, fail, err)
			}
			got, pixels := grown(), float64(said.Width*said.Height)
			t.Logf("%-32s %7.2f MB, %5.2f bytes a pixel; Need %7.2f MB, %5.2f", file, float64(got)/1e6, float64(got)/pixels,
				float64(said.Bytes)/1e6, float64(said.Bytes)/pixels)
			const slack = 3 << 20
			if got > said.Bytes {
				t.Errorf("%s: takes %d bytes, and Need says %d", file, got, said.Bytes)
			}
			// Noise takes more, and of JPEG XL the header does not tell how it is coded.
			if said.Bytes > 4*got+slack {
				t.Errorf("%s: Need says %d bytes, and it takes %d", file, said.Bytes, got)
			}
			d.Close()
		}
	}
}
