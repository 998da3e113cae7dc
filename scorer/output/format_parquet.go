package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// parquetRow is the schema of a Parquet file of rows.
type parquetRow struct {
	Path       string         `parquet:"path"`
	PathBase64 string         `parquet:"path_base64"` // empty unless the path is not valid UTF-8
	Size       int64          `parquet:"size"`
	Status     string         `parquet:"status,dict"`
	Label      string         `parquet:"label,dict"`
	ClassID    int32          `parquet:"class_id"`
	Score      float32        `parquet:"score"`
	TopK       []parquetClass `parquet:"topk,list"`
	Error      string         `parquet:"error"`
}

type parquetClass struct {
	ClassID int32   `parquet:"class_id"`
	Label   string  `parquet:"label,dict"`
	Score   float32 `parquet:"score"`
}

// rowGroup is how many rows a row group holds; it bounds the memory of merge.
const rowGroup = 64 << 10

type parquetWriter struct {
	out  *sealer
	w    *parquet.GenericWriter[parquetRow]
	rows []parquetRow
}

func newParquetWriter(w io.Writer) *parquetWriter {
	out := newSealer(w)
	return &parquetWriter{out: out, w: parquet.NewGenericWriter[parquetRow](out,
		parquet.Compression(&parquet.Snappy),
		parquet.MaxRowsPerRowGroup(rowGroup),
		parquet.CreatedBy("batchscore", "1", "parquet-go"))}
}

func (p *parquetWriter) Write(rows []Row) error {
	p.rows = p.rows[:0]
	for i := range rows {
		r := rows[i].written()
		q := parquetRow{
			Path: r.Path, PathBase64: r.PathBase64, Size: r.Size, Status: r.Status, Label: r.Label,
			ClassID: int32(r.ClassID), Score: r.Score, Error: r.Error,
		}
		for _, c := range r.TopK {
			q.TopK = append(q.TopK, parquetClass{ClassID: int32(c.ClassID), Label: shown(c.Label), Score: c.Score})
		}
		p.rows = append(p.rows, q)
	}
	_, err := p.w.Write(p.rows)
	return err
}

func (p *parquetWriter) Close() error {
	if err := p.w.Flush(); err != nil {
		return err
	}
	p.out.hold()
	if err := p.w.Close(); err != nil {
		return err
	}
	return p.out.seal()
}

func decodeParquet(body []byte) (rows []Row, err error) {
	// The library panics or loops on some files that are damaged, so it gets to
	// see only those that are not.
	if err := checkSeal(body); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMismatch, err)
	}
	defer func() {
		if p := recover(); p != nil {
			rows, err = nil, fmt.Errorf("%w: Parquet that was not written here: %v", ErrMismatch, p)
		}
	}()
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMismatch, err)
	}
	if got, want := file.Schema().String(), parquet.SchemaOf(parquetRow{}).String(); got != want {
		return nil, fmt.Errorf("%w: the Parquet schema is %s", ErrMismatch, got)
	}
	r := parquet.NewGenericReader[parquetRow](file)
	defer r.Close()
	rows = []Row{}
	buf := make([]parquetRow, 128)
	for {
		clear(buf)
		n, err := r.Read(buf)
		for _, q := range buf[:n] {
			row := Row{
				Path: q.Path, PathBase64: q.PathBase64, Size: q.Size, Status: q.Status, Label: q.Label,
				ClassID: int(q.ClassID), Score: q.Score, Error: q.Error,
			}
			for _, c := range q.TopK {
				row.TopK = append(row.TopK, Class{ClassID: int(c.ClassID), Label: c.Label, Score: c.Score})
			}
			rows = append(rows, row)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: row %d: %v", ErrMismatch, len(rows), err)
		}
		if n == 0 {
			return nil, fmt.Errorf("%w: row %d cannot be read", ErrMismatch, len(rows))
		}
	}
	if int64(len(rows)) != file.NumRows() {
		return nil, fmt.Errorf("%w: %d rows, the footer says %d", ErrMismatch, len(rows), file.NumRows())
	}
	return rows, nil
}
