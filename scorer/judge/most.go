package judge

// Most is a number or a share of images. The zero value is none.
type Most struct{ one limit }

// ParseMost reads "N", a number of images, or "P%", a share of them from 0 to 100. The empty
// text is the zero value.
func ParseMost(text string) (Most, error) {
	if text == "" {
		return Most{}, nil
	}
	one, err := parseLimit(text)
	return Most{one}, err
}

// Or returns m, or o if m is the zero value.
func (m Most) Or(o Most) Most {
	if m.one.text == "" {
		return o
	}
	return m
}

// Of returns what m is of that many images.
func (m Most) Of(images int) int {
	n, _ := m.one.allowed("", images)
	return n
}

// String returns the text that was read.
func (m Most) String() string { return m.one.text }
