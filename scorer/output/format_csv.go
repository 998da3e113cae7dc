package output

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// csvHeader names the columns. The column topk holds JSON.
const csvHeader = "path,path_base64,size,status,label,class_id,score,topk,error\n"

const csvColumns = 9

func appendCSVRow(buf []byte, r *Row, typed bool) []byte {
	buf = append(appendCSVText(buf, r.Path), ',')
	buf = append(appendCSVText(buf, r.PathBase64), ',')
	buf = append(strconv.AppendInt(buf, r.Size, 10), ',')
	buf = append(appendCSVText(buf, r.Status), ',')
	buf = append(appendCSVText(buf, r.Label), ',')
	buf = append(strconv.AppendInt(buf, int64(r.ClassID), 10), ',')
	buf = append(appendFloat(buf, r.Score, typed), ',')
	buf = append(appendCSVText(buf, string(appendTopK(nil, r.TopK, typed))), ',')
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
	return nil, nil, fmt.Errorf("the record is cut off")
}

func decodeCSV(body []byte, typed bool) ([]Row, error) {
	body, ok := bytes.CutPrefix(body, []byte(csvHeader))
	if !ok {
		return nil, fmt.Errorf("%w: the first line is not the header", ErrMismatch)
	}
	rows := []Row{}
	var again []byte
	for n := 1; len(body) > 0; n++ {
		fields, rest, err := cutCSVRecord(body)
		var r Row
		if err == nil {
			r, err = parseCSVRow(fields)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: record %d: %v", ErrMismatch, n, err)
		}
		if again = appendCSVRow(again[:0], &r, typed); !bytes.Equal(again, body[:len(body)-len(rest)]) {
			return nil, fmt.Errorf("%w: record %d is not in the form that was written", ErrMismatch, n)
		}
		rows = append(rows, r)
		body = rest
	}
	return rows, nil
}

func parseCSVRow(fields []string) (Row, error) {
	if len(fields) != csvColumns {
		return Row{}, fmt.Errorf("%d fields, not %d", len(fields), csvColumns)
	}
	r := Row{Path: fields[0], PathBase64: fields[1], Status: fields[3], Label: fields[4], Error: fields[8]}
	var err error
	if r.Size, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
		return Row{}, fmt.Errorf("size: %w", err)
	}
	if r.ClassID, err = strconv.Atoi(fields[5]); err != nil {
		return Row{}, fmt.Errorf("class_id: %w", err)
	}
	score, err := strconv.ParseFloat(fields[6], 32)
	if err != nil {
		return Row{}, fmt.Errorf("score: %w", err)
	}
	r.Score = float32(score)
	p := jsonform.Parse(fields[7])
	if _, r.TopK = parseTopK(&p, nil); !p.Done() {
		return Row{}, fmt.Errorf("topk: %q is not a list of classes", fields[7])
	}
	return r, nil
}
