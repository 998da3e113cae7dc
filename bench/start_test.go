package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// BenchmarkStart runs the real binary on the sample images, with a small model that
// loads quickly. It reports the time from the start to the first part and to the end.
// It also reports the time to find out that nothing is left to do, with _SUCCESS and
// without it, as after a worker that died before writing it.
func BenchmarkStart(b *testing.B) {
	images := filepath.Join(cache(), "images")
	if _, err := os.Stat(images); err != nil {
		b.Skip("run \"make deps\" first: ", err)
	}
	binary := filepath.Join(b.TempDir(), "batchscore")
	if text, err := exec.Command("go", "build", "-o", binary, "../cmd/batchscore").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	model := graphtest.Write(b, graphtest.Options{})
	var first, whole, complete, proven time.Duration
	for b.Loop() {
		out := filepath.Join(b.TempDir(), "out")
		run := func() (began time.Time, took time.Duration) {
			began = time.Now()
			if text, err := exec.Command(binary, "run", "--images", images, "--out", out, "--model", model).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, text)
			}
			return began, time.Since(began)
		}
		began, took := run()
		part, err := os.Stat(filepath.Join(out, "part-00000.jsonl"))
		if err != nil {
			b.Fatal(err)
		}
		first += part.ModTime().Sub(began)
		whole += took
		_, took = run()
		complete += took
		if err := os.Remove(filepath.Join(out, "_SUCCESS")); err != nil {
			b.Fatal(err)
		}
		_, took = run()
		proven += took
	}
	for what, d := range map[string]time.Duration{
		"s-to-first-part": first, "s-to-end": whole, "s-if-complete": complete, "s-if-unproven": proven,
	} {
		b.ReportMetric(d.Seconds()/float64(b.N), what)
	}
	b.ReportMetric(0, "ns/op")
}
