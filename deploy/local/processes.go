package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is one that belongs to a job.
type process struct {
	pid, parent int
	name        string // at most 15 bytes, as Linux keeps it
}

// processes are those on this machine whose environment names the job. Those of
// other users cannot be read and are left out.
func processes(id string) ([]process, error) {
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	if len(environs) == 0 {
		return nil, fmt.Errorf("%s: no processes are listed in /proc", Name)
	}
	want := []byte(JobVariable + "=" + id)
	var found []process
	for _, path := range environs {
		body, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended, or is another user's
		}
		for variable := range bytes.SplitSeq(body, []byte{0}) {
			if bytes.Equal(variable, want) {
				if p, ok := readProcess(filepath.Dir(path)); ok {
					found = append(found, p)
				}
				break
			}
		}
	}
	return found, nil
}

// readProcess reads the stat file of a folder of /proc: pid (name) state parent
// and so on; the name may hold spaces and parentheses.
func readProcess(folder string) (process, bool) {
	text, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return process{}, false
	}
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if begin < 0 || end < begin {
		return process{}, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 2 || fields[0] == "Z" {
		return process{}, false
	}
	pid, err1 := strconv.Atoi(filepath.Base(folder))
	parent, err2 := strconv.Atoi(fields[1])
	return process{pid, parent, string(text[begin+1 : end])}, err1 == nil && err2 == nil
}

// mpirunOf is the job's mpirun among its processes: the innermost one, since
// mpirun may be a script that runs another.
func mpirunOf(all []process, program string) (pid int, found bool) {
	names := map[string]bool{"mpirun": true, "mpiexec": true, "orterun": true, "prterun": true}
	base := filepath.Base(program)
	names[base[:min(len(base), 15)]] = true
	outer := map[int]bool{}
	for _, p := range all {
		if names[p.name] {
			outer[p.parent] = true
		}
	}
	for _, p := range all {
		if names[p.name] && !outer[p.pid] {
			return p.pid, true
		}
	}
	return 0, false
}
