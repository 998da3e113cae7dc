package main

import (
	"testing"

	"github.com/batchscore/batchscore/models"
)

func TestFormatBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 8_400: "8.4 kB", 2_500_000: "2.5 MB", 3e9: "3.0 GB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestOutputOf(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]models.Contract{
		"5 classes":                         {Classes: 5},
		"128 numbers per image, task embed": {Classes: 128, Task: "embed"},
	} {
		if got := outputOf(&c); got != want {
			t.Errorf("outputOf(%+v) = %q, want %q", c, got, want)
		}
	}
}

func TestCountable(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{
		"cat": "cat", "": `""`, "7": `"7"`, "a, b": `"a, b"`, "ok": `"ok"`, "failed": `"failed"`, "truncated": `"truncated"`,
		"not_found": `"not_found"`, "truncated cone": "truncated cone",
	} {
		if got := countable(label); got != want {
			t.Errorf("countable(%q) = %s, want %s", label, got, want)
		}
	}
}
