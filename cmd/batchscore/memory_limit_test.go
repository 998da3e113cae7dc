package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestMemoryLimit loads a model that wants 360 GB with each command that loads models,
// and one that takes 2 GB step by step.
func TestMemoryLimit(t *testing.T) {
	needRuntime(t)
	in, huge, large := pictures(t, 2), graphtest.Hungry(t, 300_000), graphtest.Hungry(t, 22_000)
	for name, args := range map[string][]string{
		"run":           {"run", "--images", in, "--out", filepath.Join(t.TempDir(), "o"), "--model", huge},
		"run, large":    {"run", "--images", in, "--out", filepath.Join(t.TempDir(), "o"), "--model", large},
		"models golden": {"models", "golden", huge, "--images", filepath.Join(in, "batch 0"), "-o", filepath.Join(t.TempDir(), "g.onnx")},
		"bench infer":   {"bench", "infer", huge, "--rounds", "1", "--least", "1ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := batchscore(t, append(args, "--memory-limit", "400MB")...)
			text := lastLine(r.stderr)
			if r.code != 78 || !strings.HasPrefix(text, "batchscore: the model "+filepath.Dir(huge)[:5]) ||
				!strings.Contains(text, "hungry.onnx does not fit into 400.0 MB of memory (--memory-limit)") || strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("got %v, want code 78 and one line with the model, the limit and the flag", r)
			}
		})
	}
	t.Run("models inspect", func(t *testing.T) {
		t.Parallel()
		must(t, 0, "models", "inspect", huge)
	})
	t.Run("too small", func(t *testing.T) {
		if r := batchscore(t, "models", "check", huge, "--memory-limit", "0"); r.code != 64 || !strings.Contains(r.stderr, "value 0 for --memory-limit") {
			t.Errorf("got %v, want code 64 and the flag", r)
		}
	})
}

// TestMemoryLimitKeepsRows scores images of which the last makes the model take more than
// the limit, and continues with a higher one.
func TestMemoryLimitKeepsRows(t *testing.T) {
	needRuntime(t)
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for i := range 5 {
		grey := color.Gray{uint8(20 * i)}
		if i == 4 {
			grey = color.Gray{255}
		}
		img := image.NewGray(image.Rect(0, 0, 32, 32))
		for p := range img.Pix {
			img.Pix[p] = grey.Y
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(in, fmt.Sprintf("%d.png", i)), b.Bytes())
	}
	// 55 grey levels above 200, so 13,200 x 13,200 numbers: 0.7 GB.
	args := []string{"run", "--images", in, "--out", out, "--model", graphtest.HungryForWhite(t, 240), "--chunk", "1", "--batch", "1", "--sessions", "1"}
	for range 4 { // two workers that die make a chunk suspect
		r := batchscore(t, append(args, "--memory-limit", "400MB")...)
		if r.code != 78 || !strings.Contains(lastLine(r.stderr),
			"this run uses more than 400.0 MB of memory (--memory-limit), of which 200.0 MB are for decoding (--decode-memory)") ||
			strings.Contains(r.stderr, "workers die") || !strings.Contains(lastLine(r.stderr), "in a new job a smaller --batch,") {
			t.Fatalf("got %v, want code 78, the limit and no death", r)
		}
	}
	parts, err := filepath.Glob(filepath.Join(out, "part-*"))
	if err != nil || len(parts) == 0 {
		t.Errorf("parts %v, %v; want those of the dark images", parts, err)
	}
	must(t, 0, append(args, "--memory-limit", "4GB")...)
	must(t, 0, "verify", out)
}

func TestMemoryBound(t *testing.T) {
	group := device.Memory{Limit: 1e9, From: "the control group's memory.max"}
	bound := func(limit int64, of device.Memory, swap bool) *memoryBound {
		b := &memoryBound{}
		b.set(limit, of, swap, "m")
		return b
	}
	if b := bound(0, device.Memory{}, false); b.limit != 0 {
		t.Errorf("without a limit: %+v", b)
	}
	if b := bound(5e8, group, false); b.limit != 5e8 || b.from != "--memory-limit" {
		t.Errorf("the flag does not win: %+v", b)
	}
	if b := bound(0, group, true); b.limit != 0 {
		t.Errorf("with swap: %+v", b)
	}
	b := bound(0, group, false)
	if b.limit < 9e8 || b.limit > 97e7 || !strings.Contains(b.exceeded(), "control group") {
		t.Errorf("of a control group of 1 GB: %+v", b)
	}
	if m := memoryOfRank(group, func() int { return 4 }); m.Limit != 25e7 || !strings.Contains(m.From, "the 4 ranks") {
		t.Errorf("one of 4 ranks: %+v", m)
	}
	b.cpu = true
	if err := b.explain(fmt.Errorf("x: %w", models.ErrOutOfMemory)); exitCode(err, nil) != 78 || !strings.Contains(err.Error(), "model m does not fit") {
		t.Errorf("got %v", err)
	}
	b.cpu = false // a GPU's memory is another one
	if err := b.explain(models.ErrOutOfMemory); !errors.Is(err, models.ErrOutOfMemory) || exitCode(err, nil) != 75 {
		t.Errorf("got %v", err)
	}
}
