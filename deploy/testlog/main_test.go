package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	const (
		pass = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
		skip = `{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: no GPU\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
`
		fail = `{"Action":"output","Package":"q","Test":"TestC","Output":"    c_test.go:9: wrong\n"}
{"Action":"fail","Package":"q","Test":"TestC"}
{"Action":"output","Package":"q","Output":"FAIL\tq\t0.1s\n"}
{"Action":"fail","Package":"q"}
`
		crash = `{"Action":"output","Package":"r","Test":"TestD","Output":"panic: lost\n"}
{"Action":"output","Package":"r","Output":"FAIL\tr\t0.1s\n"}
{"Action":"fail","Package":"r"}
`
		build = `{"ImportPath":"s","Action":"build-output","Output":"s.go:1: syntax error\n"}
{"ImportPath":"s","Action":"build-fail"}
`
		noTests = `{"Action":"output","Package":"u","Output":"?   \tu\t[no test files]\n"}
{"Action":"skip","Package":"u"}
`
	)
	for _, c := range []struct {
		name, in, out string
		noSkips, good bool
	}{
		{name: "pass", in: pass + noTests, out: "ok  \tp\t0.1s\n1 passed, 0 failed, 0 skipped\n", noSkips: true, good: true},
		{
			name:    "skip allowed",
			in:      pass + skip,
			out:     "ok  \tp\t0.1s\nSKIP p TestB: b_test.go:3: no GPU\n1 passed, 0 failed, 1 skipped\n",
			noSkips: false,
			good:    true,
		},
		{name: "skip forbidden", in: pass + skip, out: "ok  \tp\t0.1s\nSKIP p TestB: b_test.go:3: no GPU\n" +
			"FAIL: tests were skipped, and here none may be\n1 passed, 0 failed, 1 skipped\n", noSkips: true, good: false},
		{
			name:    "fail",
			in:      pass + fail,
			out:     "ok  \tp\t0.1s\n    c_test.go:9: wrong\nFAIL\tq\t0.1s\n1 passed, 1 failed, 0 skipped\n",
			noSkips: false,
			good:    false,
		},
		{name: "crash", in: pass + crash, out: "ok  \tp\t0.1s\nFAIL\tr\t0.1s\npanic: lost\n1 passed, 0 failed, 0 skipped\n", noSkips: false, good: false},
		{name: "build", in: pass + build, out: "ok  \tp\t0.1s\ns.go:1: syntax error\n1 passed, 0 failed, 0 skipped\n", noSkips: false, good: false},
		{
			name:    "not JSON",
			in:      "go: no such package\n" + pass,
			out:     "go: no such package\nok  \tp\t0.1s\n1 passed, 0 failed, 0 skipped\n",
			noSkips: false,
			good:    true,
		},
		{name: "nothing", in: noTests, out: "FAIL: no test ran\n0 passed, 0 failed, 0 skipped\n", noSkips: false, good: false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			sum, err := read(strings.NewReader(c.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			if good := sum.close(&out, c.noSkips); good != c.good || out.String() != c.out {
				t.Errorf("good %v, want %v; printed\n%s\nwant\n%s", good, c.good, out.String(), c.out)
			}
		})
	}
}
