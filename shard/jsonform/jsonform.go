// Package jsonform writes JSON in exactly one form, which digests rely on, and reads
// that form fast. Callers check what they read by writing it again and comparing;
// the parser accepts some deviations that this detects.
package jsonform

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendString appends s as a JSON string. Quotes, backslashes and control
// characters are escaped, each byte that is not valid UTF-8 becomes U+FFFD, and
// everything else is unchanged. Each string has exactly one form.
func AppendString(buf []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	buf = append(buf, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				buf = append(append(buf, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		buf = append(buf, s[from:i]...)
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\r':
			buf = append(buf, '\\', 'r')
		case '\t':
			buf = append(buf, '\\', 't')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(buf, s[from:]...), '"')
}

// plain is true for bytes that need no escape.
var plain = func() (all [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		all[c] = c != '"' && c != '\\'
	}
	return all
}()

// Parser consumes a text from its beginning. After a mismatch it continues with zero
// values, and Done reports false at the end.
type Parser struct {
	rest string
	bad  bool
}

// Parse returns a parser of text. Strings that Text returns share the memory of text
// if they have no escapes.
func Parse(text string) Parser { return Parser{rest: text} }

// Done reports whether the whole text was consumed without a mismatch.
func (p *Parser) Done() bool { return !p.bad && p.rest == "" }

// Has consumes s and reports true if s comes next. Otherwise it consumes nothing.
func (p *Parser) Has(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}

// Take consumes s, which must come next.
func (p *Parser) Take(s string) { p.bad = !p.Has(s) || p.bad }

// Text consumes a string that AppendString wrote.
func (p *Parser) Text() string {
	p.Take(`"`)
	end := strings.IndexByte(p.rest, '"')
	if end < 0 {
		p.bad, p.rest = true, ""
		return ""
	}
	if s := p.rest[:end]; strings.IndexByte(s, '\\') < 0 {
		p.rest = p.rest[end+1:]
		return s
	}
	return p.escaped()
}

func (p *Parser) escaped() string {
	var s []byte
	for i := 0; i < len(p.rest); i++ {
		c := p.rest[i]
		if c == '"' {
			p.rest = p.rest[i+1:]
			return string(s)
		}
		if c == '\\' && i+1 < len(p.rest) {
			i++
			switch c = p.rest[i]; c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'u': // of a control character
				n, err := strconv.ParseUint(p.rest[min(i+1, len(p.rest)):min(i+5, len(p.rest))], 16, 8)
				p.bad = p.bad || err != nil
				c = byte(n)
				i += 4
			}
		}
		s = append(s, c)
	}
	p.bad, p.rest = true, ""
	return ""
}

// Base64 consumes a string of bytes in base64.
func (p *Parser) Base64() string {
	s, err := base64.StdEncoding.DecodeString(p.Text())
	p.bad = p.bad || err != nil
	return string(s)
}

// number consumes what may be a number.
func (p *Parser) number() string {
	end := 0
	for end < len(p.rest) && p.rest[end] != ',' && p.rest[end] != ']' && p.rest[end] != '}' {
		end++
	}
	s := p.rest[:end]
	p.rest = p.rest[end:]
	return s
}

// Int consumes an integer.
func (p *Parser) Int() int64 {
	n, err := strconv.ParseInt(p.number(), 10, 64)
	p.bad = p.bad || err != nil
	return n
}

// Float consumes a finite number.
func (p *Parser) Float() float32 {
	f, err := strconv.ParseFloat(p.number(), 32)
	p.bad = p.bad || err != nil || f-f != 0
	return float32(f)
}
