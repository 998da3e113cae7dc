package preprocess

import (
	"os"
	"testing"
)

// requireTurbo skips where libjpeg-turbo is missing, and fails where the tests
// that need it must not be skipped.
func requireTurbo(tb testing.TB) {
	tb.Helper()
	if _, err := JPEGBackend(); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("BATCHSCORE_REQUIRE") == "1" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
}

func newDecoder(tb testing.TB, s Spec, opt Options) *Decoder {
	tb.Helper()
	d, err := NewDecoder(s, opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	return d
}
