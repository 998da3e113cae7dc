// Package mem is a store in memory, for tests. It keeps every promise of
// store.Store except that of surviving a crash. Its clock can be set.
package mem

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // G501: the digest that blob storage keeps
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// Store holds objects in memory. Its zero value is empty and ready for use.
type Store struct {
	// Now is the store's clock; time.Now if nil. Set it before the first use.
	Now func() time.Time
	// MD5 reports whether the store knows the MD5 of its objects, as blob storage does. Set
	// it before the first use.
	MD5 bool

	mu      sync.Mutex
	objects map[string]stored
	version int
}

type stored struct {
	object store.Object
	body   []byte
}

var _ store.Ranger = (*Store)(nil)

// String names the place.
func (s *Store) String() string { return "memory" }

// List implements store.Store, in order of names.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	s.mu.Lock()
	var found []store.Object
	for name, o := range s.objects {
		if strings.HasPrefix(name, prefix) {
			found = append(found, o.object)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(found, func(a, b store.Object) int { return strings.Compare(a.Name, b.Name) })
	for _, o := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(o); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	body, o, err := s.get(ctx, name, etag)
	if err != nil {
		return nil, store.Object{}, err
	}
	return io.NopCloser(bytes.NewReader(body)), o, nil
}

// OpenRange implements store.Ranger.
func (s *Store) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	if err := store.CheckRange(name, etag, offset, length); err != nil {
		return nil, store.Object{}, err
	}
	body, o, err := s.get(ctx, name, etag)
	if err != nil {
		return nil, store.Object{}, err
	}
	if offset >= o.Size {
		return nil, store.Object{}, store.PastEnd(name, offset, o.Size)
	}
	return store.LimitRange(io.NopCloser(bytes.NewReader(body[offset:])), length), o, nil
}

func (s *Store) get(ctx context.Context, name, etag string) ([]byte, store.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, store.Object{}, err
	}
	s.mu.Lock()
	o, ok := s.objects[name]
	s.mu.Unlock()
	switch {
	case !ok:
		return nil, store.Object{}, fmt.Errorf("open %q: %w", name, store.ErrNotExist)
	case etag != "" && etag != o.object.ETag:
		return nil, store.Object{}, fmt.Errorf("open %q: %w", name, store.ErrChanged)
	}
	return o.body, o.object, nil
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	if err := ctx.Err(); err != nil {
		return store.Object{}, err
	}
	if name == "" {
		return store.Object{}, fmt.Errorf("create: an object needs a name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[name]; ok {
		return store.Object{}, fmt.Errorf("create %q: %w", name, store.ErrExist)
	}
	return s.put(name, body), nil
}

// Put stores body under name, whether or not an object has that name: what
// another program does to the place without the Store.
func (s *Store) Put(name string, body []byte) store.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(name, body)
}

// Remove deletes the object of that name, if any, as another program might.
func (s *Store) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
}

func (s *Store) put(name string, body []byte) store.Object {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	if s.objects == nil {
		s.objects = map[string]stored{}
	}
	s.version++
	o := store.Object{Name: name, Size: int64(len(body)), ETag: fmt.Sprintf("v%d", s.version), Modified: now()}
	if s.MD5 {
		sum := md5.Sum(body) //nolint:gosec // G401: the digest that blob storage keeps
		o.MD5 = string(sum[:])
	}
	s.objects[name] = stored{object: o, body: bytes.Clone(body)}
	return o
}
