package local

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzHosts reads any text as a host file. An accepted host cannot be a flag of a program,
// and has no space in its name.
func FuzzHosts(f *testing.F) {
	f.Add("a slots=4\nb # the second\na slots=2 max_slots=8\n")
	f.Add("-oProxyCommand=x slots=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		hosts, err := parseHosts(text)
		if err != nil {
			return
		}
		for i, h := range hosts {
			if h.name == "" || strings.HasPrefix(h.name, "-") || strings.ContainsAny(h.name, " \t\n\x00") {
				t.Errorf("host %d is %q", i, h.name)
			}
			if h.slots < 0 {
				t.Errorf("%q has %d slots", h.name, h.slots)
			}
		}
	})
}

// FuzzLine reads any bytes as a line of mpirun's output. The tag is taken off, and nothing
// else.
func FuzzLine(f *testing.F) {
	f.Add([]byte("[1,3]<stdout>: text\n"))
	f.Add([]byte("[job,99999999999999999999]<stderr>:\x1b[31m\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := parseLine(text)
		if !bytes.HasSuffix(text, l.text) || l.rank < -1 || l.rank == -1 && len(l.text) != len(text) {
			t.Errorf("%q became %+v", text, l)
		}
	})
}
