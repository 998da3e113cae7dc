package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limits of what is copied to testdata, which everybody fetches and every test runs.
const (
	largestSeed = 4 << 10 // bytes of a file
	mostSeeds   = 16      // of a target
)

// keepSeeds copies inputs from the cache to the testdata of each target: those that reach
// statements of this module, in the package and what it depends on, that neither the target's seeds nor the inputs before them
// reach, the smallest first.
func keepSeeds(ctx context.Context, out io.Writer, o options, packages []string) error {
	targets, err := find(ctx, o, packages)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "batchscore-seeds-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	built := map[string]bool{}
	for _, t := range targets {
		binary := filepath.Join(scratch, strings.ReplaceAll(t.pkg, "/", "_"))
		if !built[t.pkg] {
			text, err := exec.CommandContext(ctx, "go", "test", "-c", "-cover", "-coverpkg="+strings.Join(t.covers, ","), "-o", binary, t.path).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w: %s", t.pkg, err, text)
			}
			built[t.pkg] = true
		}
		n, err := t.keepSeeds(ctx, o, binary, filepath.Join(scratch, "profile"))
		if err != nil {
			return fmt.Errorf("%s %s: %w", t.pkg, t.name, err)
		}
		fmt.Fprintf(out, "%s %s: %d inputs kept\n", t.pkg, t.name, n)
	}
	return nil
}

func (t target) keepSeeds(ctx context.Context, o options, binary, profile string) (kept int, err error) {
	cache := filepath.Join(o.cache, filepath.FromSlash(t.pkg), t.name)
	entries, err := os.ReadDir(cache)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	type input struct {
		name string
		size int64
	}
	var inputs []input
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		if info.Size() <= largestSeed {
			inputs = append(inputs, input{name: e.Name(), size: info.Size()})
		}
	}
	slices.SortFunc(inputs, func(a, b input) int { return cmp.Or(cmp.Compare(a.size, b.size), strings.Compare(a.name, b.name)) })
	reached := map[string]bool{}
	if _, err := t.cover(ctx, binary, profile, "", reached); err != nil {
		return 0, err
	}
	folder := filepath.Join(t.folder, "testdata", "fuzz", t.name)
	for _, in := range inputs {
		if kept == mostSeeds {
			break
		}
		data, err := os.ReadFile(filepath.Join(cache, in.name))
		if err != nil {
			return kept, err
		}
		path := filepath.Join(folder, in.name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return kept, err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return kept, err
		}
		n, err := t.cover(ctx, binary, profile, "/^"+in.name+"$", reached)
		if n > 0 && err == nil {
			kept++
			continue
		}
		if err := os.Remove(path); err != nil {
			return kept, err
		}
		if err != nil {
			return kept, err
		}
	}
	_ = os.Remove(folder) // if it is empty
	return kept, nil
}

// cover runs the target's inputs that match and adds the statements that they reach. It
// returns how many were new.
func (t target) cover(ctx context.Context, binary, profile, match string, reached map[string]bool) (int, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run=^"+t.name+"$"+match, "-test.coverprofile="+profile)
	cmd.Dir = t.folder
	if text, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, text)
	}
	data, err := os.ReadFile(profile)
	if err != nil {
		return 0, err
	}
	fresh := 0
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		// FILE:FROM,TO STATEMENTS COUNT
		block, count, _ := strings.Cut(lines.Text(), " ")
		fields := strings.Fields(count)
		if len(fields) != 2 {
			continue // the mode
		}
		if n, err := strconv.Atoi(fields[1]); err != nil || n == 0 || reached[block] {
			continue
		}
		reached[block] = true
		fresh++
	}
	return fresh, nil
}
