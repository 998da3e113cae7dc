package main

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "1": 1, "12345": 12345, "10b": 10, "800MB": 800_000_000, "2GiB": 2 << 30, "1.5 gib": 3 << 29, "3kB": 3000, "4KiB": 4096, "1TB": 1e12,
	} {
		t.Run(text, func(t *testing.T) {
			var got byteSize
			if err := got.Set(text); err != nil || got != want {
				t.Errorf("Set(%q) = %d, %v, want %d", text, got, err, want)
			}
		})
	}
	for _, text := range []string{"", "MB", "-1", "1.2.3", "2 tons", "NaN", "1e30", "inf"} {
		t.Run("not "+text, func(t *testing.T) {
			var got byteSize
			if err := got.Set(text); err == nil {
				t.Errorf("Set(%q) = %d, want an error", text, got)
			}
		})
	}
}
