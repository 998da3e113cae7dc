package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
)

// TestFilesMatchTheSamples fails if BENCHMARKS.md or a chart differs from what the
// samples under bench/testdata give.
func TestFilesMatchTheSamples(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := render(filepath.Join(root, "bench", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s does not match the samples: run 'make report'", name)
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, charts))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[charts+"/"+e.Name()] == nil {
			t.Errorf("%s/%s is a chart that BENCHMARKS.md does not have", charts, e.Name())
		}
	}
}

func scaling() *samples {
	r := result.Run{Provenance: result.Provenance{CPU: "a processor", Cores: 2}}
	for _, ranks := range []int{1, 2} {
		for _, device := range []string{"p100", "k80"} {
			for repeat := range 6 {
				rate := float64(1000*ranks + repeat)
				if device == "k80" {
					rate /= 4
				}
				r.Samples = append(r.Samples, result.Sample{
					Name:   "Scale",
					Keys:   []result.Key{result.K("device", device), result.K("ranks", ranks)},
					Values: []result.Value{{Value: rate, Unit: "images/s"}},
				})
			}
		}
	}
	return &samples{"made up", []result.Run{r}}
}

func TestTables(t *testing.T) {
	s := scaling()
	got, err := s.Table("images/s=rate")
	if err != nil {
		t.Fatal(err)
	}
	want := `| device | ranks | rate |
|---|---|---:|
| p100 | 1 | 1,003 ± 1 % |
| k80 | 1 | 251 ± 1 % |
| p100 | 2 | 2,003 ± 1 % |
| k80 | 2 | 501 ± 1 % |`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	got, err = s.Pivot("ranks", "device", "images/s")
	if err != nil {
		t.Fatal(err)
	}
	want = `| ranks \ device | p100 | k80 |
|---|---:|---:|
| 1 | 1,003 ± 1 % | 251 ± 1 % |
| 2 | 2,003 ± 1 % | 501 ± 1 % |`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestNoFigureWithoutSamples checks that missing samples, or several configurations for
// one figure, are an error.
func TestNoFigureWithoutSamples(t *testing.T) {
	s := scaling()
	one, err := s.Where("ranks", 1)
	if err == nil {
		one, err = one.Where("device", "p100")
	}
	if err != nil {
		t.Fatal(err)
	}
	if v, err := one.Median("images/s"); v != 1002.5 || err != nil {
		t.Errorf("Median = %v, %v; want 1002.5", v, err)
	}
	mixed := scaling()
	mixed.runs[0].Samples[0].Simulated = true
	for name, call := range map[string]func() error{
		"another benchmark":  func() error { _, err := s.Only("Decode"); return err },
		"another value":      func() error { _, err := s.Where("ranks", 3); return err },
		"another unit":       func() error { _, err := one.Median("s"); return err },
		"two configurations": func() error { _, err := s.Median("images/s"); return err },
		"an ambiguous pivot": func() error { _, err := s.Pivot("ranks", "model", "images/s"); return err },
		"an ambiguous line":  func() error { _, err := s.Line("p100", "ranks", "images/s"); return err },
		"measured and simulated samples": func() error {
			_, err := mixed.Table("images/s")
			return err
		},
	} {
		if call() == nil {
			t.Errorf("%s returned no error", name)
		}
	}
}

func TestSimulatedTablesSaySo(t *testing.T) {
	s := scaling()
	for i := range s.runs[0].Samples {
		s.runs[0].Samples[i].Simulated = true
	}
	if got, err := s.Table("images/s"); err != nil || !strings.HasPrefix(got, "*Simulated") {
		t.Errorf("Table: %v, want a simulated one, got\n%s", err, got)
	}
}

func TestMinutes(t *testing.T) {
	if got := minutes(670.4); got != "11:10" {
		t.Errorf("minutes(670.4) = %s, want 11:10", got)
	}
}
