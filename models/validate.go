package models

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/labels"
)

// maxClasses is more than any real classifier has. It keeps a hostile file from
// asking for absurd amounts of memory.
const maxClasses = 1 << 20

// Digest identifies the whole contract. It is "sha256:" and hex, over the
// contract's JSON form.
func (c Contract) Digest() string { return digestJSON(c) }

// PreprocessDigest identifies the part of the contract that decides the pixels.
func (c Contract) PreprocessDigest() string { return c.Preprocess.Digest() }

// LabelsDigest identifies the labels and their order, of all heads.
func (c Contract) LabelsDigest() string {
	if len(c.Heads) == 0 {
		return digestJSON(c.Labels)
	}
	all := [][]string{c.Labels}
	for _, h := range c.Heads {
		all = append(all, h.Labels)
	}
	return digestJSON(all)
}

func digestJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only for NaN or infinity, which Validate refuses
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

// Validate returns an error that says what in the contract is impossible.
func (c Contract) Validate() error {
	if err := c.Preprocess.Validate(); err != nil {
		return fmt.Errorf("contract: %w", err)
	}
	switch {
	case !slices.Contains(Activations(), string(c.Output)) && (c.Output != "" || c.Classifies()):
		return fmt.Errorf("contract: invalid output %q: want one of %s", c.Output, strings.Join(Activations(), ", "))
	case c.Classes < 1 || c.Classes > maxClasses:
		return fmt.Errorf("contract: %d classes are not within 1..%d", c.Classes, maxClasses)
	case c.Classifies() && c.Classes == 1 && !c.independent():
		return fmt.Errorf("contract: %s of one class are 1 for every image; one score is %s (raw: a sigmoid is applied) or %s (from 0 to 1 as it is)",
			c.Output, Sigmoid, Independent)
	case len(c.Labels) > 0 && len(c.Labels) != c.Labelled():
		return fmt.Errorf("%d labels for an output of %d classes", len(c.Labels), c.Classes)
	}
	for i, l := range c.Labels {
		if err := labels.Check(l); err != nil {
			return fmt.Errorf("label of class %d: %w", i, err)
		}
	}
	if err := c.validateTask(); err != nil {
		return err
	}
	return c.checkHeads()
}

// independent reports whether every class is judged independently.
func (c *Contract) independent() bool { return c.Output == Sigmoid || c.Output == Independent }

// classNames returns the labels, or the class numbers if there are none.
func (c Contract) classNames() []string {
	if len(c.Labels) > 0 {
		return c.Labels
	}
	names := make([]string, c.Classes)
	for i := range names {
		names[i] = c.Label(i)
	}
	return names
}
