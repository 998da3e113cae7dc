// Package jsonform writes JSON in one form only, which digests rely on, and
// reads that form quickly. What it reads is checked by writing it again: the
// parser is lenient where that tells.
package jsonform

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendString appends s as a JSON string: quotes, backslashes and control
// characters escaped, everything else as it stands, U+FFFD for each byte that
// is not valid UTF-8. One string has one form, which digests rely on.
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

// plain says which bytes stand for themselves.
var plain = func() (all [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		all[c] = c != '"' && c != '\\'
	}
	return all
}()

// Parser takes a text apart from its beginning. It goes on after what does not
// fit, with zero values, and Done tells in the end.
type Parser struct {
	rest string
	bad  bool
}

// Parse returns a parser of text. What Text returns lies in text where it stands
// there as it is.
func Parse(text string) Parser { return Parser{rest: text} }

// Done reports whether the text was taken to its end and everything fitted.
func (p *Parser) Done() bool { return !p.bad && p.rest == "" }

// Has takes off what comes next if that is s, and says so.
func (p *Parser) Has(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}

// Take takes s off, which must come next.
func (p *Parser) Take(s string) { p.bad = !p.Has(s) || p.bad }

// Text takes off a string that AppendString wrote.
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

// Base64 takes off a string of bytes in base64.
func (p *Parser) Base64() string {
	s, err := base64.StdEncoding.DecodeString(p.Text())
	p.bad = p.bad || err != nil
	return string(s)
}

// number takes off what may be a number.
func (p *Parser) number() string {
	end := 0
	for end < len(p.rest) && p.rest[end] != ',' && p.rest[end] != ']' && p.rest[end] != '}' {
		end++
	}
	s := p.rest[:end]
	p.rest = p.rest[end:]
	return s
}

// Int takes off an integer.
func (p *Parser) Int() int64 {
	n, err := strconv.ParseInt(p.number(), 10, 64)
	p.bad = p.bad || err != nil
	return n
}

// Float takes off a finite number.
func (p *Parser) Float() float32 {
	f, err := strconv.ParseFloat(p.number(), 32)
	p.bad = p.bad || err != nil || f-f != 0
	return float32(f)
}
