package jpeg

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo noescape bs_scan_prepare
// #cgo nocallback bs_scan_prepare
// #cgo noescape bs_scan_whole
// #cgo nocallback bs_scan_whole
// #include "whole.h"
import "C"

import "unsafe"

// A wholeScan reads the units of a sequential scan in two thirds of bitReader's time, as
// long as nothing is wrong with them. If anything is, bitReader says what.
type wholeScan C.bs_scan

// prepare makes w ready for the scan s, whose tables are valid.
func (w *wholeScan) prepare(s *scan) {
	c := (*C.bs_scan)(w)
	c.n = C.int32_t(len(s.comps))
	for i := range s.comps {
		from, to := &s.comps[i], &c.comps[i]
		to.blocks = C.int32_t(from.h * from.v)
		for k, v := range from.most {
			to.most[k] = C.int32_t(v)
		}
		copy(unsafe.Slice((*byte)(&to.dc.spec[0]), len(to.dc.spec)), from.dcTable.spec)
		copy(unsafe.Slice((*byte)(&to.ac.spec[0]), len(to.ac.spec)), from.table.spec)
	}
	C.bs_scan_prepare(c)
}

// read reads units of s from b, which is at its beginning, and reports whether they are
// whole. Then b and s are as after reading them with unit; if not, they are as before.
func (w *wholeScan) read(b *bitReader, s *scan, units int) bool {
	c := (*C.bs_scan)(w)
	used := C.bs_scan_whole(c, (*C.uint8_t)(unsafe.SliceData(b.data)), C.size_t(len(b.data)), C.int64_t(units))
	if used < 0 {
		return false
	}
	for i := range s.comps {
		s.comps[i].last = int32(c.comps[i].last)
	}
	b.at = int(used / 8)
	b.fill()
	b.skip(int(used % 8))
	return true
}
