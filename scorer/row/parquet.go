package row

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchscore/batchscore/scorer/row/arrow"
)

// rowGroup is how many rows a row group holds; it bounds the memory of merge.
const rowGroup = 64 << 10

// parquetField is a column as a field of a Go struct, from which parquet-go makes
// a schema. The field's own name does not matter, but must be exported.
func parquetField(column string, typ reflect.Type, tag string) reflect.StructField {
	return reflect.StructField{Name: "X_" + column, Type: typ, Tag: reflect.StructTag(`parquet:"` + column + tag + `"`)}
}

func (t *task[A]) parquetFields() []reflect.StructField {
	var fields []reflect.StructField
	for _, c := range t.columns {
		fields = append(fields, c.parquetField(t.form))
	}
	return fields
}

func (t *task[A]) appendParquet(w *parquetValues, r *Row) {
	a, how := t.of(r.Answer), t.style(r)
	for _, c := range t.columns {
		c.appendParquet(w, a, how)
	}
}

func (t *task[A]) readParquet(r *parquetColumns, answer any) {
	a := answer.(*A)
	for _, c := range t.columns {
		c.readParquet(r, a)
	}
}

// parquetSchema returns the schema of files of a task's rows.
func parquetSchema(t Task) *parquet.Schema {
	text := reflect.TypeFor[string]()
	fields := []reflect.StructField{
		parquetField("path", text, ""),
		parquetField("path_base64", text, ""), // empty unless the path is not valid UTF-8
		parquetField("size", reflect.TypeFor[int64](), ""),
		parquetField("status", text, ",dict"),
	}
	fields = append(fields, t.parquetFields()...)
	fields = append(fields, parquetField("error", text, ""))
	root := parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface())
	return parquet.NewSchema("parquetRow", root)
}

// parquetValues collects the values of rows, column after column.
type parquetValues struct {
	values parquet.Row
	column int
	// repetition and definition are the levels of the next values.
	repetition, definition int
	inList                 bool
	missing                bool   // a list has been, as a whole
	texts                  []byte // that values refer to
}

func (w *parquetValues) add(v parquet.Value) {
	w.values = append(w.values, v.Level(w.repetition, w.definition, w.column))
	if !w.inList {
		w.column++
	}
}

func (w *parquetValues) text(s string) {
	from := len(w.texts)
	w.texts = append(w.texts, s...)
	w.add(parquet.ByteArrayValue(w.texts[from:len(w.texts):len(w.texts)]))
}

func (w *parquetValues) long(n int64)    { w.add(parquet.Int64Value(n)) }
func (w *parquetValues) integer(n int32) { w.add(parquet.Int32Value(n)) }
func (w *parquetValues) float(f float32) { w.add(parquet.FloatValue(f)) }

// number adds a value of a column of numbers, which null leaves out.
func (w *parquetValues) number(v parquet.Value, how style, null bool) {
	if how.form < Nullable {
		w.add(v)
		return
	}
	if null {
		v = parquet.NullValue()
	} else {
		w.definition = 1
	}
	w.add(v)
	w.definition = 0
}

// list adds one column of the n elements of a list; add adds that of element i.
func (w *parquetValues) list(n int, add func(i int)) {
	w.inList = true
	if n == 0 {
		w.add(parquet.NullValue())
	}
	w.definition = 1
	for i := range n {
		add(i)
		w.repetition = 1
	}
	w.repetition, w.definition, w.inList = 0, 0, false
	w.column++
}

// optionalList is list for one that may be missing as a whole.
func (w *parquetValues) optionalList(missing bool, n int, add func(i int)) {
	if missing {
		w.missing = true
		w.add(parquet.NullValue())
		return
	}
	w.inList = true
	w.definition = 1
	if n == 0 {
		w.add(parquet.NullValue())
	}
	w.definition = 2
	for i := range n {
		add(i)
		w.repetition = 1
	}
	w.repetition, w.definition, w.inList = 0, 0, false
	w.column++
}

// parquetWriter writes one file.
type parquetWriter struct {
	task   Task
	out    *sealer
	w      *parquet.GenericWriter[any]
	rows   []parquet.Row
	ends   []int
	values parquetValues
	arrow  string // the schema of Arrow if every row has its vectors; empty for none
}

// newParquetWriter returns a writer of a part, or of a whole file.
func newParquetWriter(w io.Writer, t Task, whole bool) *parquetWriter {
	out, schema := newSealer(w), parquetSchema(t)
	p := &parquetWriter{task: t, out: out, w: parquet.NewGenericWriter[any](out, schema,
		parquet.Compression(&parquet.Snappy),
		parquet.MaxRowsPerRowGroup(rowGroup),
		parquet.CreatedBy("batchscore", "1", "parquet-go"))}
	if sizes := t.vectorSizes(); whole && len(sizes) > 0 {
		p.arrow = arrow.Metadata(arrowFields(schema.Fields(), sizes))
	}
	return p
}

// arrowFields returns columns as Arrow has them. sizes are the numbers of elements of lists that
// all have as many, by their columns.
func arrowFields(fields []parquet.Field, sizes map[string]int) []arrow.Field {
	all := make([]arrow.Field, len(fields))
	for i, f := range fields {
		a := arrow.Field{Name: f.Name(), Nullable: f.Optional()}
		switch {
		case f.Leaf() && f.Type().Kind() == parquet.Boolean:
			a.Kind = arrow.Bool
		case f.Leaf() && f.Type().Kind() == parquet.Float:
			a.Kind = arrow.Float32
		case f.Leaf() && f.Type().Kind() == parquet.ByteArray:
			a.Kind = arrow.UTF8
		case f.Leaf():
			a.Kind, a.Bits = arrow.Int, int(f.Type().LogicalType().Value.(*format.IntType).BitWidth)
		case f.Type().LogicalType() != nil: // a list: of a group that is repeated, of one element
			a.Kind, a.Children = arrow.List, arrowFields(f.Fields()[0].Fields(), nil)
			if size := sizes[f.Name()]; size > 0 {
				a.Kind, a.Size = arrow.FixedSizeList, size
			}
		default:
			a.Kind, a.Children = arrow.Struct, arrowFields(f.Fields(), nil)
		}
		all[i] = a
	}
	return all
}

