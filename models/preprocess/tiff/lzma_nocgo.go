//go:build !cgo

package tiff

// expandFast is expand.
func (m *lzmaModel) expandFast(z *lzmaStream, out []uint8, stop, most, begins int, offset uint32) ([]uint8, bool) {
	return m.expand(z, out, stop, most, begins, offset)
}
