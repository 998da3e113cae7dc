package preprocess

import (
	"encoding/json"
	"image"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestFault35_Orientation tests that a picture is turned where Pillow's exif_transpose turns
// it, in every container. make_orientation.py wrote the files.
func TestFault35_Orientation(t *testing.T) {
	files := codectest.Archive(t, filepath.Join("testdata", "orientation.zip"))
	var want map[string][3]int // orientation, width and height as stored
	if err := json.Unmarshal(files["cases.json"], &want); err != nil {
		t.Fatal(err)
	}
	if len(want) < 800 {
		t.Fatalf("only %d cases in orientation.zip", len(want))
	}
	for name, c := range want {
		o, w, h := codec.Orientation(c[0]), c[1], c[2]
		t.Run(name, func(t *testing.T) {
			for _, b := range backends {
				src := files[name]
				// Decode it as it is stored, and turn it here.
				spec := sizedSpec(w, h)
				spec.IgnoreOrientation = true
				stored := image.NewNRGBA(image.Rect(0, 0, w, h))
				for i, v := range decodeRow(t, spec, b.opt, src) {
					stored.Pix[i/3*4+i%3] = v
				}
				upright := turnUpright(stored, o)
				row := decodeRow(t, sizedSpec(upright.Rect.Dx(), upright.Rect.Dy()), b.opt, src)
				for i, v := range row {
					if upright.Pix[i/3*4+i%3] != v {
						t.Fatalf("%s: not turned as orientation %d says", b.name, o)
					}
				}
			}
		})
	}
}

func decodeRow(tb testing.TB, s Spec, opt Options, src []byte) []byte {
	tb.Helper()
	row := make([]byte, s.RowBytes())
	if err := newDecoder(tb, s, opt).Decode(row, src); err != nil {
		tb.Fatal(err)
	}
	return row
}
