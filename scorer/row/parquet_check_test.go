package row

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// crafted is a Parquet file of one row group, taken apart.
type crafted struct {
	meta    format.FileMetaData
	columns [][]craftedPage
	footer  []byte // replaces meta, if it is not nil
}

type craftedPage struct {
	format.PageHeader
	levels, data []byte // data is not compressed
	raw          []byte // replaces both, if it is not nil
	keep         bool   // the sizes of the header
}

func takeApart(t testing.TB, body []byte) *crafted {
	t.Helper()
	at, err := footer(body)
	if err != nil {
		t.Fatal(err)
	}
	c := new(crafted)
	if err := unmarshal(body[at:len(body)-footerEnd], &c.meta); err != nil {
		t.Fatal(err)
	}
	for _, column := range c.meta.RowGroups[0].Columns {
		m := column.MetaData
		from := m.DataPageOffset
		if m.DictionaryPageOffset != 0 {
			from = m.DictionaryPageOffset
		}
		rest := body[from : from+m.TotalCompressedSize]
		var all []craftedPage
		for len(rest) > 0 {
			n, err := measure(rest, 0)
			if err != nil {
				t.Fatal(err)
			}
			var p craftedPage
			if err := unmarshal(rest[:n], &p.PageHeader); err != nil {
				t.Fatal(err)
			}
			page := rest[n : n+int(p.CompressedPageSize)]
			rest = rest[n+len(page):]
			levels := 0
			if p.DataPageHeaderV2.Valid {
				levels = int(p.DataPageHeaderV2.V.RepetitionLevelsByteLength + p.DataPageHeaderV2.V.DefinitionLevelsByteLength)
			}
			p.levels = page[:levels]
			if p.data, err = snappy.Decode(nil, page[levels:]); err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		c.columns = append(c.columns, all)
	}
	return c
}

// file puts the file together and seals it.
func (c *crafted) file(t testing.TB) []byte {
	t.Helper()
	protocol := new(thrift.CompactProtocol)
	var out bytes.Buffer
	w := newSealer(&out)
	body := []byte("PAR1")
	for i, all := range c.columns {
		m := &c.meta.RowGroups[0].Columns[i].MetaData
		from := int64(len(body))
		for k, p := range all {
			if k == len(all)-1 {
				m.DataPageOffset = int64(len(body))
			}
			if k == 0 && len(all) > 1 {
				m.DictionaryPageOffset = from
			}
			page := p.raw
			if page == nil {
				page = append(slices.Clone(p.levels), snappy.Encode(nil, p.data)...)
			}
			if !p.keep {
				p.CompressedPageSize, p.UncompressedPageSize = int32(len(page)), int32(len(p.levels)+len(p.data))
			}
			p.CRC = 0
			header, err := thrift.Marshal(protocol, p.PageHeader)
			if err != nil {
				t.Fatal(err)
			}
			body = append(append(body, header...), page...)
		}
		m.TotalCompressedSize = int64(len(body)) - from
	}
	text := c.footer
	if text == nil {
		var err error
		if text, err = thrift.Marshal(protocol, c.meta); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = w.Write(body)
	w.hold()
	_, _ = w.Write(text)
	_, _ = w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(text))))
	_, _ = w.Write([]byte("PAR1"))
	if err := w.seal(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The columns of the files below.
const (
	pathColumn   = 0
	sizeColumn   = 2
	labelColumn  = 4
	classColumn  = 5
	listedColumn = 11 // the label of a class
)

// column returns the metadata of a column, and its last page.
func (c *crafted) column(i int) (*format.ColumnMetaData, *craftedPage) {
	return &c.meta.RowGroups[0].Columns[i].MetaData, &c.columns[i][len(c.columns[i])-1]
}

func (p *craftedPage) v2() *format.DataPageHeaderV2 { return &p.DataPageHeaderV2.V }

func uvarint(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// bomb is what a file is made into, and what the error says.
type bomb struct {
	name string
	edit func(c *crafted)
	want string
}

func into(name string, edit func(c *crafted), want string) bomb {
	return bomb{name: name, edit: edit, want: want}
}

var bombs = []bomb{
	into("footer of a huge list", func(c *crafted) { c.footer = append([]byte{0x15, 2, 0x19, 0xfc}, uvarint(math.MaxInt32)...) }, "metadata"),
	into("footer of many empty row groups", func(c *crafted) {
		c.footer = slices.Concat([]byte{0x15, 2, 0x49, 0xfc}, uvarint(4<<20), make([]byte, 5<<20))
	}, "a list of 4194304 elements"),
	into("deep footer", func(c *crafted) { c.footer = bytes.Repeat([]byte{0x1c}, 1<<20) }, "metadata"),
	into("footer that continues", func(c *crafted) { c.footer = make([]byte, 1<<20) }, "metadata"),
	into("no footer", func(c *crafted) { c.footer = []byte{} }, "metadata"),
	into("more columns", func(c *crafted) { c.meta.Schema = append(c.meta.Schema, c.meta.Schema[1]) }, "schema"),
	into("columns missing", func(c *crafted) {
		g := &c.meta.RowGroups[0]
		g.Columns, c.columns = g.Columns[:3], c.columns[:3]
	}, "columns"),
	into("rows", func(c *crafted) { c.meta.NumRows = 1 << 40 }, "more than 80 rows"),
	into("rows of a group", func(c *crafted) { c.meta.RowGroups[0].NumRows = 1 << 40 }, "rows"),
	into("negative rows", func(c *crafted) { c.meta.NumRows, c.meta.RowGroups[0].NumRows = -1, -1 }, "rows"),
	into("two groups", func(c *crafted) { c.meta.RowGroups = append(c.meta.RowGroups, c.meta.RowGroups[0]) }, "row groups"),
	into("another codec", func(c *crafted) { m, _ := c.column(pathColumn); m.Codec = format.Zstd }, "compressed with ZSTD"),
	into("no codec", func(c *crafted) { m, _ := c.column(pathColumn); m.Codec = format.Uncompressed }, "compressed with UNCOMPRESSED"),
	into("another file", func(c *crafted) { c.meta.RowGroups[0].Columns[0].FilePath = "/etc/passwd" }, "another file"),
	into("another path", func(c *crafted) { m, _ := c.column(pathColumn); m.PathInSchema = []string{"x"} }, "says that it is"),
	into("another kind of page", func(c *crafted) {
		_, p := c.column(pathColumn)
		p.Type, p.DataPageHeaderV2.Valid, p.DataPageHeader.Valid = format.DataPage, false, true
		p.DataPageHeader.V.NumValues = 8
	}, "page of the kind DATA_PAGE"),
	into("another encoding", func(c *crafted) { _, p := c.column(pathColumn); p.v2().Encoding = format.DeltaByteArray }, "DELTA_BYTE_ARRAY"),
	into("bits in floats", func(c *crafted) { _, p := c.column(classColumn); p.v2().Encoding = format.DeltaBinaryPacked }, "DELTA_BINARY_PACKED"),
	into("not compressed", func(c *crafted) { _, p := c.column(pathColumn); p.v2().IsCompressed.V = false }, "not compressed"),
	into("values", func(c *crafted) { _, p := c.column(sizeColumn); p.v2().NumValues = math.MaxInt32 }, "values"),
	into("values and rows", func(c *crafted) {
		m, p := c.column(sizeColumn)
		m.NumValues, p.v2().NumValues, p.v2().NumRows = math.MaxInt32, math.MaxInt32, math.MaxInt32
	}, "values"),
	into("values of a list", func(c *crafted) {
		m, p := c.column(listedColumn)
		m.NumValues, p.v2().NumValues = math.MaxInt32, math.MaxInt32
	}, "values"),
	into("values missing", func(c *crafted) { _, p := c.column(classColumn); p.v2().NumNulls = 8 }, "misses"),
	into("snappy's length", func(c *crafted) {
		_, p := c.column(pathColumn)
		p.raw, p.keep = append(uvarint(math.MaxInt32), 0, 0), true
		p.CompressedPageSize, p.UncompressedPageSize = int32(len(p.raw)), math.MaxInt32
	}, "bytes"),
	into("a page's length", func(c *crafted) { _, p := c.column(pathColumn); p.keep, p.UncompressedPageSize = true, math.MaxInt32 }, "bytes"),
	into("a compressed page's length", func(c *crafted) { _, p := c.column(pathColumn); p.keep, p.CompressedPageSize = true, math.MaxInt32 }, "bytes"),
	into("negative lengths", func(c *crafted) { _, p := c.column(pathColumn); p.keep, p.CompressedPageSize = true, -1 }, "bytes"),
	into("zeros", func(c *crafted) {
		_, p := c.column(pathColumn)
		p.data = append(p.data, make([]byte, 64<<20)...)
	}, "too large"),
	into("dictionary's values", func(c *crafted) { c.columns[labelColumn][0].DictionaryPageHeader.V.NumValues = math.MaxInt32 }, "texts"),
	into("dictionary's texts", func(c *crafted) { c.columns[labelColumn][0].data = []byte{0xff, 0xff, 0xff, 0x7f} }, "texts"),
	into("dictionary missing", func(c *crafted) { c.columns[labelColumn] = c.columns[labelColumn][1:] }, "behind its pages"),
	into("run of indexes", func(c *crafted) {
		_, p := c.column(labelColumn)
		p.data = append(append([]byte{1}, uvarint(math.MaxInt32<<1)...), 0)
	}, "runs"),
	into("runs of indexes", func(c *crafted) {
		_, p := c.column(labelColumn)
		p.data = append([]byte{32}, bytes.Repeat(append(uvarint(1<<24), 0, 0, 0, 0), 64)...)
	}, "runs"),
	into("index of nothing", func(c *crafted) { _, p := c.column(labelColumn); p.data = []byte{32, 16, 0xff, 0xff, 0xff, 0xff} }, "dictionary"),
	into("width of indexes", func(c *crafted) { _, p := c.column(labelColumn); p.data[0] = 255 }, "runs"),
	into("run of levels", func(c *crafted) {
		_, p := c.column(classColumn)
		p.levels = append(uvarint(math.MaxInt32<<1), 1)
		p.v2().DefinitionLevelsByteLength = int32(len(p.levels))
	}, "misses"),
	into("high levels", func(c *crafted) {
		_, p := c.column(classColumn)
		p.levels = append(uvarint(8<<1), 9)
		p.v2().DefinitionLevelsByteLength = int32(len(p.levels))
	}, "misses"),
	into("length of levels", func(c *crafted) { _, p := c.column(classColumn); p.v2().DefinitionLevelsByteLength = math.MaxInt32 }, "levels"),
	into("levels of a column without", func(c *crafted) { _, p := c.column(sizeColumn); p.v2().RepetitionLevelsByteLength = 3 }, "levels"),
	into("lengths", func(c *crafted) {
		_, p := c.column(pathColumn)
		p.data = slices.Concat([]byte{0x80, 1, 4}, uvarint(math.MaxInt32), []byte{0})
	}, "lengths"),
	into("negative length", func(c *crafted) { _, p := c.column(pathColumn); p.data[4] = 1 }, "lengths"),
	into("width of lengths", func(c *crafted) {
		_, p := c.column(pathColumn)
		p.data = slices.Concat([]byte{0x80, 1, 4, 8, 0, 0, 255, 255, 255, 255}, make([]byte, 4<<10))
	}, "lengths"),
	into("lengths that overflow", func(c *crafted) {
		_, p := c.column(pathColumn)
		p.data = slices.Concat([]byte{0x80, 1, 4, 8}, binary.AppendVarint(nil, math.MaxInt32), []byte{0, 0, 0, 0, 0})
	}, "lengths"),
}

// taken returns how many bytes fn takes from the heap, those included that are free again.
func taken(fn func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// eight returns a file of eight rows.
func eight(t testing.TB) (Schema, []byte) {
	s := schemas["parquet"]
	s.TopK = 2
	var rows []Row
	for i := range 8 {
		rows = append(rows, answered(fmt.Sprint("photos/", i), 100, Class{ClassID: i % 2, Label: fmt.Sprint("l", i%2), Score: 0.5},
			Class{ClassID: 7, Label: "m", Score: 0.25}))
	}
	return s, encode(t, rows, s)
}

// TestFault45_ParquetBombs: a sealed file that makes parquet-go take gigabytes, or read where
// nothing is, is refused before it does.
func TestFault45_ParquetBombs(t *testing.T) {
	s, body := eight(t)
	if rows, err := s.Decode(takeApart(t, body).file(t), 80); err != nil || len(rows) != 8 {
		t.Fatalf("%d rows, %v: the file that nothing was changed in", len(rows), err)
	}
	for _, bomb := range bombs {
		c := takeApart(t, body)
		bomb.edit(c)
		file := c.file(t)
		var err error
		if used := taken(func() { _, err = s.Decode(file, 80) }); used > 4<<20+3*int64(len(file)) {
			t.Errorf("%s: %d MB for a file of %d kB", bomb.name, used>>20, len(file)>>10)
		}
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), bomb.want) {
			t.Errorf("%s: %v, want an error with %q", bomb.name, err, bomb.want)
		}
	}
}

// TestParquetOfOthers: a file with the same columns that another program wrote is refused.
func TestParquetOfOthers(t *testing.T) {
	s, _ := eight(t)
	for name, options := range map[string][]parquet.WriterOption{
		"zstd":    {parquet.Compression(&parquet.Zstd)},
		"gzip":    {parquet.Compression(&parquet.Gzip)},
		"none":    {},
		"version": {parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(1)},
	} {
		var out bytes.Buffer
		p := newParquetWriter(&out, s.written(), false)
		p.w = parquet.NewGenericWriter[any](p.out, append([]parquet.WriterOption{parquetSchema(s.written())}, options...)...)
		if err := errors.Join(p.Write([]Row{answered("a", 1, Class{Label: "x"})}), p.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Decode(out.Bytes(), 80); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "not written by this program") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParquet decodes sealed files whose pages or footer are of the fuzzer's making.
func FuzzParquet(f *testing.F) {
	s, body := eight(f)
	for _, bomb := range bombs {
		c := takeApart(f, body)
		bomb.edit(c)
		if file := c.file(f); len(file) < 16<<10 {
			f.Add(file)
		}
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, file []byte) {
		at, err := footer(file)
		if err != nil || at < sealSize {
			return
		}
		var out bytes.Buffer
		w := newSealer(&out)
		_, _ = w.Write(file[:at-sealSize])
		w.hold()
		_, _ = w.Write(file[at:])
		if err := w.seal(); err != nil {
			return
		}
		if used := taken(func() { _, err = s.Decode(out.Bytes(), 80) }); used > 32<<20+64*int64(len(file)) {
			t.Fatalf("%d MB for %d kB", used>>20, len(file)>>10)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v, want ErrDamaged", err)
		}
	})
}
