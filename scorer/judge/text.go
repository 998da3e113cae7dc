package judge

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// shown is how many examples a message has.
const shown = 3

// Text says why a job was stopped, with examples, how to see more and how to continue.
// show is the command that shows the failures.
func (s *Stop) Text(why, show string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; every image that was scored keeps its row", why)
	for _, e := range s.examples() {
		fmt.Fprintf(&b, "\n  %s: %s: %s", printable.Line(e.Path), printable.Field(e.Status), printable.Line(e.Error))
	}
	fmt.Fprintf(&b, "\nTo see more: %s"+
		"\nOnce the cause is gone, the same command with --retry failed continues, and scores these images again."+
		"\nIf images were replaced, begin a new run with another --out: this one finds that they changed. With --after it keeps the rows of the last complete run."+
		"\nTo continue as it is: the same command with a larger --max-errors, such as 100%%.", show)
	return b.String()
}

// examples returns those that are shown: of as many statuses as possible.
func (s *Stop) examples() []Example {
	var some, rest []Example
	seen := map[string]bool{}
	for _, e := range s.Examples {
		if seen[e.Status] {
			rest = append(rest, e)
			continue
		}
		seen[e.Status] = true
		some = append(some, e)
	}
	all := append(some, rest...)
	return all[:min(len(all), shown)]
}
