package device

import (
	"os"
	"path/filepath"
	"testing"
)

// TestControlGroups: the limits of a group and of those above it are shown, those of others are not.
func TestControlGroups(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"proc/self/cgroup":                     "0::/a/b\n",
		"sys/fs/cgroup/a/memory.max":           "1073741824\n",
		"sys/fs/cgroup/a/b/cpu.max":            "50000 100000\n",
		"sys/fs/cgroup/a/b/memory.events":      "low 0\noom_kill 3\n",
		"sys/fs/cgroup/a/other/memory.max":     "5\n",
		"sys/fs/cgroup/a/b/cgroup.controllers": "cpu memory\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	at := filepath.Join(root, "sys/fs/cgroup/a")
	want := at + "/b/cpu.max: 50000 100000\n" + at + "/b/memory.events: low 0 oom_kill 3\n" + at + "/memory.max: 1073741824\n"
	if got := controlGroups(root); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
