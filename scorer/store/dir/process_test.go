package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

// creatorVar makes this test binary a process that creates objects in a folder
// and prints the numbers of those that it won.
const creatorVar = "BATCHSCORE_TEST_CREATE_IN"

const objects = 200

func TestMain(m *testing.M) {
	if root := os.Getenv(creatorVar); root != "" {
		os.Exit(createAll(root))
	}
	os.Exit(m.Run())
}

// body returns what process pid writes as object i: enough for several writes.
func body(pid, i int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d wrote %d\n", pid, i), 1000)
}

func createAll(root string) int {
	s, err := New(root, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for i := range objects {
		_, err := s.Create(context.Background(), fmt.Sprintf("parts/%03d", i), body(os.Getpid(), i))
		switch {
		case err == nil:
			fmt.Println(i)
		case !errors.Is(err, store.ErrExist):
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

func TestOfSeveralProcessesOneCreates(t *testing.T) {
	root := t.TempDir()
	const processes = 4
	var commands []*exec.Cmd
	var outs [processes]bytes.Buffer
	for i := range processes {
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), creatorVar+"="+root)
		c.Stdout, c.Stderr = &outs[i], os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, c)
	}
	winner := map[int]int{}
	for i, c := range commands {
		if err := c.Wait(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.FieldsSeq(outs[i].String()) {
			n, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := winner[n]; ok {
				t.Errorf("processes %d and %d both created object %d", other, c.Process.Pid, n)
			}
			winner[n] = c.Process.Pid
		}
	}
	if len(winner) != objects {
		t.Errorf("%d objects were created, want %d", len(winner), objects)
	}
	for i, pid := range winner {
		got, err := os.ReadFile(fmt.Sprintf("%s/parts/%03d", root, i))
		if err != nil || !bytes.Equal(got, body(pid, i)) {
			t.Errorf("object %d has %d bytes, %v; want what process %d wrote", i, len(got), err, pid)
		}
	}
	if got := files(t, root); len(got) != objects {
		t.Errorf("%d files are left, want %d", len(got), objects)
	}
}
