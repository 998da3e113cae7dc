package preprocess

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// TestFault20_Panic tests that a panic in a codec becomes the failure of one image, and that
// the decoder continues.
func TestFault20_Panic(t *testing.T) {
	d := newDecoder(t, smallSpec, Options{})
	src := readFixture(t, "jpeg-420.jpg")
	d.injectPanic = func() {
		var table []int
		_ = table[len(src)]
	}
	err := decodeInto(t, d, src)
	wantStatus(t, err, codec.StatusPanic)
	if !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("%v does not say what happened", err)
	}
	d.injectPanic = nil
	wantStatus(t, decodeInto(t, d, src), codec.StatusOK)
}
