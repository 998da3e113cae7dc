package models

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/batchscore/batchscore/models/preprocess"
)

// The bounds of what a contract may ask for. They are far above any real
// model's, and keep a hostile file from asking for absurd memory.
const (
	maxSide    = 8192
	maxClasses = 1 << 20
)

// Digest identifies the whole contract: "sha256:" and hex, over its JSON form.
func (c Contract) Digest() string { return digestJSON(c) }

// PreprocessDigest identifies the part of the contract that decides the pixels.
func (c Contract) PreprocessDigest() string { return digestJSON(c.Preprocess) }

// LabelsDigest identifies the labels and their order.
func (c Contract) LabelsDigest() string { return digestJSON(c.Labels) }

func digestJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only NaN or infinity, which Validate refuses
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ParseContract reads a contract from the JSON of a model's metadata and
// validates it. A field that this version does not know is an error: it might
// change what the scores mean.
func ParseContract(text []byte) (*Contract, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var c Contract
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("contract in the metadata: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("contract in the metadata: text follows the JSON value")
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &c, nil
}

// Validate says what in the contract cannot be met.
func (c Contract) Validate() error {
	p := c.Preprocess
	switch {
	case p.Width < 1 || p.Width > maxSide || p.Height < 1 || p.Height > maxSide:
		return fmt.Errorf("contract: image size %dx%d is not within 1..%d", p.Width, p.Height, maxSide)
	case p.Layout != preprocess.HWC && p.Layout != preprocess.CHW:
		return fmt.Errorf("contract: layout %q is not HWC or CHW", p.Layout)
	case p.DType != preprocess.Uint8 && p.DType != preprocess.Float32:
		return fmt.Errorf("contract: element type %q is not uint8 or float32", p.DType)
	case p.Resize != preprocess.PillowBilinear && p.Resize != preprocess.TFBilinearAlignCorners:
		return fmt.Errorf("contract: unknown resize policy %q", p.Resize)
	case p.Fit != preprocess.Stretch && p.Fit != preprocess.CenterCrop:
		return fmt.Errorf("contract: unknown fit %q", p.Fit)
	case p.Fit == preprocess.CenterCrop && (p.ResizeTo < max(p.Width, p.Height) || p.ResizeTo > maxSide):
		return fmt.Errorf("contract: resize_to %d cannot be cropped to %dx%d", p.ResizeTo, p.Width, p.Height)
	case p.DType == preprocess.Uint8 && (p.Scale != 0 || len(p.Mean) > 0 || len(p.Std) > 0):
		return errors.New("contract: scale, mean and std need element type float32")
	case c.Output != Probabilities && c.Output != Logits:
		return fmt.Errorf("contract: output %q is not %s or %s", c.Output, Probabilities, Logits)
	case c.Classes < 1 || c.Classes > maxClasses:
		return fmt.Errorf("contract: %d classes are not within 1..%d", c.Classes, maxClasses)
	case len(c.Labels) > 0 && len(c.Labels) != c.Classes:
		return fmt.Errorf("%d labels for an output of %d classes", len(c.Labels), c.Classes)
	}
	if !slices.Contains([]int{0, 3}, len(p.Mean)) || !slices.Contains([]int{0, 3}, len(p.Std)) {
		return fmt.Errorf("contract: mean %v and std %v want 3 values each", p.Mean, p.Std)
	}
	for _, v := range slices.Concat([]float32{p.Scale}, p.Mean, p.Std) {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("contract: scale, mean or std holds %v", v)
		}
	}
	if slices.Contains(p.Std, 0) {
		return fmt.Errorf("contract: std %v divides by zero", p.Std)
	}
	for i, l := range c.Labels {
		if err := checkLabel(l); err != nil {
			return fmt.Errorf("label of class %d: %w", i, err)
		}
	}
	return nil
}

// classNames is the labels, or the class numbers where there are none.
func (c Contract) classNames() []string {
	if len(c.Labels) > 0 {
		return c.Labels
	}
	names := make([]string, c.Classes)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

func checkLabel(l string) error {
	switch {
	case strings.TrimSpace(l) == "":
		return errors.New("is blank")
	case !utf8.ValidString(l):
		return errors.New("is not UTF-8")
	case strings.ContainsAny(l, "\r\n\x00"):
		return errors.New("holds a line break")
	}
	return nil
}
