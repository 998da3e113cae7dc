package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
)

// TestPrices gives --price in both spellings to a command that measures and to compare.
func TestPrices(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "samples.txt")
	simulate := []string{"bench", "simulate", "--images", "20000", "--ranks", "1", "--device", "P100,k80"}
	says(t, must(t, 0, append(simulate, "--price", "k80=0.9,p100=3.1", "--save", file)...), "price/million-images")
	runs, err := result.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, price := range []float64{3.1, 0.9} {
		s := runs[0].Samples[i]
		want := 1e6 / figure(t, s, compare.Rate) / 3600 * price
		if got := figure(t, s, unitPrice); got < want*0.999 || got > want*1.001 {
			t.Errorf("a million images cost %v, want %v", got, want)
		}
	}
	for _, price := range []string{"2", "k80=0.9,p100=3.1", "p100=3.1"} {
		says(t, must(t, 0, "bench", "compare", file, "--price", price), "price/1M")
	}
	for _, price := range []string{"x", "-1", "p100=", "=3", "p100=0", "NaN"} {
		for _, args := range [][]string{simulate, {"bench", "compare", file}} {
			r := batchscore(t, append(args, "--price", price)...)
			if r.code != 64 || !strings.Contains(r.stderr, "want a price, or DEVICE=PRICE") {
				t.Errorf("--price %s: %v, want exit code 64 and the spellings", price, r)
			}
		}
	}
}

// TestPriceOfAMixture: the price of one device of a mixture is not that of the mixture.
func TestPriceOfAMixture(t *testing.T) {
	for _, test := range []struct {
		prices prices
		want   float64
	}{
		{prices: prices{"p100": 3.1, "k80": 0.9}},
		{prices: prices{"p100+k80": 2, "p100": 3.1}, want: 2},
		{prices: prices{"": 2}, want: 2},
	} {
		if got := test.prices.of("simulated:p100+k80"); got != test.want {
			t.Errorf("the price of %v is %v, want %v", test.prices, got, test.want)
		}
	}
}

// TestPriceOfTheMedian checks that a row's price is that of its median rate, as in compare.
func TestPriceOfTheMedian(t *testing.T) {
	var samples []result.Sample
	for _, rate := range []float64{60, 90} {
		s := result.Sample{Name: "Run", Values: []result.Value{{Value: rate, Unit: compare.Rate}}}
		prices{"": 3.6}.priced(&s)
		samples = append(samples, s)
	}
	r := result.Rows(samples)[0]
	priceOfMedian(r)
	if got, want := r.Summary[unitPrice].Center, 1e6/75/3600*3.6; got < want*0.999 || got > want*1.001 {
		t.Errorf("a million images cost %v, want %v: the price at 75 images/s", got, want)
	}
}

// TestNotesOfSimulate checks what simulate says of devices that a cluster lacks, of batches
// without a published rate, and of what limits.
func TestNotesOfSimulate(t *testing.T) {
	t.Parallel()
	simulate := func(args ...string) string {
		return must(t, 0, append([]string{"bench", "simulate"}, args...)...).stdout
	}
	for _, c := range []struct{ text, want string }{
		{text: simulate("--ranks", "4,8", "--device", "k80+p100"), want: "warning: on 4 ranks k80+p100 has not all of its devices"},
		{text: simulate("--ranks", "1", "--device", "k80,p100", "--batch", "16"), want: "k80 at batch 16: 100.4 images/s, computed"},
		{text: simulate("--ranks", "1", "--device", "k80,p100", "--batch", "16"), want: "p100 at batch 16: the same rate"},
		{text: simulate("--ranks", "8", "--requests", "100"), want: "what limits, account limits: the storage serves 100 requests/s"},
		{text: simulate("--ranks", "32"), want: "what limits, listing: "},
		{text: simulate("--ranks", "32", "--images", "20000"), want: "what limits, start and end: "},
	} {
		if !strings.Contains(c.text, c.want) {
			t.Errorf("it does not say %q:\n%s", c.want, c.text)
		}
	}
	if text := simulate("--ranks", "8", "--device", "k80+p100"); strings.Contains(text, "warning") {
		t.Errorf("a warning about a cluster with both devices:\n%s", text)
	}
}
