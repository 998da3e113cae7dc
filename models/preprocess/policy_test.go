package preprocess

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A policyCase is an image of testdata with the tensor that Source makes of it, which begins
// at Offset in NAME.bin.gz. make_NAME.py wrote both.
type policyCase struct {
	Source string `json:"source"`
	File   string `json:"file"`
	Spec   Spec   `json:"spec"`
	Offset int    `json:"offset"`
	tensor []byte
}

func (c policyCase) String() string {
	return fmt.Sprintf("%s %s %s %s %dx%d", c.Source, c.Spec.Resize, c.Spec.Fit, c.File, c.Spec.Width, c.Spec.Height)
}

func policyCases(tb testing.TB, name string) []policyCase {
	tb.Helper()
	var cases []policyCase
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		tb.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(readFixture(tb, name+".bin.gz")))
	if err != nil {
		tb.Fatal(err)
	}
	tensors, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range cases {
		c := &cases[i]
		if c.Spec.Layout == "" {
			c.Spec.Layout = HWC
		}
		c.tensor = tensors[c.Offset:][:c.Spec.RowBytes()]
	}
	return cases
}

// policyBound returns how near each library is to the policy that is named after it, in
// steps of 8 bits.
func policyBound(c policyCase, turbo bool) bound {
	lossy := strings.HasSuffix(c.File, ".jpg")
	switch {
	case lossy && !turbo:
		// image/jpeg decodes to other pixels, up to 3 steps away; the negative
		// lobes of a filter enlarge that.
		return bound{5, 0.5}
	case c.Source == "opencv":
		return bound{1, 0.1}
	case c.Spec.DType == Float32:
		// TensorFlow finds positions and weights in float32.
		return bound{0.01, 0.001}
	}
	return bound{0, 0}
}

// TestFault19_Policies compares every policy, with every fit that its library
// has, with the library: up and down, odd sizes, sides of one pixel, and all
// eight orientations.
func TestFault19_Policies(t *testing.T) {
	cases := policyCases(t, "policies")
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			turbo := !b.opt.ForcePortable
			if turbo {
				requireTurbo(t)
			}
			worst := map[string]bound{}
			for _, c := range cases {
				d := newDecoder(t, c.Spec, b.opt)
				row := make([]byte, c.Spec.RowBytes())
				if err := d.Decode(row, readFixture(t, c.File)); err != nil {
					t.Fatalf("%v: %v", c, err)
				}
				most, mean := difference(c.Spec, numbers(c.Spec, row), numbers(c.Spec, c.tensor))
				if b := policyBound(c, turbo); most > b.most || mean > b.mean {
					t.Errorf("%v: differs by at most %.4f, on average %.5f; bounds %v", c, most, mean, b)
				}
				kind := c.Source + " " + string(c.Spec.Resize)
				w := worst[kind]
				worst[kind] = bound{max(w.most, most), max(w.mean, mean)}
			}
			for kind, w := range worst {
				t.Logf("%s: at most %.4f, on average %.5f", kind, w.most, w.mean)
			}
		})
	}
	cases = append(cases, policyCases(t, "fits")...)
	for _, r := range resizes {
		if !slices.ContainsFunc(cases, func(c policyCase) bool { return c.Spec.Resize == r }) {
			t.Errorf("no case of policy %s", r)
		}
	}
}
