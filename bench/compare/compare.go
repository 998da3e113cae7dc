package compare

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/batchscore/batchscore/bench/result"
)

// ByFile groups samples by the file that they are in.
const ByFile = "file"

// File is a file of samples.
type File struct {
	Name string
	Runs []result.Run
}

// Options say what to compare.
type Options struct {
	// By is the key whose values are compared. Empty means the device or, if there is
	// one only, the file.
	By string
	// Bench is the benchmark; empty means the first of order that the files have.
	Bench string
	// Unit is what is compared, images/s by default.
	Unit string
	// Prices are those of a device for an hour, by the value of By or a part of it; "" is
	// the price of any.
	Prices map[string]float64
}

// Group is one line of a table.
type Group struct {
	Name string `json:"name"`
	// Keys are the dimensions.
	Keys      []result.Key `json:"keys,omitempty"`
	Simulated bool         `json:"simulated"`
	Samples   int          `json:"samples"`
	Value     float64      `json:"value"`
	// Low and High are the ends of the confidence interval; absent with too few samples.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	// Ratio is Value divided by that of the first group, P the probability that a
	// difference as large comes about by chance.
	Ratio float64  `json:"ratio,omitempty"`
	P     *float64 `json:"p,omitempty"`
	// Price is that of an hour on all devices. PerUnit is how many images one unit of
	// the currency buys, PerMillion what a million images cost.
	Price      float64 `json:"price,omitempty"`
	PerUnit    float64 `json:"images_per_currency,omitempty"`
	PerMillion float64 `json:"price_per_million,omitempty"`
	// PerMillionLow and PerMillionHigh are the ends of its confidence interval.
	PerMillionLow  float64 `json:"price_per_million_low,omitempty"`
	PerMillionHigh float64 `json:"price_per_million_high,omitempty"`
	// OfLimit is the share of the limit that was reached, Limits what limits.
	OfLimit float64 `json:"of_limit,omitempty"`
	Limits  string  `json:"limits,omitempty"`

	row *result.Row
}

// Table is a comparison.
type Table struct {
	Bench  string   `json:"benchmark"`
	By     string   `json:"by"`
	Unit   string   `json:"unit"`
	Dims   []string `json:"-"`
	Groups []Group  `json:"groups"`
	Notes  []string `json:"notes,omitempty"`
}

// order is that of the benchmarks, the one that says most of a device first.
var order = []string{"Run", "Scale", "Simulate", "Infer", "Decode", "Job"}

// Of compares the samples of files.
func Of(files []File, o Options) (*Table, error) {
	t := &Table{Bench: o.Bench, By: o.By, Unit: o.Unit}
	if err := t.pick(files); err != nil {
		return nil, err
	}
	samples, err := t.gather(files)
	if err != nil {
		return nil, err
	}
	rows := result.Rows(samples)
	t.dimensions(rows)
	merged := t.merge(samples)
	if t.Unit == "" {
		t.Unit = Rate
	}
	for _, r := range merged {
		if t.Unit == Rate {
			AddRate(r)
		}
		if r.N(t.Unit) == 0 {
			return nil, fmt.Errorf("%s of %s has no %s, only %s: choose one with --unit", t.Bench, r.Key(t.By), t.Unit, strings.Join(r.Units, ", "))
		}
		t.Groups = append(t.Groups, t.group(r))
	}
	t.compare()
	return t, t.price(o.Prices)
}

// pick chooses the benchmark.
func (t *Table) pick(files []File) error {
	var names []string
	for _, f := range files {
		for _, r := range f.Runs {
			for _, s := range r.Samples {
				if !slices.Contains(names, s.Name) {
					names = append(names, s.Name)
				}
			}
		}
	}
	if len(names) == 0 {
		return errors.New("there are no samples")
	}
	if t.Bench == "" {
		t.Bench = names[0]
		for _, name := range slices.Backward(order) {
			if slices.Contains(names, name) {
				t.Bench = name
			}
		}
		if others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == t.Bench }); len(others) > 0 {
			t.Notes = append(t.Notes, fmt.Sprintf("The files have other benchmarks, too: %s; choose one with --bench.", strings.Join(others, ", ")))
		}
	} else if !slices.Contains(names, t.Bench) {
		return fmt.Errorf("there are no samples of %s, only of %s", t.Bench, strings.Join(names, ", "))
	}
	return nil
}

