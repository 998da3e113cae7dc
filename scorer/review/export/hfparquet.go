package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
)

var hfParquetFormat = Format{
	Name: "hf-parquet", What: "Parquet files of Hugging Face's datasets, with the images in them and labels as classes",
	Needs: Bodies, Splits: true,
	New: func() Writer { return &hfParquetWriter{} },
}

const (
	// hfGroupBytes and hfGroupRows are how many bytes and rows a group of rows has at most, unless
	// one image is larger. A group is in memory until it is written.
	hfGroupBytes = 32 << 20
	hfGroupRows  = 1000
	// hfFileBytes is how many bytes a file has before the next one begins.
	hfFileBytes = 500 << 20
)

// hfParquetWriter writes files as the library's to_parquet does: the features are in the metadata
// of each, so that labels are classes with names.
type hfParquetWriter struct {
	c        Collection
	to       Folder
	classes  map[string]int64
	features string
	splits   map[string]*hfFile
}

// hfFile is the file of a split that is being written.
type hfFile struct {
	number     int
	rows       []hfRow // of the group
	group, all int64   // bytes
	file       io.WriteCloser
	w          *parquet.GenericWriter[hfRow]
}

// hfRow is a row. The library ignores its own features of columns that cannot be null: those of
// pictures and classes can.
type hfRow struct {
	Image      hfImage `parquet:"image,optional"`
	Label      *int64  `parquet:"label,optional,snappy"`
	LabelOf    string  `parquet:"label_of,dict,snappy"`
	Predicted  string  `parquet:"predicted,dict,snappy"`
	ClassID    int64   `parquet:"class_id,snappy"`
	Score      float32 `parquet:"score,snappy"`
	Path       string  `parquet:"path,snappy"`
	PathBase64 string  `parquet:"path_base64,snappy"`
	Address    string  `parquet:"address,snappy"`
}

type hfImage struct {
	Bytes []byte `parquet:"bytes,optional,uncompressed"`
	Path  string `parquet:"path,optional,snappy"`
}

// hfFeatures describes the columns to the library.
func hfFeatures(names []string) (string, error) {
	valid := make([]string, len(names))
	for i, name := range names {
		valid[i] = validText(name)
	}
	list, err := json.Marshal(valid)
	if err != nil {
		return "", err
	}
	features := `{"info":{"features":{"image":{"_type":"Image"},"label":{"names":` + string(list) + `,"_type":"ClassLabel"}`
	for _, column := range [][2]string{{"label_of", "string"}, {"predicted", "string"}, {"class_id", "int64"}, {"score", "float32"},
		{"path", "string"}, {"path_base64", "string"}, {"address", "string"}} {
		features += fmt.Sprintf(`,%q:{"dtype":%q,"_type":"Value"}`, column[0], column[1])
	}
	return features + "}}}", nil
}

func (w *hfParquetWriter) Begin(c Collection, to Folder) error {
	w.c, w.to, w.classes, w.splits = c, to, map[string]int64{}, map[string]*hfFile{}
	names := c.classNames()
	for i, name := range names {
		w.classes[name] = int64(i)
	}
	var err error
	w.features, err = hfFeatures(names)
	return err
}

func (w *hfParquetWriter) Add(_ context.Context, it *Item) error {
	name := w.c.hfSplitOf(it)
	f := w.splits[name]
	if f == nil {
		f = &hfFile{}
		w.splits[name] = f
	}
	if f.w == nil {
		if err := w.open(name, f); err != nil {
			return err
		}
	}
	label, _, err := trainingLabel(it)
	if err != nil {
		return err
	}
	class, ok := w.classes[label]
	if !ok {
		return fmt.Errorf("its label %q was not there before", label)
	}
	l, err := w.c.line(it)
	if err != nil {
		return err
	}
	f.rows = append(f.rows, hfRow{Image: hfImage{bytes.Clone(it.Body), hfName(withEnding(FlatName(it.Entry.Path)))}, Label: &class, LabelOf: l.LabelOf,
		Predicted: strings.Clone(l.Predicted), ClassID: int64(l.ClassID), Score: float32(l.Score), Path: strings.Clone(l.Path),
		PathBase64: l.PathBase64, Address: l.Address})
	f.group += int64(len(it.Body) + len(l.Path) + len(l.Address))
	if f.group < hfGroupBytes && len(f.rows) < hfGroupRows {
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	if f.all >= hfFileBytes {
		return f.close()
	}
	return nil
}

// flush writes the group.
func (f *hfFile) flush() error {
	if len(f.rows) == 0 {
		return nil
	}
	if _, err := f.w.Write(f.rows); err != nil {
		return err
	}
	clear(f.rows)
	f.all += f.group
	f.rows, f.group = f.rows[:0], 0
	return f.w.Flush()
}

// open begins the next file of a split.
func (w *hfParquetWriter) open(split string, f *hfFile) error {
	var err error
	if f.file, err = w.to.Create(fmt.Sprintf("data/%s-%05d.parquet", split, f.number)); err != nil {
		return err
	}
	f.number++
	f.w = parquet.NewGenericWriter[hfRow](f.file, parquet.CreatedBy("batchscore", "1", "parquet-go"),
		// The bounds of pages are whole images.
		parquet.SkipPageStatistics("image", "bytes"), parquet.SkipPageBounds("image", "bytes"))
	f.w.SetKeyValueMetadata("huggingface", w.features)
	return nil
}

func (f *hfFile) close() error {
	err := errors.Join(f.flush(), f.w.Close(), f.file.Close())
	f.w, f.all = nil, 0
	return err
}

func (w *hfParquetWriter) End() error {
	var all error
	for _, f := range w.splits {
		if f.w != nil {
			all = errors.Join(all, f.close())
		}
	}
	return all
}
