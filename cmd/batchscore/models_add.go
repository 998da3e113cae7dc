package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
)

func newModelsAdd() *cobra.Command {
	var f contractFlags
	var task, labels string
	var replace bool
	cmd := &cobra.Command{
		Use:   "add NAME FILE.onnx",
		Short: "Register a model under a name, for a task if it does one",
		Long: `add writes name, file, digest, task and what the flags answer for the model into
registry.yaml in the models folder. run finds it there by --model NAME, or by
--inference TASK. The file stays where it is; one that changes afterwards is
refused until it is added anew.`,
		Example: `  batchscore models add moderation moderation.onnx --task classification
  batchscore models add vgg vgg16.onnx --task cloth_recognition --preset torchvision --labels classes.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("models add takes NAME and FILE, not %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if task != "" && !slices.Contains(library.Tasks(), task) {
				return usagef("--task %s: it takes %s", task, strings.Join(library.Tasks(), " or "))
			}
			answers, err := f.answers(cmd)
			if err != nil {
				return err
			}
			answers.LabelsPath = labels
			file, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			dir, err := modelsDir(f.dir)
			if err != nil {
				return err
			}
			// A model that could not be run is not registered.
			m, err := models.Open(file, models.OpenOptions{Given: []models.Given{{From: "flags", Answers: answers}}})
			if err != nil {
				return config(err)
			}
			if labels != "" {
				answers.Labels = m.Contract.Labels
			}
			e := library.Entry{Name: args[0], File: file, Digest: m.Digest, Task: task, Contract: answers}
			if err := library.Register(dir, e, replace); err != nil {
				if errors.Is(err, library.ErrRegistered) {
					err = fmt.Errorf("%w; --replace puts this one in its place", err)
				}
				return config(err)
			}
			for _, c := range m.Conflicts {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", c)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, %d classes\n",
				e.Name, file, m.Contract.Preprocess.Width, m.Contract.Preprocess.Height, m.Contract.Classes)
			return err
		},
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&task, "task", "", "task that the model does: "+strings.Join(library.Tasks(), " or "))
	fs.StringVar(&labels, "labels", "", "file of labels in the order of the classes: one a line, JSON, YAML, a numbered list or a table with a header")
	fs.BoolVar(&replace, "replace", false, "take the place of a model of that name")
	return cmd
}

func newModelsRemove() *cobra.Command {
	var flag string
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a model out of the registry; its file stays",
		Args:  oneArg("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := modelsDir(flag)
			if err != nil {
				return err
			}
			return library.Unregister(dir, args[0])
		},
	}
	registerModels(cmd, &flag)
	return cmd
}
