package deploy

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestYAMLBombs: a small file cannot stand for a large one.
func TestYAMLBombs(t *testing.T) {
	long := strings.Repeat("x", 900_000)
	laughs := "a0: &a0 ha\n"
	for i := 1; i < 40; i++ {
		laughs += "a" + string(rune('a'+i%26)) + strings.Repeat("z", i) + ": &b" + strings.Repeat("z", i) + " [*" +
			map[bool]string{true: "a0", false: "b" + strings.Repeat("z", i-1)}[i == 1] + ", *" +
			map[bool]string{true: "a0", false: "b" + strings.Repeat("z", i-1)}[i == 1] + "]\n"
	}
	for _, test := range []struct{ name, body, want string }{
		{name: "aliases of a long text", body: "command: [&a " + long + strings.Repeat(", *a", 3000) + "]\n", want: "aliases"},
		{name: "lists of lists", body: laughs, want: "aliases"},
		{name: "a list that contains itself", body: "command: &a [x, *a]\n", want: ""},
		{name: "a large file", body: "command: [" + long + long + "]\n", want: "more than 1048576 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ReadJob(strings.NewReader(test.body))
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 300 {
				t.Errorf("ReadJob() = %.300v, want %q", err, test.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("it took %d MB", used>>20)
			}
		})
	}
	job, err := ReadJob(strings.NewReader("command: [&a echo, *a, *a]\n"))
	if err != nil || strings.Join(job.Command, " ") != "echo echo echo" {
		t.Errorf("ReadJob() = %q, %v, want a few aliases to be replaced", job.Command, err)
	}
}

func TestReadSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exit")
	if err := os.WriteFile(path, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if body, err := ReadSmall(path); err != nil || string(body) != "0\n" {
		t.Errorf("ReadSmall() = %q, %v", body, err)
	}
	if err := os.Truncate(path, 30<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSmall(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("ReadSmall() of 30 GiB = %v, want an error that names the file", err)
	}
}
