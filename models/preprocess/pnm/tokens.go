package pnm

import "github.com/batchscore/batchscore/models/preprocess/codec"

// tokens reads the words of a header, or of plain samples.
type tokens struct {
	src []byte // what is left
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// skip leaves out white space and comments.
func (t *tokens) skip() {
	for len(t.src) > 0 && (isSpace(t.src[0]) || t.src[0] == '#') {
		if t.src[0] == '#' {
			t.comment()
		} else {
			t.src = t.src[1:]
		}
	}
}

// comment leaves out the rest of a line, with its end.
func (t *tokens) comment() {
	for len(t.src) > 0 {
		b := t.src[0]
		t.src = t.src[1:]
		if b == '\n' || b == '\r' {
			return
		}
	}
}

// next returns the next word, and leaves out the one white space that ends it. It is empty at
// the end of the file.
func (t *tokens) next() (word []byte) {
	const longest = 11 // more than any number
	t.skip()
	n := 0
	for n < len(t.src) && n < longest && !isSpace(t.src[n]) && t.src[n] != '#' {
		n++
	}
	word, t.src = t.src[:n], t.src[n:]
	if len(t.src) > 0 {
		if t.src[0] == '#' {
			t.comment()
		} else if isSpace(t.src[0]) {
			t.src = t.src[1:]
		}
	}
	return word
}

// number returns the next word as a number of up to 10 digits.
func (t *tokens) number() (int, *codec.Failure) {
	word := t.next()
	if len(word) == 0 {
		return 0, errHeader()
	}
	n := 0
	for _, b := range word {
		if b < '0' || b > '9' || n > 1<<31 {
			return 0, codec.Fail(codec.StatusCorrupt, "%q where a number is expected", word)
		}
		n = 10*n + int(b-'0')
	}
	return n, nil
}

// bit returns the next digit, which need not be followed by white space.
func (t *tokens) bit() (int, *codec.Failure) {
	t.skip()
	if len(t.src) == 0 {
		return 0, errHeader()
	}
	b := t.src[0]
	if b != '0' && b != '1' {
		return 0, codec.Fail(codec.StatusCorrupt, "%q where 0 or 1 is expected", b)
	}
	t.src = t.src[1:]
	return int(b - '0'), nil
}

// errHeader returns the Failure of a file that ends within the header.
func errHeader() *codec.Failure { return codec.Fail(codec.StatusTruncated, "ends within the header") }
