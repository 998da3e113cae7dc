package row

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

func (t *task[A]) appendCSV(buf []byte, r *Row) []byte {
	a, how := t.of(r.Answer), t.style(r)
	for _, c := range t.columns {
		buf = append(c.appendCSV(buf, a, how), ',')
	}
	return buf
}

func (t *task[A]) parseCSV(fields []string, answer any) error {
	a := answer.(*A)
	for i, c := range t.columns {
		if err := c.parseCSV(fields[i], a); err != nil {
			return err
		}
	}
	return nil
}

// csvHeader is the first line, which names the columns.
func csvHeader(t Task) string {
	names := append([]string{"path", "path_base64", "size", "status"}, t.columnNames()...)
	return strings.Join(append(names, "error"), ",") + "\n"
}

func appendCSVRow(buf []byte, r *Row, s *Schema) []byte {
	buf = append(appendCSVText(buf, r.Path), ',')
	buf = append(appendCSVText(buf, r.PathBase64), ',')
	buf = append(strconv.AppendInt(buf, r.Size, 10), ',')
	buf = append(appendCSVText(buf, r.Status), ',')
	buf = s.Task.appendCSV(buf, r)
	return append(appendCSVText(buf, r.Error), '\n')
}

// appendCSVText quotes a field where readers would otherwise take it for
// something else (RFC 4180; also spaces at its ends, which some trim).
func appendCSVText(buf []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") && strings.TrimSpace(s) == s {
		return append(buf, s...)
	}
	buf = append(buf, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			buf = append(buf, '"')
		}
		buf = append(buf, s[i])
	}
	return append(buf, '"')
}

// cutCSVRecord takes the fields of one record off body. encoding/csv cannot do
// it, since it drops the carriage return of a \r\n within a field.
func cutCSVRecord(body []byte) (fields []string, rest []byte, err error) {
	var field []byte
	quoted := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case quoted && c == '"' && i+1 < len(body) && body[i+1] == '"':
			field = append(field, '"')
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '\n'):
			fields = append(fields, string(field))
			field = field[:0]
			if c == '\n' {
				return fields, body[i+1:], nil
			}
		default:
			field = append(field, c)
		}
	}
	return nil, nil, errors.New("the record is cut off")
}

func decodeCSV(body []byte, s *Schema, most int) ([]Row, error) {
	header := csvHeader(s.Task)
	body, ok := bytes.CutPrefix(body, []byte(header))
	if !ok {
		return nil, errors.New("the first line is not the header")
	}
	rows := []Row{}
	answers := s.Task.newAnswers(min(bytes.Count(body, []byte{'\n'}), most)) // a record has one at least
	columns := strings.Count(header, ",") + 1
	var again []byte
	for n := 1; len(body) > 0; n++ {
		if n > most {
			return nil, tooMany(most)
		}
		fields, rest, err := cutCSVRecord(body)
		var r Row
		if err == nil {
			r, err = parseCSVRow(fields, columns, s, answers(n-1))
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", n, err)
		}
		if again = appendCSVRow(again[:0], &r, s); !bytes.Equal(again, body[:len(body)-len(rest)]) {
			return nil, fmt.Errorf("record %d is not in the form that was written", n)
		}
		rows = append(rows, r)
		body = rest
	}
	return rows, nil
}

func parseCSVRow(fields []string, columns int, s *Schema, answer any) (Row, error) {
	if len(fields) != columns {
		return Row{}, fmt.Errorf("%d fields, not %d", len(fields), columns)
	}
	r := Row{Path: fields[0], PathBase64: fields[1], Status: fields[3], Answer: answer, Error: fields[columns-1]}
	var err error
	if r.Size, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
		return Row{}, fmt.Errorf("size: %w", err)
	}
	return r, s.Task.parseCSV(fields[4:columns-1], answer)
}
