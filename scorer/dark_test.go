package scorer

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// darkPicture returns a PNG of 16 bits whose samples are low.
func darkPicture(t *testing.T) []byte {
	t.Helper()
	deep := image.NewGray16(image.Rect(0, 0, 20, 20))
	for i := range 400 {
		deep.SetGray16(i%20, i/20, color.Gray16{Y: uint16(25 * i)})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, deep); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDarkImages tests that a run says once how many images look black, unless a range of values
// says what is white.
func TestDarkImages(t *testing.T) {
	deep := darkPicture(t)
	images := collection(t, 12)
	put(t, images, "deep-1.png", deep)
	put(t, images, "deep-2.png", deep)
	for _, c := range []struct {
		limits []float64
		want   int
	}{{want: 2}, {limits: []float64{0, 10000}}} {
		out := new(mem.Store)
		o := options(t, images, out)
		var log strings.Builder
		o.Log = o.Log.Output(&log)
		o.Contract.Preprocess.ValueRange = c.limits
		o.Job.PreprocessDigest = o.Contract.PreprocessDigest()
		mustRun(t, o)
		all, err := output.ReadSummaries(t.Context(), out)
		if err != nil || len(all) != 1 || all[0].Dark != c.want {
			t.Errorf("range %v: summaries %+v, %v, want %d dark images", c.limits, all, err, c.want)
		}
		if n := strings.Count(log.String(), `"images_dark"`); n != min(c.want, 1) {
			t.Errorf("range %v: %d warnings\n%s", c.limits, n, log.String())
		}
	}
}
