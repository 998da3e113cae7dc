package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Beyond what every Store does, a Store may have the abilities below. The
// function of the same name uses the ability where a store has it, and does
// without where it can. Package storetest has a suite for each ability.

// Decorator is a Store around another one, which Unwrap returns. A decorator has
// an ability only if the store inside has it too (see As): it may implement every
// interface below and leave to the store inside which of them count.
type Decorator interface {
	Store
	Unwrap() Store
}

// As returns st with the ability T, such as Ranger. It reports whether st and,
// where st is a Decorator, every store inside have that ability.
func As[T Store](st Store) (T, bool) {
	t, ok := st.(T)
	if d, decorates := st.(Decorator); ok && decorates {
		_, ok = As[T](d.Unwrap())
	}
	if !ok {
		var none T
		return none, false
	}
	return t, true
}

// Ranger is a Store that can read a part of an object.
type Ranger interface {
	Store
	// OpenRange is Open for the length bytes that begin at offset, or as many as
	// there are. It takes what CheckRange accepts, and an offset at the end of the
	// object or beyond is an error. The returned Object has the size of the whole
	// object.
	OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, Object, error)
}

// ToEnd is the length of a range that ends with the object.
const ToEnd = -1

// CheckRange returns an error unless a part of an object can be read with these
// arguments: an ETag, without which two parts could be of two versions, an offset
// of 0 or more, and a length above 0 or ToEnd.
func CheckRange(name, etag string, offset, length int64) error {
	switch {
	case etag == "":
		return fmt.Errorf("open %q at byte %d: a range needs the ETag of its object", name, offset)
	case offset < 0:
		return fmt.Errorf("open %q at byte %d: an offset is 0 or more", name, offset)
	case length < 1 && length != ToEnd:
		return fmt.Errorf("open %q at byte %d: a range of %d bytes", name, offset, length)
	}
	return nil
}

// PastEnd returns the error of a range that begins at the end of an object or
// beyond.
func PastEnd(name string, offset, size int64) error {
	return fmt.Errorf("open %q at byte %d: it has %d bytes", name, offset, size)
}

// OpenRange is Ranger.OpenRange for every store. Without the ability, it reads
// what comes before the range and throws it away.
func OpenRange(ctx context.Context, st Store, name, etag string, offset, length int64) (io.ReadCloser, Object, error) {
	if r, ok := As[Ranger](st); ok {
		return r.OpenRange(ctx, name, etag, offset, length)
	}
	if err := CheckRange(name, etag, offset, length); err != nil {
		return nil, Object{}, err
	}
	r, o, err := st.Open(ctx, name, etag)
	if err != nil {
		return nil, Object{}, err
	}
	if offset >= o.Size {
		err = PastEnd(name, offset, o.Size)
	} else if _, err = io.CopyN(io.Discard, r, offset); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		r.Close()
		return nil, Object{}, err
	}
	return LimitRange(r, length), o, nil
}

// LimitRange ends a reader after length bytes, or with r if that is ToEnd.
func LimitRange(r io.ReadCloser, length int64) io.ReadCloser {
	if length == ToEnd {
		return r
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, length), r}
}

// Namer is a Store that can list names for less than objects: a folder need not
// look at each of its files for that.
type Namer interface {
	Store
	// Names calls fn for the name of every object that List would list, with what
	// List promises.
	Names(ctx context.Context, prefix string, fn func(name string) error) error
}

// Names is Namer.Names for every store.
func Names(ctx context.Context, st Store, prefix string, fn func(name string) error) error {
	if n, ok := As[Namer](st); ok {
		return n.Names(ctx, prefix, fn)
	}
	return st.List(ctx, prefix, func(o Object) error { return fn(o.Name) })
}

// PagedLister is a Store whose listings take many requests, each of which can be
// made again. Several requests may be under way at once. Any other store has to
// start a listing over when a request fails.
type PagedLister interface {
	Store
	// ListPages is List that makes each of its requests through retry.
	ListPages(ctx context.Context, prefix string, retry Retry, fn func(Object) error) error
}

// Streamer is a Store that can create objects larger than memory.
type Streamer interface {
	Store
	// CreateFrom is Create for a body that write writes. It calls write once and
	// makes each of its requests through retry. When write fails, nothing is
	// created and its error is returned.
	CreateFrom(ctx context.Context, name string, retry Retry, write func(io.Writer) error) (Object, error)
}

// CreateFrom is Streamer.CreateFrom for every store, without another try at a
// request. Without the ability, it holds the whole body in memory.
func CreateFrom(ctx context.Context, st Store, name string, write func(io.Writer) error) (Object, error) {
	return createFrom(ctx, st, name, Once, write)
}

func createFrom(ctx context.Context, st Store, name string, retry Retry, write func(io.Writer) error) (Object, error) {
	if s, ok := As[Streamer](st); ok {
		return s.CreateFrom(ctx, name, retry, write)
	}
	var body bytes.Buffer
	if err := write(&body); err != nil {
		return Object{}, err
	}
	return st.Create(ctx, name, body.Bytes())
}

// Volatile is a Store where it costs much to make an object survive a crash of
// the machine.
type Volatile interface {
	Store
	// CreateVolatile is Create, except that a crash of this machine may undo it or
	// leave the object with other bytes. To every process, on this machine and on
	// others, the object is whole all the same.
	CreateVolatile(ctx context.Context, name string, body []byte) (Object, error)
}

