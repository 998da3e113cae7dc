package truth

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// writtenFolder writes files, by name, and returns the folder that they are in.
func writtenFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// parquetOf returns a Parquet file with what Hugging Face's library writes into it.
func parquetOf[T any](t *testing.T, features string, rows ...T) string {
	t.Helper()
	var body bytes.Buffer
	w := parquet.NewGenericWriter[T](&body)
	if features != "" {
		w.SetKeyValueMetadata("huggingface", features)
	}
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body.String()
}

type picture struct {
	Bytes []byte `parquet:"bytes,optional"`
	Path  string `parquet:"path,optional"`
}

type labelledPicture struct {
	Image picture `parquet:"image,optional"`
	Label *int64  `parquet:"label,optional"`
}

type namedPicture struct {
	Path  string `parquet:"path"`
	Exact string `parquet:"path_base64"`
	Label string `parquet:"label"`
	Of    string `parquet:"label_of"`
}

// TestFormsOfTrainingTools checks what is read from what tools for training and curation export.
func TestFormsOfTrainingTools(t *testing.T) {
	images := []string{"a.jpg", "x/b.jpg", "c\xff.jpg"}
	one, zero := int64(1), int64(0)
	const classes = `{"info":{"features":{"label":{"names":["cat","hot dog"],"_type":"ClassLabel"}}}}`
	const coco = `{"categories":[{"id":0,"name":"cat"},{"id":7,"name":"dog"}],"annotations":[{"id":1,"image_id":5,"category_id":7,"bbox":[0,0,1,1]},` +
		`{"id":2,"image_id":4,"category_id":0},{"id":3,"image_id":6,"category_id":0},{"id":4,"image_id":6,"category_id":7}],` +
		`"images":[{"id":5,"file_name":"a.jpg"},{"id":4,"file_name":"x/b.jpg"},{"id":6,"file_name":"c\ufffd.jpg","path_base64":"Y/8uanBn"}]}`
	const samples = `{"samples":[{"filepath":"data/a-1.jpg","path":"a.jpg","ground_truth":{"_cls":"Classification","label":"cat"},"truth":["cat","dog"]},` +
		`{"filepath":"data/x/b.jpg","prediction":{"_cls":"Classification","label":"no"},"ground_truth":{"_cls":"Classification","label":"dog"},` +
		`"mine":{"_cls":"Classification","label":"cow"}},` +
		`{"filepath":"data/c.jpg","path":"c\ufffd.jpg","path_base64":"Y/8uanBn","ground_truth":null}]}`
	const lines = "{\"file_name\":\"train/a-1.jpg\",\"path\":\"a.jpg\",\"label\":\"cat\",\"label_of\":\"truth\"}\n" +
		"{\"file_name\":\"x/b.jpg\",\"label\":\"no\",\"label_of\":\"model\"}\n\n{\"path\":\"c\ufffd.jpg\",\"path_base64\":\"Y/8uanBn\",\"label\":7}"
	for name, c := range map[string]struct {
		files         map[string]string
		columns, want string
	}{
		"COCO":          {files: map[string]string{"x": coco}, want: "dog cat cat|dog"},
		"COCO folder":   {files: map[string]string{"annotations/instances_default.json": coco, "predictions.json": "[]"}, want: "dog cat cat|dog"},
		"FiftyOne":      {files: map[string]string{"x": samples}, want: "cat|dog dog -"},
		"FiftyOne mine": {files: map[string]string{"x": samples}, columns: "path,mine", want: "- cow -"},
		"FiftyOne folder": {files: map[string]string{"samples.json": samples, "metadata.json": `{"name":"x"}`, "data/a-1.jpg": ""},
			want: "cat|dog dog -"},
		"lines":        {files: map[string]string{"x": lines}, want: "cat - 7"},
		"lines folder": {files: map[string]string{"train/metadata.jsonl": lines, "README.md": "x"}, want: "cat - 7"},
		"Parquet": {files: map[string]string{"x": parquetOf(t, classes, labelledPicture{picture{[]byte("x"), "a.jpg"}, &one},
			labelledPicture{picture{nil, "b.jpg"}, &zero}, labelledPicture{picture{nil, "d.jpg"}, nil})}, want: "hot dog cat -"},
		"Parquet folder": {files: map[string]string{"data/train-00000.parquet": parquetOf(t, "", namedPicture{"a.jpg", "", "cat", "truth"}),
			"data/train-00001.parquet": parquetOf(t, "", namedPicture{"x/b.jpg", "", "no", "model"}, namedPicture{"c\ufffd.jpg", "Y/8uanBn", "dog", "truth"})},
			want: "cat - dog"},
		"labels":        {files: map[string]string{"cat/a.jpg": "", "hot%20dog/x/b.jpg": "", "hot%20dog/.DS_Store": "", "top.jpg": ""}, want: "cat hot%20dog -"},
		"splits":        {files: map[string]string{"train/cat/a.jpg": "", "val/dog/b.jpg": "", "data.yaml": "", "other/no/c.jpg": ""}, want: "cat dog -"},
		"moved, tables": {files: treeFiles, want: "b/c cat -"},
	} {
		t.Run(name, func(t *testing.T) {
			file := writtenFolder(t, c.files)
			if _, ok := c.files["x"]; ok {
				file = filepath.Join(file, "x")
			}
			s, err := bound(t, Options{Images: "/srv/photos", Columns: c.columns}, file, images...)
			if err != nil {
				t.Fatal(err)
			}
			if got := labelsOf(s, images...); got != c.want {
				t.Errorf("labels are %q, want %q (%v)", got, c.want, s)
			}
		})
	}
}

