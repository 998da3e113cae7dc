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

// TestRecorded: rows that another release made are not kept, and what made those that are kept
// makes the new ones, too.
func TestRecorded(t *testing.T) {
	before, out := new(mem.Store), new(mem.Store)
	libraries := agreement.OnLibraries(t.Context(), before)
	for name, identity := range map[string]string{"libheif": "libheif 1.15.1", "libjxl": ""} {
		if err := libraries.Agree(name, identity); err != nil {
			t.Fatal(err)
		}
	}
	got, err := agreement.Recorded(t.Context(), before)
	if err != nil || len(got) != 1 || got[0].Identity != "libheif 1.15.1" {
		t.Fatalf("recorded are %v, %v; want libheif only, as the other made no pixels", got, err)
	}
	for here, want := range map[string]string{"libheif 1.15.1": "", "": "", "libheif 1.19.8": "libheif 1.15.1 there, libheif 1.19.8 here"} {
		if text := agreement.Differs(got, func(string) string { return here }); (text == "") != (want == "") || !strings.Contains(text, want) {
			t.Errorf("here is %q: %q, want %q", here, text, want)
		}
	}
	for range 2 {
		if err := agreement.Keep(t.Context(), out, got); err != nil {
			t.Fatal(err)
		}
	}
	after := agreement.OnLibraries(t.Context(), out)
	if err := after.Agree("libheif", "libheif 1.19.8"); !errors.Is(err, output.ErrMismatch) {
		t.Errorf("another release adds rows: %v", err)
	}
	if err := errors.Join(after.Agree("libheif", "libheif 1.15.1"), after.Agree("libjxl", "libjxl 0.7.0")); err != nil {
		t.Error(err)
	}
}

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
