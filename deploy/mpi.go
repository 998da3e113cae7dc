package deploy

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
)

// mpiSetting matches the variables that are settings of Open MPI.
var mpiSetting = regexp.MustCompile(`^(OMPI|OPAL|PMIX|PRTE)_MCA_`)

// mpiUnsafe are the characters that a shell changes within double quotes, between which
// mpirun puts the values of its settings for the shells of other hosts, and those that
// end a line.
const mpiUnsafe = "\"$`\\!\r\n"

// MPISafe reports whether mpirun passes the value of a setting on to other hosts as it is.
func MPISafe(value string) bool { return !strings.ContainsAny(value, mpiUnsafe) }

// CheckMPI returns ErrUnsupported for the variables of a job that mpirun would write into
// the command lines by which it starts itself on other hosts: secrets, and values that the
// shells there would change.
func CheckMPI(engine string, job Job) error {
	var faults Faults
	for _, name := range slices.Sorted(maps.Keys(job.Environment)) {
		if mpiSetting.MatchString(name) && !MPISafe(job.Environment[name]) {
			faults.Add(Unsupported(engine, "environment", "%s: mpirun passes settings on through shells, which change \", $, `, \\, ! and line ends", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		if mpiSetting.MatchString(name) {
			faults.Add(Unsupported(engine, "secrets", "%s: mpirun shows its settings in command lines: choose another name", name))
		}
	}
	return faults.Err()
}

// RankArgv returns argv in a form that mpirun and srun pass on as it is. They take an argument
// ":" for the beginning of another program.
func RankArgv(argv []string) []string {
	if !slices.Contains(argv, ":") {
		return argv
	}
	return []string{"/bin/sh", "-c", "exec " + shellquote.Join(argv)}
}
