package truth

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// object reads a file that is an object in JSON from its beginning, and calls fn for each of its
// keys with what reads its value, which fn may read or leave.
func object(in *input, fn func(key string, v *value) error) error {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	src := &bounded{r: in.file, what: "an element", most: longestElement}
	text := bufio.NewReader(src)
	if head, err := text.Peek(len(bom)); err == nil && bytes.Equal(head, bom) {
		_, _ = text.Discard(len(bom))
	}
	dec := json.NewDecoder(text)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("%w: it is not an object in JSON: %w", ErrForm, orEnd(err))
	}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return fmt.Errorf("%w: %w", ErrForm, orEnd(err))
		}
		src.mark(dec.InputOffset())
		v := &value{dec: dec, src: src}
		if err := fn(key, v); err != nil {
			return err
		}
		if err := v.skip(); err != nil {
			return fmt.Errorf("%w: %q: %w", ErrForm, key, orEnd(err))
		}
		src.mark(dec.InputOffset())
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: %w", ErrForm, orEnd(err))
	}
	return nil
}

// value is the value of a key.
type value struct {
	dec  *json.Decoder
	src  *bounded
	read bool
}

// skip passes over the value unless it was read.
func (v *value) skip() error {
	if v.read {
		return nil
	}
	v.read = true
	for depth := 0; ; {
		t, err := v.dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		v.src.mark(v.dec.InputOffset())
		if depth == 0 {
			return nil
		}
	}
}

// decode reads a short value.
func (v *value) decode(to any) error {
	v.read = true
	return v.dec.Decode(to)
}

// valueElements reads a value that is an array, one element at a time.
func valueElements[T any](v *value, fn func(n int, element *T) error) error {
	v.read = true
	if t, err := v.dec.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("%w: it is not an array in JSON: %w", ErrForm, orEnd(err))
	}
	return array(v.dec, v.src, fn)
}
