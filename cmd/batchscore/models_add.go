package main

import (
	"bufio"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/origin"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newModelsAdd() *cobra.Command {
	a := addition{ask: wordAsker}
	var task string
	var replace bool
	cmd := &cobra.Command{
		SuggestFor: []string{"register"},
		Use:        "add NAME PATH",
		Short:      "Register a model under a name, with what comes with it",
		Long: `add reads the model at PATH, an ONNX file or a folder with one, and what comes with it:
config.json and preprocessor_config.json of Hugging Face, config.json of timm, an export
of Custom Vision, the metadata of Ultralytics' YOLO, class_indices.json and other labels.
In a folder of timm or Hugging Face with weights of a network that "models build" knows, and
without an ONNX file, it builds the network as NAME.onnx in the models folder.
Flags override what these say. On a terminal it asks what is still missing; elsewhere the
error lists it. It writes the name, file, digest, task and answers to registry.yaml in the
models folder. run finds the model there by --model NAME or by --task TASK. The file stays
where it is. If it changes afterwards, it is refused until it is added again.

A model is trusted like a program: it may use any memory and any time. Add only those
from people whose programs you would run.`,
		Example: `  batchscore models add flowers vit-flowers
  batchscore models add moderation moderation.onnx --task classification
  batchscore models add vgg vgg16.onnx --task cloth_recognition --preset torchvision --labels classes.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("models add takes two arguments, NAME and PATH; %d were given", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if task != "" {
				if err := oneOf("task", task, library.Tasks()); err != nil {
					return err
				}
			}
			dir, err := modelsDir(a.f.dir)
			if err != nil {
				return err
			}
			// Do not register a model that cannot be run.
			file, from, err := builtOf(cmd, args[1], filepath.Join(dir, args[0]+".onnx"), replace)
			if err != nil {
				return err
			}
			m, answers, err := a.open(cmd, file, from)
			if err != nil {
				return err
			}
			if file, err = filepath.Abs(m.Path); err != nil {
				return err
			}
			e := library.Entry{Name: args[0], File: file, Digest: m.Digest, Task: task, Contract: answers}
			if e.Told, err = e.Conflicts(); err != nil {
				return config(err)
			}
			if err := library.Register(dir, e, replace); err != nil {
				if errors.Is(err, library.ErrRegistered) {
					err = fmt.Errorf("%w; --replace replaces it", err)
				}
				return config(err)
			}
			for _, c := range m.Conflicts {
				printf(cmd.ErrOrStderr(), "note: %s\n", c)
			}
			if name := m.Contract.OutputName; name != "" {
				printf(cmd.ErrOrStderr(), "note: of its outputs, %s is taken; --output-name takes another\n", name)
			}
			if c := &m.Contract; c.HasLabels() && c.Classes > 1 && c.Numbered() {
				printf(cmd.ErrOrStderr(), "note: there are no labels: rows will name classes by number, from 0; add it again with --labels FILE --replace\n")
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
	fs.StringVar(&a.labels, "labels", "",
		"read the names of the classes, in the model's order, from `FILE`: one per line, JSON, YAML, a numbered list, or a table with a header; or imagenet")
	groupFlags(cmd, "Model flags", func() { a.f.register(cmd) })
	return cmd
}

// addition is a model that is being registered.
type addition struct {
	f      contractFlags
	labels string
	// ask returns a function that asks for the words of a flag; nil if there is nobody to
	// ask.
	ask func(cmd *cobra.Command) func(q models.Question) (words string, ok bool)
}

// open opens the model at path with what comes with it, also in the folder from, what the
// flags say, and what the user answers. It returns all of these answers, too.
func (a *addition) open(cmd *cobra.Command, path, from string) (*models.Model, models.Answers, error) {
	read := origin.Read
	if from != "" {
		read = func(file string) (*origin.Found, error) { return origin.ReadWith(file, from) }
	}
	found, err := read(path)
	if err != nil {
		return nil, models.Answers{}, config(err)
	}
	if found.What != "" {
		printf(cmd.ErrOrStderr(), "%s is %s\n", found.File, describeKind(found.Kind, found.What))
	}
	for _, n := range found.Notes {
		printf(cmd.ErrOrStderr(), "note: %s\n", n)
	}
	ask, offered := a.ask(cmd), false
	for {
		answers, err := a.f.answers(cmd)
		if err != nil {
			return nil, answers, err
		}
		a.f.wholeName(found.File, &answers)
		answers.LabelsPath = a.labels
		given := append([]models.Given{{From: "flags", Answers: answers}}, found.Given...)
		m, err := models.Open(found.File, models.OpenOptions{Given: given})
		var open *models.OpenQuestions
		if errors.As(err, &open) && ask != nil {
			if a.f.preset == "" && !offered && len(open.Questions) > 1 && found.What == "" {
				offered = true
				if err := offerPreset(cmd, ask); err != nil {
					return nil, answers, err
				}
				continue
			}
			asked, err := a.answer(cmd, ask, open.Questions[0])
			if err != nil {
				return nil, answers, err
			}
			if asked {
				continue
			}
		}
		if err != nil {
			return nil, answers, config(err)
		}
		if err := checkTask(m.Path, &m.Contract); err != nil {
			return nil, answers, err
		}
		answers = models.Combine(given)
		if a.labels != "" {
			answers.Labels = m.Contract.Labels
		}
		return m, answers, nil
	}
}

// offerPreset asks where the model is from, which answers how images are prepared. No answer, or an
// empty one, leaves the questions as they are.
func offerPreset(cmd *cobra.Command, ask func(models.Question) (string, bool)) error {
	names := models.PresetNames()
	q := models.Question{
		Text:   "where is it from? That alone answers how images are prepared; Enter if it is from none of these",
		Answer: "--preset " + strings.Join(names, "|"),
	}
	for {
		words, ok := ask(q)
		word := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(words, "--preset"), "="))
		switch {
		case !ok || word == "":
			return nil
		case slices.Contains(names, word):
			return cmd.Flags().Set("preset", word)
		}
		if _, err := printf(cmd.ErrOrStderr(), "%s is none of %s\n", printable.Line(word), strings.Join(names, ", ")); err != nil {
			return err
		}
	}
}

// answer asks a question and sets the flags that the answer gives. It reports whether
// there was an answer. A wrong one is said, and the question comes again.
func (a *addition) answer(cmd *cobra.Command, ask func(models.Question) (string, bool), q models.Question) (bool, error) {
	for {
		words, ok := ask(q)
		if !ok {
			return false, nil
		}
		argv := strings.Fields(words)
		if len(argv) == 0 {
			continue
		}
		if !strings.HasPrefix(argv[0], "--") {
			argv = []string{"--" + q.Flag() + "=" + strings.TrimSpace(words)}
		}
		err := cmd.Flags().Parse(argv)
		if err == nil {
			_, err = a.f.answers(cmd)
		}
		if err == nil {
			return true, nil
		}
		if _, err := printf(cmd.ErrOrStderr(), "%s\n", err); err != nil {
			return false, err
		}
	}
}

// wordAsker returns a function that asks on the terminal. It returns nil if stdin or
// stderr is no terminal.
func wordAsker(cmd *cobra.Command) func(q models.Question) (string, bool) {
	if asker(cmd.InOrStdin(), cmd.ErrOrStderr()) == nil {
		return nil
	}
	in := bufio.NewReader(cmd.InOrStdin())
	last := "" // a question that comes again is on the screen already
	return func(q models.Question) (string, bool) {
		if q.Text != last {
			printf(cmd.ErrOrStderr(), "%s\n    %s\n", q.Text, q.Answer)
		}
		last = q.Text
		printf(cmd.ErrOrStderr(), "  --%s ", q.Flag())
		line, err := in.ReadString('\n')
		if err != nil && line == "" {
			fmt.Fprintln(cmd.ErrOrStderr())
			return "", false
		}
		return strings.TrimSpace(line), true
	}
}

func newModelsRemove() *cobra.Command {
	var flag string
	cmd := &cobra.Command{
		SuggestFor: []string{"rm", "delete", "unregister"},
		Use:        "remove NAME",
		Short:      "Remove a model from the registry; its file stays",
		Args:       oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := modelsDir(flag)
			if err != nil {
				return err
			}
			if err := library.Unregister(dir, args[0]); err != nil {
				return err
			}
			_, err = printf(cmd.OutOrStdout(), "%s: removed from the registry; its file stays\n", args[0])
			return err
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
