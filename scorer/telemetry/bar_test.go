package telemetry

import "testing"

func TestDescriptionFits(t *testing.T) {
	const note = "97% of the limit, infer binds"
	for _, c := range []struct {
		note   string
		failed int
		room   int
		want   string
	}{
		{"", 0, 80, "scoring"},
		{"", 0, 6, ""},
		{note, 0, 80, "scoring, " + note},
		{note, 12, 80, "scoring, " + note + ", 12 failed"},
		{note, 12, 47, note + ", 12 failed"},
		{note, 12, 22, "infer binds, 12 failed"},
		{"infer binds", 12, 22, "infer binds, 12 failed"},
		{note, 12, 12, "12 failed"},
		{note, 0, 12, "infer binds"},
		{note, 12, 3, ""},
	} {
		b := Bar{what: "scoring", note: c.note, failed: c.failed}
		if got := b.description(c.room); got != c.want {
			t.Errorf("%q, %d failed, in %d columns: %q, want %q", c.note, c.failed, c.room, got, c.want)
		}
	}
}
