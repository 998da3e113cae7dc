package row

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/shard/jsonform"
)

func (t *task[A]) appendJSON(buf []byte, r *Row) []byte {
	a, how := t.of(r.Answer), t.style(r)
	for _, c := range t.columns {
		buf = c.appendJSON(buf, a, how)
	}
	return buf
}

func (t *task[A]) parseJSON(p jsonform.Parser, answer any, m *memory) jsonform.Parser {
	a := answer.(*A)
	for _, c := range t.columns {
		p = c.parseJSON(p, a, m)
	}
	return p
}

// appendJSONRow appends one line.
func appendJSONRow(buf []byte, r *Row, s *Schema) []byte {
	buf = append(buf, `{"path":`...)
	buf = jsonform.AppendString(buf, r.Path)
	if s.Form >= Typed || r.PathBase64 != "" {
		buf = append(buf, `,"path_base64":`...)
		buf = jsonform.AppendString(buf, r.PathBase64)
	}
	buf = append(buf, `,"size":`...)
	buf = strconv.AppendInt(buf, r.Size, 10)
	buf = append(buf, `,"status":`...)
	buf = jsonform.AppendString(buf, r.Status)
	buf = s.Task.appendJSON(buf, r)
	buf = append(buf, `,"error":`...)
	buf = jsonform.AppendString(buf, r.Error)
	return append(buf, '}', '\n')
}

// parseJSONRow reads one line into a row and its answer. It is the inverse of
// appendJSONRow.
func parseJSONRow(line string, t Task, answer any, m *memory) (r Row, ok bool) {
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
	p = t.parseJSON(p, answer, m)
	r.Answer = answer
	p.Take(`,"error":`)
	r.Error = p.Text()
	p.Take("}\n")
	return r, p.Done()
}

func decodeJSON(body []byte, s *Schema, most int) ([]Row, error) {
	n := bytes.Count(body, []byte{'\n'})
	if n > most {
		return nil, tooMany(most)
	}
	rows, answers := make([]Row, 0, n), s.Task.newAnswers(n)
	var m memory
	var again []byte
	text := string(body) // the rows' strings are parts of it
	for n := 1; len(text) > 0; n++ {
		end := strings.IndexByte(text, '\n') + 1
		if end == 0 {
			return nil, fmt.Errorf("line %d is cut off", n)
		}
		r, ok := parseJSONRow(text[:end], s.Task, answers(n-1), &m)
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
