package ifd

import (
	"encoding/binary"
	"testing"
)

func TestByteOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		want binary.ByteOrder
	}{
		{name: "II*\x00", want: binary.LittleEndian},
		{name: "II\x00*", want: binary.LittleEndian},
		{name: "MM\x00*", want: binary.BigEndian},
		{name: "MM*\x00", want: binary.BigEndian},
		{name: "MM\x00+", want: binary.BigEndian},
		{name: "II+\x00"},
		{name: "MMMM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := ByteOrder([]byte(c.name + "\x00\x00\x00\x08"))
			if got != c.want || ok != (c.want != nil) {
				t.Errorf("ByteOrder() = %v, %t, want %v", got, ok, c.want)
			}
			if _, ok := ByteOrder([]byte(c.name + "\x00\x00\x00")); ok {
				t.Error("ByteOrder of 7 bytes is true, want false")
			}
		})
	}
}

// TestFirst tests a directory that is cut: it has the entries that are there in full.
func TestFirst(t *testing.T) {
	b := []byte("MM\x00*\x00\x00\x00\x0a..\x00\x02" +
		"\x01\x00\x00\x03\x00\x00\x00\x01\x12\x34\x00\x00" +
		"\x01\x01\x00\x0c\x00\x00\x00\x02\x00\x00\x00\x09")
	if _, ok := First(b[:11], binary.BigEndian); ok {
		t.Error("First finds a directory whose length is cut")
	}
	for n, want := range map[int]int{12: 0, 23: 0, 24: 1, 35: 1, 36: 2} {
		d, ok := First(b[:n], binary.BigEndian)
		if !ok || d.Entries != 2 || d.Len() != want {
			t.Errorf("First of %d bytes = %d entries, %d in full, %t, want 2, %d, true", n, d.Entries, d.Len(), ok, want)
		}
	}
	d, _ := First(b, binary.BigEndian)
	for i, want := range []struct {
		tag, kind uint16
		count     uint64
		value     string
		size      uint64
	}{
		{tag: 256, kind: Short, count: 1, value: "\x12\x34\x00\x00", size: 2},
		{tag: 257, kind: Double, count: 2, value: "\x00\x00\x00\x09", size: 8},
	} {
		e := d.At(i)
		if e.Tag != want.tag || e.Type != want.kind || e.Count != want.count || string(e.Value) != want.value || e.Size() != want.size {
			t.Errorf("At(%d) = %v of size %d, want %v", i, e, e.Size(), want)
		}
	}
	if got := (Entry{Type: 19}).Size(); got != 0 {
		t.Errorf("Size of an unknown type = %d, want 0", got)
	}
}

// TestBig tests a directory of BigTIFF, whose values may be in 8 bytes.
func TestBig(t *testing.T) {
	b := []byte("II+\x00\x08\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00" +
		"\x02\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x01\x04\x00\x02\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00" +
		"\x01\x01\x10\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	order, ok := ByteOrder(b)
	if !ok || order != binary.LittleEndian || !IsBig(b) {
		t.Fatalf("ByteOrder() = %v, %t, IsBig %t", order, ok, IsBig(b))
	}
	d, ok := First(b, order)
	if !ok || d.Len() != 2 {
		t.Fatalf("First() has %d entries, %t, want 2", d.Len(), ok)
	}
	if v, ok := d.At(0).Values(b); !ok || string(v) != "\x07\x00\x00\x00\x08\x00\x00\x00" {
		t.Errorf("values in the entry: %q, %t", v, ok)
	}
	if v, ok := d.At(1).Values(b); !ok || string(v) != string(b[:16]) {
		t.Errorf("values at an offset: %q, %t", v, ok)
	}
	e := d.At(1)
	for _, bad := range []Entry{{Type: Long8, Count: 1 << 61, Value: e.Value}, {Type: Long8, Count: 2, Value: e.Value, Offset: 1 << 63},
		{Type: 99, Count: 1, Value: e.Value}} {
		if _, ok := bad.Values(b); ok {
			t.Errorf("%d values of type %d at %d are there", bad.Count, bad.Type, bad.Offset)
		}
	}
	if _, ok := First(b[:20], order); ok {
		t.Error("First finds a directory whose length is cut")
	}
}
