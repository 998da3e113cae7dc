package agreement_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/output/agreement"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestOnLibraries tests that the first rank decides, and that another one with another release,
// or without the library, stops.
func TestOnLibraries(t *testing.T) {
	out := new(mem.Store)
	first := agreement.OnLibraries(t.Context(), out)
	for range 2 {
		if err := first.Agree("libheif", "libheif 1.15.1"); err != nil {
			t.Fatal(err)
		}
	}
	body, _, err := store.ReadAll(t.Context(), out, output.DecodersFolder+"libheif.json", 1<<10)
	if want := `{"library":"libheif","identity":"libheif 1.15.1"}` + "\n"; err != nil || string(body) != want {
		t.Errorf("the record is %q (%v), want %q", body, err, want)
	}
	for _, c := range []struct {
		name, library, identity, want string
	}{
		{name: "the same", library: "libheif", identity: "libheif 1.15.1"},
		{name: "another library", library: "libjxl", identity: "libjxl 0.7.0"},
		{name: "another release", library: "libheif", identity: "libheif 1.19.8", want: "libheif 1.15.1 in the job and libheif 1.19.8 on this rank"},
		{name: "none", library: "libheif", want: "libheif 1.15.1 in the job and not installed on this rank"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := agreement.OnLibraries(t.Context(), out).Agree(c.library, c.identity)
			if (err != nil) != (c.want != "") || err != nil && (!errors.Is(err, output.ErrMismatch) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want an error with %q", err, c.want)
			}
		})
	}
}
