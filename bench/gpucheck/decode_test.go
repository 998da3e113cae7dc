package gpucheck

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
)

func TestDecodeRates(t *testing.T) {
	sample := func(decoder string, rate float64) result.Sample {
		return result.Sample{Name: "Decode", Iterations: 1, Keys: []result.Key{result.K("format", "jpeg"), result.K("decoder", decoder)},
			Values: []result.Value{{Value: rate, Unit: "images/s"}, {Value: 9, Unit: "of-limit"}}}
	}
	text := func(samples ...result.Sample) []byte {
		var b bytes.Buffer
		if err := result.Write(&b, result.JSON, result.Run{Samples: samples}, result.TableOptions{}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	cpu, gpu, err := decodeRates(text(sample("ours", 400), sample("ours-scaled", 900), sample("ours-gpu:0", 500), sample("ours", 410), sample("ours-gpu:0", 520)))
	if err != nil || cpu != 405 || gpu != 510 {
		t.Errorf("%v, %v, %v; want 405, 510", cpu, gpu, err)
	}
	if _, _, err := decodeRates(text(sample("ours", 400))); err == nil {
		t.Error("no error without a rate of the GPU")
	}
}

// TestNoDecoder: without nvImageCodec the claims are not measured, and say why.
func TestNoDecoder(t *testing.T) {
	t.Setenv("NVIMGCODEC_LIB", t.TempDir()+"/none.so")
	for _, c := range decodeClaims() {
		_, err := c.Check(t.Context(), nil)
		if !errors.Is(err, errSkipped) || !strings.Contains(err.Error(), "NVIMGCODEC_LIB") {
			t.Errorf("%s: %v, want that it is not measured, with the reason", c.ID(), err)
		}
	}
}
