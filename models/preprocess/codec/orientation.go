package codec

// An Orientation is EXIF's, 1 to 8; 1 is upright.
type Orientation int

// Turn says how stored pixels become upright: flip along the stored axes, then swap
// the axes.
func (o Orientation) Turn() (transpose, flipX, flipY bool) {
	switch o {
	case 2:
		return false, true, false
	case 3:
		return false, true, true
	case 4:
		return false, false, true
	case 5:
		return true, false, false
	case 6:
		return true, false, true
	case 7:
		return true, true, true
	case 8:
		return true, true, false
	}
	return false, false, false
}
