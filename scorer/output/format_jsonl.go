package output

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// appendJSONRow appends one line.
func appendJSONRow(buf []byte, r *Row, typed bool) []byte {
	buf = append(buf, `{"path":`...)
	buf = jsonform.AppendString(buf, r.Path)
	if typed || r.PathBase64 != "" {
		buf = append(buf, `,"path_base64":`...)
		buf = jsonform.AppendString(buf, r.PathBase64)
	}
	buf = append(buf, `,"size":`...)
	buf = strconv.AppendInt(buf, r.Size, 10)
	buf = append(buf, `,"status":`...)
	buf = jsonform.AppendString(buf, r.Status)
	buf = append(buf, `,"label":`...)
	buf = jsonform.AppendString(buf, r.Label)
	buf = append(buf, `,"class_id":`...)
	buf = strconv.AppendInt(buf, int64(r.ClassID), 10)
	buf = append(buf, `,"score":`...)
	buf = appendFloat(buf, r.Score, typed)
	buf = append(buf, `,"topk":`...)
	buf = appendTopK(buf, r.TopK, typed)
	buf = append(buf, `,"error":`...)
	buf = jsonform.AppendString(buf, r.Error)
	return append(buf, '}', '\n')
}

// appendTopK appends the classes as a JSON array.
func appendTopK(buf []byte, classes []Class, typed bool) []byte {
	buf = append(buf, '[')
	for i, c := range classes {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"class_id":`...)
		buf = strconv.AppendInt(buf, int64(c.ClassID), 10)
		buf = append(buf, `,"label":`...)
		buf = jsonform.AppendString(buf, c.Label)
		buf = append(buf, `,"score":`...)
		buf = appendFloat(buf, c.Score, typed)
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

// parseTopK is the inverse of appendTopK. It appends to slab, of which the
// classes are a part.
func parseTopK(p *jsonform.Parser, slab []Class) (all, classes []Class) {
	from := len(slab)
	p.Take(`[`)
	for !p.Has(`]`) {
		if len(slab) > from {
			p.Take(`,`)
		}
		if !p.Has(`{"class_id":`) {
			p.Take(`]`) // which is not there
			break
		}
		var c Class
		c.ClassID = int(p.Int())
		p.Take(`,"label":`)
		c.Label = p.Text()
		p.Take(`,"score":`)
		c.Score = p.Float()
		p.Take(`}`)
		slab = append(slab, c)
	}
	if len(slab) == from {
		return slab, nil
	}
	return slab, slab[from:len(slab):len(slab)]
}

// parseJSONRow is the inverse of appendJSONRow.
func parseJSONRow(line string, slab []Class) (r Row, all []Class, ok bool) {
	p := jsonform.Parse(line)
	p.Take(`{"path":`)
	r.Path = p.Text()
	if p.Has(`,"path_base64":`) {
		r.PathBase64 = p.Text()
	}
	p.Take(`,"size":`)
	r.Size = p.Int()
	p.Take(`,"status":`)
	r.Status = p.Text()
	p.Take(`,"label":`)
	r.Label = p.Text()
	p.Take(`,"class_id":`)
	r.ClassID = int(p.Int())
	p.Take(`,"score":`)
	r.Score = p.Float()
	p.Take(`,"topk":`)
	slab, r.TopK = parseTopK(&p, slab)
	p.Take(`,"error":`)
	r.Error = p.Text()
	p.Take("}\n")
	return r, slab, p.Done()
}

func decodeJSON(body []byte, typed bool) ([]Row, error) {
	rows := make([]Row, 0, bytes.Count(body, []byte{'\n'}))
	var slab []Class
	var again []byte
	text := string(body) // the rows' strings lie in it
	for n := 1; len(text) > 0; n++ {
		end := strings.IndexByte(text, '\n') + 1
		if end == 0 {
			return nil, fmt.Errorf("%w: line %d is cut off", ErrMismatch, n)
		}
		r, all, ok := parseJSONRow(text[:end], slab)
		if ok {
			again = appendJSONRow(again[:0], &r, typed)
		}
		if !ok || string(again) != text[:end] {
			return nil, fmt.Errorf("%w: line %d is not in the form that was written", ErrMismatch, n)
		}
		slab = all
		rows = append(rows, r)
		text = text[end:]
	}
	return rows, nil
}
