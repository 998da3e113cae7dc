package measure

import "testing"

func TestCoresBusy(t *testing.T) {
	before := parseCores("cpu  100 0 50 800 40 5 5 0 90 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	after := parseCores("cpu  160 0 60 815 45 5 5 10 150 0\n")
	took := after.since(before)
	if have := took.share(); have < 0.7999 || have > 0.8001 { // 80 of 100 ticks
		t.Errorf("busy for %v of the time, want 0.8", have)
	}
	if have := took.busy; have < 0.7999 || have > 0.8001 {
		t.Errorf("busy for %v seconds, want 0.8", have)
	}
	for _, text := range []string{"", "cpu\n", "cpu 1 2 3 4 5 6 7 x 0 0\n", "intr 1 2 3 4 5 6 7 8 9\n"} {
		if have := parseCores(text).since(parseCores(text)).share(); have != 0 {
			t.Errorf("share of %q = %v, want 0", text, have)
		}
	}
}
