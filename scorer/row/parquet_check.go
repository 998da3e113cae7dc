package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquet-go believes what a file says of its sizes: a few bytes make it take gigabytes, and
// some of its code in assembly relies on them. A seal has no key, so a sealed file may be
// anybody's. parquetCheck therefore reads, without taking much memory, how much a file
// holds, and accepts only what parquetWriter writes.

// What a row, and one of its classes, may take in a file that is not compressed.
const (
	rowMost   = 32 << 10
	classMost = 1 << 10
)

// snappyMost is how many times as long as its input the output of Snappy can be: three
// bytes stand for 64.
const snappyMost = 22

// parquetCheck checks one file.
type parquetCheck struct {
	body    []byte // the file up to its footer
	rows    int    // at most
	classes int64  // of all rows together, at most
	bytes   int64  // that pages may still have
	columns []leaf
}

// leaf is a column of values.
type leaf struct {
	path     []string
	kind     parquet.Kind
	repeated bool
	optional bool
}

// top returns the level of a value that is not missing: one for each of the ways in which it may
// be.
func (l *leaf) top() int {
	n := 0
	if l.repeated {
		n++
	}
	if l.optional {
		n++
	}
	return n
}

// leaves returns the columns of values of a schema, in order, and how many elements the
// schema has in a footer.
func leaves(n parquet.Node, l leaf) (all []leaf, elements int) {
	l.repeated = l.repeated || n.Repeated()
	l.optional = l.optional || n.Optional()
	if n.Leaf() {
		l.kind = n.Type().Kind()
		l.path = slices.Clone(l.path)
		return []leaf{l}, 1
	}
	elements = 1
	for _, f := range n.Fields() {
		child := l
		child.path = append(slices.Clone(l.path), f.Name())
		more, count := leaves(f, child)
		all, elements = append(all, more...), elements+count
	}
	return all, elements
}

// checkParquet returns an error unless reading the sealed file body takes memory only for
// most rows with lists of so many elements, each of that size, and a file of that schema may
// be so.
func checkParquet(body []byte, schema *parquet.Schema, most, elementsMost, size int) error {
	at, err := footer(body)
	if err != nil {
		return err
	}
	columns, elements := leaves(schema, leaf{})
	groups := most/rowGroup + 1
	text := body[at : len(body)-footerEnd]
	// A row group has about a dozen short lists for each column.
	n, err := measure(text, 2*elements+64+groups*(1+32*len(columns)))
	if err == nil && n != len(text) {
		err = errThrift
	}
	if err != nil {
		return err
	}
	var meta format.FileMetaData
	if err := unmarshal(text, &meta); err != nil {
		return err
	}
	if len(meta.Schema) != elements {
		return fmt.Errorf("its schema has %d elements, not %d", len(meta.Schema), elements)
	}
	if meta.NumRows < 0 || meta.NumRows > int64(most) {
		return tooMany(most)
	}
	if len(meta.RowGroups) > groups {
		return fmt.Errorf("it has %d row groups", len(meta.RowGroups))
	}
	elementsMost = max(elementsMost, 1)
	c := parquetCheck{body: body[:at], rows: most, columns: columns,
		classes: int64(most) * int64(elementsMost), bytes: 1<<20 + int64(most)*(rowMost+int64(size)*int64(elementsMost))}
	rows := int64(0)
	for i := range meta.RowGroups {
		g := &meta.RowGroups[i]
		rows += max(g.NumRows, 0)
		if g.NumRows < 0 || rows > meta.NumRows {
			return fmt.Errorf("row group %d has %d rows", i, g.NumRows)
		}
		if err := c.group(g); err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
	}
	if rows != meta.NumRows {
		return fmt.Errorf("its row groups have %d rows, its footer says %d", rows, meta.NumRows)
	}
	return nil
}

// unmarshal reads Thrift that was measured. parquet-go may panic.
func unmarshal(data []byte, v any) (err error) {
	defer func() {
		if recover() != nil {
			err = errThrift
		}
	}()
	protocol := new(thrift.CompactProtocol)
	if thrift.NewDecoder(protocol.NewReaderFromBytes(slices.Clone(data))).Decode(v) != nil {
		return errThrift
	}
	return nil
}

