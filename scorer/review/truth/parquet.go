package truth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetTable is a Parquet file with a column of names and one of labels. The labels may be
// numbers of classes that Hugging Face's library names in the file.
var parquetTable = form{
	name: "Parquet", unit: "row",
	is:   func(in *input) bool { return bytes.HasPrefix(in.head, []byte("PAR1")) },
	read: readParquet,
}

func readParquet(ctx context.Context, in *input, add adder) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the Parquet is damaged: %v", ErrForm, p)
		}
	}()
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(in.file, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForm, err)
	}
	var header []string
	leaves := file.Schema().Columns()
	for _, leaf := range leaves {
		header = append(header, parquetColumn(leaf))
	}
	name, label, err := in.columnsOf(header)
	if err != nil {
		return err
	}
	text := []int{name, label}
	if i := slices.Index(header, "path_base64"); i >= 0 {
		text = append(text, i)
	}
	if i := slices.Index(header, "label_of"); i >= 0 && in.columns == "" && header[label] == "label" {
		text = append(text, i)
	}
	textOf, err := parquetText(file.Schema(), leaves[label])
	if err != nil {
		return err
	}
	if _, err := parquetText(file.Schema(), leaves[name]); err != nil {
		return err
	}
	classes := classNames(file, header[label])
	row := 0
	for _, group := range file.RowGroups() {
		if err := columns(ctx, group, text, func(values []parquet.Value) error {
			row++
			if values[0].IsNull() || values[1].IsNull() {
				return nil
			}
			label := textOf(values[1])
			if n, err := strconv.Atoi(label); err == nil && values[1].Kind() != parquet.ByteArray && n >= 0 && n < len(classes) {
				label = classes[n]
			}
			name := values[0].String()
			for i, column := range text[2:] {
				switch value := values[2+i]; {
				case value.IsNull():
				case header[column] == "label_of":
					if value.String() == ofModel {
						in.left++
						return nil
					}
				default:
					var err error
					if name, err = exact(name, value.String()); err != nil {
						return fmt.Errorf("%w: row %d: %w", ErrForm, row, err)
					}
				}
			}
			return add(name, label, row)
		}); err != nil {
			return err
		}
	}
	return nil
}

// parquetText returns how values of a column are written as text. The error is ErrForm for values
// that are neither texts nor whole numbers.
func parquetText(schema *parquet.Schema, path []string) (func(parquet.Value) string, error) {
	leaf, ok := schema.Lookup(path...)
	if !ok {
		return nil, fmt.Errorf("%w: the Parquet has no values in its column %q", ErrForm, path)
	}
	t := leaf.Node.Type()
	whole, unsigned, text := true, false, true // without a logical type
	if l := t.LogicalType(); l != nil {
		var number *format.IntType
		number, whole = l.Value.(*format.IntType)
		unsigned = whole && !number.IsSigned
		text = false
		switch l.Value.(type) {
		case *format.StringType, *format.EnumType:
			text = true
		}
	}
	switch kind := t.Kind(); {
	case kind == parquet.ByteArray && text, kind == parquet.Boolean:
		return parquet.Value.String, nil
	case kind == parquet.Int32 && whole && unsigned:
		return func(v parquet.Value) string { return strconv.FormatUint(uint64(v.Uint32()), 10) }, nil
	case kind == parquet.Int64 && whole && unsigned:
		return func(v parquet.Value) string { return strconv.FormatUint(v.Uint64(), 10) }, nil
	case kind == parquet.Int32 && whole:
		return func(v parquet.Value) string { return strconv.FormatInt(int64(v.Int32()), 10) }, nil
	case kind == parquet.Int64 && whole:
		return func(v parquet.Value) string { return strconv.FormatInt(v.Int64(), 10) }, nil
	}
	return nil, fmt.Errorf("%w: the column %q of the Parquet is of the type %v, and names and labels are texts or whole numbers", ErrForm, path[len(path)-1], t)
}

// parquetColumn returns the name of a column of values: that of a picture's file for what is in a
// column of pictures, and "" for what is in another column.
func parquetColumn(path []string) string {
	switch {
	case len(path) == 1:
		return path[0]
	case len(path) == 2 && path[0] == "image" && path[1] == "path":
		return "file_name"
	}
	return ""
}

// classNames returns the names of the classes of a column, which Hugging Face's library keeps in
// the metadata of the file; nil if there are none.
func classNames(file *parquet.File, column string) []string {
	text, ok := file.Lookup("huggingface")
	if !ok {
		return nil
	}
	var known struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if json.Unmarshal([]byte(text), &known) != nil {
		return nil
	}
	var class struct {
		Names []string `json:"names"`
		Type  string   `json:"_type"`
	}
	if json.Unmarshal(known.Info.Features[column], &class) != nil || class.Type != "ClassLabel" {
		return nil
	}
	return class.Names
}

// columns reads some columns of a group of rows side by side, and calls fn for each row.
func columns(ctx context.Context, group parquet.RowGroup, which []int, fn func([]parquet.Value) error) error {
	chunks := group.ColumnChunks()
	readers := make([]*columnReader, len(which))
	for i, n := range which {
		readers[i] = &columnReader{pages: chunks[n].Pages(), buf: make([]parquet.Value, 256)}
		defer func() { _ = readers[i].pages.Close() }()
	}
	values := make([]parquet.Value, len(which))
	for row := range group.NumRows() {
		if row%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for i, r := range readers {
			v, err := r.next()
			if err != nil {
				return fmt.Errorf("%w: %w", ErrForm, orEnd(err))
			}
			if v.RepetitionLevel() > 0 {
				return fmt.Errorf("%w: a column of lists: name columns of texts or numbers with --truth-columns", ErrForm)
			}
			values[i] = v
		}
		if err := fn(values); err != nil {
			return err
		}
	}
	return nil
}

// columnReader reads the values of a column, one after the other.
type columnReader struct {
	pages  parquet.Pages
	page   parquet.ValueReader // nil before the first and after the last value of a page
	buf    []parquet.Value
	values []parquet.Value // of buf, that are not used
}

func (r *columnReader) next() (parquet.Value, error) {
	for len(r.values) == 0 {
		if r.page == nil {
			page, err := r.pages.ReadPage()
			if err != nil {
				return parquet.Value{}, err
			}
			r.page = page.Values()
		}
		n, err := r.page.ReadValues(r.buf)
		r.values = r.buf[:n]
		switch {
		case errors.Is(err, io.EOF):
			r.page = nil
		case err != nil:
			return parquet.Value{}, err
		case n == 0:
			return parquet.Value{}, io.ErrNoProgress
		}
	}
	v := r.values[0]
	r.values = r.values[1:]
	return v, nil
}
