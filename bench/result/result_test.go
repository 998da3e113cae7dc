package result

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/telemetry/columns"
)

func example() Run {
	r := Run{Provenance: Provenance{
		Date: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), OS: "linux", Arch: "amd64",
		CPU: "AMD EPYC 9B14", Cores: 2, Memory: 24e9, Kernel: "6.1.0", Commit: "abc+modified", Seed: 7,
		Versions: map[string]string{"batchscore": "v1 beta", "go": "go1.26.0", "jpeg": "libjpeg-turbo 2.1.5 (/usr/lib/libturbojpeg.so.0)"},
	}}
	for _, rate := range []float64{500, 520, 510, 505, 515, 512} {
		r.Samples = append(r.Samples, Sample{Name: "Decode", Iterations: 16,
			Keys:   []Key{K("decoder", "ours"), K("model", "vgg-16")},
			Values: []Value{{rate, "images/s"}, {0, "allocs/image"}}})
	}
	r.Samples = append(r.Samples,
		Sample{Name: "Decode", Iterations: 16, Keys: []Key{K("decoder", "Go image/jpeg"), K("model", "vgg-16")},
			Values: []Value{{122.25, "images/s"}}},
		Sample{Name: "Run", Simulated: true, Iterations: 1, Keys: []Key{K("device", "p100")},
			Values: []Value{{430, "images/s"}, {1.5e9, "ns/op"}}})
	return r
}

func TestBenchFormatKeepsEverything(t *testing.T) {
	var b bytes.Buffer
	if err := WriteBench(&b, example()); err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	runs, err := ReadBench(&b, "memory")
	if err != nil {
		t.Fatal(err)
	}
	if want := []Run{example()}; !reflect.DeepEqual(runs, want) {
		t.Errorf("have %+v\nwant %+v", runs, want)
	}
}

func TestJSONKeepsEverything(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, JSON, example(), TableOptions{}); err != nil {
		t.Fatal(err)
	}
	var r Run
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r, example()) {
		t.Errorf("read %+v, want %+v", r, example())
	}
}

// TestAppendedRunsStayApart adds a second run of another day to a file.
func TestAppendedRunsStayApart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "samples.txt")
	second := example()
	second.Provenance.Date = second.Provenance.Date.AddDate(0, 0, 1)
	second.Provenance.Commit = ""
	for _, r := range []Run{example(), second} {
		if err := Append(file, r); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || !reflect.DeepEqual(runs[0], example()) || len(runs[1].Samples) != len(second.Samples) {
		t.Fatalf("read %+v, want two runs", runs)
	}
	if !runs[1].Provenance.Date.Equal(second.Provenance.Date) {
		t.Errorf("the second run's date is %v, want %v", runs[1].Provenance.Date, second.Provenance.Date)
	}
}

func TestReadRefusesWhatItCannotRead(t *testing.T) {
	for _, text := range []string{
		"BenchmarkX 1 fast\n",
		"seed: many\nBenchmarkX 1 2 images/s\n",
	} {
		if runs, err := ReadBench(strings.NewReader(text), "f.txt"); err == nil || !strings.Contains(err.Error(), "f.txt") {
			t.Errorf("ReadBench(%q) = %v, %v; want an error that names the file", text, runs, err)
		}
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, Table, example(), TableOptions{Best: "images/s", Notes: []string{"a note"}}); err != nil {
		t.Fatal(err)
	}
	want := `Decode, model vgg-16
decoder        images/s    allocs/image
ours           511.0 ± 3%  0 ± 0%  <- best
Go_image_jpeg  122.2       -

Run (simulated)
device  images/s  ns/op
p100    430.0     1.500G

a note
AMD EPYC 9B14, 2 cores, 24.0 GB, linux 6.1.0; batchscore v1 beta (abc+modified); seed 7; 2026-11-22
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
}

// TestTableOfOneRow prints a row that is too wide for a terminal line by line, and a
// median of too few samples without an interval.
func TestTableOfOneRow(t *testing.T) {
	r := Run{Provenance: Provenance{CPU: "z", Commit: Unknown, Versions: map[string]string{"batchscore": "v1"}}}
	for _, v := range []float64{2, 4} {
		r.Samples = append(r.Samples, Sample{Name: "Run", Keys: []Key{K("model", "m"), K("batch", 4)},
			Values: []Value{{v, "images/s"}, {0, "b"}, {1, "c"}, {1, "d"}, {1, "e"}, {1234567, "requests"}}})
	}
	var b bytes.Buffer
	if err := Write(&b, Table, r, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	want := `Run, batch 4
model     m
images/s  3.000
b         0
c         1.000
d         1.000
e         1.000
requests  1.235M

without ±: the median of too few samples for a confidence interval at level 0.95
z, 0 cores, 0.0 GB,  ; batchscore v1; 0001-01-01
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
}

