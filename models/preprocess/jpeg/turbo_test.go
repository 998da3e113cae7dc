package jpeg

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

func TestBackend(t *testing.T) {
	requireTurbo(t)
	name, err := Backend()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(name, "libjpeg-turbo ") || !strings.Contains(name, "turbojpeg") || !strings.HasSuffix(name, ")") {
		t.Errorf("Backend() = %q, want the library, its version and its file", name)
	}
}

// TestBackendMissing tests that the error names what was tried and what to install, and that
// a library that is not TurboJPEG is refused.
func TestBackendMissing(t *testing.T) {
	for _, name := range []string{"/nonexistent/libturbojpeg.so.0", "libm.so.6", "/dev/zero"} {
		t.Setenv("LIBTURBOJPEG", name)
		_, err := loadTurbo()
		if err == nil {
			t.Fatalf("%s was loaded", name)
		}
		for _, want := range []string{name, "libturbojpeg0", "LIBTURBOJPEG"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not mention %s", err, want)
			}
		}
	}
	// The library that was loaded before is still the one in use.
	codectest.WantStatus(t, Format, codectest.File(t, "..", "testdata", "jpeg-420.jpg"), codec.StatusOK)
}
