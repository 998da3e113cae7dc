package export

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestHF checks the lines about images, and that no name of a file is taken for a split.
func TestHF(t *testing.T) {
	items := hostile()
	c := collect(items)
	c.Options.Validation = 0.5
	files := write(t, "hf", items, c)
	next := map[string][]string{}
	for _, split := range []string{"train", "validation"} {
		next[split] = strings.Split(files[split+"/metadata.jsonl"], "\n")
	}
	for _, it := range items {
		split, name, _ := strings.Cut(it.File, "/")
		var l hfLine
		if err := json.Unmarshal([]byte(next[split][0]), &l); err != nil {
			t.Fatal(err)
		}
		next[split] = next[split][1:]
		label, of, _ := trainingLabel(it)
		if l.File != name || l.Label != label || l.LabelOf != of || l.Path != validText(it.Entry.Path) || l.PathBase64 != exactName(it.Entry.Path) {
			t.Errorf("%q: %+v", it.Entry.Path, l)
		}
		if splitWord.MatchString(name) {
			t.Errorf("the name %q is taken for a split", it.File)
		}
	}
	for name, want := range map[string]string{"test": "%74est", "a/val-1.jpg": "a/%76al-1.jpg", "test/test": "%74est/%74est", "latest.jpg": "latest.jpg",
		"x test.jpg": "x %74est.jpg", "eval_val_dev": "%65%76al_%76al_%64ev",
		"metadata.jsonl/a.png": "%6Detadata.jsonl/a.png", "x/Metadata.CSV/metadata.csv/a.png": "x/%4Detadata.CSV/%6Detadata.csv/a.png",
		"metadata.jsonl-1.png": "metadata.jsonl-1.png"} {
		if got := hfName(name); got != want {
			t.Errorf("hfName(%q) is %q, want %q", name, got, want)
		}
	}
}

// TestHFParquet checks rows and classes, and that the bytes are always the same.
func TestHFParquet(t *testing.T) {
	items, size := hostile(), 0
	for i, it := range items {
		it.Body = []byte(strings.Repeat(string(rune('a'+i)), 50_000*i))
		size += len(it.Body)
	}
	c := collect(items)
	files := write(t, "hf-parquet", items, c)
	if again := write(t, "hf-parquet", items, c); !reflect.DeepEqual(files, again) {
		t.Error("the same images give other bytes")
	}
	body := files["data/train-00000.parquet"]
	if len(body) > size+100_000 {
		t.Errorf("%d bytes for images of %d", len(body), size)
	}
	file, err := parquet.OpenFile(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	var known struct {
		Info struct {
			Features struct {
				Label struct{ Names []string }
			}
		}
	}
	text, _ := file.Lookup("huggingface")
	if err := json.Unmarshal([]byte(text), &known); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	names := known.Info.Features.Label.Names
	rows, err := parquet.Read[hfRow](bytes.NewReader([]byte(body)), int64(len(body)))
	if err != nil || len(rows) != len(items) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, it := range items {
		r := rows[i]
		label, of, _ := trainingLabel(it)
		if r.Label == nil {
			t.Fatalf("%q has no class: %+v", it.Entry.Path, r)
		}
		if names[*r.Label] != label || r.LabelOf != of || r.Path != validText(it.Entry.Path) || string(r.Image.Bytes) != string(it.Body) {
			t.Errorf("%q: %+v, label %q", it.Entry.Path, r, names[*r.Label])
		}
	}
}

// TestClassNames checks that classes keep the numbers of the model.
func TestClassNames(t *testing.T) {
	c := Collection{Labels: []string{"a", "b", "c", "d"}, ClassIDs: []int{2, -1, 0, 1}}
	if got := strings.Join(c.classNames(), " "); got != "c d a b" {
		t.Errorf("classes %q", got)
	}
}
