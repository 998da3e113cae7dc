package pcx

import (
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

const archive = "../testdata/formats.zip"

var all = []codec.Format{Format, DCX}

// TestFault19_References tests the pixels of pictures that Pillow decoded, and that parts of
// them are no other pictures.
func TestFault19_References(t *testing.T) {
	for _, f := range all {
		t.Run(f.Name, func(t *testing.T) { codectest.ArchivedReferences(t, f, archive) })
	}
}

// FuzzFile decodes any bytes.
func FuzzFile(f *testing.F) { codectest.FuzzArchived(f, archive, all...) }
