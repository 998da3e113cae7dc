package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
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
			w := newTable(cmd.OutOrStdout())
			fmt.Fprintln(w, "TASK\tMODEL\tNAME\tFILE")
			for _, k := range library.Networks {
				path, _, err := library.Find(dir, k.Task)
				if errors.Is(err, models.ErrModel) {
					path = "none; add one with batchscore models add NAME FILE --task " + k.Task
					if slices.ContainsFunc(entries, func(e library.Entry) bool { return e.Task == k.Task }) {
						path = "several; choose one with --model NAME"
					}
				} else if err != nil {
					return err
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Task, k.Title, k.Name, path)
			}
			fmt.Fprintln(w, "\nPRESET\tMATCHES")
			for _, p := range models.Presets {
				fmt.Fprintf(w, "%s\t%s\n", p.Name, p.Matches)
			}
			if len(entries) > 0 {
				fmt.Fprintln(w, "\nREGISTERED\tTASK\tSTATE\tFILE")
			}
			for _, e := range entries {
				state, err := e.State()
				if err != nil {
					state = library.State(err.Error())
				}
				task := e.Task
				if task == "" {
					task = "-"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Name, task, state, e.File)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nmodels folder: %s\n", filepath.Clean(dir))
			return err
		},
	}
	registerModels(cmd, &flag)
	return cmd
}
