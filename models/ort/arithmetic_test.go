package ort

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TF32 is refused where there is none.
func TestNoTF32OnTheCPU(t *testing.T) {
	needLibrary(t)
	if e, err := Open(tiny(t, graphtest.Options{}), Options{Provider: CPU, TF32: true}); !errors.Is(err, models.ErrProvider) {
		if err == nil {
			_ = e.Close()
		}
		t.Errorf("got %v, want %v", err, models.ErrProvider)
	}
}

func TestArithmetic(t *testing.T) {
	t.Setenv(tf32Override, "")
	t.Cleanup(func() { override = tf32Switch{} })
	plain, converted, halves := &models.Model{Path: "m.onnx"}, &models.Model{}, &models.Model{Half: true}
	converted.Contract.Precision = "fp16"
	for _, c := range []struct {
		provider string
		model    *models.Model
		opt      Options
		device   string
		tf32     string // option of the provider
		override string // of the user
		then     string // unset if empty
		refused  error
	}{
		{provider: CPU, model: plain, device: "cpu", override: "1", then: "1"},
		{provider: CPU, model: halves, device: "cpu", override: "1", then: "1"},
		{provider: CUDA, model: plain, device: "cuda:0", tf32: "0", override: "1", then: "0"},
		{provider: CUDA, model: plain, opt: Options{TF32: true}, device: "cuda:0/tf32", tf32: "1", override: "0"},
		{provider: CUDA, model: plain, opt: Options{NHWC: true}, device: "cuda:0/nhwc", tf32: "0", then: "0"},
		{provider: CUDA, model: converted, device: "cuda:0/fp16", tf32: "1", override: "0"},
		{provider: CUDA, model: halves, device: "cuda:0/fp16", tf32: "1", override: "1"},
		{provider: CUDA, model: halves, opt: Options{NHWC: true}, device: "cuda:0/fp16/nhwc", tf32: "1"},
		{provider: CUDA, model: halves, opt: Options{TF32: true}, refused: models.ErrModel},
	} {
		t.Run(fmt.Sprintf("%s half %v tf32 %v nhwc %v", c.provider, half(c.model), c.opt.TF32, c.opt.NHWC), func(t *testing.T) {
			if err := os.Setenv(tf32Override, c.override); err != nil {
				t.Fatal(err)
			}
			override = tf32Switch{}
			c.opt.Provider = c.provider
			parts, err := c.opt.setArithmetic(c.model)
			if c.refused != nil {
				if !errors.Is(err, c.refused) {
					t.Errorf("got %v, want %v", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := (target{provider: c.provider, arithmetic: parts}).String(); got != c.device {
				t.Errorf("the device is %q, want %q", got, c.device)
			}
			if then, set := os.LookupEnv(tf32Override); then != c.then || set != (c.then != "") {
				t.Errorf("%s is %q, set %v; want %q", tf32Override, then, set, c.then)
			}
			if c.provider == CPU {
				return
			}
			o := settingsFor(CUDA, 0, c.opt).providers[0].options
			if o["use_tf32"] != c.tf32 {
				t.Errorf("use_tf32 is %q, want %q", o["use_tf32"], c.tf32)
			}
			if o["fuse_conv_bias"] != o["prefer_nhwc"] || (o["prefer_nhwc"] == "1") != c.opt.NHWC {
				t.Errorf("prefer_nhwc %q, fuse_conv_bias %q; want both or none", o["prefer_nhwc"], o["fuse_conv_bias"])
			}
		})
	}
}

// TestOneOverride: NVIDIA's libraries may read the variable once, so a process does not
// change it. What then would be refused is.
func TestOneOverride(t *testing.T) {
	t.Setenv(tf32Override, "")
	t.Cleanup(func() { override = tf32Switch{} })
	plain, halves := &models.Model{Path: "m.onnx"}, &models.Model{Half: true}
	for _, c := range []struct {
		name          string
		first, second *models.Model
		tf32          [2]bool
		then          string
		refused       error
	}{
		{name: "float32, then 16 bits", first: plain, second: halves, then: "0"},
		{name: "16 bits, then float32", first: halves, second: plain},
		{name: "16 bits, then TF32", first: halves, second: plain, tf32: [2]bool{false, true}},
		{name: "TF32, then float32", first: plain, second: plain, tf32: [2]bool{true, false}},
		{name: "float32, then TF32", first: plain, second: plain, tf32: [2]bool{false, true}, then: "0", refused: models.ErrProvider},
	} {
		t.Run(c.name, func(t *testing.T) {
			override = tf32Switch{}
			for i, m := range []*models.Model{c.first, c.second} {
				o := Options{Provider: CUDA, TF32: c.tf32[i]}
				_, err := o.setArithmetic(m)
				if refused := i == 1 && c.refused != nil; refused != (err != nil) || refused && !errors.Is(err, c.refused) {
					t.Errorf("engine %d: %v, want %v", i, err, c.refused)
				}
				if then, set := os.LookupEnv(tf32Override); then != c.then || set != (c.then != "") {
					t.Errorf("after engine %d %s is %q, set %v; want %q", i, tf32Override, then, set, c.then)
				}
			}
		})
	}
}