// CreateVolatile creates an object that nobody will miss after a crash of this
// machine, in the cheapest way that st has.
func CreateVolatile(ctx context.Context, st Store, name string, body []byte) (Object, error) {
	if v, ok := As[Volatile](st); ok {
		return v.CreateVolatile(ctx, name, body)
	}
	return st.Create(ctx, name, body)
}

// Replacer is a Store that can replace and delete objects. Only the end of a
// retry and a repair do. Both methods take the ETag of the version that is meant:
// if the object has another version or does not exist, they return ErrChanged or
// ErrNotExist and change nothing. After any other error the caller has to read
// the object to know.
//
// When two callers replace the same version at the same moment, one of them may
// get ErrChanged or, in a folder, both may succeed and the last body stays.
type Replacer interface {
	Store
	// Replace replaces the version with that ETag. Readers see the old body or
	// the new one, whole. Once it returns nil, the object survives a crash of this
	// machine.
	Replace(ctx context.Context, name string, body []byte, etag string) (Object, error)
	// Delete removes the version with that ETag.
	Delete(ctx context.Context, name, etag string) error
}

// Replace is Replacer.Replace for every store. Without the ability it is
// ErrDenied.
func Replace(ctx context.Context, st Store, name string, body []byte, etag string) (Object, error) {
	r, ok := As[Replacer](st)
	if !ok {
		return Object{}, fmt.Errorf("replace %q in %s: %w: this kind of place only creates", name, st, ErrDenied)
	}
	return r.Replace(ctx, name, body, etag)
}

// StreamReplacer is a Replacer that can replace objects larger than memory.
type StreamReplacer interface {
	Replacer
	// ReplaceFrom is Replace for a body that write writes. It calls write once and
	// makes each of its requests through retry. When write fails, nothing is
	// replaced and its error is returned.
	ReplaceFrom(ctx context.Context, name, etag string, retry Retry, write func(io.Writer) error) (Object, error)
}

// ReplaceFrom is StreamReplacer.ReplaceFrom for every store, without another try at a
// request. Without the ability, it holds the whole body in memory, and without that
// of a Replacer it is ErrDenied.
func ReplaceFrom(ctx context.Context, st Store, name, etag string, write func(io.Writer) error) (Object, error) {
	return replaceFrom(ctx, st, name, etag, Once, write)
}

func replaceFrom(ctx context.Context, st Store, name, etag string, retry Retry, write func(io.Writer) error) (Object, error) {
	if s, ok := As[StreamReplacer](st); ok {
		return s.ReplaceFrom(ctx, name, etag, retry, write)
	}
	var body bytes.Buffer
	if err := write(&body); err != nil {
		return Object{}, err
	}
	return Replace(ctx, st, name, body.Bytes(), etag)
}

// Delete is Replacer.Delete for every store. Without the ability it is ErrDenied.
func Delete(ctx context.Context, st Store, name, etag string) error {
	r, ok := As[Replacer](st)
	if !ok {
		return fmt.Errorf("delete %q in %s: %w: this kind of place only creates", name, st, ErrDenied)
	}
	return r.Delete(ctx, name, etag)
}

// Reached is a Store that is somewhere else and can say how it is reached.
type Reached interface {
	Store
	// HowReached returns the address that calls are sent to, where it is from,
	// through which proxy they go, and which kind of credentials they carry. It
	// contains no secret.
	HowReached(ctx context.Context) string
}

// HowReached returns how the store inside all decorators is reached; empty if
// nothing can be said about that.
func HowReached(ctx context.Context, st Store) string {
	switch s := st.(type) {
	case Reached:
		return s.HowReached(ctx)
	case Decorator:
		return HowReached(ctx, s.Unwrap())
	}
	return ""
}

// Maker is a Store whose root, such as a container, can be made.
type Maker interface {
	Store
	// Make makes the root unless it exists. It reports whether it made it.
	Make(ctx context.Context) (bool, error)
}

// Make is Maker.Make for every store. Without the ability, nothing need be made: the
// first create makes the root.
func Make(ctx context.Context, st Store) (bool, error) {
	m, ok := As[Maker](st)
	if !ok {
		return false, nil
	}
	return m.Make(ctx)
}

// Meter is a Store that counts its calls.
type Meter interface {
	Store
	// Stats returns the counters and gauges of this moment.
	Stats() Stats
}

// Stats counts the calls of a store and what they met.
type Stats struct {
	Calls     int64 // of the place, repeated ones included
	Retries   int64 // calls that were repeated
	Throttled int64 // answers that said that the place gets too many requests
	Stalls    int64 // calls and bodies that were ended because nothing came
	Resumed   int64 // bodies that were continued after they broke
	Settled   int64 // creates whose lost answer turned out to be success
	GaveUp    int64 // operations that ended with ErrUnavailable
	Answered  bool  // whether the place has answered at all

	Paused time.Duration // summed over all pauses
	// Limit is how many calls may be under way at present, UnderWay how many are.
	Limit, UnderWay int
}

// StatsOf returns the statistics of st or, where st is a Decorator, of the
// outermost Meter inside. It reports whether there is one.
func StatsOf(st Store) (Stats, bool) {
	if m, ok := st.(Meter); ok {
		return m.Stats(), true
	}
	if d, ok := st.(Decorator); ok {
		return StatsOf(d.Unwrap())
	}
	return Stats{}, false
}
