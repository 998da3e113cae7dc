package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manual is where TestManual leaves the pages for packages: make dist.
var manual = flag.String("manual", "", "write manual pages to `FOLDER`")

// TestManual: every command has a page for man. The date of the pages is SOURCE_DATE_EPOCH.
func TestManual(t *testing.T) {
	withListedEngines(t)
	folder := *manual
	if folder == "" {
		folder = t.TempDir()
		t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	}
	root := newRoot(nil)
	root.DisableAutoGenTag = true
	header := doc.GenManHeader{Section: "1", Source: "batchscore", Manual: "batchscore"}
	if err := doc.GenManTree(root, &header, folder); err != nil {
		t.Fatal(err)
	}
	commands := 0
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && cmd.HasParent() {
			return
		}
		commands++
		page := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		body, err := os.ReadFile(filepath.Join(folder, page))
		if err != nil {
			t.Error(err)
		}
		if *manual == "" && !strings.Contains(string(body), `"Nov 2023"`) {
			t.Errorf("%s has not the date of SOURCE_DATE_EPOCH", page)
		}
		for _, below := range cmd.Commands() {
			look(below)
		}
	}
	look(root)
	if commands < 30 {
		t.Errorf("%d commands have pages, want 30 or more", commands)
	}
}
