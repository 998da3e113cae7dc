package preprocess

import "testing"

// TestInstructions tests that the variable bounds the kernels of a canvas, and that no value
// asks for what the processor does not have.
func TestInstructions(t *testing.T) {
	have := instructions("")
	for _, c := range []struct {
		value string
		most  int
	}{
		{value: "", most: int(have)},
		{value: "none", most: 0},
		{value: "avx2", most: min(1, int(have))},
		{value: "avx512", most: int(have)},
		{value: "AVX1024", most: int(have)},
	} {
		t.Run(c.value, func(t *testing.T) {
			t.Setenv(InstructionsEnv, c.value)
			canvas := newCanvas(Spec{Width: 2, Height: 2, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch})
			defer canvas.free()
			if got := int(canvas.job.most); got != c.most {
				t.Errorf("kernels %d, want %d", got, c.most)
			}
		})
	}
}
