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
		{note: "", failed: 0, room: 80, want: "scoring"},
		{note: "", failed: 0, room: 6, want: ""},
		{note: note, failed: 0, room: 80, want: "scoring, " + note},
		{note: note, failed: 12, room: 80, want: "scoring, " + note + ", 12 failed"},
		{note: note, failed: 12, room: 47, want: note + ", 12 failed"},
		{note: note, failed: 12, room: 22, want: "infer binds, 12 failed"},
		{note: "infer binds", failed: 12, room: 22, want: "infer binds, 12 failed"},
		{note: note, failed: 12, room: 12, want: "12 failed"},
		{note: note, failed: 0, room: 12, want: "infer binds"},
		{note: note, failed: 12, room: 3, want: ""},
	} {
		b := Bar{what: "scoring", note: c.note, failed: c.failed}
		if got := b.description(c.room); got != c.want {
			t.Errorf("%q, %d failed, in %d columns: %q, want %q", c.note, c.failed, c.room, got, c.want)
		}
	}
}
