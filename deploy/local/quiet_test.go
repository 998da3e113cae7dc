package local

import (
	"strings"
	"testing"
)

const rules = "--------------------------------------------------------------------------\n"

// failed is what Open MPI 4 prints when a rank ends with 78.
const failed = rules + "Primary job  terminated normally, but 1 process returned\n" +
	"a non-zero exit code. Per user-direction, the job has been aborted.\n" + rules + rules +
	"mpirun detected that one or more processes exited with non-zero status, thus causing\n" +
	"the job to be terminated. The first process to do so was:\n\n  Process name: [[5431,1],0]\n  Exit code:    78\n" + rules

func TestQuiet(t *testing.T) {
	other := rules + "It looks like orte_init failed for some reason\n" + rules
	for _, c := range []struct{ name, text, want string }{
		{name: "a rank failed", text: "batchscore: no GPU\n" + failed, want: "batchscore: no GPU\n"},
		{
			name: "a rank was killed", text: "up\n" + rules + "mpirun noticed that process rank 1 with PID 77 on node h exited on signal 9 (Killed).\n" + rules,
			want: "up\n",
		},
		{name: "another message", text: other + failed + "bye\n", want: other + "bye\n"},
		{name: "a message without an end", text: rules + "It looks\n", want: rules + "It looks\n"},
		{name: "a line without an end", text: "up\ndo", want: "up\ndo"},
		{name: "a signal", text: "mpirun: Forwarding signal 10 to job\nmpirun: odd\n", want: "mpirun: odd\n"},
		{name: "nothing", text: "", want: ""},
	} {
		for _, piece := range []int{1, 7, 1000} {
			var got strings.Builder
			q := Quiet(&got)
			for rest := c.text; rest != ""; {
				n := min(piece, len(rest))
				if _, err := q.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := q.Close(); err != nil || got.String() != c.want {
				t.Errorf("%s, in pieces of %d: %q, %v; want %q", c.name, piece, got.String(), err, c.want)
			}
		}
	}
}
