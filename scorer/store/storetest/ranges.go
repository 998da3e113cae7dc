package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

var rangeTests = []test{
	{name: "Parts", run: testRangeParts},
	{name: "Refusals", run: testRangeRefusals},
}

// testRangeParts reads parts of objects at all their edges.
func testRangeParts(t *testing.T, s store.Store) {
	const size = 200_003
	body := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
	o := create(t, s, "a/large", body)
	for _, test := range []struct{ offset, length, end int64 }{
		{offset: 0, length: store.ToEnd, end: size},
		{offset: 0, length: 1, end: 1},
		{offset: 0, length: size, end: size},
		{offset: 0, length: size + 1, end: size},
		{offset: 1, length: store.ToEnd, end: size},
		{offset: 100_000, length: 70_000, end: 170_000},
		{offset: size - 1, length: store.ToEnd, end: size},
		{offset: size - 1, length: 1, end: size},
		{offset: size - 1, length: 1 << 62, end: size},
		{offset: size - 10, length: 9, end: size - 1},
	} {
		t.Run(fmt.Sprintf("%d bytes from %d", test.length, test.offset), func(t *testing.T) {
			r, opened, err := store.OpenRange(t.Context(), s, "a/large", o.ETag, test.offset, test.length)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if !same(opened, o) {
				t.Errorf("opened %+v, want %+v", opened, o)
			}
			got, err := io.ReadAll(r)
			if want := body[test.offset:test.end]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes came, or others, %v; want %d", len(got), err, len(want))
			}
		})
	}
}

func testRangeRefusals(t *testing.T, s store.Store) {
	o := create(t, s, "a", []byte("0123456789"))
	empty := create(t, s, "empty", nil)
	for _, test := range []struct {
		name, object, etag string
		offset, length     int64
		want               error // nil for any error
	}{
		{name: "no ETag", object: "a", etag: "", offset: 1, length: 1},
		{name: "a negative offset", object: "a", etag: o.ETag, offset: -1, length: 1},
		{name: "no bytes", object: "a", etag: o.ETag, offset: 1, length: 0},
		{name: "a negative length", object: "a", etag: o.ETag, offset: 1, length: -2},
		{name: "at the end", object: "a", etag: o.ETag, offset: 10, length: 1},
		{name: "beyond the end", object: "a", etag: o.ETag, offset: 11, length: store.ToEnd},
		{name: "of nothing", object: "empty", etag: empty.ETag, offset: 0, length: 1},
		{name: "another version", object: "a", etag: o.ETag + "0", offset: 1, length: 1, want: store.ErrChanged},
		{name: "no object", object: "none", etag: o.ETag, offset: 1, length: 1, want: store.ErrNotExist},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _, err := store.OpenRange(t.Context(), s, test.object, test.etag, test.offset, test.length)
			if err == nil {
				r.Close()
			}
			if err == nil || !errors.Is(err, test.want) && test.want != nil {
				t.Errorf("OpenRange(%q, %d, %d) = %v, want an error %v", test.object, test.offset, test.length, err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := store.OpenRange(ctx, s, "a", o.ETag, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("OpenRange with a cancelled context = %v, want %v", err, context.Canceled)
	}
}
