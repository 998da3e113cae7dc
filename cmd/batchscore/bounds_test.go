package main

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "1": 1, "12345": 12345, "10b": 10, "800MB": 800_000_000, "2GiB": 2 << 30, "1.5 gib": 3 << 29, "3kB": 3000, "4KiB": 4096, "1TB": 1e12,
	} {
		var b byteSize
		if err := b.Set(text); err != nil || b != want {
			t.Errorf("%q is %d, %v; want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.2.3", "2 tons", "NaN", "1e30", "inf"} {
		var b byteSize
		if err := b.Set(text); err == nil {
			t.Errorf("%q is taken for %d bytes", text, b)
		}
	}
}
