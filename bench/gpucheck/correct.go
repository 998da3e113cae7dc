package gpucheck

import (
	"context"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/preprocess"
)

// The limits of differences between probabilities. Those of float32 and float16 are the
// ones that golden images have. A TF32 product has as many digits as one of float16.
var (
	limitFloat32 = models.GoldenTolerance("")
	limitFloat16 = models.GoldenTolerance(convert.FP16)
	limitTF32    = limitFloat16
)

// cuda are the flags of a run on a GPU.
var cuda = []string{"--provider", "cuda"}

// correctnessClaims compare scores of the GPU with those of the CPU.
func correctnessClaims() []Claim {
	claim := func(name, says string, limit float64, cost time.Duration, check func(ctx context.Context, s *Session) (cpu, gpu string, err error)) Claim {
		return Claim{
			Subject: Correctness, Name: name, Says: says, Cost: cost,
			Limit: fmt.Sprintf("same first class for %d%% of the images, no score differs by more than %g", convert.GoodAgreement, limit),
			Check: func(ctx context.Context, s *Session) (Outcome, error) {
				cpu, gpu, err := check(ctx, s)
				if err != nil {
					return Outcome{}, err
				}
				return alike(cpu, gpu, limit)
			},
		}
	}
	return []Claim{
		claim("fp32", "CUDA in float32 gives the scores of the CPU.", limitFloat32, 30*time.Second,
			func(ctx context.Context, s *Session) (string, string, error) {
				return s.both(ctx, s.cpu, func(ctx context.Context) (string, error) {
					return s.score(ctx, "cuda", s.Images, s.Model, cuda...)
				})
			}),
		claim("tf32", "CUDA with TF32 gives the scores of the CPU.", limitTF32, 10*time.Second,
			func(ctx context.Context, s *Session) (string, string, error) {
				if err := s.capable(ctx, firstTF32); err != nil {
					return "", "", err
				}
				return s.both(ctx, s.cpu, func(ctx context.Context) (string, error) {
					return s.score(ctx, "cuda-tf32", s.Images, s.Model, append(cuda, "--tf32")...)
				})
			}),
		claim("fp16", "The model in float16 gives on CUDA the scores of the float32 model on the CPU.", limitFloat16, 30*time.Second,
			func(ctx context.Context, s *Session) (string, string, error) {
				return s.both(ctx, s.cpu, func(ctx context.Context) (string, error) {
					model, err := s.half(ctx)
					if err != nil {
						return "", err
					}
					return s.score(ctx, "cuda-fp16", s.Images, model, cuda...)
				})
			}),
		claim("uint8", "The model that takes bytes (models fuse) gives on CUDA the scores that it gives on the CPU.", limitFloat32, 30*time.Second,
			func(ctx context.Context, s *Session) (string, string, error) {
				model, err := s.fused(ctx)
				if err != nil {
					return "", "", err
				}
				return s.both(ctx, func(ctx context.Context) (string, error) {
					return s.score(ctx, "cpu-uint8", s.Images, model, "--provider", "cpu-direct")
				}, func(ctx context.Context) (string, error) {
					return s.score(ctx, "cuda-uint8", s.Images, model, cuda...)
				})
			}),
	}
}

// both returns the files of rows of two runs.
func (s *Session) both(ctx context.Context, cpu, gpu func(ctx context.Context) (string, error)) (string, string, error) {
	a, err := cpu(ctx)
	if err != nil {
		return "", "", fmt.Errorf("on the CPU: %w", err)
	}
	b, err := gpu(ctx)
	return a, b, err
}

// cpu returns the rows that the model gives on the CPU, with every convolution as in the
// model.
func (s *Session) cpu(ctx context.Context) (string, error) {
	return s.score(ctx, "cpu", s.Images, s.Model, "--provider", "cpu-direct")
}

// fused returns the model that takes bytes.
func (s *Session) fused(ctx context.Context) (string, error) {
	if s.Contract.Preprocess.DType == preprocess.Uint8 {
		return "", skipf("the model takes bytes already, as the other claims have it")
	}
	return s.once(ctx, "uint8.onnx", func(path string) error {
		_, err := s.must(ctx, 0, nil, "models", "fuse", s.Model, "-o", path)
		return err
	})
}

// alike compares two files of rows.
func alike(a, b string, limit float64) (Outcome, error) {
	x, err := readRows(a)
	if err != nil {
		return Outcome{}, err
	}
	y, err := readRows(b)
	if err != nil {
		return Outcome{}, err
	}
	l, err := liken(x, y)
	if err != nil {
		return Outcome{}, err
	}
	return measured(l.statuses == "" && l.agreement() >= convert.GoodAgreement && l.difference <= limit, "%s", &l)
}
