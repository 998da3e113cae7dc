package deploy

import (
	"strings"
	"testing"
)

func TestErrorsInJobsAreInWords(t *testing.T) {
	for _, c := range []struct{ job, says string }{
		{"name: a\nnode: 3", `line 2: there is no field "node"`},
		{"node: 3\nimage: [a]", `line 1: there is no field "node"; line 2: here stands a list, it takes text`},
		{"nodes: two", "line 1: here stands text, it takes a whole number"},
		{"nodes: 1.5", "line 1: here stands a number, it takes a whole number"},
		{"command: python train.py", "line 1: here stands text, it takes a list"},
		{"mounts: [{source: a, path: b, readOnly: maybe}]", "line 1: here stands text, it takes true or false"},
		{"secrets: {TOKEN: pl4nted}", "line 1: here stands text, it takes a mapping"},
		{"timeLimit: 8 hours", `"8 hours" is no duration such as 7h30m`},
		{"name: [a", "line 2: did not find"},
	} {
		_, err := ReadJob(strings.NewReader(c.job))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %s", c.job, err, c.says)
			continue
		}
		for _, word := range []string{"deploy.", "yaml", "!!", "construct", "pl4nted"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%q: %v: a user is not to read %q", c.job, err, word)
			}
		}
	}
}