// treeFiles are folders of labels that 'export' made, in which somebody moved a file, deleted one
// and added one.
var treeFiles = map[string]string{
	"images.csv":           "file,path,path_base64\ntrain/cat/a-1.jpg,a.jpg,\ntrain/cat/c-2.jpg,c\ufffd.jpg,Y/8uanBn\n",
	"names.csv":            "folder,label\nb%2Fc,b/c\ncat,cat\n",
	"train/b%2Fc/a-1.jpg":  "",
	"val/cat/new/x/b.jpg":  "",
	"train/cat/c-2.cached": "",
}

// TestOfModel: labels of the model that nobody has changed are left out and counted, unless the
// columns are named.
func TestOfModel(t *testing.T) {
	images := []string{"a.jpg", "b.jpg", "c.jpg"}
	tree := map[string]string{
		"images.csv": "file,path,path_base64,label,label_of\ntrain/cat/a-1.jpg,a.jpg,,cat,model\n" +
			"train/cat/b-2.jpg,b.jpg,,cat,model\ntrain/dog/c-3.jpg,c.jpg,,dog,truth\n",
		"train/cat/a-1.jpg": "", "train/dog/b-2.jpg": "", "train/dog/c-3.jpg": "", // b was moved
	}
	const tags = `<annotations><image name="a.jpg"><tag label="cat" source="auto"/></image><image name="b.jpg"><tag label="dog" source="manual"/></image>` +
		`<image name="c.jpg"><tag label="dog"/></image></annotations>`
	const rows = `{"path":"a.jpg","status":"ok","label":"cat","class_id":1,"score":1}`
	for name, c := range map[string]struct {
		files map[string]string
		named string // labels if columns are named
		left  int
	}{
		"folders": {files: tree, named: "cat dog dog", left: 1},
		"CVAT":    {files: map[string]string{"annotations.xml": tags}, named: "cat dog dog", left: 1},
		"table": {files: map[string]string{"metadata.csv": "file_name,label,label_of\na.jpg,cat,model\nb.jpg,dog,truth\nc.jpg,dog,\n"},
			named: "cat dog dog", left: 1},
		"lines": {files: map[string]string{"metadata.jsonl": rows + "\n" + `{"path":"b.jpg","label":"dog","label_of":"truth"}` + "\n" +
			`{"path":"c.jpg","status":"ok","class_id":1,"score":1,"truth":"dog"}`}, left: 1},
	} {
		root := writtenFolder(t, c.files)
		s, err := bound(t, Options{}, root, images...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := labelsOf(s, images...); got != "- dog dog" || s.Matches().OfModel != c.left || !strings.Contains(s.String(), "1 left out") {
			t.Errorf("%s: the labels are %q: %v", name, got, s)
		}
		if c.named == "" {
			continue
		}
		columns := "path,label"
		if name == "table" {
			columns = "file_name,label"
		}
		if s, err = bound(t, Options{Columns: columns}, root, images...); err != nil || labelsOf(s, images...) != c.named || s.Matches().OfModel != 0 {
			t.Errorf("%s with named columns: %v, %v", name, s, err)
		}
	}
}

// TestFormsThatSayNothing checks the errors of exports without a truth, and of damaged ones.
func TestFormsThatSayNothing(t *testing.T) {
	zero := int64(0)
	whole := parquetOf(t, "", labelledPicture{picture{nil, "a.jpg"}, &zero})
	for name, c := range map[string]struct{ text, want string }{
		"COCO of the model":      {text: `{"info":{"annotations":"labels of the model m"},"images":[]}`, want: "labels of the model"},
		"COCO without category":  {text: `{"images":[{"id":1,"file_name":"a"}],"annotations":[{"image_id":1,"category_id":2}]}`, want: "category 2"},
		"COCO that ends":         {text: `{"images":[{"id":1,"file_name":"a"},`, want: "EOF"},
		"FiftyOne without truth": {text: `{"samples":[{"filepath":"a","prediction":{"_cls":"Classification","label":"x"}}]}`, want: "prediction"},
		"FiftyOne, another kind": {text: `{"samples":[{"filepath":"a","ground_truth":{"_cls":"Detections"}}]}`, want: "no classification"},
		"lines of the model":     {text: `{"file_name":"a","label":"x","label_of":"model"}`, want: "--truth-columns"},
		"lines of a result":      {text: `{"path":"a","status":"ok","label":"x","class_id":1,"score":1}`, want: "--truth-columns"},
		"CVAT of the model":      {text: `<annotations><image name="a"><tag label="x" source="auto"/></image></annotations>`, want: "not of people"},
		"tasks of the model":     {text: `[{"data":{"path":"a"},"predictions":[{"result":[]}]}]`, want: "not of people"},
		"lines without a name":   {text: "{\"path\":\"a\",\"label\":\"x\"}\n{\"label\":\"x\"}", want: "line 2"},
		"bad base64":             {text: `{"path":"a","label":"x","path_base64":"%"}`, want: "line 1"},
		"no Parquet":             {text: "PAR1xxxx", want: ""},
		"half a Parquet":         {text: whole[:len(whole)/2], want: ""},
		"Parquet of the model":   {text: parquetOf(t, "", namedPicture{"a.jpg", "", "cat", "model"}), want: "--truth-columns"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(t.Context(), Options{}, written(t, "x", c.text))
			if !errors.Is(err, ErrForm) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %v with %q", err, ErrForm, c.want)
			}
		})
	}
	twice := writtenFolder(t, map[string]string{"images.csv": "file,path,path_base64\n", "a/x-1.jpg": "", "b/x-1.jpg": ""})
	if _, err := Read(t.Context(), Options{}, twice); !errors.Is(err, ErrContradiction) {
		t.Errorf("a file in two folders: %v", err)
	}
}

