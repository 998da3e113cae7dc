package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/term"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Format is a form in which runs are printed.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	Bench Format = "bench" // the Go benchmark format
)

// Formats are all of them.
var Formats = []Format{Table, JSON, Bench}

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats, f) {
		return f, nil
	}
	return "", fmt.Errorf("invalid format %q: want one of %s, %s, %s", name, Table, JSON, Bench)
}

// Write prints a run in a format. The options are for tables.
func Write(w io.Writer, f Format, r Run, o TableOptions) error {
	switch f {
	case JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case Bench:
		return WriteBench(w, r)
	}
	return WriteTable(w, r, o)
}

// The configuration keys of the Go benchmark format for a Provenance, in the order in
// which they are written. Any other key is the name of a version.
const (
	keyDate   = "date"
	keyOS     = "goos"
	keyArch   = "goarch"
	keyCPU    = "cpu"
	keyGPU    = "gpu"
	keyCores  = "cores"
	keyMemory = "memory-bytes"
	keyKernel = "kernel"
	keyCommit = "commit"
	keySeed   = "seed"
	// keyKind is whether the figures below it are measured or simulated.
	keyKind   = "kind"
	measured  = "measured"
	simulated = "simulated"
)

// WriteConfig writes a provenance as configuration lines of the Go benchmark format,
// which apply to everything below them.
func WriteConfig(w io.Writer, p Provenance) error {
	var b strings.Builder
	for _, c := range config(p) {
		fmt.Fprintf(&b, "%s: %s\n", c.Key, c.Value)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func config(p Provenance) []benchfmt.Config {
	var config []benchfmt.Config
	set := func(key, value string) {
		if value != "" {
			config = append(config, benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	set(keyDate, p.Date.Format(time.RFC3339))
	set(keyOS, p.OS)
	set(keyArch, p.Arch)
	set(keyCPU, p.CPU)
	set(keyGPU, p.GPU)
	if p.Cores > 0 { // otherwise the figures are of another, unknown machine
		set(keyCores, strconv.Itoa(p.Cores))
		set(keyMemory, strconv.FormatInt(p.Memory, 10))
	}
	set(keyKernel, p.Kernel)
	set(keyCommit, p.Commit)
	set(keySeed, strconv.FormatUint(p.Seed, 10))
	for _, name := range slices.Sorted(maps.Keys(p.Versions)) {
		set(name, p.Versions[name])
	}
	return config
}

// WriteBench writes a run in the Go benchmark format.
func WriteBench(w io.Writer, r Run) error {
	config := config(r.Provenance)
	out := benchfmt.NewWriter(w)
	for _, s := range r.Samples {
		if len(s.Values) == 0 {
			continue
		}
		kind := measured
		if s.Simulated {
			kind = simulated
		}
		line := benchfmt.Result{
			Config: append(slices.Clip(config), benchfmt.Config{Key: keyKind, Value: []byte(kind), File: true}),
			Name:   benchfmt.Name(s.fullName()), Iters: max(s.Iterations, 1),
		}
		for _, v := range s.Values {
			line.Values = append(line.Values, benchfmt.Value{Value: v.Value, Unit: v.Unit})
		}
		if err := out.Write(&line); err != nil {
			return err
		}
	}
	return nil
}

// fullName returns the name with the configuration: "Decode/decoder=ours/size=299".
func (s *Sample) fullName() string {
	var b strings.Builder
	b.WriteString(s.Name)
	for _, k := range s.Keys {
		b.WriteString("/" + k.Name + "=" + k.Value)
	}
	return b.String()
}

// ReadBench reads runs in the form of WriteBench. Errors name the source as file.
func ReadBench(r io.Reader, file string) ([]Run, error) {
	var runs []Run
	in := benchfmt.NewReader(r, file)
	for in.Scan() {
		switch rec := in.Result().(type) {
		case *benchfmt.Result:
			p, s, err := parse(rec)
			if err != nil {
				_, line := rec.Pos()
				return nil, fmt.Errorf("%s, line %d: %w", file, line, err)
			}
			for _, v := range s.Values {
				if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
					_, line := rec.Pos()
					return nil, fmt.Errorf("%s, line %d: %s is %v: want a number", file, line, v.Unit, v.Value)
				}
			}
			if last := len(runs) - 1; last < 0 || !reflect.DeepEqual(runs[last].Provenance, p) {
				runs = append(runs, Run{Provenance: p})
			}
			last := &runs[len(runs)-1]
			last.Samples = append(last.Samples, s)
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("%w; it is not in the Go benchmark format", rec)
		}
	}
	return runs, in.Err()
}

func parse(line *benchfmt.Result) (Provenance, Sample, error) {
	p := Provenance{Versions: map[string]string{}}
	s := Sample{Iterations: line.Iters}
	var errs [4]error
	for _, c := range line.Config {
		value := string(c.Value)
		switch c.Key {
		case keyDate:
			p.Date, errs[0] = time.Parse(time.RFC3339, value)
		case keyOS:
			p.OS = value
		case keyArch:
			p.Arch = value
		case keyCPU:
			p.CPU = value
		case keyGPU:
			p.GPU = value
		case keyCores:
			p.Cores, errs[1] = strconv.Atoi(value)
		case keyMemory:
			p.Memory, errs[2] = strconv.ParseInt(value, 10, 64)
		case keyKernel:
			p.Kernel = value
		case keyCommit:
			p.Commit = value
		case keySeed:
			p.Seed, errs[3] = strconv.ParseUint(value, 10, 64)
		case keyKind:
			s.Simulated = value == simulated
		default:
			p.Versions[c.Key] = value
		}
	}
	base, parts := line.Name.Parts()
	s.Name = string(base)
	for _, part := range parts {
		if last := len(s.Keys) - 1; part[0] == '-' && last >= 0 {
			// Go's tests write GOMAXPROCS there; here it is the end of a value.
			s.Keys[last].Value += string(part)
			continue
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(string(part), "/"), "=")
		s.Keys = append(s.Keys, Key{name, value})
	}
	for _, v := range line.Values {
		if v.OrigUnit != "" { // as written in the file, before the reader scaled it
			v.Value, v.Unit = v.OrigValue, v.OrigUnit
		}
		s.Values = append(s.Values, Value{v.Value, v.Unit})
	}
	return p, s, errors.Join(errs[:]...)
}

// Append adds a run to a file in the Go benchmark format. It creates a missing file.
// A pipe that nobody reads is an error. What goes to a terminal is printable.
func Append(file string, r Run) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeCharDevice != 0 && term.IsTerminal(int(f.Fd())) {
		w := printable.NewWriter(f)
		return errors.Join(WriteBench(w, r), w.Close(), f.Close())
	}
	return errors.Join(WriteBench(f, r), f.Close())
}

// Read returns the runs of a file in the Go benchmark format.
func Read(file string) ([]Run, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadBench(f, file)
}
