package cudatest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCUDALibrary tests the stand-in itself, with a program in C: limits of memory, time,
// and that it notices a host which does not wait.
func TestCUDALibrary(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		host := filepath.Join(t.TempDir(), "host")
		m := New(t, Config{Line: line, Devices: make([]Device, 2)})
		folder, err := fetchedFolder(line)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("gcc", append(sanitize(), "-Wall", "-Werror", "-I", "lib", "-isystem", filepath.Join(folder, "include"), "-o", host,
			"testdata/host.c", "-L", m.Folder, "-l:"+core, "-Wl,-rpath,"+m.Folder)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, c := range []struct {
			name, vars, want string
			overwritten      int
		}{
			{name: "memory", vars: "CUDATEST_MEMORY_MB=100", want: "0 0 0 2 10 of 100 0"},
			{name: "memory", vars: "CUDATEST_FAIL=cudaMalloc=46@3", want: "0 0 46 46 40900 of 40960 46"},
			{name: "memory", vars: "CUDATEST_FAIL=cudaMemGetInfo=999", want: "0 0 0 0 error 999"},
			{name: "streams", vars: "CUDATEST_H2D_GBS=0.1", want: "419 waited together"},
			{name: "busy", vars: "CUDATEST_LAUNCH_US=5000000", want: "0 100 0 0"},
			{name: "early", want: "-nan 0.000000"},
			{name: "changed", overwritten: 1},
			{name: "unchanged"},
		} {
			t.Run(c.name+c.vars, func(t *testing.T) {
				m.Forget(t)
				cmd := exec.Command(host, c.name)
				cmd.Env = append(m.Env(), strings.Fields(c.vars)...)
				out, _ := cmd.CombinedOutput()
				if got := strings.TrimSpace(string(out)); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
				if n := len(m.Log(t).Of("overwritten")); n != c.overwritten {
					t.Errorf("%d copies of changed memory, want %d", n, c.overwritten)
				}
			})
		}
	})
}
