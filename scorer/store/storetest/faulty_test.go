package storetest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

func TestMemConforms(t *testing.T) {
	storetest.Suite{
		Open:      func(*testing.T) store.Store { return new(mem.Store) },
		Abilities: []storetest.Ability{storetest.Ranges, storetest.Replaces, storetest.Neighbors},
	}.Run(t)
}

func TestFaultyWithoutHooksConforms(t *testing.T) {
	t.Run("mem", func(t *testing.T) {
		storetest.Suite{
			Open:      func(*testing.T) store.Store { return &storetest.Faulty{Store: new(mem.Store)} },
			Abilities: []storetest.Ability{storetest.Ranges, storetest.Replaces, storetest.Neighbors},
		}.Run(t)
	})
	t.Run("dir", func(t *testing.T) {
		storetest.Suite{
			Open: func(t *testing.T) store.Store {
				st, err := dir.New(t.TempDir(), dir.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return &storetest.Faulty{Store: st}
			},
			Abilities: []storetest.Ability{storetest.Ranges, storetest.Volatile, storetest.Replaces, storetest.Neighbors},
		}.Run(t)
	})
}

func TestFaultyHooks(t *testing.T) {
	ctx := t.Context()
	lost, refused := errors.New("lost"), errors.New("refused")
	f := &storetest.Faulty{Store: new(mem.Store)}
	f.BeforeCreate = func(_ context.Context, n int, _ string, _ []byte) error {
		if n == 0 {
			return refused
		}
		return nil
	}
	f.AfterCreate = func(n int, o store.Object, err error) error {
		if n == 1 && o.Name == "a" && err == nil {
			return lost
		}
		return err
	}
	f.BeforeOpen = func(_ context.Context, n int, _ string) error {
		if n == 0 {
			return refused
		}
		return nil
	}
	f.Body = func(o store.Object, r io.ReadCloser) io.ReadCloser {
		return io.NopCloser(io.LimitReader(r, o.Size-1))
	}
	f.Listed = func(n int, _ store.Object) (int, error) {
		if n == 2 {
			return 0, refused
		}
		return 2, nil
	}
	for _, want := range []error{refused, lost, store.ErrExist} {
		if _, err := f.Create(ctx, "a", []byte("body")); !errors.Is(err, want) {
			t.Errorf("Create = %v, want %v", err, want)
		}
	}
	if _, _, err := f.Open(ctx, "a", ""); !errors.Is(err, refused) {
		t.Errorf("Open = %v, want %v", err, refused)
	}
	r, _, err := f.Open(ctx, "a", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r); string(got) != "bod" {
		t.Errorf("read %q, want %q", got, "bod")
	}
	for _, name := range []string{"b", "c"} {
		if _, err := f.Create(ctx, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	err = f.List(ctx, "", func(o store.Object) error { names = append(names, o.Name); return nil })
	if got := strings.Join(names, ""); got != "aabb" || !errors.Is(err, refused) {
		t.Errorf("List = %v with %s, want %v with aabb", err, got, refused)
	}
}
