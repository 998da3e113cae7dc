package truth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAnnotationTools reads what Label Studio 1.23.2 and Datumaro 1.13.12 exported of tasks
// that they had imported. make review-annotation-check does so with the tools themselves; of
// what they write, these are the first images.
func TestAnnotationTools(t *testing.T) {
	for _, c := range []struct{ file, expected, replace, with, form string }{
		{file: "labelstudio.json", expected: "labelstudio", form: "Label Studio export (JSON)"},
		{file: "labelstudio-min.json", expected: "labelstudio", form: "Label Studio export (JSON-MIN)"},
		{file: "labelstudio.csv", expected: "labelstudio", form: "table"},
		{file: "datumaro-cvat.xml", expected: "datumaro-cvat", form: "CVAT export"},
		// Tasks of others have no path, but the address of an image.
		{file: "labelstudio.json", expected: "labelstudio", replace: `"path":`, with: `"more":`, form: "found by address"},
		{file: "labelstudio-min.json", expected: "labelstudio", replace: `"path":`, with: `"more":`, form: "found by address"},
		{file: "labelstudio.csv", expected: "labelstudio", replace: `"path"`, with: `"more"`, form: "found by address"},
	} {
		body, err := os.ReadFile(filepath.Join("testdata", "annotation", c.file))
		if err != nil {
			t.Fatal(err)
		}
		expected, err := os.ReadFile(filepath.Join("testdata", "annotation", c.expected+".expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want map[string][]string
		if err := json.Unmarshal(expected, &want); err != nil {
			t.Fatal(err)
		}
		images := []string{"another.jpg"}
		for path := range want {
			images = append(images, path)
		}
		text := string(body)
		if c.replace != "" {
			text = strings.ReplaceAll(text, c.replace, c.with)
		}
		s, err := bound(t, Options{Images: "/srv/photos"}, written(t, c.file, text), images...)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		labelled := 0
		for _, path := range images {
			labels, _ := s.Of(path)
			if labelled += min(len(labels), 1); !slices.Equal(labels, want[path]) {
				t.Errorf("%s: %s has the labels %q, want %q", c.file, path, labels, want[path])
			}
		}
		if n, _ := s.Unmatched(); n != 0 || labelled < 5 || !strings.Contains(s.String(), c.form) {
			t.Errorf("%s: %v", c.file, s)
		}
	}
}
