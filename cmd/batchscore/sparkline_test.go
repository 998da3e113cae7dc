package main

import (
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
)

func TestHistoryText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rates []float64
		want  string
	}{
		{rates: []float64{0, 1, 4, 7.9, 8, 8, 3.5, 2}, want: "▁▂▅███▄▃  0.00 to 8.00 images/s, in 8 steps of 1 min 30 s"},
		{rates: []float64{5, 5, 5, 5}, want: "████  5.00 to 5.00 images/s, in 4 steps of 1 min 30 s"},
		{rates: []float64{0, 0, 0, 0}, want: "▁▁▁▁  0.00 to 0.00 images/s, in 4 steps of 1 min 30 s"},
		{rates: []float64{900, 1234, 0, 1}, want: "▆█▁▁  0.00 to 1234 images/s, in 4 steps of 1 min 30 s"},
	} {
		h := &output.History{StepSeconds: 90, Rates: c.rates}
		if got := historyText(h, true); got != c.want {
			t.Errorf("%v: got %q, want %q", c.rates, got, c.want)
		}
		if got, want := historyText(h, false), c.want[len(sparkline(c.rates))+2:]; got != want {
			t.Errorf("%v without bars: got %q, want %q", c.rates, got, want)
		}
	}
}

func TestUTF8Locale(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{env: map[string]string{}, want: false},
		{env: map[string]string{"LANG": "en_US.UTF-8"}, want: true},
		{env: map[string]string{"LANG": "C.utf8"}, want: true},
		{env: map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "C"}, want: false},
		{env: map[string]string{"LANG": "C", "LC_CTYPE": "de_DE.utf8"}, want: true},
		{env: map[string]string{"LANG": "POSIX", "LC_ALL": ""}, want: false},
	} {
		if got := utf8Locale(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %v, want %v", c.env, got, c.want)
		}
	}
}