// TestConfigHoldsForWhatFollows puts a provenance in front of the output of Go's
// benchmarks.
func TestConfigHoldsForWhatFollows(t *testing.T) {
	var b bytes.Buffer
	want := example().Provenance
	if err := WriteConfig(&b, want); err != nil {
		t.Fatal(err)
	}
	b.WriteString("BenchmarkBookkeeping/out=memory 1 72241 images/s\nPASS\n")
	runs, err := ReadBench(&b, "memory")
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 1 || !reflect.DeepEqual(runs[0].Provenance, want) {
		t.Errorf("have %+v\nwant %+v", runs, want)
	}
}

func TestCommit(t *testing.T) {
	if got := Commit(); got != Unknown && len(strings.TrimSuffix(got, "+modified")) < 40 {
		t.Errorf("Commit() = %q, want a commit or %s", got, Unknown)
	}
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{settings: nil, want: ""},
		{settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, want: ""},
		{settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, want: "abc"},
		{settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}, want: "abc+modified"},
	} {
		if got := revision(&debug.BuildInfo{Settings: c.settings}); got != c.want {
			t.Errorf("%v gives %q, want %q", c.settings, got, c.want)
		}
	}
}

func TestHereNamesTheMachine(t *testing.T) {
	p := Here(map[string]string{"batchscore": "v1"}, 3)
	if p.Cores < 1 || p.Memory < 1<<20 || p.CPU == "" || p.Kernel == "" || p.Commit == "" || p.Seed != 3 ||
		p.Versions["go"] == "" || p.Versions["batchscore"] != "v1" || time.Since(p.Date) > time.Minute {
		t.Errorf("Here = %+v, want all fields", p)
	}
}

// TestTablesFitTheTerminal prints tables of one and of two rows on terminals of many
// widths.
func TestTablesFitTheTerminal(t *testing.T) {
	one := Run{Samples: []Sample{{Name: "Run", Keys: []Key{K("model", "m"), K("binds", "decode")}}}}
	for _, unit := range []string{"images/s", "of-limit", "c", "d", "e", "f"} {
		one.Samples[0].Values = append(one.Samples[0].Values, Value{123.4, unit})
	}
	other := Sample{Name: "Run", Keys: []Key{K("model", "長い名前-long"), K("binds", "device")}, Values: one.Samples[0].Values}
	two := Run{Samples: append([]Sample{other}, one.Samples...)}
	o := TableOptions{First: []string{"images/s", "of-limit"}, Words: map[string]string{"images/s": "of whole runs, and nothing else"},
		Notes: []string{"a note of very many words that does not fit on any small terminal"}}
	for width := 24; width < 120; width += 6 {
		o.Width = width
		for _, r := range []Run{one, two} {
			var b bytes.Buffer
			if err := Write(&b, Table, r, o); err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(b.String(), "\n") {
				if n := columns.Width(line); n > width {
					t.Errorf("at %d columns a line has %d: %s", width, n, line)
				}
			}
			if !strings.Contains(b.String(), "what limits") {
				t.Errorf("at %d columns it does not say what limits:\n%s", width, &b)
			}
		}
	}
	var b bytes.Buffer
	o.Width, o.Details = 0, true
	if err := Write(&b, Table, two, o); err != nil || !strings.Contains(b.String(), "  f") {
		t.Errorf("with all figures: %v\n%s", err, &b)
	}
	b.Reset()
	o.Details = false
	if err := Write(&b, Table, two, o); err != nil || !strings.Contains(b.String(), "model          what limits  images/s  of-limit\n") {
		t.Errorf("with the first figures: %v\n%s", err, &b)
	}
}

// TestReadRefusesWhatIsNotANumber names the line.
func TestReadRefusesWhatIsNotANumber(t *testing.T) {
	for _, value := range []string{"NaN", "Inf", "-Inf"} {
		text := "kind: measured\n\nBenchmarkInfer/device=cpu 1 " + value + " images/s\n"
		if _, err := ReadBench(strings.NewReader(text), "a.txt"); err == nil || !strings.Contains(err.Error(), "a.txt, line 3") {
			t.Errorf("%s: %v, want an error that names the line", value, err)
		}
	}
}