func (c *parquetCheck) group(g *format.RowGroup) error {
	if len(g.Columns) != len(c.columns) {
		return fmt.Errorf("%d columns, not %d", len(g.Columns), len(c.columns))
	}
	listed := map[string]int64{} // values of the columns of each list, which have the same number
	for i := range g.Columns {
		l := &c.columns[i]
		m := &g.Columns[i].MetaData
		err := c.chunk(l, &g.Columns[i], g.NumRows)
		if l.repeated && err == nil {
			if n, ok := listed[l.path[0]]; ok && m.NumValues != n {
				err = fmt.Errorf("%d values, another column of the list has %d", m.NumValues, n)
			}
			listed[l.path[0]] = m.NumValues
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", strings.Join(l.path, "."), err)
		}
	}
	return nil
}

// chunk checks the pages of one column in a row group of so many rows.
func (c *parquetCheck) chunk(l *leaf, column *format.ColumnChunk, rows int64) error {
	m := &column.MetaData
	values := rows
	if l.repeated {
		values = m.NumValues
	}
	switch {
	case column.FilePath != "" || column.CryptoMetadata.Value != nil || len(column.EncryptedColumnMetadata) > 0:
		return errors.New("it is encrypted, or in another file")
	case !slices.Equal(m.PathInSchema, l.path):
		return fmt.Errorf("it says that it is column %.100q", m.PathInSchema)
	case m.Codec != format.Snappy:
		return fmt.Errorf("it is compressed with %v", m.Codec)
	case m.NumValues != values || l.repeated && (values < rows || values > c.classes+rows):
		return fmt.Errorf("%d values in %d rows", m.NumValues, rows)
	}
	from := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		if from = m.DictionaryPageOffset; m.DataPageOffset <= from {
			return errors.New("its dictionary is behind its pages")
		}
	}
	if from < 4 || m.TotalCompressedSize < 0 || from > int64(len(c.body)) || m.TotalCompressedSize > int64(len(c.body))-from {
		return fmt.Errorf("%d bytes at %d, which the file does not have", m.TotalCompressedSize, from)
	}
	p := pages{check: c, leaf: l, at: from, data: m.DataPageOffset, dictionary: -1}
	rest := c.body[from : from+m.TotalCompressedSize]
	for len(rest) > 0 {
		n, err := p.next(rest)
		if err != nil {
			return fmt.Errorf("page at %d: %w", p.at, err)
		}
		p.at += int64(n)
		rest = rest[n:]
	}
	if p.values != values || p.rows != rows {
		return fmt.Errorf("its pages have %d values in %d rows, not %d in %d", p.values, p.rows, values, rows)
	}
	return nil
}

// pages are those of one column in one row group.
type pages struct {
	check        *parquetCheck
	leaf         *leaf
	at, data     int64 // of the next page, and of the first one that is not a dictionary
	dictionary   int   // its values; -1 if there is none
	values, rows int64 // so far
}

// next checks the page that rest begins with, and returns its length.
func (p *pages) next(rest []byte) (int, error) {
	n, err := measure(rest, 0)
	if err != nil {
		return 0, err
	}
	var h format.PageHeader
	if err := unmarshal(rest[:n], &h); err != nil {
		return 0, err
	}
	if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(rest)-n || h.UncompressedPageSize < 0 {
		return 0, fmt.Errorf("it has %d bytes, decoded %d", h.CompressedPageSize, h.UncompressedPageSize)
	}
	page := rest[n : n+int(h.CompressedPageSize)]
	n += len(page)
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid && p.at < p.data && p.dictionary < 0 && p.leaf.kind == parquet.ByteArray:
		d := &h.DictionaryPageHeader.V
		if d.Encoding != format.Plain {
			return 0, fmt.Errorf("a dictionary encoded as %v", d.Encoding)
		}
		text, err := p.decompress(page, int(h.UncompressedPageSize))
		if err != nil {
			return 0, err
		}
		p.dictionary = int(d.NumValues)
		return n, texts(text, d.NumValues)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid && p.at >= p.data:
		return n, p.page(&h.DataPageHeaderV2.V, page, int(h.UncompressedPageSize))
	}
	return 0, fmt.Errorf("a page of the kind %v", h.Type)
}

