package deploy

import (
	"strings"
	"testing"
)

func TestErrorsInJobsAreInWords(t *testing.T) {
	for _, c := range []struct{ job, says string }{
		{job: "name: a\nnode: 3", says: `line 2: there is no field "node"`},
		{job: "node: 3\nimage: [a]", says: `line 1: there is no field "node"; line 2: here stands a list, it takes text`},
		{job: "nodes: two", says: "line 1: here stands text, it takes a whole number"},
		{job: "nodes: 1.5", says: "line 1: here stands a number, it takes a whole number"},
		{job: "command: python train.py", says: "line 1: here stands text, it takes a list"},
		{job: "mounts: [{source: a, path: b, readOnly: maybe}]", says: "line 1: here stands text, it takes true or false"},
		{job: "secrets: {TOKEN: pl4nted}", says: "line 1: here stands text, it takes a mapping"},
		{job: "timeLimit: 8 hours", says: `"8 hours" is no duration such as 7h30m`},
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
