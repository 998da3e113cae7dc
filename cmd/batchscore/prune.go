package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// keptRuns is how many complete runs of each collection prune keeps by default.
const keptRuns = 7

// incompleteMost is the most days for --incomplete.
const incompleteMost = 36500

func newPrune() *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		SuggestFor: []string{"clean", "gc", "delete", "rm"},
		Use:        "prune PLACE",
		Short:      "Delete old outputs whose rows nothing needs",
		Long: `prune deletes outputs that no other output keeps rows of. PLACE is a folder of runs, such
as one for every night, or one output. Without --yes it only says what it would delete,
and why it keeps the rest.

In a folder of runs it keeps, by name, the last --keep complete runs of each collection
of images, whatever their rows are kept in, every run that is not complete and what that
needs, and whatever an output elsewhere keeps rows of, also if that cannot be found: its file system
may not be mounted (see --forget). If a run that it keeps has lost rows, it keeps every
complete run of that collection. It deletes the other complete runs, and never what a link
in the folder leads to. Runs of one collection have the same images, model and options.

One output is deleted only if no other one keeps rows of it; else prune names those and
exits with 78. An output that is not complete is not deleted: a run may be at work on it.
With --incomplete DAYS it is, if nothing was written to it for so long by the clock of the
storage: give more days than its ranks may pause, or be without power.

It deletes nothing but what jobs have written. What is left after an interruption is
whole, or neither complete nor a job that can be continued; prune ends the work when it
runs again. A run that begins with --after while its output is being deleted ends with
exit code 75.

` + placesHelp,
		Example: `  batchscore prune az://acme/labels
  batchscore prune /srv/labels --keep 30 --yes`,
		Args: oneArg("PLACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	fs := cmd.Flags()
	fs.IntVar(&f.keep, "keep", keptRuns, "of a folder of runs, keep the last `N` complete ones of each collection")
	fs.IntVar(&f.incomplete, "incomplete", 0, "also delete outputs that were never completed and to which nothing was written for `DAYS`; 0 keeps them")
	fs.StringArrayVar(&f.forget, "forget", nil, "an output that was removed, at the `PLACE` that this command names, needs no rows any more; may be repeated")
	fs.BoolVar(&f.yes, "yes", false, "delete; without it, only say what would be deleted")
	fs.BoolVar(&f.json, "json", false, "print JSON")
	groupFlags(cmd, "Storage flags", func() { f.places.register(cmd) })
	return cmd
}

// pruneFlags say what to delete.
type pruneFlags struct {
	places           placeFlags
	keep, incomplete int
	forget           []string
	yes, json        bool
}

func (f *pruneFlags) run(ctx context.Context, stdout io.Writer, place string) error {
	if f.keep < 1 {
		return invalid("keep", f.keep, "a number of runs, at least 1")
	}
	if f.incomplete < 0 || f.incomplete > incompleteMost {
		return invalid("incomplete", f.incomplete, fmt.Sprintf("a number of days up to %d, or 0 to keep all", incompleteMost))
	}
	st, err := f.places.open("PLACE", place)
	if err != nil {
		return err
	}
	rules := prune.Rules{Keep: f.keep, Forget: f.forget, Abandoned: time.Duration(f.incomplete) * 24 * time.Hour}
	plan, err := prune.Look(ctx, st, rules)
	if err != nil {
		return err
	}
	if f.yes {
		tidy := func(*prune.Run) error { return nil }
		if isLocal(place) {
			tidy = func(r *prune.Run) error { return removeEmpty(r.Place, r.Place != plan.Place) }
		}
		err = plan.Delete(ctx, tidy)
	}
	said := f.say(stdout, plan)
	if err != nil {
		return err
	}
	return said
}

// say prints what was deleted, or would be, and why the rest is kept.
func (f *pruneFlags) say(w io.Writer, p *prune.Plan) error {
	if f.json {
		return printJSON(w, p)
	}
	var b strings.Builder
	dropped, deleted, bytes := 0, 0, int64(0)
	for _, r := range p.Runs {
		name := printable.Field(r.Name)
		if r.Keep != "" {
			fmt.Fprintf(&b, "keep  %s: %s\n", name, printable.Line(r.Keep))
			continue
		}
		dropped++
		word := "drop"
		if r.Deleted {
			word = "gone"
			deleted++
		}
		if r.Deleted || !f.yes {
			bytes += r.Bytes
		}
		fmt.Fprintf(&b, "%s  %s: %s in %s", word, name, formatBytes(r.Bytes), numberOf(r.Objects, "object"))
		if r.State == prune.HalfDeleted {
			b.WriteString(", the rest of a deletion that was interrupted")
		}
		if r.Abandoned {
			fmt.Fprintf(&b, "; it was never completed, and nothing was written to it for %s", numberOf(f.incomplete, "day"))
		}
		if r.Others > 0 {
			fmt.Fprintf(&b, "; %s of others in its folder stay", numberOf(r.Others, "object"))
		}
		b.WriteString("\n")
	}
	switch of := numberOf(len(p.Runs), "output"); {
	case dropped == 0:
		fmt.Fprintf(&b, "nothing can be deleted of %s\n", of)
	case f.yes:
		fmt.Fprintf(&b, "%d of %s deleted: %s\n", deleted, of, formatBytes(bytes))
	default:
		fmt.Fprintf(&b, "%d of %s can be deleted: %s; nothing was deleted: add --yes to do so\n", dropped, of, formatBytes(bytes))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// removeEmpty removes the empty folders of an output that was deleted: those that jobs make and, if
// that is asked for, the output itself. A folder that holds something stays.
func removeEmpty(out string, itself bool) error {
	folders := []string{}
	if itself {
		folders = append(folders, out)
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		return nil // it is gone
	}
	for _, e := range entries {
		if !e.IsDir() || e.Name()+"/" != output.Folder && !output.IsPart(e.Name()) {
			continue
		}
		if err := filepath.WalkDir(filepath.Join(out, e.Name()), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				folders = append(folders, path)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for _, folder := range slices.Backward(folders) {
		os.Remove(folder) // only if it is empty
	}
	return nil
}
