package azblob_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// cannotBe reports whether no blob can have a name: it is not text that XML allows,
// contains a backslash, or is too long.
func cannotBe(name string) bool {
	return !utf8.ValidString(name) || strings.ContainsAny(name, "\x07\\") || utf8.RuneCountInString(name) > 1024
}

func TestConformance(t *testing.T) {
	server := azuritetest.Start(t)
	for name, prefix := range map[string]string{"Container": "", "Folder": "a folder/ünter/"} {
		t.Run(name, func(t *testing.T) {
			storetest.Suite{
				Open: func(t *testing.T) store.Store {
					return azuritetest.Open(t, server.Options(t, server.Container(t), prefix))
				},
				Abilities: []storetest.Ability{storetest.Ranges, storetest.Pages, storetest.Streams, storetest.Replaces,
					storetest.StreamReplaces, storetest.Makes, storetest.Reached, storetest.Neighbors, storetest.Folders},
				Refuses: func(name string) bool { return cannotBe(prefix + name) },
			}.Run(t)
		})
	}
}
