package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompletionRunsNothing completes words in a real bash where the names of models are
// commands. bash is given the line again with what it completed, as at a second TAB.
func TestCompletionRunsNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	library, bin, ran := filepath.Join(folder, "models"), filepath.Join(folder, "bin"), filepath.Join(folder, "ran")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(bin, "batchscore"), []byte("#!/bin/sh\nexec '"+self+"' \"$@\"\n"))
	if err := os.Chmod(filepath.Join(bin, "batchscore"), 0o755); err != nil {
		t.Fatal(err)
	}
	// A name is a name of a file, so it has no slash.
	attacks := []string{"$(>$RAN)", "`>$RAN`", ";>$RAN;", "x\n$(>$RAN)", "<(>$RAN)", "${x:=$(>$RAN)}", "a\x1b]0;PWNED\x07"}
	for _, attack := range attacks {
		for _, end := range []string{"a", "b"} { // bash writes what they have in common into the line
			writeFile(t, filepath.Join(library, attack+end+".onnx"), nil)
		}
	}
	writeFile(t, filepath.Join(library, "good.onnx"), nil)
	script := must(t, 0, "completion", "bash").stdout + `
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
_filedir() { :; }
complete_line() {
	COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
	__start_batchscore
}
for line in "run --model" "models remove" "models check"; do
	complete_line batchscore $line ""
	found=("${COMPREPLY[@]}")
	printf '%s: %s\n' "$line" "${found[*]}"
	for word in "${found[@]}"; do
		complete_line batchscore $line "${word%[ab]}"
	done
done
`
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", script)
	cmd.Env = append(cleanEnv(), asBatchscore+"=1", "PATH="+bin+":"+os.Getenv("PATH"), "BATCHSCORE_MODELS="+library, "RAN="+ran)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "run --model: good") || strings.Contains(string(out), "\x1b") {
		t.Errorf("got %q, %v, want the name that is none of an attacker's", out, err)
	}
	if exists(ran) {
		t.Errorf("a completion ran a command: %q", out)
	}
}