// vectorSizes returns how many numbers the vectors of each column have.
func (t *task[A]) vectorSizes() map[string]int {
	sizes := map[string]int{}
	for _, c := range t.columns {
		if v, ok := c.(*vector[A]); ok && t.vectors != nil {
			sizes[v.name()] = t.vectors.dims
		}
	}
	return sizes
}

// rowsAtOnce is how many rows are handed to parquet-go at a time.
const rowsAtOnce = 64

func (p *parquetWriter) Write(rows []Row) error {
	for len(rows) > 0 {
		n := min(len(rows), rowsAtOnce)
		p.values.values, p.values.texts, p.ends = p.values.values[:0], p.values.texts[:0], p.ends[:0]
		for i := range rows[:n] {
			p.add(&rows[i])
		}
		// Not before all are collected, since the values move as they grow.
		p.rows = p.rows[:0]
		from := 0
		for _, end := range p.ends {
			p.rows = append(p.rows, p.values.values[from:end:end])
			from = end
		}
		if _, err := p.w.WriteRows(p.rows); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (p *parquetWriter) add(row *Row) {
	r, w := row.written(), &p.values
	w.column = 0
	w.text(r.Path)
	w.text(r.PathBase64)
	w.long(r.Size)
	w.text(r.Status)
	p.task.appendParquet(w, &r)
	w.text(r.Error)
	p.ends = append(p.ends, len(w.values))
}

func (p *parquetWriter) Close() error {
	if err := p.w.Flush(); err != nil {
		return err
	}
	if p.arrow != "" && !p.values.missing {
		p.w.SetKeyValueMetadata(arrow.Key, p.arrow)
	}
	p.out.hold()
	if err := p.w.Close(); err != nil {
		return err
	}
	return p.out.seal()
}

// parquetColumns reads the values of one row, column after column.
type parquetColumns struct {
	values parquet.Row // that are not read yet
	column int
	inList bool
}

// next returns the next value of the present column. It panics if there is none:
// the file is not of this schema.
func (r *parquetColumns) next() parquet.Value {
	v := r.values[0]
	if v.Column() != r.column {
		panic(fmt.Sprintf("a value of column %d is missing", r.column))
	}
	r.values = r.values[1:]
	if !r.inList {
		r.column++
	}
	return v
}

func (r *parquetColumns) text() string   { return string(r.next().ByteArray()) }
func (r *parquetColumns) long() int64    { return r.next().Int64() }
func (r *parquetColumns) integer() int32 { return r.next().Int32() }
func (r *parquetColumns) float() float32 { return r.next().Float() }

// null takes a value that is left out, and reports whether there was one.
func (r *parquetColumns) null() bool {
	null := r.values[0].IsNull()
	if null {
		r.next()
	}
	return null
}

// length returns how many elements the list has whose first column comes next.
func (r *parquetColumns) length() int {
	n := 0
	for _, v := range r.values {
		if v.Column() != r.column || v.IsNull() {
			break
		}
		n++
	}
	return n
}

// list reads one column of the elements of a list; read reads that of element i.
func (r *parquetColumns) list(read func(i int)) {
	r.inList = true
	n := r.length()
	if n == 0 {
		r.next()
	}
	for i := range n {
		read(i)
	}
	r.inList = false
	r.column++
}

// decodeParquet reads what a parquetWriter wrote.
func decodeParquet(body []byte, s *Schema, most int) (rows []Row, err error) {
	// parquet-go panics or loops on some damaged files, so it only reads those that
	// are not.
	if err := checkSeal(body); err != nil {
		return nil, err
	}
	t := s.Task
	schema := parquetSchema(t)
	elements, size := t.longest(s.TopK)
	if err := checkParquet(body, schema, most, elements, size); err != nil {
		return nil, fmt.Errorf("the Parquet was not written by this program: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			rows, err = nil, fmt.Errorf("the Parquet was not written by this program: %v", p)
		}
	}()
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	if got, want := file.Schema().String(), schema.String(); got != want {
		return nil, fmt.Errorf("the Parquet schema is %s", got)
	}
	if n := file.NumRows(); n < 0 || n > int64(most) {
		return nil, tooMany(most)
	}
	r := parquet.NewGenericReader[any](file)
	defer r.Close()
	rows = make([]Row, 0, file.NumRows())
	answers := t.newAnswers(int(file.NumRows()))
	buf := make([]parquet.Row, rowsAtOnce)
	for {
		n, err := r.ReadRows(buf)
		for _, values := range buf[:n] {
			rows = append(rows, readParquetRow(values, t, answers(len(rows))))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows), err)
		}
		if n == 0 {
			return nil, fmt.Errorf("row %d cannot be read", len(rows))
		}
	}
	if int64(len(rows)) != file.NumRows() {
		return nil, fmt.Errorf("%d rows, the footer says %d", len(rows), file.NumRows())
	}
	return rows, nil
}

func readParquetRow(values parquet.Row, t Task, answer any) Row {
	c := &parquetColumns{values: values}
	r := Row{Path: c.text(), PathBase64: c.text(), Size: c.long(), Status: c.text(), Answer: answer}
	t.readParquet(c, answer)
	r.Error = c.text()
	return r
}
