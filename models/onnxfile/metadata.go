package onnxfile

import (
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// MaxMetadataValue is the largest metadata value, in bytes, that is read back.
const MaxMetadataValue = maxMetadata - maxDeclaration

// Metadatum is an entry of the model's metadata_props.
type Metadatum struct {
	Key, Value string

	start, end int64 // the entry's bytes in the file
}

func (f *File) addMetadata(w *walker, fd field) error {
	text, err := w.bytes(fd, maxMetadata)
	if err != nil {
		return err
	}
	var entry onnxpb.StringStringEntryProto
	if err := proto.Unmarshal(text, &entry); err != nil {
		return fmt.Errorf("metadata at byte %d: %w", fd.start, err)
	}
	f.Metadata = append(f.Metadata, Metadatum{entry.GetKey(), entry.GetValue(), fd.tag, fd.end})
	return nil
}

// Lookup returns the metadata value of a key, the last one if there are
// several, and whether there is one.
func (f *File) Lookup(key string) (value string, ok bool) {
	for _, m := range slices.Backward(f.Metadata) {
		if m.Key == key {
			return m.Value, true
		}
	}
	return "", false
}

// WriteAnnotated copies the model file r, from which f was read, to w. The
// given metadata entries replace those with the same keys; all other bytes stay
// as they are.
func (f *File) WriteAnnotated(w io.Writer, r io.ReaderAt, entries []Metadatum) error {
	replaced := func(key string) bool {
		return slices.ContainsFunc(entries, func(m Metadatum) bool { return m.Key == key })
	}
	copyRange := func(start, end int64) error {
		if _, err := io.Copy(w, io.NewSectionReader(r, start, end-start)); err != nil {
			return fmt.Errorf("copy model: %w", err)
		}
		return nil
	}
	at := int64(0)
	for _, m := range f.Metadata {
		if !replaced(m.Key) {
			continue
		}
		if err := copyRange(at, m.start); err != nil {
			return err
		}
		at = m.end
	}
	if err := copyRange(at, f.Size); err != nil {
		return err
	}
	// The fields of a message may come in any order, so new ones go at the end.
	for _, m := range entries {
		entry, err := proto.Marshal(&onnxpb.StringStringEntryProto{Key: &m.Key, Value: &m.Value})
		if err != nil {
			return fmt.Errorf("metadata %s: %w", m.Key, err)
		}
		tag := protowire.AppendTag(nil, modelMetadata, protowire.BytesType)
		if _, err := w.Write(protowire.AppendBytes(tag, entry)); err != nil {
			return fmt.Errorf("write model: %w", err)
		}
	}
	return nil
}
