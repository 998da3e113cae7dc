package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

// Ability names an optional ability of a store.
type Ability string

// The abilities of package store.
const (
	Ranges   Ability = "Ranges"   // store.Ranger
	Naming   Ability = "Naming"   // store.Namer
	Pages    Ability = "Pages"    // store.PagedLister
	Streams  Ability = "Streams"  // store.Streamer
	Volatile Ability = "Volatile" // store.Volatile
	Replaces Ability = "Replaces" // store.Replacer
	Meters   Ability = "Meters"   // store.Meter
	Makes    Ability = "Makes"    // store.Maker
	Reached  Ability = "Reached"  // store.Reached
	// Neighbors is store.Neighborly, Folders is store.FolderLister.
	Neighbors Ability = "Neighbors"
	Folders   Ability = "Folders"
	// StreamReplaces is store.StreamReplacer.
	StreamReplaces Ability = "StreamReplaces"
)

// abilities are all abilities, each with its suite.
var abilities = []struct {
	name Ability
	has  func(store.Store) bool
	// needed means that the suite tests the ability itself. Any other suite calls
	// the function of package store that does without the ability where it must,
	// and so is for every store.
	needed bool
	tests  []test
}{
	{name: Ranges, has: has[store.Ranger], tests: rangeTests},
	{name: Naming, has: has[store.Namer], tests: namingTests},
	{name: Pages, has: has[store.PagedLister], needed: true, tests: pageTests},
	{name: Streams, has: has[store.Streamer], tests: streamTests},
	{name: Volatile, has: has[store.Volatile], tests: volatileTests},
	{name: Replaces, has: has[store.Replacer], needed: true, tests: replaceTests},
	{name: StreamReplaces, has: has[store.StreamReplacer], needed: true, tests: streamReplaceTests},
	{name: Meters, needed: true, tests: meterTests, has: func(st store.Store) bool {
		_, ok := store.StatsOf(st)
		return ok
	}},
	{name: Makes, has: has[store.Maker], tests: makeTests},
	{name: Neighbors, has: has[store.Neighborly], needed: true, tests: neighborTests},
	{name: Folders, has: has[store.FolderLister], tests: folderTests},
	{name: Reached, needed: true, tests: reachedTests, has: func(st store.Store) bool {
		return store.HowReached(context.Background(), st) != ""
	}},
}

func has[T store.Store](st store.Store) bool {
	_, ok := store.As[T](st)
	return ok
}

// testAbilities tests that the store has the abilities of the suite and no others.
func (s Suite) testAbilities(t *testing.T, st store.Store) {
	for _, a := range abilities {
		if got, want := a.has(st), slices.Contains(s.Abilities, a.name); got != want {
			t.Errorf("%s: the store has the ability: %v, want %v", a.name, got, want)
		}
	}
}
