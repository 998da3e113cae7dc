package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
)

// measured returns a file with six rounds of bench run on a device, with rates around one.
func measured(file, device string, rate float64) File {
	r := result.Run{Provenance: result.Provenance{CPU: "a processor", Cores: 16, Versions: map[string]string{"batchscore": "v1"}}}
	for i := range 6 {
		v := rate * (1 + float64(i)/1000)
		r.Samples = append(r.Samples, result.Sample{
			Name: "Run", Iterations: 10000,
			Keys: []result.Key{result.K("model", "m"), result.K("device", device), result.K("images", "folder"), result.K("batch", int(rate/10))},
			Values: []result.Value{{Value: v, Unit: "images/s"}, {Value: rate * 1.1, Unit: "session-images/s"}, {Value: 5000, Unit: "decode-images/s"},
				{Value: 9000, Unit: "cores-images/s"}, {Value: 0.91, Unit: "of-limit"}},
		})
	}
	return File{Name: file, Runs: []result.Run{r}}
}

func text(t *testing.T, table *Table, format string, width int) string {
	t.Helper()
	var b bytes.Buffer
	if err := table.Write(&b, format, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func of(t *testing.T, o Options, files ...File) *Table {
	t.Helper()
	table, err := Of(files, o)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestTwoDevices compares two devices with their prices, in all formats.
func TestTwoDevices(t *testing.T) {
	table := of(t, Options{Prices: map[string]float64{"v100": 3.6, "K80": 0.9}}, measured("a", "cuda:V100-16GB", 800), measured("b", "cuda:k80", 100))
	want := `Run by device, images/s

device          images/s   ±  ratio  images/price   price/1M  reached  what limits
cuda:V100-16GB       802  1%   1.00       802,000  1.25 ± 1%      91%  device
cuda:k80             100  1%   0.12       401,000  2.49 ± 1%      91%  device

ratio compares with cuda:V100-16GB.
±: how far the farther end of the median's confidence interval at level 0.95 is from it.
reached: share of what all stages together allow, or of the ideal speed of all devices.
each row is the median of 6 samples.
images/price: for one unit of the currency of --price; price/1M: of a million images.
batch differs, too: cuda:V100-16GB 80, cuda:k80 10.
`
	if got := text(t, table, "text", 0); got != want {
		t.Errorf("have\n%s\nwant\n%s", got, want)
	}
	if got := text(t, table, "markdown", 0); !strings.Contains(got, "| device | images/s | ± |") || !strings.Contains(got, "|---|---:|---:|") ||
		!strings.Contains(got, "| cuda:k80 | 100 | 1% | 0.12 |") {
		t.Errorf("Markdown:\n%s", got)
	}
	lines, err := csv.NewReader(strings.NewReader(text(t, table, "csv", 0))).ReadAll()
	if err != nil || len(lines) != 3 || lines[0][0] != "device" || lines[2][0] != "cuda:k80" {
		t.Errorf("CSV: %v, %v", lines, err)
	}
	var read Table
	if err := json.Unmarshal([]byte(text(t, table, "json", 0)), &read); err != nil || len(read.Groups) != 2 || read.Groups[1].Limits != "device" ||
		read.Groups[1].Low == nil || *read.Groups[1].Low != 100 || read.Groups[1].P == nil || *read.Groups[1].P > 0.05 {
		t.Errorf("JSON: %+v, %v", read, err)
	}
	if drawn, err := table.Chart(); err != nil || !bytes.Contains(drawn.SVG(), []byte("cuda:V100-16GB")) {
		t.Errorf("Chart: %v", err)
	}
}

// TestNoWiderThanTheTerminal checks the text for terminals of many widths.
func TestNoWiderThanTheTerminal(t *testing.T) {
	table := of(t, Options{By: "file"}, measured(strings.Repeat("long", 30), "cuda:0", 800), measured("b", "cuda:0", 100))
	for width := 20; width < 200; width += 7 {
		for line := range strings.SplitSeq(text(t, table, "text", width), "\n") {
			if n := len([]rune(line)); n > width {
				t.Errorf("at %d columns a line has %d: %s", width, n, line)
			}
		}
	}
}

// TestSamplesAreCounted checks that a table says how many samples its rows have, and warns
// of short runs and of more than the limit.
func TestSamplesAreCounted(t *testing.T) {
	few := measured("few", "cuda:1", 100)
	few.Runs[0].Samples = few.Runs[0].Samples[:1]
	six := measured("six", "cuda:0", 100)
	for i := range six.Runs[0].Samples {
		six.Runs[0].Samples[i].Iterations = 26
		six.Runs[0].Samples[i].Values[4].Value = 1.44
	}
	for _, c := range []struct {
		files []File
		says  string
	}{
		{files: []File{few}, says: "one sample only: a difference may be chance"},
		{files: []File{six, few}, says: "  samples  "},
		{files: []File{six}, says: "each row is the median of 6 samples."},
		{files: []File{six, few}, says: "warning: runs of cuda:0 took less than 10 s"},
		{files: []File{six, few}, says: "warning: more than 100% was reached"},
	} {
		table := of(t, Options{By: "device"}, c.files...)
		for _, format := range []string{"text", "markdown"} {
			if got := text(t, table, format, 0); !strings.Contains(got, strings.TrimSpace(c.says)) {
				t.Errorf("%s does not say %q:\n%s", format, c.says, got)
			}
		}
	}
}

// TestNarrowTerminal checks that columns are left out before rows become blocks.
func TestNarrowTerminal(t *testing.T) {
	table := of(t, Options{Prices: map[string]float64{"": 2}}, measured("a", "cuda:V100-16GB", 800), measured("b", "cuda:k80", 100))
	got := text(t, table, "text", 70)
	if !strings.Contains(got, "cuda:k80             100  1%   0.12   5.54 ± 1%") || !strings.Contains(got, "The terminal is too narrow for images/price") {
		t.Errorf("at 70 columns:\n%s", got)
	}
}

// TestByFile compares files with one another if they have the same device.
func TestByFile(t *testing.T) {
	same := []File{measured("before", "cuda:0", 800), measured("after", "cuda:0", 801)}
	table := of(t, Options{}, same...)
	if table.By != ByFile || len(table.Groups) != 2 || !strings.Contains(text(t, table, "text", 0), "before") {
		t.Errorf("compared %+v, want files", table)
	}
	if priced := of(t, Options{Prices: map[string]float64{"old/before.txt": 2}}, same...); priced.Groups[0].Price != 2 {
		t.Errorf("priced %+v, want the price of the file that is named with its ending", priced.Groups[0])
	}
	equal := of(t, Options{}, measured("before", "cuda:0", 800), measured("after", "cuda:0", 800))
	if got := text(t, equal, "text", 0); !strings.Contains(got, " same ") {
		t.Errorf("equal samples:\n%s\nwant the word same", got)
	}
	for says, o := range map[string]Options{
		"the same device, cuda:0":    {By: "device"},
		"have no gpu; compare by":    {By: "gpu"},
		"no samples of Walk":         {Bench: "Walk"},
		"has no furlongs, only":      {Unit: "furlongs"},
		"no file is called that":     {Prices: map[string]float64{"a100": 1}},
		"fit before; write more of":  {Prices: map[string]float64{"bef": 1, "fore": 1}},
		"they are before, after":     {Prices: map[string]float64{"x": 1}},
		"the same cpu, a processor:": {By: "cpu"},
	} {
		if _, err := Of(same, o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want an error with %q", o, err, says)
		}
	}
}

// TestDimensions compares clusters of the same number of ranks, and prices all their
// devices.
func TestDimensions(t *testing.T) {
	var r result.Run
	for _, ranks := range []int{8, 1} {
		for i, device := range []string{"p100", "k80"} {
			r.Samples = append(r.Samples, result.Sample{Name: "Simulate", Simulated: true, Iterations: 1000,
				Keys: []result.Key{result.K("ranks", ranks), result.K("device", device), result.K("binds", []string{"decode", "device"}[i])},
				Values: []result.Value{{Value: 1000 / float64(ranks) / float64(400-300*i), Unit: "makespan-s"},
					{Value: 0.9, Unit: "efficiency"}}})
		}
	}
	table := of(t, Options{Prices: map[string]float64{"p100": 2}}, File{Name: "f", Runs: []result.Run{r}})
	var got []string
	for _, g := range table.Groups {
		got = append(got, fmt.Sprintf("%s %s: %.0f ratio %.2f price %.0f limits %s", g.Name, g.Keys[0].Value, g.Value, g.Ratio, g.Price, g.Limits))
	}
	want := `p100 1: 400 ratio 1.00 price 2 limits decode
k80 1: 100 ratio 0.25 price 0 limits device
p100 8: 3200 ratio 1.00 price 16 limits decode
k80 8: 800 ratio 0.25 price 0 limits device`
	if strings.Join(got, "\n") != want {
		t.Errorf("have\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if drawn, err := table.Chart(); err != nil || !bytes.Contains(drawn.SVG(), []byte(">ranks<")) {
		t.Errorf("Chart: %v, want lines over ranks", err)
	}
}

// TestLimits checks what limits runs of several kinds.
func TestLimits(t *testing.T) {
	row := func(images string, values ...any) *result.Row {
		s := result.Sample{Name: "Run", Keys: []result.Key{result.K("images", images)}}
		for i := 0; i < len(values); i += 2 {
			s.Values = append(s.Values, result.Value{Value: values[i+1].(float64), Unit: values[i].(string)})
		}
		return result.Rows([]result.Sample{s})[0]
	}
	ranks := func(device string, values ...any) *result.Row {
		r := row("100", values...)
		r.Name, r.Keys = "Scale", []result.Key{result.K("device", device)}
		return r
	}
	gpu := []any{"session-images/s", 500., "decode-images/s", 900., "cores-images/s", 700., "fetch-images/s", 200., "of-limit", 0.95, "cores-busy", 0.5}
	cpu := []any{"session-images/s", 50., "decode-images/s", 500., "fetch-images/s", 9e4, "of-limit", 0.95, "of-limit-cpu", 0.98}
	with := func(values []any, more ...any) []any { return append(append([]any{}, values...), more...) }
	for _, c := range []struct {
		row  *result.Row
		want string
	}{
		{row: row("folder", gpu...), want: "device"},
		{row: row("blobs", gpu...), want: "storage"},
		{row: row("folder", "session-images/s", 500., "decode-images/s", 90., "cores-images/s", 700., "of-limit", 0.95), want: "decoding"},
		{row: row("folder", "session-images/s", 500., "decode-images/s", 900., "cores-images/s", 70., "of-limit", 0.95), want: "cores"},
		{row: row("folder", "session-images/s", 500., "decode-images/s", 900., "of-limit", 0.5, "cores-busy", 1.), want: "cores"},
		{row: row("folder", "images/s", 78., "session-images/s", 430., "decode-images/s", 148., "cores-images/s", 558., "of-limit", 0.53, "cores-busy", 1.),
			want: BusyCores},
		{row: row("folder", cpu...), want: "cores (computing the model)"},
		{row: row("folder", "session-images/s", 500., "decode-images/s", 50., "of-limit", 0.95, "of-limit-cpu", 0.98), want: "cores (decoding)"},
		{row: row("folder", "session-images/s", 50., "decode-images/s", 500., "of-limit", 0.57, "of-limit-cpu", 0.98), want: BusyCores},
		{row: row("folder", "session-images/s", 500., "decode-images/s", 900., "of-limit", 0.3, "cores-busy", 0.4), want: NoStage},
		{row: row("folder", "session-images/s", 50., "decode-images/s", 500., "of-limit", 0.3, "of-limit-cpu", 0.4), want: NoStage},
		{row: ranks("p100", "efficiency", 0.95, "cores-busy", 1.), want: "devices"},
		{row: ranks("p100", "efficiency", 0.5, "cores-busy", 0.99), want: Shared},
		{row: ranks("p100", "efficiency", 0.5, "cores-busy", 0.3, "stragglers", 1.), want: "slow ranks"},
		{row: ranks("p100", "efficiency", 0.5, "cores-busy", 0.3, "stragglers", 0.), want: "start and end (a short run)"},
		{row: ranks("cpu_winograd", "efficiency", 1.), want: Shared},
		{row: row("folder", with(nil, "images/s", 3.)...), want: ""},
	} {
		if got := Limits(c.row); got != c.want {
			t.Errorf("%v: %q limits, want %q", c.row.Summary, got, c.want)
		}
	}
}
