package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/batchscore/batchscore/shard"
)

// appendJSONRow appends one line.
func appendJSONRow(buf []byte, r *Row) []byte {
	buf = append(buf, `{"path":`...)
	buf = shard.AppendJSONString(buf, r.Path)
	if r.PathBase64 != "" {
		buf = append(buf, `,"path_base64":`...)
		buf = shard.AppendJSONString(buf, r.PathBase64)
	}
	buf = append(buf, `,"size":`...)
	buf = strconv.AppendInt(buf, r.Size, 10)
	buf = append(buf, `,"status":`...)
	buf = shard.AppendJSONString(buf, r.Status)
	buf = append(buf, `,"label":`...)
	buf = shard.AppendJSONString(buf, r.Label)
	buf = append(buf, `,"class_id":`...)
	buf = strconv.AppendInt(buf, int64(r.ClassID), 10)
	buf = append(buf, `,"score":`...)
	buf = appendFloat(buf, r.Score)
	buf = append(buf, `,"topk":`...)
	buf = appendTopK(buf, r.TopK)
	buf = append(buf, `,"error":`...)
	buf = shard.AppendJSONString(buf, r.Error)
	return append(buf, '}', '\n')
}

// appendTopK appends the classes as a JSON array.
func appendTopK(buf []byte, classes []Class) []byte {
	buf = append(buf, '[')
	for i, c := range classes {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"class_id":`...)
		buf = strconv.AppendInt(buf, int64(c.ClassID), 10)
		buf = append(buf, `,"label":`...)
		buf = shard.AppendJSONString(buf, c.Label)
		buf = append(buf, `,"score":`...)
		buf = appendFloat(buf, c.Score)
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

func decodeJSON(body []byte) ([]Row, error) {
	rows := make([]Row, 0, bytes.Count(body, []byte{'\n'}))
	var again []byte
	for n := 1; len(body) > 0; n++ {
		line, rest, ended := bytes.Cut(body, []byte{'\n'})
		if !ended {
			return nil, fmt.Errorf("%w: line %d is cut off", ErrMismatch, n)
		}
		var r Row
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%w: line %d: %v", ErrMismatch, n, err)
		}
		if again = appendJSONRow(again[:0], &r); !bytes.Equal(again, body[:len(line)+1]) {
			return nil, fmt.Errorf("%w: line %d is not in the form that was written", ErrMismatch, n)
		}
		if len(r.TopK) == 0 {
			r.TopK = nil
		}
		rows = append(rows, r)
		body = rest
	}
	return rows, nil
}
