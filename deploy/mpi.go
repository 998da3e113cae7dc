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

// mpiSilence are the settings by which mpirun and a host take each other for lost after a
// minute without an answer: three probes, 10 s apart, after 30 s in which nothing was sent.
// Open MPI's own are eight minutes, during which a GPU would idle.
var mpiSilence = []struct{ name, value string }{
	{name: "oob_tcp_keepalive_intvl", value: "10"},
	{name: "oob_tcp_keepalive_probes", value: "3"},
	{name: "oob_tcp_keepalive_time", value: "30"},
}

// MPISilence returns the options with which mpirun gives up a silent host after a minute,
// except for settings that the job or the administrator's mca gives.
func MPISilence(job Job, mca map[string]string) []string {
	var options []string
	for _, s := range mpiSilence {
		_, given := mca[s.name]
		if _, own := job.Environment["OMPI_MCA_"+s.name]; !given && !own {
			options = append(options, "--mca", s.name, s.value)
		}
	}
	return options
}

// RankArgv returns argv in a form that mpirun and srun pass on as it is. They take an argument
// ":" for the beginning of another program.
func RankArgv(argv []string) []string {
	if !slices.Contains(argv, ":") {
		return argv
	}
	return []string{"/bin/sh", "-c", "exec " + shellquote.Join(argv)}
}
