package pods

import (
	"os"
	"path/filepath"
	"testing"
)

// ended are scenarios that touch nothing but their own job: how jobs end, and what users do
// wrong.
func ended() []scenario {
	slower, slowerMPI := options{slower: true}, options{mpi: true, slower: true}
	list := []scenario{
		{name: "IndexedCanceled", options: slower, code: 143, part: true, printed: "the job was canceled", during: nothing, instead: canceled},
		{name: "MPICanceled", options: slowerMPI, code: 143, part: true, printed: "the job was canceled", during: nothing, instead: canceled},
		{
			name: "IndexedTimeLimit", options: options{slow: true, job: map[string]any{"timeLimit": "15s"}},
			code: 75, part: true, says: "^failed.*DeadlineExceeded",
		},
		{
			name: "MPITimeLimit", options: options{mpi: true, slow: true, job: map[string]any{"timeLimit": "20s"}},
			code: 75, part: true, says: "^failed.*DeadlineExceeded",
		},
		{
			name: "IndexedDiskFull", options: full, code: 75, part: true, says: `^failed \(75\)`, during: fill,
			after: func(t *testing.T, c *cluster) { remove(t, filepath.Join(c.small(t), "filled")) },
		},
		{
			name: "IndexedTooLittleMemory", options: options{real: true, service: map[string]any{"memory": "64Mi"}},
			code: 78, none: true, says: `^failed \(78\)`,
		},
		{
			name: "IndexedOutOfMemory", options: options{
				job:     map[string]any{"command": []string{"sh", "-c", "head -c 200M /dev/zero | tail -c 150M >/dev/null"}},
				service: map[string]any{"memory": "64Mi", "retries": 0},
			}, code: 1, none: true, says: `^failed \(137\).*OOMKilled`,
		},
		{
			// A shell says nothing of it where another command follows.
			name: "IndexedChildOutOfMemory", options: options{
				job:     map[string]any{"command": []string{"sh", "-c", "head -c 200M /dev/zero | tail -c 150M >/dev/null; true"}},
				service: map[string]any{"memory": "64Mi", "retries": 0},
			}, none: true, says: `^succeeded.*OOMKilled`,
		},
		{
			name: "IndexedOtherProgram", code: 64, none: true, says: `^failed \(64\)`,
			before:  otherProgram,
			options: options{service: map[string]any{"binary": "/data/other"}},
		},
		{
			name: "MPIOtherProgram", code: 64, none: true, says: `^failed \(64\)`,
			before:  otherProgram,
			options: options{mpi: true, service: map[string]any{"binary": "/data/other"}},
		},
		{name: "IndexedNoNode", options: options{job: map[string]any{"vmSize": "none"}}, code: 130, stuck: true, none: true, says: "Unschedulable"},
		{
			name: "IndexedNoClaim", options: options{job: mounts("pvc://none", "/data")},
			code: 130, stuck: true, none: true, says: `"none" not found`,
		},
		{
			name: "IndexedNoSecret", options: options{job: map[string]any{"secrets": map[string]any{"TOKEN": map[string]any{"kubernetes": "none/key"}}}},
			code: 130, stuck: true, none: true, says: `CreateContainerConfigError: secret "none" not found`,
		},
		{
			name: "IndexedNotAdmitted", options: options{job: mounts("pvc://data", "/data", "/tmp", "/scratch")},
			code: 130, stuck: true, none: true, says: "(?i)PodSecurity",
		},
	}
	for name, mpi := range map[string]bool{"Indexed": false, "MPI": true} {
		list = append(list,
			scenario{
				name: name + "Failures", options: options{mpi: mpi, job: run(map[string]any{"max-errors": 0})},
				code: 3, says: `^failed \(3\)`,
			},
			scenario{
				name: name + "BadFlag", options: options{mpi: mpi, job: run(map[string]any{"resize": "nonsense"})},
				code: 78, none: true, printed: "want pillow-nearest",
			},
			scenario{
				name: name + "NoModel", options: options{mpi: mpi, job: map[string]any{"model": "/data/none.onnx"}},
				code: 78, none: true, says: `^failed \(78\)`,
			},
			scenario{
				name: name + "WrongImage", options: options{mpi: mpi, job: map[string]any{"image": "localhost/none:1"}},
				code: 130, stuck: true, none: true, says: "(ErrImagePull|ImagePullBackOff)",
			})
	}
	return list
}

func nothing(*testing.T, *job) {}

// mounts returns the field of a job for pairs of a source and a path.
func mounts(pairs ...string) map[string]any {
	var list []map[string]any
	for ; len(pairs) > 0; pairs = pairs[2:] {
		list = append(list, map[string]any{"source": pairs[0], "path": pairs[1]})
	}
	return map[string]any{"mounts": list}
}

// otherProgram makes a program that does not know the flags of this one, as one of another
// release in the image.
func otherProgram(t *testing.T, j *job) {
	t.Helper()
	if err := os.WriteFile(j.path("data/other"), []byte("#!/bin/sh\necho 'unknown flag' >&2\nexit 64\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