// gather returns the samples of the benchmark, each with the value of By as its first
// key. It chooses By if that is open.
func (t *Table) gather(files []File) ([]result.Sample, error) {
	choices := []string{t.By}
	if t.By == "" {
		choices = []string{"device", ByFile}
	}
	var all []result.Sample
	for _, by := range choices {
		all = all[:0]
		origins := map[string][]string{} // by group: the machines and versions
		for _, f := range files {
			for _, r := range f.Runs {
				for _, s := range r.Samples {
					if s.Name != t.Bench {
						continue
					}
					value, ok := valueOf(&s, r.Provenance, f.Name, by)
					if !ok {
						if t.By == "" {
							continue
						}
						return nil, fmt.Errorf("samples in %s have no %s; compare by one of %s, or by %s", f.Name, by, strings.Join(keysOf(&s, r.Provenance), ", "), ByFile)
					}
					keys := []result.Key{{Name: by, Value: value}}
					for _, k := range s.Keys {
						if k.Name != by {
							keys = append(keys, k)
						}
					}
					s.Keys = keys
					all = append(all, s)
					if at := origin(r.Provenance); !slices.Contains(origins[value], at) {
						origins[value] = append(origins[value], at)
					}
				}
			}
		}
		if len(origins) < 2 && by != choices[len(choices)-1] {
			continue
		}
		if len(origins) < 2 && len(files) > 1 && by != ByFile {
			return nil, fmt.Errorf("all samples have the same %s, %s: compare by another key, or with --by %s", by, slices.Collect(maps.Keys(origins))[0], ByFile)
		}
		t.By = by
		for _, name := range slices.Sorted(maps.Keys(origins)) {
			if n := len(origins[name]); n > 1 {
				t.Notes = append(t.Notes, fmt.Sprintf("%s: samples of %d machines or versions are taken together: %s.", name, n, strings.Join(origins[name], "; ")))
			}
		}
		break
	}
	return all, nil
}

// origin returns what figures depend on besides their keys.
func origin(p result.Provenance) string {
	text := fmt.Sprintf("%s, %d cores", p.CPU, p.Cores)
	if p.GPU != "" {
		text = p.GPU + ", " + text
	}
	if v := p.Versions["batchscore"]; v != "" {
		text += ", batchscore " + v
	}
	return text
}

// valueOf returns the value of a key of a sample, or of what is known of its run.
func valueOf(s *result.Sample, p result.Provenance, file, by string) (string, bool) {
	if by == ByFile {
		return file, true
	}
	for _, k := range s.Keys {
		if k.Name == by {
			return k.Value, true
		}
	}
	known := map[string]string{"cpu": p.CPU, "kernel": p.Kernel, "commit": p.Commit, "gpu": p.GPU}
	if p.Cores > 0 {
		known["cores"] = strconv.Itoa(p.Cores)
	}
	maps.Copy(known, p.Versions)
	v := known[by]
	return v, v != ""
}

func keysOf(s *result.Sample, p result.Provenance) []string {
	var names []string
	for _, k := range s.Keys {
		names = append(names, k.Name)
	}
	return append(append(names, "cpu", "cores"), slices.Sorted(maps.Keys(p.Versions))...)
}

// dimensions finds the keys that differ within a group, and names those that differ
// between groups only.
func (t *Table) dimensions(rows []*result.Row) {
	values := map[string]map[string][]string{} // by key and group
	var names []string
	for _, r := range rows {
		for _, k := range r.Keys[1:] {
			if values[k.Name] == nil {
				values[k.Name] = map[string][]string{}
				names = append(names, k.Name)
			}
			in := values[k.Name]
			if g := r.Keys[0].Value; !slices.Contains(in[g], k.Value) {
				in[g] = append(in[g], k.Value)
			}
		}
	}
	var follow []string
	for _, name := range names {
		if name == "binds" {
			continue // a result
		}
		within, between := false, map[string]bool{}
		var each []string
		for _, g := range slices.Sorted(maps.Keys(values[name])) {
			in := values[name][g]
			within = within || len(in) > 1
			between[in[0]] = true
			each = append(each, fmt.Sprintf("%s %s", g, in[0]))
		}
		switch {
		case within:
			t.Dims = append(t.Dims, name)
		case len(between) > 1:
			follow = append(follow, fmt.Sprintf("%s differs, too: %s.", name, strings.Join(each, ", ")))
		}
	}
	t.Notes = append(t.Notes, follow...)
}

