package tfjs

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// exported finds the object or the string that a module exports. It skips the function
// call that a bundler's prelude assigns to exports as well.
var exported = regexp.MustCompile(`\.exports=[{"']`)

// unwrap returns what a CommonJS module exports: the text after "exports=", with
// whatever follows the value.
func unwrap(module []byte) ([]byte, error) {
	at := exported.FindIndex(module)
	if at == nil {
		return nil, errors.New("the JavaScript module exports neither an object nor a string")
	}
	return module[at[1]-1:], nil
}

// unwrapBase64 decodes the string that a module exports.
func unwrapBase64(module []byte) ([]byte, error) {
	value, err := unwrap(module)
	if err != nil {
		return nil, err
	}
	if value[0] == '{' {
		return nil, errors.New("the JavaScript module does not export a string")
	}
	end := bytes.IndexByte(value[1:], value[0])
	if end < 0 {
		return nil, errors.New("the string that the JavaScript module exports has no end; the file may be truncated")
	}
	text := value[1 : 1+end]
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, text)
	if err != nil {
		return nil, fmt.Errorf("the JavaScript module's string: %w", err)
	}
	return data[:n], nil
}

// unwrapJSON returns the object literal that a module exports, as JSON.
func unwrapJSON(module []byte) ([]byte, error) {
	value, err := unwrap(module)
	if err != nil {
		return nil, err
	}
	return literal(value)
}

// maxDepth is more than the nesting of any model.
const maxDepth = 200

// literal translates the JavaScript literal at the start of text to JSON. It accepts what
// minifiers write: unquoted keys, .5 for 0.5, !0 and !1 for true and false, void 0 for
// null. It ignores what follows the literal.
func literal(text []byte) ([]byte, error) {
	p := literalParser{in: text, out: make([]byte, 0, len(text))}
	if err := p.value(0); err != nil {
		return nil, fmt.Errorf("JavaScript literal, byte %d: %w", p.pos, err)
	}
	return p.out, nil
}

type literalParser struct {
	in  []byte
	pos int
	out []byte
}

func (p *literalParser) value(depth int) error {
	p.space()
	c := p.peek()
	switch {
	case depth > maxDepth:
		return fmt.Errorf("nested deeper than %d", maxDepth)
	case c == '{':
		return p.list('}', func() error {
			if err := p.key(); err != nil {
				return err
			}
			if err := p.expect(':'); err != nil {
				return err
			}
			p.out = append(p.out, ':')
			return p.value(depth + 1)
		})
	case c == '[':
		return p.list(']', func() error { return p.value(depth + 1) })
	case c == '"' || c == '\'':
		return p.str()
	case p.take("!0"), p.take("true"):
		p.out = append(p.out, "true"...)
	case p.take("!1"), p.take("false"):
		p.out = append(p.out, "false"...)
	case p.take("void 0"), p.take("null"):
		p.out = append(p.out, "null"...)
	default:
		return p.number()
	}
	return nil
}

// list parses from the current bracket to its counterpart.
func (p *literalParser) list(closing byte, item func() error) error {
	p.out = append(p.out, p.in[p.pos])
	p.pos++
	p.space()
	for first := true; p.peek() != closing; first = false {
		if !first {
			if err := p.expect(','); err != nil {
				return err
			}
			p.out = append(p.out, ',')
		}
		p.space()
		if err := item(); err != nil {
			return err
		}
		p.space()
	}
	p.out = append(p.out, closing)
	p.pos++
	return nil
}

func (p *literalParser) key() error {
	if c := p.peek(); c == '"' || c == '\'' {
		return p.str()
	}
	start := p.pos
	for isWord(p.peek()) {
		p.pos++
	}
	if p.pos == start {
		return errors.New("expected a key")
	}
	p.out = strconv.AppendQuote(p.out, string(p.in[start:p.pos]))
	return nil
}

func (p *literalParser) str() error {
	quote := p.peek()
	p.pos++
	p.out = append(p.out, '"')
	for {
		c := p.peek()
		switch {
		case c == quote:
			p.pos++
			p.out = append(p.out, '"')
			return nil
		case c < ' ' || c == 0x7f:
			return errors.New("the string has no end")
		case c == '"':
			p.out = append(p.out, '\\', '"')
			p.pos++
		case c == '\\':
			p.pos++
			if c = p.peek(); !slices.Contains([]byte(`"\/bfnrtu`), c) {
				return fmt.Errorf(`escape \%c is not supported`, c)
			}
			p.out = append(p.out, '\\', c)
			p.pos++
			if c == 'u' {
				digits := p.in[p.pos:min(p.pos+4, len(p.in))]
				if _, err := strconv.ParseUint(string(digits), 16, 16); err != nil || len(digits) < 4 {
					return errors.New(`\u needs four hexadecimal digits`)
				}
				p.out = append(p.out, digits...)
				p.pos += len(digits)
			}
		default:
			r, n := utf8.DecodeRune(p.in[p.pos:])
			if r == utf8.RuneError {
				return errors.New("the string is not UTF-8")
			}
			p.out = append(p.out, p.in[p.pos:p.pos+n]...)
			p.pos += n
		}
	}
}

func (p *literalParser) number() error {
	start := p.pos
	for isWord(p.peek()) || slices.Contains([]byte("+-."), p.peek()) {
		p.pos++
	}
	v, err := strconv.ParseFloat(string(p.in[start:p.pos]), 64)
	if err != nil {
		p.pos = start
		return errors.New("expected a value")
	}
	n := strconv.FormatFloat(v, 'g', -1, 64)
	if !(n[0] >= '0' && n[0] <= '9') && !(n[0] == '-' && n[1] >= '0' && n[1] <= '9') {
		return fmt.Errorf("%s is not a JSON number", n)
	}
	p.out = append(p.out, n...)
	return nil
}

func (p *literalParser) expect(c byte) error {
	p.space()
	if p.peek() != c {
		return fmt.Errorf("expected %q", c)
	}
	p.pos++
	return nil
}

// take consumes s if it is the next whole word, and reports whether it was.
func (p *literalParser) take(s string) bool {
	rest := p.in[p.pos:]
	if !bytes.HasPrefix(rest, []byte(s)) || len(rest) > len(s) && isWord(rest[len(s)]) {
		return false
	}
	p.pos += len(s)
	return true
}

func (p *literalParser) space() {
	for slices.Contains([]byte(" \t\r\n"), p.peek()) {
		p.pos++
	}
}

// peek returns the next byte; 0 at the end.
func (p *literalParser) peek() byte {
	if p.pos >= len(p.in) {
		return 0
	}
	return p.in[p.pos]
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}
