package tfjs

import (
	"strings"
	"testing"
)

func TestLiteral(t *testing.T) {
	for in, want := range map[string]string{
		`{a:.5,$b_1:-.25,"c d":1e-7};rest`: `{"a":0.5,"$b_1":-0.25,"c d":1e-07}`,
		`[!0,!1,true,false,null,void 0]`:   `[true,false,true,false,null,null]`,
		`{ 0: 'it"s', 1: "ü\n" }`:          `{"0":"it\"s","1":"ü\n"}`,
		`[[],{},""]`:                       `[[],{},""]`,
		`12345678901`:                      `1.2345678901e+10`,
	} {
		got, err := literal([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("literal(%s) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		``, `{`, `{a}`, `{a:}`, `[1 2]`, `"open`, `"a` + "\n" + `"`, `NaN`, `Infinity`, `trueish`, `a()`,
		`"\x41"`, `{a:1,}`, "\"\xff\"", strings.Repeat("[", 1000),
	} {
		if got, err := literal([]byte(in)); err == nil {
			t.Errorf("literal(%q) = %s, want an error", in, got)
		}
	}
}
