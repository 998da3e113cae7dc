package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
)

func newModelsAdd() *cobra.Command {
	var f contractFlags
	var task, labels string
	var replace bool
	cmd := &cobra.Command{
		SuggestFor: []string{"register"},
		Use:        "add NAME FILE.onnx",
		Short:      "Register a model under a name, and for a task if it does one",
		Long: `add writes the name, file, digest and task of a model, and what the flags say about it,
to registry.yaml in the models folder. run finds it there by --model NAME or by
--task TASK. The file stays where it is. If it changes afterwards, it is refused
until it is added again.

A model is trusted like a program: it may use any memory and any time. Add only those
from people whose programs you would run.`,
		Example: `  batchscore models add moderation moderation.onnx --task classification
  batchscore models add vgg vgg16.onnx --task cloth_recognition --preset torchvision --labels classes.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("models add takes two arguments, NAME and FILE; %d were given", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if task != "" {
				if err := oneOf("task", task, library.Tasks()); err != nil {
					return err
				}
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
			// Do not register a model that cannot be run.
			m, err := models.Open(file, models.OpenOptions{Given: []models.Given{{From: "flags", Answers: answers}}})
			if err != nil {
				return config(err)
			}
			if err := checkTask(m.Path, &m.Contract); err != nil {
				return err
			}
			if labels != "" {
				answers.Labels = m.Contract.Labels
			}
			e := library.Entry{Name: args[0], File: file, Digest: m.Digest, Task: task, Contract: answers}
			if err := library.Register(dir, e, replace); err != nil {
				if errors.Is(err, library.ErrRegistered) {
					err = fmt.Errorf("%w; --replace replaces it", err)
				}
				return config(err)
			}
			for _, c := range m.Conflicts {
				printf(cmd.ErrOrStderr(), "note: %s\n", c)
			}
			_, err = printf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, %s\n",
				e.Name, file, m.Contract.Preprocess.Width, m.Contract.Preprocess.Height, outputOf(&m.Contract))
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&task, "task", "", "let run and launch find the model by --task `TASK` (or --inference): "+orList(library.Tasks()))
	taskFlag(cmd)
	fs.BoolVar(&replace, "replace", false, "replace a registered model of this name")
	fs.StringVar(&labels, "labels", "",
		"read the names of the classes, in the model's order, from `FILE`: one per line, JSON, YAML, a numbered list, or a table with a header")
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	return cmd
}

func newModelsRemove() *cobra.Command {
	var flag string
	cmd := &cobra.Command{
		SuggestFor: []string{"rm", "delete", "unregister"},
		Use:        "remove NAME",
		Short:      "Remove a model from the registry; its file stays",
		Args:       oneArg("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := modelsDir(flag)
			if err != nil {
				return err
			}
			return library.Unregister(dir, args[0])
		},
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeRegistered(cmd, args, toComplete)
	}
	registerModels(cmd, &flag)
	return cmd
}