// TestFilesOfTools checks what is read from files that the tools wrote: the Parquet of datasets 5.2,
// the labels of datumaro 1.13 and the samples of FiftyOne 1.22.
func TestFilesOfTools(t *testing.T) {
	images := []string{"a/x.png", "y.png", "z.png"}
	for _, name := range []string{"datasets.parquet", "datumaro.json", "fiftyone.json"} {
		s, err := bound(t, Options{Images: "/srv/photos"}, filepath.Join("testdata", "tools", name), images...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := labelsOf(s, images...); got != "hot dog cat -" {
			t.Errorf("%s: labels are %q", name, got)
		}
	}
}

// TestParquetTypes: labels are texts and whole numbers, in full; other types are refused, as their
// bytes are no labels.
func TestParquetTypes(t *testing.T) {
	type signed struct {
		Path  string `parquet:"path"`
		Label int32  `parquet:"label"`
	}
	type unsigned struct {
		Path  string `parquet:"path"`
		Label uint32 `parquet:"label"`
	}
	type large struct {
		Path  string `parquet:"path"`
		Label uint64 `parquet:"label"`
	}
	type decimal struct {
		Path  string `parquet:"path"`
		Label int64  `parquet:"label,decimal(2:18)"`
	}
	type date struct {
		Path  string `parquet:"path"`
		Label int32  `parquet:"label,date"`
	}
	type fraction struct {
		Path  string  `parquet:"path"`
		Label float64 `parquet:"label"`
	}
	for name, test := range map[string]struct{ file, want string }{
		"signed":   {file: parquetOf(t, "", signed{"a.jpg", -5}), want: "-5"},
		"unsigned": {file: parquetOf(t, "", unsigned{"a.jpg", math.MaxUint32}), want: "4294967295"},
		"large":    {file: parquetOf(t, "", large{"a.jpg", math.MaxUint64}), want: "18446744073709551615"},
		"decimal":  {file: parquetOf(t, "", decimal{"a.jpg", 5})},
		"date":     {file: parquetOf(t, "", date{"a.jpg", 1})},
		"fraction": {file: parquetOf(t, "", fraction{"a.jpg", 1.5})},
	} {
		set, err := bound(t, Options{}, written(t, "x", test.file), "a.jpg")
		if test.want == "" {
			if !errors.Is(err, ErrForm) || !strings.Contains(err.Error(), "texts or whole numbers") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if labels, ok := set.Of("a.jpg"); !ok || !slices.Equal(labels, []string{test.want}) {
			t.Errorf("%s: the label is %q, want %q", name, labels, test.want)
		}
	}
}
