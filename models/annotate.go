package models

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// Annotations are what can be added to a model file without changing its graph;
// what is nil stays as it is in the file.
type Annotations struct {
	Contract *Contract
	Golden   *Golden
}

// Annotate copies the model file in to out with other metadata. All other
// bytes stay as they are. The two may be the same file; out appears whole or
// not at all. A model with weight files next to it must stay in its folder.
func Annotate(in, out string, a Annotations) error {
	entries, err := a.metadata()
	if err != nil {
		return err
	}
	f, err := readFile(in)
	if err != nil {
		return err
	}
	if f.HasExternal() && filepath.Dir(in) != filepath.Dir(out) {
		return fmt.Errorf("%w: %s has its weights in a file next to it; write %s to the same folder", ErrModel, in, out)
	}
	r, err := atomicfile.OpenRegular(in)
	if err != nil {
		return fmt.Errorf("open model: %w", err)
	}
	defer r.Close()
	return Save(out, func(w io.Writer) error {
		if err := f.WriteAnnotated(w, r, entries); err != nil {
			return fmt.Errorf("annotate %s: %w", in, err)
		}
		return nil
	})
}

// metadata returns the annotations as entries of a model's metadata.
func (a Annotations) metadata() (entries []onnxfile.Metadatum, err error) {
	if a.Contract != nil {
		if err := a.Contract.Validate(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrModel, err)
		}
		if entries, err = appendJSON(entries, MetadataKey, a.Contract); err != nil {
			return nil, err
		}
	}
	if a.Golden != nil {
		if err := a.Golden.Validate(); err != nil {
			return nil, fmt.Errorf("%w: golden images: %w", ErrModel, err)
		}
		if entries, err = appendJSON(entries, GoldenKey, a.Golden); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// appendJSON adds an entry. One that is too large to be read back is refused.
func appendJSON(entries []onnxfile.Metadatum, key string, v any) ([]onnxfile.Metadatum, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("metadata %s: %w", key, err)
	}
	if len(text) > onnxfile.MaxMetadataValue {
		return nil, fmt.Errorf("%w: metadata %s: %d bytes, more than %d", ErrModel, key, len(text), onnxfile.MaxMetadataValue)
	}
	return append(entries, onnxfile.Metadatum{Key: key, Value: string(text)}), nil
}

// Save writes a model file so that it appears under its name whole or not at
// all. It replaces a file of that name, and makes the folder if necessary.
func Save(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("save model: %w", err)
	}
	return atomicfile.Write(path, 0o666, write)
}