// merge returns one row for each group and value of the dimensions.
func (t *Table) merge(samples []result.Sample) []*result.Row {
	kept := slices.Clone(samples)
	others := map[string]result.Key{} // the last of each row
	at := func(keys []result.Key, name string) string {
		id := name
		for _, k := range keys {
			id += "\n" + k.Value
		}
		return id
	}
	// also are keys that are not compared, but say more about a row.
	also := []string{"binds", "images", "ranks"}
	for i := range kept {
		keys := []result.Key{kept[i].Keys[0]}
		for _, k := range kept[i].Keys[1:] {
			if slices.Contains(t.Dims, k.Name) {
				keys = append(keys, k)
			}
		}
		for _, k := range kept[i].Keys[1:] {
			if slices.Contains(also, k.Name) {
				others[at(keys, k.Name)] = k
			}
		}
		kept[i].Keys = keys
	}
	rows := result.Rows(kept)
	for _, r := range rows {
		keys := r.Keys
		for _, name := range also {
			if k, ok := others[at(keys, name)]; ok && r.Key(name) == "" {
				r.Keys = append(slices.Clone(r.Keys), k)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b *result.Row) int { return t.byDims(a, b) })
	return rows
}

// byDims orders rows by their dimensions; those with equal ones stay next to each other.
func (t *Table) byDims(a, b *result.Row) int {
	for _, name := range t.Dims {
		x, y := a.Key(name), b.Key(name)
		m, err1 := strconv.ParseFloat(x, 64)
		n, err2 := strconv.ParseFloat(y, 64)
		switch {
		case x == y:
			continue
		case err1 == nil && err2 == nil && m < n, (err1 != nil || err2 != nil) && x < y:
			return -1
		}
		return 1
	}
	return 0
}

func (t *Table) group(r *result.Row) Group {
	g := Group{Name: r.Keys[0].Value, Simulated: r.Simulated, Samples: r.N(t.Unit), Value: r.Summary[t.Unit].Center, Limits: Limits(r), row: r}
	for _, name := range t.Dims {
		g.Keys = append(g.Keys, result.Key{Name: name, Value: r.Key(name)})
	}
	if lo, hi, ok := r.Interval(t.Unit); ok {
		g.Low, g.High = &lo, &hi
	}
	g.OfLimit, _ = Reached(r)
	return g
}

// compare enters the ratios to the first group.
func (t *Table) compare() {
	base := t.Groups[0].Name
	for i := range t.Groups {
		g := &t.Groups[i]
		for _, b := range t.Groups {
			if b.Name != base || !slices.Equal(b.Keys, g.Keys) || b.Value == 0 {
				continue
			}
			g.Ratio = g.Value / b.Value
			if g.Name != base && mayDiffer(g.Samples, b.Samples) {
				p := benchmath.AssumeNothing.Compare(b.row.Sample(t.Unit), g.row.Sample(t.Unit)).P
				g.P = &p
			}
			break
		}
	}
}

// mayDiffer reports whether so many samples can show a difference at all: the least
// p of the U test, which is that of samples that do not overlap, is at most 0.05.
func mayDiffer(n, m int) bool {
	p := 2.0
	for i := 1; i <= min(n, m); i++ { // divided by the ways to choose n of n+m
		p *= float64(i) / float64(max(n, m)+i)
	}
	return min(n, m) > 0 && p <= 0.05
}

// price enters what images cost.
func (t *Table) price(prices map[string]float64) error {
	used := map[string]bool{}
	for i := range t.Groups {
		g := &t.Groups[i]
		var fit []string
		for name := range prices {
			if strings.EqualFold(name, g.Name) || t.By == ByFile && strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)) == g.Name {
				fit = []string{name}
				break
			}
			if strings.Contains(strings.ToLower(g.Name), strings.ToLower(name)) {
				fit = append(fit, name)
			}
		}
		switch {
		case len(fit) > 1:
			slices.Sort(fit)
			return fmt.Errorf("--price: %s fit %s; write more of its name", strings.Join(fit, " and "), g.Name)
		case len(fit) == 0:
			continue
		}
		used[fit[0]] = true
		devices := 1.0
		if n, err := strconv.ParseFloat(g.row.Key("ranks"), 64); err == nil {
			devices = n
		}
		g.Price = prices[fit[0]] * devices
		if t.Unit == Rate && g.Price > 0 && g.Value > 0 {
			g.PerUnit = g.Value * 3600 / g.Price
			g.PerMillion = 1e6 / g.PerUnit
			if g.Low != nil && *g.Low > 0 {
				g.PerMillionLow, g.PerMillionHigh = g.PerMillion*g.Value/(*g.High), g.PerMillion*g.Value/(*g.Low)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(prices)) {
		if !used[name] {
			if name == "" {
				return errors.New("--price: there is nothing with a price")
			}
			return fmt.Errorf("--price %s=%g: no %s is called that; they are %s", name, prices[name], t.By, strings.Join(t.names(), ", "))
		}
	}
	return nil
}

// names returns the names of the groups.
func (t *Table) names() (names []string) {
	for _, g := range t.Groups {
		if !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	return names
}
