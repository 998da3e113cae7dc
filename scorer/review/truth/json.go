package truth

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// longestElement is how many bytes an element of an array has at most.
const longestElement = 16 << 20

// elements reads a file that is an array in JSON, one element at a time, and calls fn with
// the number of each, from 1.
func elements[T any](in *input, fn func(n int, element *T) error) error {
	src := &bounded{r: in.file, what: "an element", most: longestElement}
	skipped := bufio.NewReader(src)
	if head, err := skipped.Peek(len(bom)); err == nil && bytes.Equal(head, bom) {
		_, _ = skipped.Discard(len(bom))
	}
	dec := json.NewDecoder(skipped)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("%w: it is not an array in JSON: %w", ErrForm, orEnd(err))
	}
	return array(dec, src, fn)
}

// array reads what follows the opening bracket of an array, up to the closing one.
func array[T any](dec *json.Decoder, src *bounded, fn func(n int, element *T) error) error {
	n := 0
	for dec.More() {
		n++
		src.mark(dec.InputOffset())
		var element T
		if err := dec.Decode(&element); err != nil {
			return fmt.Errorf("%w: element %d: %w", ErrForm, n, orEnd(err))
		}
		if err := fn(n, &element); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: after element %d: %w", ErrForm, n, orEnd(err))
	}
	src.mark(dec.InputOffset())
	return nil
}

// orEnd returns err, or that a file ends too early.
func orEnd(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
