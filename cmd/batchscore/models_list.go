package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newModelsList() *cobra.Command {
	var flag string
	cmd := &cobra.Command{
		SuggestFor: []string{"ls"},
		Use:        "list",
		Short:      "List tasks, presets and registered models",
		Long: `list shows the names that --inference, --preset and --model take: the tasks, with the
model that does each, the presets for models without a contract, and the registered
models, each with the state of its file: ok, missing, or changed since it was
registered.`,
		Example: "  batchscore models list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := modelsDir(flag)
			if err != nil {
				return err
			}
			entries, err := library.Entries(dir)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if err := listRegistered(out, dir, entries); err != nil {
				return err
			}
			w := newTable(out)
			fmt.Fprintln(w, "\nTASK\tIS FOR\tMODEL")
			for _, k := range library.Networks {
				path, entry, err := library.Find(dir, k.Task)
				switch {
				case errors.Is(err, models.ErrModel) && slices.ContainsFunc(entries, func(e library.Entry) bool { return e.Task == k.Task }):
					path = "several; choose one with --model NAME"
				case errors.Is(err, models.ErrModel):
					path = "none registered for it"
				case err != nil:
					return err
				case entry != nil:
					path = entry.Name
				}
				printf(w, "%s\t%s\t%s\n", k.Task, k.Title, printable.Field(path))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Fprintln(out, "\nPresets, for models without a contract:")
			for _, p := range models.Presets {
				fmt.Fprintln(out, reflow(fmt.Sprintf("  %-16s  %s", p.Name, p.Matches), helpWidth()))
			}
			_, err = printf(out, "\nmodels folder: %s\n", filepath.Clean(dir))
			return err
		},
	}
	registerModels(cmd, &flag)
	return cmd
}

// listRegistered prints the registered models, or how to register one.
func listRegistered(out io.Writer, dir string, entries []library.Entry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(out, reflow("No model is registered. Any ONNX classifier can be:\n"+
			"  batchscore models add NAME FILE.onnx --preset torchvision --labels classes.txt\n"+
			"A model need not be registered: run --model takes a file, too.", helpWidth()))
		return err
	}
	w := newTable(out)
	fmt.Fprintln(w, "REGISTERED\tTASK\tSTATE\tFILE")
	for _, e := range entries {
		state, err := e.State()
		if err != nil {
			state = library.State(err.Error())
		}
		printf(w, "%s\t%s\t%s\t%s\n", e.Name, cmp.Or(e.Task, "-"), state, printable.Field(e.File))
	}
	return w.Flush()
}
