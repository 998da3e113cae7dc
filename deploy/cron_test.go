package deploy

import (
	"strings"
	"testing"
)

func TestCheckSchedule(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"0 2 * * *", "*/5 * * * *", "0,30 8-18/2 1,15 * mon-fri", "59 23 31 12 7", "0 0 1 JAN sun", "  0  2 * * 1-5 ",
	} {
		if err := checkSchedule(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, test := range []struct{ text, says string }{
		{text: "daily", says: "five fields"},
		{text: "0 2 * * * *", says: "five fields"},
		{text: "60 2 * * *", says: `"60" is not a minute`},
		{text: "0 25 * * *", says: `"25" is not an hour`},
		{text: "x y z a b", says: `"x" is not a minute`},
		{text: "0 2 0 * *", says: "day of the month"},
		{text: "0 2 * 13 *", says: "month"},
		{text: "0 2 * * 9", says: "day of the week"},
		{text: "*/0 * * * *", says: `"*/0"`},
		{text: "0 18-8 * * *", says: `"18-8"`},
		{text: "0,, 2 * * *", says: `""`},
		{text: "-1 2 * * *", says: `"-1"`},
	} {
		if err := checkSchedule(test.text); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v, want an error that says %q", test.text, err, test.says)
		}
	}
}
