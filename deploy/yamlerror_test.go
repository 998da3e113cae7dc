package deploy

import (
	"strings"
	"testing"
)

func TestErrorsInJobsAreInWords(t *testing.T) {
	for _, c := range []struct{ job, says string }{
		{job: "name: a\nnode: 3", says: `line 2: there is no field "node"`},
		{job: "node: 3\nimage: [a]", says: `line 1: there is no field "node"; line 2: found a list, want text`},
		{job: "nodes: two", says: "line 1: found text, want a whole number"},
		{job: "nodes: 1.5", says: "line 1: found a number, want a whole number"},
		{job: "command: python train.py", says: "line 1: found text, want a list"},
		{job: "mounts: [{source: a, path: b, readOnly: maybe}]", says: "line 1: found text, want true or false"},
		{job: "secrets: {TOKEN: pl4nted}", says: "line 1: found text, want a mapping"},
		{job: "timeLimit: 8 hours", says: `"8 hours" is not a duration such as 7h30m`},
		{job: "name: [a", says: "line 2: did not find"},
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
