// Package joint makes one contract and one engine of several models that take the same
// pixels, so that an image is read and decoded once for all of them.
package joint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Model is one of the models.
type Model struct {
	// Name begins the names of its columns; see Name.
	Name string
	*models.Model
}

// Name returns the name of a model's columns for the word that the user calls it by, or for
// its file: with _ for everything but letters and digits, and a letter in front.
func Name(word string) string {
	word = strings.TrimSuffix(filepath.Base(word), ".onnx")
	name := []byte(word)
	for i, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			name[i] = '_'
		}
	}
	if len(name) == 0 || name[0] == '_' || name[0] >= '0' && name[0] <= '9' {
		name = append([]byte("m"), name...)
	}
	return string(name[:min(len(name), 40)])
}

// Contract returns the contract of several models: their heads one after another, each
// called as its model, and as its own name where a model has several. It is an error that
// wraps models.ErrModel if the models do not take the same pixels, or if two have the same
// name. That of one model is its own.
func Contract(all []Model) (models.Contract, error) {
	first := all[0]
	c := first.Contract
	if len(all) == 1 {
		return c, nil
	}
	c.Name, c.Heads = "", nil
	var names []string
	for i, m := range all {
		if i > 0 {
			if says := differences(&first.Contract.Preprocess, &m.Contract.Preprocess); says != "" {
				return c, fmt.Errorf("%w: %s and %s take other pixels, so one decoding cannot serve both: %s; score them in jobs of their own",
					models.ErrModel, first.Name, m.Name, says)
			}
		}
		if slices.Contains(names, m.Name) {
			return c, fmt.Errorf("%w: two models are called %s; register them under other names (batchscore models add NAME FILE)", models.ErrModel, m.Name)
		}
		names = append(names, m.Name)
		for j := range m.Contract.HeadCount() {
			h, name := m.Contract.Head(j), m.Name
			if m.Contract.HeadCount() > 1 {
				name += "_" + h.HeadName
			}
			if i+j == 0 {
				c.HeadName = name
				continue
			}
			c.Heads = append(c.Heads, h.HeadOf(name))
		}
		if m.Contract.Precision != c.Precision {
			c.Precision = Mixed
		}
	}
	c.Name = strings.Join(names, "+")
	c.TransformInput, c.Source, c.SourceDigest = nil, "", ""
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	return c, nil
}

// Mixed is the Precision of models that differ in theirs.
const Mixed = "mixed"

// Digest identifies several models and their order. That of one is its own.
func Digest(all []Model) string {
	if len(all) == 1 {
		return all[0].Digest
	}
	h := sha256.New()
	for _, m := range all {
		fmt.Fprintf(h, "%s %s\n", m.Name, m.Digest)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// differences lists the fields in which two ways to make pixels differ; "" if they do not.
func differences(a, b *preprocess.Spec) string {
	if a.Digest() == b.Digest() {
		return ""
	}
	x, y := a.Fields(), b.Fields()
	var all []string
	for _, name := range sortedKeys(x, y) {
		if x[name] != y[name] {
			all = append(all, fmt.Sprintf("%s %s and %s", strings.ReplaceAll(name, "_", "-"), orNone(x[name]), orNone(y[name])))
		}
	}
	return strings.Join(all, ", ")
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return strings.Trim(text, `"`)
}

func sortedKeys(maps ...map[string]string) []string {
	var keys []string
	for _, m := range maps {
		for k := range m {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	slices.Sort(keys)
	return keys
}
