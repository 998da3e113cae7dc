package measure

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// standIn is set where this program takes the place of a Python interpreter.
const standIn = "BATCHSCORE_TEST_PILLOW"

// TestMain runs the tests, or answers like Pillow: each picture takes a millisecond, and one that
// begins with "bad" fails.
func TestMain(m *testing.M) {
	switch os.Getenv(standIn) {
	case "":
		os.Exit(m.Run())
	case "none":
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString("Pillow 1.2.3\n")
	for {
		var head [3]uint32
		if binary.Read(os.Stdin, binary.LittleEndian, &head) != nil {
			os.Exit(0)
		}
		body := make([]byte, head[0])
		if _, err := io.ReadFull(os.Stdin, body); err != nil {
			os.Exit(1)
		}
		answer := binary.LittleEndian.AppendUint64(nil, 1e6)
		if strings.HasPrefix(string(body), "bad") {
			answer = append(binary.LittleEndian.AppendUint64(nil, 1<<64-1), "OSError: broken\n"...)
		}
		_, _ = os.Stdout.Write(answer)
	}
}

// TestPillow compares with a stand-in for Pillow, of a format that Go does not know as well.
func TestPillow(t *testing.T) {
	t.Setenv(standIn, "1")
	p, err := StartPillow(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Version != "Pillow 1.2.3" {
		t.Errorf("version %q", p.Version)
	}
	if err := p.decode([]byte("bad"), 1, 1); err == nil || !strings.Contains(err.Error(), "OSError: broken") {
		t.Errorf("%v, want Pillow's words", err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.ppm"), append([]byte("P6 30 20 255\n"), make([]byte, 1800)...), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := ReadSome(folder, 2)
	if err != nil || len(all) != 1 || all[0].Format != "ppm" {
		t.Fatalf("pictures %+v: %v", all, err)
	}
	samples, err := Decode(t.Context(), append(all, pictures(t, "png")...), "as-is", spec, "", p, 2)
	if err != nil {
		t.Fatal(err)
	}
	for format, others := range map[string][]string{"ppm": {Ours, WithPillow}, "png": {Ours, WithPillow, Imaging, Go}} {
		for _, decoder := range []string{Ours, WithPillow, Imaging, Go} {
			n := len(values(samples, format, decoder, "of-pillow"))
			if want := slices.Contains(others, decoder); (n == 2) != want {
				t.Errorf("%s, %s: %d samples, want some: %t", format, decoder, n, want)
			}
		}
		rates := values(samples, format, WithPillow, "images/s")
		if slices.Min(rates) < 999 || slices.Max(rates) > 1001 {
			t.Errorf("%s: Pillow decodes %v images/s, want 1000", format, rates)
		}
	}
	t.Setenv(standIn, "none")
	if _, err := StartPillow(os.Args[0]); err == nil || !strings.Contains(err.Error(), "no Pillow") {
		t.Errorf("%v, want that there is no Pillow", err)
	}
}
