package row

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/shard/jsonform"
)

func (t *task[A]) appendJSON(buf []byte, answer any, typed bool) []byte {
	a := t.of(answer)
	for _, c := range t.columns {
		buf = c.appendJSON(buf, a, typed)
	}
	return buf
}

func (t *task[A]) parseJSON(r *jsonReader, answer any) {
	a := answer.(*A)
	for _, c := range t.columns {
		c.parseJSON(r, a)
	}
}

// appendJSONRow appends one line.
func appendJSONRow(buf []byte, r *Row, s *Schema) []byte {
	buf = append(buf, `{"path":`...)
	buf = jsonform.AppendString(buf, r.Path)
	if s.Typed || r.PathBase64 != "" {
		buf = append(buf, `,"path_base64":`...)
		buf = jsonform.AppendString(buf, r.PathBase64)
	}
	buf = append(buf, `,"size":`...)
	buf = strconv.AppendInt(buf, r.Size, 10)
	buf = append(buf, `,"status":`...)
	buf = jsonform.AppendString(buf, r.Status)
	buf = s.Task.appendJSON(buf, r.Answer, s.Typed)
	buf = append(buf, `,"error":`...)
	buf = jsonform.AppendString(buf, r.Error)
	return append(buf, '}', '\n')
}

// row reads one line into a row and its answer. It is the inverse of
// appendJSONRow.
func (r *jsonReader) row(line string, t Task, answer any) (row Row, ok bool) {
	r.Parser = jsonform.Parse(line)
	r.Take(`{"path":`)
	row.Path = r.Text()
	if r.Has(`,"path_base64":`) {
		row.PathBase64 = r.Text()
	}
	r.Take(`,"size":`)
	row.Size = r.Int()
	r.Take(`,"status":`)
	row.Status = r.Text()
	t.parseJSON(r, answer)
	row.Answer = answer
	r.Take(`,"error":`)
	row.Error = r.Text()
	r.Take("}\n")
	return row, r.Done()
}

func decodeJSON(body []byte, s *Schema) ([]Row, error) {
	n := bytes.Count(body, []byte{'\n'})
	rows, answers := make([]Row, 0, n), s.Task.newAnswers(n)
	var reader jsonReader
	var again []byte
	text := string(body) // the rows' strings are parts of it
	for n := 1; len(text) > 0; n++ {
		end := strings.IndexByte(text, '\n') + 1
		if end == 0 {
			return nil, fmt.Errorf("line %d is cut off", n)
		}
		r, ok := reader.row(text[:end], s.Task, answers(n-1))
		if ok {
			again = appendJSONRow(again[:0], &r, s)
		}
		if !ok || string(again) != text[:end] {
			return nil, fmt.Errorf("line %d is not in the form that was written", n)
		}
		rows = append(rows, r)
		text = text[end:]
	}
	return rows, nil
}
