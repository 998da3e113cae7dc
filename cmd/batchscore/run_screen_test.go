package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestScreenOfRun keeps what run leaves on the terminal: what came of the job.
func TestScreenOfRun(t *testing.T) {
	model := tiny(t, graphtest.Options{})
	codes := screens(t, "run", func(t *testing.T) *exec.Cmd {
		folder := screenFolder(t)
		for i := range 40 {
			writeFile(t, filepath.Join(folder, "photos", "batch "+string(rune('a'+i%3)), string(rune('a'+i%26))+string(rune('a'+i/26))+".jpg"), picture(t, i))
		}
		writeFile(t, filepath.Join(folder, "photos", "broken.jpg"), nil)
		run := command(t, nil, "run", "--images", "photos", "--out", "labels", "--model", model, "--batch", "4")
		run.Dir = folder
		return run
	},
		// A machine that is very busy makes a job rest, which takes a line more on 80 columns.
		newMask(`(?m)^(Speed +)[^;\n]*(?:;[^\n]*(?:\n {11}[^\n]*)?)?$`, "${1}10.0 images/s in 1.2 s"),
		newMask(`(\bonnxruntime=(?:\x1b\[0m)?)[\d.]+`, "${1}1.30.0"),
		newMask(`(\bdevice=(?:\x1b\[0m)?)\S+`, "${1}cpu"),
		newMask(`(\blanes=(?:\x1b\[0m)?)\d+`, "${1}2"),
	)
	for _, code := range codes {
		if code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	}
}

// TestBarOnANarrowerTerminal: a terminal that becomes narrower while the bar is drawn
// shows one whole bar all the same, and none when the run has ended.
func TestBarOnANarrowerTerminal(t *testing.T) {
	// It ends with Ctrl-C: the images would take hours.
	run := command(t, nil, "run", "--images", pictures(t, 60), "--out", t.TempDir(), "--model", tiny(t, graphtest.Options{}),
		"--batch", "1", "--chunk", "1", "--provider", "simulate:rate=0.5", "--log-level", "error")
	term := newTerminal(t, 120, screenHeight, run)
	bar := regexp.MustCompile(`^scoring \(simulated\) (\[#*\.*\])? *\d+% \d+/60[^\n]*$`)
	for _, width := range []int{120, 90, 70, 50, 40, 60, 35} {
		term.resize(width, screenHeight)
		term.until(fmt.Sprintf("one whole bar on %d columns, and nothing else", width), bar.MatchString)
	}
	term.tmux("send-keys", "C-c")
	if code := term.exitCode(); code != 130 {
		t.Errorf("exit code %d after Ctrl-C, want 130", code)
	}
	if s := term.screen(); strings.Contains(s, "scoring") || strings.Contains(s, "/60,") {
		t.Errorf("the bar has left something behind:\n%s", s)
	}
}
