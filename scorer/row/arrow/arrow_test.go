package arrow

import (
	"os"
	"strings"
	"testing"
)

// TestMetadata compares the schema of columns of every kind with testdata/schema.txt, which
// testdata/check.py reads with PyArrow: it says there what each line is.
func TestMetadata(t *testing.T) {
	number := Field{Name: "element", Kind: Float32}
	class := []Field{{Name: "label", Kind: UTF8}, {Name: "score", Kind: Float32}}
	all := []Field{
		{Name: "path", Kind: UTF8},
		{Name: "size", Kind: Int, Bits: 64},
		{Name: "class_id", Kind: Int, Bits: 32, Nullable: true},
		{Name: "near", Kind: Bool},
		{Name: "vector", Kind: FixedSizeList, Size: 1280, Nullable: true, Children: []Field{number}},
		{Name: "small", Kind: FixedSizeList, Size: 3, Nullable: true, Children: []Field{{Name: "element", Kind: Int, Bits: 8}}},
		{Name: "topk", Kind: List, Children: []Field{{Name: "element", Kind: Struct, Children: class}}},
	}
	want, err := os.ReadFile("testdata/schema.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range []string{Metadata(all), Metadata(nil), Metadata(all[4:5])} {
		if lines := strings.Split(string(want), "\n"); i >= len(lines) || got != lines[i] {
			t.Errorf("line %d is\n%s\nwant\n%s", i, got, lines[min(i, len(lines)-1)])
		}
	}
}
