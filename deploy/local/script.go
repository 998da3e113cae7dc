package local

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// DefaultRestarts is how often the ranks of a scoring job are started again unless
// service.yaml or a flag says otherwise.
const DefaultRestarts = 3

// restarting begins the line that the script prints before it starts the ranks again.
const restarting = "batchscore: starting the ranks again"

// mendable are the exit statuses of mpirun after which the script starts the ranks
// again: a rank lacked something for a while, or was killed by SIGABRT, SIGBUS,
// SIGFPE, SIGKILL or SIGSEGV. Other signals are requests to stop, and other statuses
// are those of errors that would come back.
const mendable = "75|134|135|136|137|139"

// restarts returns how often the ranks of a job may be started again. A program of
// the team's own may not bear it.
func (e *Engine) restarts(job deploy.Job) int {
	if !job.Scores() || job.Bounded() {
		return 0
	}
	if e.o.Restarts == nil {
		return DefaultRestarts
	}
	return *e.o.Restarts
}

// script returns the script that runs mpirun and writes its exit status. If several
// are started for one job, only the one that creates the file started continues. Its
// variables begin with an underscore, as no variable of a job does.
func (e *Engine) script(job deploy.Job, id string, hosts []host) ([]byte, error) {
	argv, err := e.argv(job, id, hosts)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n_folder=${0%%/*}\n(umask 077; set -C; uname -n >\"$_folder/%s\") 2>/dev/null || exit 0\n", startedFile)
	run := shellquote.Join(argv)
	limited := job.TimeLimit > 0
	timeout := func(limit string) string {
		return "timeout --foreground --signal=USR1 --kill-after=" + seconds(e.o.Grace) + " " + limit + " " + run
	}
	const met = "[ $_code != 124 ] || _code=143 # the limit was met: stopped, resumable\n"
	switch n := e.restarts(job); {
	case n == 0 && !limited:
		fmt.Fprintf(&b, "%s\n_code=$?\n", run)
	case n == 0:
		fmt.Fprintf(&b, "%s\n_code=$?\n%s", timeout(seconds(job.TimeLimit)), met)
	default:
		b.WriteString("_n=0\n")
		if limited {
			fmt.Fprintf(&b, "_end=$(($(date +%%s) + %s)) # the limit holds for all starts together\n", seconds(job.TimeLimit))
		}
		b.WriteString("while :; do\n")
		if limited {
			fmt.Fprintf(&b, "\t_left=$((_end - $(date +%%s)))\n\t[ $_left -gt 0 ] || { _code=143; break; }\n\t%s\n\t_code=$?\n\t%s", timeout("$_left"), met)
		} else {
			fmt.Fprintf(&b, "\t%s\n\t_code=$?\n", run)
		}
		fmt.Fprintf(&b, `	case $_code in %s) ;; *) break ;; esac
	if [ $_n -ge %d ] || [ -e "$_folder/%s" ]; then break; fi
	_n=$((_n + 1))
	echo "%s ($_n of %[2]d): mpirun ended with status $_code; everything committed is kept" >&2
	sleep $((_n * _n))
	if [ -e "$_folder/%[3]s" ]; then break; fi
done
`, mendable, n, canceledFile, restarting)
	}
	fmt.Fprintf(&b, "(umask 077; echo $_code >\"$_folder/%s.new\")\nmv \"$_folder/%[1]s.new\" \"$_folder/%[1]s\"\n", exitFile)
	return []byte(b.String()), nil
}
