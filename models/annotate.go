package models

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Annotations are what a model file can be given without touching its graph;
// nil is left as it is.
type Annotations struct {
	Contract *Contract
	Golden   *Golden
}

// Annotate copies the model file in to out with other metadata. All other
// bytes stay as they are. The two may be the same file; out appears whole or
// not at all. A model whose weights lie in a file beside it stays in its folder.
func Annotate(in, out string, a Annotations) error {
	entries := map[string]string{}
	if a.Contract != nil {
		if err := a.Contract.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrModel, err)
		}
		if err := setJSON(entries, MetadataKey, a.Contract); err != nil {
			return err
		}
	}
	if a.Golden != nil {
		if err := a.Golden.Validate(); err != nil {
			return fmt.Errorf("%w: golden images: %w", ErrModel, err)
		}
		if err := setJSON(entries, GoldenKey, a.Golden); err != nil {
			return err
		}
	}
	h, size, err := readFile(in)
	if err != nil {
		return err
	}
	if len(h.external) > 0 && filepath.Dir(in) != filepath.Dir(out) {
		return fmt.Errorf("%w: %s has its weights in a file beside it; write %s to the same folder", ErrModel, in, out)
	}
	f, err := os.Open(in)
	if err != nil {
		return fmt.Errorf("open model: %w", err)
	}
	defer f.Close()
	return Save(out, func(w io.Writer) error {
		at := int64(0)
		for _, s := range append(h.metadata, entrySpan{"", size, size}) {
			if _, ok := entries[s.key]; !ok && s.first < size {
				continue
			}
			if _, err := io.Copy(w, io.NewSectionReader(f, at, s.first-at)); err != nil {
				return fmt.Errorf("copy %s: %w", in, err)
			}
			at = s.end
		}
		// A message may end with any of its repeated fields.
		for _, key := range []string{MetadataKey, GoldenKey} {
			value, ok := entries[key]
			if !ok {
				continue
			}
			entry, err := proto.Marshal(&onnxpb.StringStringEntryProto{Key: &key, Value: &value})
			if err != nil {
				return fmt.Errorf("metadata %s: %w", key, err)
			}
			head := protowire.AppendTag(nil, modelMetadata, protowire.BytesType)
			if _, err := w.Write(protowire.AppendBytes(head, entry)); err != nil {
				return err
			}
		}
		return nil
	})
}

// setJSON adds an entry that is read again: one beyond the bounds is refused.
func setJSON(entries map[string]string, key string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("metadata %s: %w", key, err)
	}
	if len(text) > maxMetadata-maxDeclaration {
		return fmt.Errorf("%w: metadata %s: %d bytes, more than %d", ErrModel, key, len(text), maxMetadata-maxDeclaration)
	}
	entries[key] = string(text)
	return nil
}
