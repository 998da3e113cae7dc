package row

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// Box is one object that a detector finds in an image.
type Box struct {
	Class
	// X and Y are the left upper corner, in pixels of the picture as it is seen, and Width
	// and Height the sides. The box is within the picture.
	X, Y, Width, Height float32
}

func (b *Box) String() string {
	return fmt.Sprintf("%s %.4f at %.0f,%.0f %.0fx%.0f", b.Label, b.Score, b.X, b.Y, b.Width, b.Height)
}

func (b *Box) numbers() [5]float32 { return [5]float32{b.Score, b.X, b.Y, b.Width, b.Height} }

// boxLists is a column of lists of boxes.
type boxLists[A any] struct{ field[A, []Box] }

// boxesColumn returns a column of lists of boxes. In CSV a field holds the JSON of its list.
func boxesColumn[A any](name string, of func(a *A) *[]Box) column[A] {
	return &boxLists[A]{newField(name, of)}
}

func (c *boxLists[A]) equal(a, b *A) bool { return slices.Equal(*c.of(a), *c.of(b)) }

func (c *boxLists[A]) finite(a *A) error {
	for i := range *c.of(a) {
		for _, v := range (*c.of(a))[i].numbers() {
			if !finite(v) {
				return fmt.Errorf("%s: %v in box %d: %w", c.column, v, i, errNotFinite)
			}
		}
	}
	return nil
}

// appendBoxes appends a list as JSON.
func appendBoxes(buf []byte, list []Box, f Form) []byte {
	buf = append(buf, '[')
	for i := range list {
		b := &list[i]
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"class_id":`...)
		buf = strconv.AppendInt(buf, int64(b.ClassID), 10)
		buf = append(buf, `,"label":`...)
		buf = jsonform.AppendString(buf, validText(b.Label))
		for i, v := range b.numbers() {
			buf = append(append(append(buf, `,"`...), boxNumbers[i]...), `":`...)
			buf = appendFloat(buf, v, f)
		}
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

// boxNumbers are the names of what Box.numbers returns.
var boxNumbers = [5]string{"score", "x", "y", "width", "height"}

// parseBoxes takes a list off p and returns the rest. It reads an empty list as nil.
func parseBoxes(p jsonform.Parser, m *memory) (jsonform.Parser, []Box) {
	from := len(m.boxes)
	p.Take(`[`)
	for !p.Has(`]`) {
		if len(m.boxes) > from {
			p.Take(`,`)
		}
		if !p.Has(`{"class_id":`) {
			p.Take(`]`) // which does not come next
			break
		}
		var b Box
		b.ClassID = int(p.Int())
		p.Take(`,"label":`)
		b.Label = p.Text()
		for i, to := range []*float32{&b.Score, &b.X, &b.Y, &b.Width, &b.Height} {
			p.Take(`,"`)
			p.Take(boxNumbers[i])
			p.Take(`":`)
			*to = p.Float()
		}
		p.Take(`}`)
		m.boxes = append(m.boxes, b)
	}
	if n := len(m.boxes); n > from {
		return p, m.boxes[from:n:n]
	}
	return p, nil
}

func (c *boxLists[A]) appendJSON(buf []byte, a *A, how style) []byte {
	return appendBoxes(append(buf, c.key...), *c.of(a), how.form)
}

func (c *boxLists[A]) parseJSON(p jsonform.Parser, a *A, m *memory) jsonform.Parser {
	p.Take(c.key)
	p, *c.of(a) = parseBoxes(p, m)
	return p
}

func (c *boxLists[A]) appendCSV(buf []byte, a *A, how style) []byte {
	return appendCSVText(buf, string(appendBoxes(nil, *c.of(a), how.form)))
}

func (c *boxLists[A]) parseCSV(field string, a *A) error {
	p, list := parseBoxes(jsonform.Parse(field), new(memory))
	if !p.Done() {
		return fmt.Errorf("%s: %.100q is not a list of boxes", c.column, field)
	}
	*c.of(a) = list
	return nil
}

// parquetBox is a Box in a Parquet file.
type parquetBox struct {
	ClassID int32   `parquet:"class_id"`
	Label   string  `parquet:"label,dict"`
	Score   float32 `parquet:"score"`
	X       float32 `parquet:"x"`
	Y       float32 `parquet:"y"`
	Width   float32 `parquet:"width"`
	Height  float32 `parquet:"height"`
}

func (c *boxLists[A]) parquetField(Form) reflect.StructField {
	return parquetField(c.column, reflect.TypeFor[[]parquetBox](), ",list")
}

func (c *boxLists[A]) appendParquet(w *parquetValues, a *A, _ style) {
	list := *c.of(a)
	w.list(len(list), func(i int) { w.integer(int32(list[i].ClassID)) })
	w.list(len(list), func(i int) { w.text(validText(list[i].Label)) })
	for n := range boxNumbers {
		w.list(len(list), func(i int) { w.float(list[i].numbers()[n]) })
	}
}

func (c *boxLists[A]) readParquet(r *parquetColumns, a *A) {
	var list []Box
	if n := r.length(); n > 0 {
		list = make([]Box, n)
	}
	*c.of(a) = list
	r.list(func(i int) { list[i].ClassID = int(r.integer()) })
	r.list(func(i int) { list[i].Label = r.text() })
	for _, of := range []func(b *Box) *float32{
		func(b *Box) *float32 { return &b.Score }, func(b *Box) *float32 { return &b.X }, func(b *Box) *float32 { return &b.Y },
		func(b *Box) *float32 { return &b.Width }, func(b *Box) *float32 { return &b.Height },
	} {
		r.list(func(i int) { *of(&list[i]) = r.float() })
	}
}

func (c *boxLists[A]) kind() Kind       { return BoxList }
func (c *boxLists[A]) value(a *A) Value { return Value{Boxes: *c.of(a)} }
