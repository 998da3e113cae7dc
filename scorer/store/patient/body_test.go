package patient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
)

// shaky is a body that breaks once at some byte.
type shaky struct {
	io.ReadCloser
	ctx  context.Context //nolint:containedctx // a reader is bound to the context it was opened with
	left int
	how  string
}

func (s *shaky) Read(p []byte) (int, error) {
	if s.left > 0 {
		n, err := s.ReadCloser.Read(p[:min(len(p), s.left)])
		s.left -= n
		return n, err
	}
	switch s.how {
	case "reset":
		return 0, reset()
	case "truncated":
		return 0, io.EOF
	case "cut off":
		return 0, io.ErrUnexpectedEOF
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// shakyStore breaks bodies at the bytes of breaks, one after the other. It is a
// store in memory without abilities.
type shakyStore struct {
	store.Store
	mem     *mem.Store
	how     string
	breaks  []int
	opened  []int64 // offsets
	between func()  // runs when a body has broken
}

func (s *shakyStore) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	return s.at(ctx, name, etag, 0)
}

func (s *shakyStore) at(ctx context.Context, name, etag string, offset int64) (io.ReadCloser, store.Object, error) {
	if len(s.opened) > 0 && s.between != nil {
		s.between()
	}
	s.opened = append(s.opened, offset)
	r, o, err := s.Store.Open(ctx, name, etag)
	if err != nil {
		return r, o, err
	}
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		return nil, o, err
	}
	if len(s.breaks) > 0 {
		r = &shaky{ReadCloser: r, ctx: ctx, left: s.breaks[0] - int(offset), how: s.how}
		s.breaks = s.breaks[1:]
	}
	return r, o, nil
}

func newShaky(how string) *shakyStore {
	m := new(mem.Store)
	return &shakyStore{Store: m, mem: m, how: how}
}

// shakyRanger is a shakyStore that reads ranges.
type shakyRanger struct{ *shakyStore }

func (s shakyRanger) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	if err := store.CheckRange(name, etag, offset, length); err != nil {
		return nil, store.Object{}, err
	}
	r, o, err := s.at(ctx, name, etag, offset)
	if err != nil {
		return nil, o, err
	}
	return store.LimitRange(r, length), o, nil
}

const bodySize = 100_000

func someBody(seed byte) []byte {
	b := make([]byte, bodySize)
	for i := range b {
		b[i] = byte(i*7+i>>8) + seed
	}
	return b
}

func places(t *testing.T, test func(t *testing.T, s *shakyStore, st store.Store)) {
	for _, ranges := range []bool{true, false} {
		for _, how := range []string{"reset", "stall", "truncated", "cut off"} {
			t.Run(fmt.Sprintf("%s/ranges=%v", how, ranges), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newShaky(how)
					var inner store.Store = s
					if ranges {
						inner = shakyRanger{s}
					}
					test(t, s, inner)
				})
			})
		}
	}
}

// TestFault12_BrokenBodies breaks a body at its first byte, in the middle, at its
// last, and when all have come.
func TestFault12_BrokenBodies(t *testing.T) {
	places(t, func(t *testing.T, s *shakyStore, inner store.Store) {
		want := someBody(0)
		o := s.mem.Put("image", want)
		s.breaks = []int{0, 1, bodySize / 2, bodySize/2 + 1, bodySize - 1, bodySize}
		st := patient.New(inner, patient.Options{})
		begin := time.Now()
		got, err := read(t.Context(), st, "image", o.ETag)
		if err != nil || got != string(want) {
			t.Fatalf("read %d bytes, or others, %v; want %d", len(got), err, len(want))
		}
		stats := st.Stats()
		if stats.Resumed != 5 || stats.UnderWay != 0 || stats.GaveUp != 0 || (stats.Stalls == 6) != (s.how == "stall") {
			t.Errorf("unexpected statistics: %+v", stats)
		}
		if took := time.Since(begin); s.how == "stall" && took > 6*patient.DefaultStall+10*time.Second {
			t.Errorf("six stalls took %v, want at most 6 times %v", took, patient.DefaultStall)
		}
		if _, ok := inner.(store.Ranger); ok && fmt.Sprint(s.opened) != fmt.Sprint([]int64{0, 0, 1, bodySize / 2, bodySize/2 + 1, bodySize - 1}) {
			t.Errorf("opened at %v, want where each body broke", s.opened)
		}
	})
}

// TestFault12_NeverAMix replaces the object while its body is broken.
func TestFault12_NeverAMix(t *testing.T) {
	places(t, func(t *testing.T, s *shakyStore, inner store.Store) {
		for _, pinned := range []bool{true, false} {
			s.mem = new(mem.Store)
			s.Store = s.mem
			etag := ""
			if o := s.mem.Put("image", someBody(0)); pinned {
				etag = o.ETag
			}
			s.breaks, s.opened = []int{bodySize / 2}, nil
			s.between = func() { s.mem.Put("image", someBody(1)) }
			got, err := read(t.Context(), patient.New(inner, patient.Options{}), "image", etag)
			if !errors.Is(err, store.ErrChanged) {
				t.Errorf("etag %q: %v, want ErrChanged", etag, err)
			}
			if len(got) != bodySize/2 || !bytes.HasPrefix(someBody(0), []byte(got)) {
				t.Errorf("read %d bytes, or some of another version; want %d", len(got), bodySize/2)
			}
		}
	})
}

// TestFault12_LyingSize opens an object that is longer or shorter than its
// size.
func TestFault12_LyingSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(mem.Store)
		inner.Put("image", []byte("pixels"))
		for by, want := range map[int64]error{-1: store.ErrChanged, 1: store.ErrUnavailable} {
			st := patient.New(lying{inner, by}, patient.Options{})
			if got, err := read(t.Context(), st, "image", ""); !errors.Is(err, want) {
				t.Errorf("size %+d: %q, %v, want %v", by, got, err, want)
			}
		}
	})
}

type lying struct {
	store.Store
	by int64
}

func (l lying) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	r, o, err := l.Store.Open(ctx, name, etag)
	o.Size += l.by
	return r, o, err
}

// TestBarrenBodiesEnd opens an object whose bodies never give a byte. Read gives up.
func TestBarrenBodiesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShaky("reset")
		s.breaks = make([]int, 1000)
		s.mem.Put("image", someBody(0))
		st := patient.New(shakyRanger{s}, patient.Options{Patience: 1000 * time.Hour})
		if _, err := read(t.Context(), st, "image", ""); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		if len(s.opened) > 20 {
			t.Errorf("opened %d times, want 20 at most", len(s.opened))
		}
	})
}

// TestReadAfterClose reads after Close, which is an error and makes no call.
func TestReadAfterClose(t *testing.T) {
	inner := new(mem.Store)
	inner.Put("a", []byte("body"))
	st := patient.New(inner, patient.Options{})
	r, _, err := st.OpenRange(t.Context(), "a", "v1", 2, store.ToEnd)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != "dy" || err != nil {
		t.Errorf("read %q from byte 2, %v; want %q", got, err, "dy")
	}
	r, _, err = st.Open(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Read(make([]byte, 4)); err == nil || err == io.EOF {
		t.Errorf("Read after Close = %v, want an error", err)
	}
	if s := st.Stats(); s.Calls != 2 || s.UnderWay != 0 {
		t.Errorf("unexpected statistics: %+v", s)
	}
}