// decompress returns what a page holds, after taking its size from what is allowed. parquet-go
// may take as much again.
func (p *pages) decompress(page []byte, size int) ([]byte, error) {
	n, err := snappy.DecodedLen(page)
	if err != nil || n != size || n > snappyMost*len(page) {
		return nil, fmt.Errorf("%d bytes say that they are %d, and the page that they are %d", len(page), n, size)
	}
	if p.check.bytes -= int64(n); p.check.bytes < 0 {
		return nil, fmt.Errorf("the file is too large for %d rows when it is decoded", p.check.rows)
	}
	text, err := snappy.Decode(nil, page)
	if err != nil {
		return nil, errors.New("it cannot be decompressed")
	}
	return text, nil
}

func (p *pages) page(h *format.DataPageHeaderV2, page []byte, size int) error {
	n := h.NumValues
	repetition, definition := h.RepetitionLevelsByteLength, h.DefinitionLevelsByteLength
	switch {
	case n < 0 || h.NumNulls < 0 || h.NumNulls > n || h.NumRows < 0 || h.NumRows > n || !p.leaf.repeated && h.NumRows != n:
		return fmt.Errorf("%d values, %d missing, in %d rows", n, h.NumNulls, h.NumRows)
	case repetition < 0 || definition < 0 || int64(repetition)+int64(definition) > int64(min(len(page), size)),
		(repetition > 0) != (p.leaf.repeated && n > 0), (definition > 0) != (p.leaf.top() > 0 && n > 0), h.NumNulls > 0 && definition == 0:
		return fmt.Errorf("levels of %d and %d bytes", repetition, definition)
	case !h.IsCompressed.Valid || !h.IsCompressed.V:
		return errors.New("it is not compressed")
	}
	p.values, p.rows = p.values+int64(n), p.rows+int64(h.NumRows)
	if p.values > p.check.classes+int64(p.check.rows) {
		return fmt.Errorf("%d values, more than %d rows have", p.values, p.check.rows)
	}
	if repetition > 0 {
		begun, err := levels(page[:repetition], n, 1)
		if err != nil || int32(begun) != h.NumRows {
			return fmt.Errorf("its rows are not %d", h.NumRows)
		}
	}
	page, size = page[repetition:], size-int(repetition)
	if definition > 0 {
		missing, err := levels(page[:definition], n, p.leaf.top())
		if err != nil || int32(missing) != h.NumNulls {
			return fmt.Errorf("the values that it misses are not %d", h.NumNulls)
		}
	}
	text, err := p.decompress(page[definition:], size-int(definition))
	if err != nil {
		return err
	}
	return p.content(h.Encoding, text, n-h.NumNulls)
}

// content checks the n values of a page.
func (p *pages) content(encoding format.Encoding, text []byte, n int32) error {
	width := 0
	switch p.leaf.kind {
	case parquet.Int32, parquet.Float:
		width = 4
	case parquet.Int64:
		width = 8
	}
	switch {
	case width > 0 && encoding == format.Plain:
		if len(text) != width*int(n) {
			return fmt.Errorf("%d bytes for %d values", len(text), n)
		}
		return nil
	case p.leaf.kind == parquet.ByteArray && encoding == format.RLEDictionary && p.dictionary >= 0:
		return indexes(text, n, p.dictionary)
	case p.leaf.kind == parquet.ByteArray && encoding == format.DeltaLengthByteArray:
		return lengths(text, n)
	}
	return fmt.Errorf("values encoded as %v", encoding)
}

// texts checks n texts, each after its length in 4 bytes.
func texts(text []byte, n int32) error {
	for ; n > 0; n-- {
		if len(text) < 4 || uint64(binary.LittleEndian.Uint32(text)) > uint64(len(text)-4) {
			return errors.New("its texts are longer than it")
		}
		text = text[4+binary.LittleEndian.Uint32(text):]
	}
	if n < 0 || len(text) > 0 {
		return errors.New("its texts are not as many as it says")
	}
	return nil
}

var errRuns = errors.New("its runs are damaged")

