package device

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"Tesla P100-PCIE-16GB":              "Tesla P100-PCIE-16GB",
		"NVIDIA A100-SXM4-40GB MIG 1g.5gb":  "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
		"GeForce RTX™ é":                    "GeForce RTX™ é",
		"a\x1b[2Jb\nc\rd\te\x00f\x7fg":      "a�[2Jb�c�d�e�f�g",
		"c1 \u009b31m, bidi \u202e, \u200b": "c1 �31m, bidi �, �",
		"\xff\xfe T4":                       "� T4",
		strings.Repeat("é", 81):             strings.Repeat("é", 80),
		strings.Repeat("é", 80):             strings.Repeat("é", 80),
	} {
		if got := Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestNamesAreClean: what the driver's files say is cleaned where it is read.
func TestNamesAreClean(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/driver/nvidia/gpus/0000:04:00.0/information": information("K80\x1b[31m"+strings.Repeat("x", 1000), "GPU-5a\x07", 0),
	})
	got := gpus(root)
	want := "K80�[31m" + strings.Repeat("x", 80-8)
	if len(got) != 1 || got[0].Name != want || got[0].UUID != "GPU-5a�" {
		t.Errorf("%+v, want the name %q", got, want)
	}
}
