package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestWithoutExclusiveCreate works on a file system without hard links, and on one that
// has no exclusive rename either.
func TestWithoutExclusiveCreate(t *testing.T) {
	in, model := pictures(t, 10), tiny(t, graphtest.Options{})
	for _, test := range []struct {
		name, without string
		code          int
	}{
		{name: "neither links nor an exclusive rename", without: noLinks + "," + noExclusiveRename, code: 78},
		{name: "no links", without: noLinks, code: 0},
		{name: "no exclusive rename", without: noExclusiveRename, code: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			d.env = append(d.env, without+"="+test.without)
			for what, args := range map[string][]string{
				"run":    {"run", "--images", in, "--model", model, "--out"},
				"sample": {"sample", "--images", in, "--out"},
			} {
				above := t.TempDir()
				out := filepath.Join(above, "new", "out")
				r := d.run(t, append(args, out)...)
				if r.code != test.code {
					t.Errorf("%s: got %v, want exit code %d", what, r, test.code)
				}
				if r.code == 0 {
					continue
				}
				if !strings.Contains(r.stderr, "az://") || !strings.Contains(r.stderr, "local disk") {
					t.Errorf("%s: no way out is named: %v", what, r)
				}
				if left, err := os.ReadDir(above); err != nil || len(left) > 0 {
					t.Errorf("%s: left %v, %v", what, left, err)
				}
			}
			// The record of launched jobs is in such a folder, too.
			out := filepath.Join(t.TempDir(), "out")
			r := d.run(t, "launch", "--to", "fake", "-f", jobFile(t, in, out, model, ""))
			if r.code != test.code || test.code != 0 && !strings.Contains(r.stderr, "XDG_STATE_HOME") {
				t.Errorf("launch: got %v, want exit code %d", r, test.code)
			}
		})
	}
}