// runs calls fn for the values that are encoded in runs, in order: for count of the same, or
// for each of a run of packed ones. Both it and fn end at a first error.
func runs(data []byte, width int, fn func(value uint32, count uint64) error) error {
	if width < 0 || width > 32 {
		return errRuns
	}
	for len(data) > 0 {
		u, n := binary.Uvarint(data)
		if n <= 0 || u>>1 > 1<<31 {
			return errRuns
		}
		data = data[n:]
		if u&1 == 0 {
			size := (width + 7) / 8
			if len(data) < size {
				return errRuns
			}
			var value [4]byte
			copy(value[:], data[:size])
			data = data[size:]
			if err := fn(binary.LittleEndian.Uint32(value[:]), u>>1); err != nil {
				return err
			}
			continue
		}
		size := (u >> 1) * uint64(width) // eight values each
		if size > uint64(len(data)) {
			return errRuns
		}
		if width == 0 {
			if err := fn(0, 8*(u>>1)); err != nil {
				return err
			}
		} else if err := unpack(data[:size], width, func(v uint32) error { return fn(v, 1) }); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// unpack calls fn for each whole number of so many bits, from 1 to 32, in data.
func unpack(data []byte, width int, fn func(uint32) error) error {
	var held uint64
	have := 0
	for _, b := range data {
		held |= uint64(b) << have
		for have += 8; have >= width; have -= width {
			if err := fn(uint32(held & (1<<width - 1))); err != nil {
				return err
			}
			held >>= width
		}
	}
	return nil
}

// levels returns how many of n levels are below top, which is the largest. Packed levels are
// filled up to a multiple of eight.
func levels(data []byte, n int32, top int) (below int64, err error) {
	total := int64(0)
	err = runs(data, bits.Len(uint(top)), func(value uint32, count uint64) error {
		if int(value) > top || total+int64(count) > int64(n)+7 {
			return errRuns
		}
		if int(value) < top {
			below += max(min(total+int64(count), int64(n))-total, 0)
		}
		total += int64(count)
		return nil
	})
	if err == nil && total < int64(n) {
		err = errRuns
	}
	return below, err
}

// indexes checks n numbers of values in a dictionary of that size.
func indexes(text []byte, n int32, dictionary int) error {
	if len(text) == 0 {
		if n > 0 {
			return errRuns
		}
		return nil
	}
	total := int64(0)
	err := runs(text[1:], int(text[0]), func(value uint32, count uint64) error {
		if total < int64(n) && int64(value) >= int64(dictionary) {
			return fmt.Errorf("value %d of a dictionary of %d", value, dictionary)
		}
		if total += int64(count); total > int64(n)+7 {
			return errRuns
		}
		return nil
	})
	if err == nil && total < int64(n) {
		err = errRuns
	}
	return err
}

// Delta-encoded numbers come in blocks of four parts, of so many numbers together.
const (
	deltaBlock = 128
	deltaParts = 4
)

var errLengths = errors.New("the lengths of its texts are damaged")

// lengths checks n texts that follow their lengths, which are encoded as differences.
func lengths(text []byte, n int32) error {
	if n == 0 && len(text) == 0 {
		return nil
	}
	var head [3]uint64
	for i := range head {
		u, size := binary.Uvarint(text)
		if size <= 0 {
			return errLengths
		}
		head[i], text = u, text[size:]
	}
	last, size := binary.Varint(text)
	if size <= 0 || head != [3]uint64{deltaBlock, deltaParts, uint64(n)} {
		return errLengths
	}
	text = text[size:]
	sum, left := int64(0), int64(n)
	add := func() error {
		if left--; last < 0 || last > int64(len(text)) {
			return errLengths
		}
		sum += last
		return nil
	}
	if left > 0 {
		if err := add(); err != nil {
			return err
		}
	}
	for left > 0 {
		least, size := binary.Varint(text)
		if size <= 0 || len(text) < size+deltaParts || bits.Len64(uint64(max(least, -least))) > 33 {
			return errLengths
		}
		widths := text[size : size+deltaParts]
		text = text[size+deltaParts:]
		for _, width := range widths {
			if left == 0 {
				break
			}
			bytes := deltaBlock / deltaParts * int(width) / 8
			if width > 32 || bytes > len(text) {
				return errLengths
			}
			packed := text[:bytes]
			next := func(v uint32) error {
				if left == 0 {
					return nil
				}
				last += least + int64(v)
				return add()
			}
			var err error
			if width == 0 {
				for range min(left, deltaBlock/deltaParts) {
					if err = next(0); err != nil {
						break
					}
				}
			} else {
				err = unpack(packed, int(width), next)
			}
			if err != nil {
				return err
			}
			text = text[bytes:]
		}
	}
	if sum != int64(len(text)) {
		return errLengths
	}
	return nil
}
