package qoi

import (
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

const archive = "../testdata/formats.zip"

// TestFault19_References tests the pixels of pictures that Pillow decoded, and that parts of
// them are no other pictures.
func TestFault19_References(t *testing.T) {
	codectest.ArchivedReferences(t, Format, archive)
}

// FuzzFile decodes any bytes.
func FuzzFile(f *testing.F) { codectest.FuzzArchived(f, archive, Format) }
