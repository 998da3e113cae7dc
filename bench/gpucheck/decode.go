package gpucheck

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
)

// decodeClaims compare the decoding of JPEG on a GPU with that on the CPU.
func decodeClaims() []Claim {
	return []Claim{{
		Subject: Decode, Name: "rows", Says: "JPEG decoded on a GPU (--decode-device gpu) gives the classes of JPEG decoded on the CPU.",
		Limit: fmt.Sprintf("same first class for %d%% of the images, and the same statuses", convert.GoodAgreement), Cost: 30 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			if err := canDecode(); err != nil {
				return Outcome{}, err
			}
			cpu, gpu, err := s.both(ctx, func(ctx context.Context) (string, error) {
				return s.score(ctx, "cuda", s.Images, s.Model, cuda...)
			}, func(ctx context.Context) (string, error) {
				return s.score(ctx, "cuda-decode", s.Images, s.Model, append(cuda, "--decode-device", "gpu")...)
			})
			if err != nil {
				return Outcome{}, err
			}
			return alike(cpu, gpu, 1) // the pixels differ, and so do the scores
		},
	}, {
		Subject: Decode, Name: "rate", Says: "A core decodes more images in a second of its time if a GPU helps.",
		Limit: "more than libjpeg-turbo at full size", Cost: 30 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			if err := canDecode(); err != nil {
				return Outcome{}, err
			}
			e, err := s.must(ctx, 0, nil, "bench", "decode", "--images", s.Images, "--decode-device", "gpu", "--rounds", "3", "--format", "json")
			if err != nil {
				return Outcome{}, err
			}
			cpu, gpu, err := decodeRates([]byte(e.stdout))
			if err != nil {
				return Outcome{}, err
			}
			return measured(gpu > cpu, "%.0f images/s and core with the GPU, %.0f without (%.2f times)", gpu, cpu, gpu/cpu)
		},
	}}
}

// canDecode returns an error of skipf if there is no library that decodes on a GPU.
func canDecode() error {
	if _, err := nvimgcodec.Find(); err != nil {
		return skipf("nvImageCodec is not there: %v", err)
	}
	return nil
}

// decodeRates returns the means of the rates of the CPU and of the GPU, in images/s, in
// what "bench decode --format json" prints.
func decodeRates(text []byte) (cpu, gpu float64, err error) {
	var run result.Run
	if err := json.Unmarshal(text, &run); err != nil {
		return 0, 0, fmt.Errorf("read the output of bench decode: %w", err)
	}
	mean := func(is func(decoder string) bool) float64 {
		sum, n := 0.0, 0
		for i := range run.Samples {
			sample := &run.Samples[i]
			for _, k := range sample.Keys {
				if k.Name != "decoder" || !is(k.Value) {
					continue
				}
				for _, v := range sample.Values {
					if v.Unit == compare.Rate {
						sum, n = sum+v.Value, n+1
					}
				}
			}
		}
		return sum / float64(max(n, 1))
	}
	cpu = mean(func(decoder string) bool { return decoder == measure.Ours })
	gpu = mean(func(decoder string) bool { return strings.HasPrefix(decoder, measure.OurDevice+"gpu") })
	if cpu == 0 || gpu == 0 {
		return 0, 0, fmt.Errorf("bench decode measured %.0f images/s on the CPU and %.0f on the GPU", cpu, gpu)
	}
	return cpu, gpu, nil
}
