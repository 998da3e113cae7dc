package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy/shellquote"
)

// terminal is a terminal of tmux that runs a program.
type terminal struct {
	t      testing.TB
	socket string
}

// newTerminal starts a program in a terminal of this size, in its folder and with its
// environment alone.
func newTerminal(t testing.TB, width, height int, program *exec.Cmd) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		skipWithout(t, "tmux", "make deps")
	}
	// A socket's path is short; those of tests' folders are not.
	dir, err := os.MkdirTemp("", "tmux")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	term := &terminal{t, filepath.Join(dir, "s")}
	env := append([]string{"env", "-i", "TERM=screen"}, program.Env...)
	line := shellquote.Join(append(env, program.Args...))
	if program.Dir != "" {
		line = "cd " + shellquote.Quote(program.Dir) + "\n" + line
	}
	script := filepath.Join(dir, "run")
	// The shell lives through Ctrl-C and stays, so that the screen does.
	writeFile(t, script, []byte("trap : INT\n"+line+"\necho $? >"+term.socket+".new\nmv "+term.socket+".new "+term.socket+".code\nexec sleep 1000\n"))
	term.tmux("-u", "-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height),
		"exec sh "+script)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// screen returns what the terminal shows, without empty lines at the end.
func (term *terminal) screen() string {
	return strings.TrimRight(term.tmux("capture-pane", "-p"), "\n")
}

func (term *terminal) resize(width, height int) {
	term.tmux("resize-window", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height))
}

func (term *terminal) until(what string, ok func(screen string) bool) string {
	term.t.Helper()
	last := ""
	for end := time.Now().Add(processTimeout); !ok(last); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			term.t.Fatalf("waited in vain for %s; the screen shows\n%s", what, last)
		}
		last = term.screen()
	}
	return last
}

// exitCode waits until the program ends.
func (term *terminal) exitCode() int {
	term.t.Helper()
	file := term.socket + ".code"
	for end := time.Now().Add(processTimeout); !exists(file); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			term.t.Fatalf("waited in vain for the end of the program; the screen shows\n%s", term.screen())
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		term.t.Fatal(err)
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		term.t.Fatal(err)
	}
	return code
}
