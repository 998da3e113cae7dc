package preprocess

import (
	"bytes"
	"encoding/json"
	"errors"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// A fixture is an image of testdata with the tensor that Pillow makes of it.
// make_fixtures.py wrote both.
type fixture struct {
	Name      string `json:"name"`
	File      string `json:"file"`
	Spec      Spec   `json:"spec"`
	Reference string `json:"reference"`
}

func fixtures(tb testing.TB) []fixture {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "cases.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var cases []fixture
	if err := json.Unmarshal(b, &cases); err != nil {
		tb.Fatal(err)
	}
	if len(cases) < 60 {
		tb.Fatalf("only %d cases in cases.json", len(cases))
	}
	return cases
}

func readFixture(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// reference returns the expected tensor, as numbers.
func (f fixture) reference(tb testing.TB) []float64 {
	tb.Helper()
	b := readFixture(tb, f.Reference)
	if f.Spec.DType == Float32 {
		return numbers(f.Spec, b)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		tb.Fatal(err)
	}
	var out []float64
	for _, v := range codectest.RGB(img) {
		out = append(out, float64(v))
	}
	return out
}

// numbers returns the values of a tensor row, on a little-endian machine.
func numbers(s Spec, row []byte) []float64 {
	var out []float64
	if s.DType == Uint8 {
		for _, v := range row {
			out = append(out, float64(v))
		}
		return out
	}
	for i := 0; i < len(row); i += 4 {
		bits := uint32(row[i]) | uint32(row[i+1])<<8 | uint32(row[i+2])<<16 | uint32(row[i+3])<<24
		out = append(out, float64(math.Float32frombits(bits)))
	}
	return out
}

// difference returns the largest and the mean difference, in steps of 8 bits.
func difference(s Spec, got, want []float64) (most, mean float64) {
	step := 1.0
	if s.Scale != 0 {
		step = float64(s.Scale) / 0.225
	}
	for i := range want {
		d := math.Abs(got[i]-want[i]) / step
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		most = max(most, d)
		mean += d / float64(len(want))
	}
	return most, mean
}

// A bound is on the difference from the reference, in steps of 8 bits.
type bound struct{ most, mean float64 }

// boundFor returns how near to Pillow each kind of image is.
func boundFor(f fixture, turbo bool) bound {
	jpeg := strings.HasSuffix(f.File, ".jpg")
	switch {
	case f.Spec.DType == Float32 && (turbo || !jpeg):
		// The reference was computed in double precision.
		return bound{0.001, 0.001}
	case jpeg && turbo:
		// The same library decodes for Pillow, and the resize is Pillow's bit
		// for bit. Another version of libjpeg-turbo may differ in the last bit.
		return bound{1, 0.01}
	case strings.HasPrefix(f.File, "jpeg-cmyk"), strings.HasPrefix(f.File, "jpeg-ycck"):
		return bound{3, 0.15}
	case f.Spec.DType == Float32 && jpeg:
		return bound{3.001, 0.15}
	case jpeg:
		// Another inverse DCT, within 1 of libjpeg's in each of three components.
		return bound{3, 0.15}
	case strings.HasPrefix(f.File, "webp-lossy"), f.File == "webp-even.webp":
		return bound{1, 0.05}
	}
	return bound{0, 0} // lossless
}

// TestFault19_References decodes every kind of image and compares the tensor
// with the reference decoder's, on both back ends.
func TestFault19_References(t *testing.T) {
	for _, backend := range []string{"turbo", "portable"} {
		t.Run(backend, func(t *testing.T) {
			turbo := backend == "turbo"
			if turbo {
				requireTurbo(t)
			}
			for _, f := range fixtures(t) {
				t.Run(f.Name, func(t *testing.T) {
					d := newDecoder(t, f.Spec, Options{ForcePortable: !turbo})
					dst := make([]byte, f.Spec.RowBytes())
					err := d.Decode(dst, readFixture(t, f.File))
					if !turbo && (f.File == "jpeg-arithmetic.jpg" || f.File == "jpeg-uneven.jpg") {
						// image/jpeg decodes neither.
						wantStatus(t, err, codec.StatusUnsupported)
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					most, mean := difference(f.Spec, numbers(f.Spec, dst), f.reference(t))
					t.Logf("differs by at most %.3f, on average %.4f", most, mean)
					if b := boundFor(f, turbo); most > b.most || mean > b.mean {
						t.Errorf("differs by at most %.3f, on average %.4f; bounds %v", most, mean, b)
					}
				})
			}
		})
	}
}

// TestFault19_Unsupported tests that kinds of images that are not decoded are unsupported.
func TestFault19_Unsupported(t *testing.T) {
	for name, src := range map[string]string{"OpenEXR": "v/1\x01\x02\x00\x00\x00", "DICOM": strings.Repeat("\x00", 128) + "DICM\x02\x00"} {
		t.Run(name, func(t *testing.T) {
			wantStatus(t, decodeSmall(t, []byte(src), Options{}), codec.StatusUnsupported)
		})
	}
}

var smallSpec = Spec{Width: 16, Height: 12, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}

// decodeSmall decodes src into a row that was not zero, and checks that it is
// zero after a failure.
func decodeSmall(tb testing.TB, src []byte, opt Options) error {
	tb.Helper()
	return decodeInto(tb, newDecoder(tb, smallSpec, opt), src)
}

func decodeInto(tb testing.TB, d *Decoder, src []byte) error {
	tb.Helper()
	dst := bytes.Repeat([]byte{0xaa}, d.spec.RowBytes())
	err := d.Decode(dst, src)
	if err != nil && !bytes.Equal(dst, make([]byte, len(dst))) {
		tb.Errorf("the row is not zero after %v", err)
	}
	return err
}

func wantStatus(tb testing.TB, err error, want codec.Status) {
	tb.Helper()
	if got := status(tb, err); got != want {
		tb.Errorf("status %s (%v), want %s", got, err, want)
	}
}

func status(tb testing.TB, err error) codec.Status {
	tb.Helper()
	if err == nil {
		return codec.StatusOK
	}
	var f *codec.Failure
	if !errors.As(err, &f) {
		tb.Fatalf("%v is not a Failure", err)
	}
	if f.Reason == "" {
		tb.Errorf("%s without a reason", f.Status)
	}
	return f.Status
}
