package jsonform

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestTextIsJSON compares what is written with what encoding/json writes, and what is
// read with what was written.
func TestTextIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("a\"\\/\n\r\t\x00\x1f\x7f\u2028é")))).Draw(t, "s")
		written := string(AppendString(nil, s))
		var standard string
		if err := json.Unmarshal([]byte(written), &standard); err != nil || standard != s {
			t.Fatalf("%s is %q to encoding/json, %v", written, standard, err)
		}
		p := Parse(written + "]")
		if have := p.Text(); have != s || !p.Has("]") || !p.Done() {
			t.Fatalf("%s was read as %q", written, have)
		}
	})
}

func TestParser(t *testing.T) {
	p := Parse(`{"a":-12,"b":0.25,"c":"` + base64.StdEncoding.EncodeToString([]byte("\x00\xff")) + `"}`)
	p.Take(`{"a":`)
	a := p.Int()
	p.Take(`,"b":`)
	b := p.Float()
	p.Take(`,"c":`)
	c := p.Base64()
	if p.Has(`,`) {
		t.Error("there is no comma")
	}
	p.Take(`}`)
	if a != -12 || b != 0.25 || c != "\x00\xff" || !p.Done() {
		t.Errorf("%d, %v, %q, %+v", a, b, c, p)
	}
}

// TestParserRefuses texts that are cut or wrong, whatever follows.
func TestParserRefuses(t *testing.T) {
	read := map[string]func(*Parser){
		"text":   func(p *Parser) { p.Text() },
		"base64": func(p *Parser) { p.Base64() },
		"int":    func(p *Parser) { p.Int() },
		"float":  func(p *Parser) { p.Float() },
		"take":   func(p *Parser) { p.Take(`{"path":`) },
	}
	for name, bad := range map[string][]string{
		"text":   {"", "a", `"`, `"a`, `"\`, `"\"`, `"\u00`, `"\u00"`, `"\u0041`, `"\uzzzz"`, `"\uffff"`},
		"base64": {"", `"`, `"a"`, `"!!!!"`},
		"int":    {"", ",", "x", "1.5", "1e3", "99999999999999999999"},
		"float":  {"", "]", "x", "NaN", "Inf", "-Infinity", "1e99"},
		"take":   {"", "{", `{"path"`, `{"size":`},
	} {
		for _, text := range bad {
			p := Parse(text)
			read[name](&p)
			p.rest = ""
			if p.Done() {
				t.Errorf("%s of %q was taken", name, text)
			}
		}
	}
}
