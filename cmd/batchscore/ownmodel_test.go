package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/fetched"
)

// ownModels are the ways to an ONNX file in docs/own-model.md, with the folder of the
// Python that has their packages.
var ownModels = []struct{ name, python string }{
	{name: "torch", python: "torch"}, {name: "timm", python: "torch"}, {name: "keras", python: "keras"}, {name: "hf", python: "torch"},
}

// ownModelBlocks returns the blocks of docs/own-model.md by their first line, such
// as "python torch".
func ownModelBlocks(t *testing.T) map[string]string {
	t.Helper()
	blocks := map[string]string{}
	for _, b := range fencedBlocks(t, "docs/own-model.md") {
		blocks[b.info] = b.text
	}
	return blocks
}

// TestOwnModelPage: each way to an ONNX file is five lines at most and has a command.
// If there is a Python, it finds no error in their syntax. TestDocumentedCommands
// checks the flags.
func TestOwnModelPage(t *testing.T) {
	t.Parallel()
	blocks := ownModelBlocks(t)
	python, missing := exec.LookPath("python3")
	for _, m := range ownModels {
		code, command := blocks["python "+m.name], blocks["sh "+m.name]
		if n := strings.Count(strings.TrimSpace(code), "\n") + 1; n > 5 || code == "" && m.name != "hf" {
			t.Errorf("%s: %d lines of Python, want one to five", m.name, n)
		}
		if !strings.Contains(command, "batchscore run ") || !strings.Contains(command, "--model ") {
			t.Errorf("%s: the command is %q, want batchscore run", m.name, command)
		}
		if missing != nil {
			continue
		}
		cmd := exec.CommandContext(t.Context(), python, "-c", "import ast, sys; ast.parse(sys.stdin.read())")
		cmd.Stdin = strings.NewReader(code)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", m.name, err, out)
		}
	}
}

// TestOwnModel executes docs/own-model.md with random weights, and scores three
// photographs with each model. It needs the packages of "make own-model-check".
func TestOwnModel(t *testing.T) {
	pythons := os.Getenv("BATCHSCORE_OWN_MODEL")
	if pythons == "" {
		return // make own-model-check runs it
	}
	needRuntime(t)
	blocks := ownModelBlocks(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	prepare, err := filepath.Abs("testdata/own-model/prepare.py")
	if err != nil {
		t.Fatal(err)
	}
	photos, err := filepath.Abs(filepath.Join(fetched.Path(), "images", "photos"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ownModels {
		t.Run(m.name, func(t *testing.T) {
			folder, bin := t.TempDir(), t.TempDir()
			python := filepath.Join(pythons, m.python, "bin")
			writeFile(t, filepath.Join(folder, "classes.txt"), []byte("class 1\nclass 2\nclass 3\nclass 4\nclass 5\n"))
			if err := errors.Join(os.Symlink(photos, filepath.Join(folder, "photos")), os.Symlink(self, filepath.Join(bin, "batchscore"))); err != nil {
				t.Fatal(err)
			}
			for _, argv := range [][]string{
				{"python", prepare, m.name},
				{"python", "-c", blocks["python "+m.name]},
				{"bash", "-euc", strings.ReplaceAll(blocks["sh "+m.name], "batchscore run ", "batchscore run --max 3 --provider cpu ")},
			} {
				cmd := process(t, []string{"PATH=" + bin + ":" + python + ":" + os.Getenv("PATH"), "HF_HUB_OFFLINE=1"}, filepath.Join(python, argv[0]), argv[1:]...)
				if argv[0] == "bash" {
					cmd = process(t, cmd.Env, "bash", argv[1:]...)
				}
				cmd.Dir = folder
				if r := finish(t, cmd); r.code != 0 {
					t.Fatalf("%s: %v", strings.Join(argv, " "), r)
				}
			}
			rows := rowsOf(t, filepath.Join(folder, "result-"+m.name))
			for _, row := range rows {
				if !strings.HasPrefix(row.Label, "class ") {
					t.Errorf("the row is %+v, want a label", row)
				}
			}
			if len(rows) != 3 {
				t.Errorf("%d rows, want 3", len(rows))
			}
		})
	}
}
