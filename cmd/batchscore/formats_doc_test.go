package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/batchscore/batchscore/models/preprocess"
)

// TestDecodedFormatsAreDocumented tests that a paragraph or list item of the documents
// names every picture format that is decoded.
func TestDecodedFormatsAreDocumented(t *testing.T) {
	names := preprocess.Decoded()
	if len(names) < 6 {
		t.Fatalf("Decoded() = %q, want six formats or more", names)
	}
	lists := func(paragraph string) bool {
		words := strings.FieldsFunc(paragraph, func(r rune) bool { return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		text := " " + strings.Join(words, " ") + " "
		return slices.Contains(words, "decoded") &&
			!slices.ContainsFunc(names, func(name string) bool { return !strings.Contains(text, " "+name+" ") })
	}
	for _, file := range trackedFiles(t) {
		if filepath.Ext(file) != ".md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(strings.Split(strings.ReplaceAll(string(text), "\n- ", "\n\n"), "\n\n"), lists) {
			return
		}
	}
	t.Errorf("no paragraph of the documents says that %s are decoded", strings.Join(names, ", "))
}
