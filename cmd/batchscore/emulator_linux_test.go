package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// aloneVar makes this program a shell on a network of its own, which has nothing but
// the machine's own addresses: every port is free there.
const aloneVar = "BATCHSCORE_TEST_ALONE"

func init() {
	if script := os.Getenv(aloneVar); script != "" {
		err := loopbackUp()
		if err == nil {
			err = os.Unsetenv(aloneVar)
		}
		if err == nil {
			err = syscall.Exec("/bin/bash", []string{"bash", "-euc", script}, os.Environ())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// loopbackUp makes 127.0.0.1 work in a new network.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq("lo")
	if err == nil {
		request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
	}
	return errors.Join(err, unix.Close(socket))
}

// TestEmulatorPage executes docs/emulator.md as it is written, on a network of its own,
// since the page uses the emulator's usual port.
func TestEmulatorPage(t *testing.T) {
	t.Parallel()
	cache := filepath.Dir(filepath.Dir(azuritetest.Program(t)))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"bin/batchscore": self, ".cache": cache, "deploy": filepath.Join(root, "deploy"), "photos": pictures(t, 24), "moderation.onnx": tiny(t, graphtest.Options{}),
	} {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	// The emulator ends with the script, also with one that fails.
	script := "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
	blocks := 0
	for _, b := range guideBlocks(t, "emulator.md") {
		if b.info != "sh" {
			t.Fatalf("emulator.md:%d: a block of %q, want sh", b.line, b.info)
		}
		script += b.text
		blocks++
	}
	cmd := process(t, append(newDesk(t).env, "BATCHSCORE_CACHE="+cache, aloneVar+"="+script), self)
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if refused := aloneRefused(cmd.SysProcAttr); refused != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(refused)
		}
		t.Skipf("a network of its own is not allowed here: %v", refused)
	}
	r := finish(t, cmd)
	if r.code != 0 {
		t.Fatalf("%s%v", script, r)
	}
	for _, want := range []string{
		"20 of 24 images of " + filepath.Join(folder, "photos"), "are in az://devstoreaccount1/photos/2019/: 20 copied",
		"20 images: 20 ok", "OK",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the commands of the page print no %q: %v", want, r)
		}
	}
	labels, err := os.ReadFile(filepath.Join(folder, "labels.jsonl"))
	if n := strings.Count(string(labels), "\n"); err != nil || n != 20 || blocks != 2 {
		t.Errorf("labels.jsonl after %d blocks has %d lines (%v), want 20 after 2", blocks, n, err)
	}
}

// aloneRefused returns why no process with these attributes can be started, or nil.
func aloneRefused(attributes *syscall.SysProcAttr) error {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = attributes
	return cmd.Run()
}
