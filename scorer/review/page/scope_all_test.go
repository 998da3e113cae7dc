//go:build reviewcheck

package page

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/scorer/review/browsertest"
)

// everything reports whether pages are checked in all forms; make review-check does.
const everything = true

// TestGiven checks the pages that BATCHSCORE_PAGES names, with colons between them: those that
// report has written of real outputs.
func TestGiven(t *testing.T) {
	b := browsertest.New(t)
	for _, file := range filepath.SplitList(os.Getenv("BATCHSCORE_PAGES")) {
		for _, opt := range []browsertest.Options{{}, {Dark: true, Still: true}, {Width: 390, Height: 844}} {
			t.Run(filepath.Base(file), func(t *testing.T) {
				tab := b.Open(t, "file://"+file, opt)
				checkWhole(t, tab, cmp.Or(opt.Width, 1280))
				for _, v := range tab.Serious() {
					t.Error(v)
				}
				quiet(t, tab, file)
			})
		}
	}
}
