package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/joint"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// modelSet is the models of a job, usually one, with the contract of all of them.
type modelSet struct {
	all      []joint.Model
	contract models.Contract
}

// words returns the models that the flag names: several with commas between them, unless
// a comma is part of the name of a file.
func (f *jobFlags) words() []string {
	word := f.model
	if word == "" {
		return []string{f.inference}
	}
	if path, _, err := library.Find(f.dir, word); err == nil {
		if _, err := os.Stat(path); err == nil {
			return []string{word}
		}
	}
	return strings.Split(word, ",")
}

// ofOneModel are the flags that say something of one model that others need not share.
var ofOneModel = []string{"labels", "output-name"}

// checkWords returns an error if flags are given that belong to one of several models.
func (f *jobFlags) checkWords(cmd *cobra.Command) error {
	if len(f.words()) == 1 {
		return nil
	}
	for _, name := range ofOneModel {
		if cmd.Flags().Changed(name) {
			return usagef("--%s belongs to one model, and there are several: register it with batchscore models add NAME FILE --%[1]s ..., and name it", name)
		}
	}
	return nil
}

// openModels opens the models that the flags name.
func (f *jobFlags) openModels(answers models.Answers) (*modelSet, error) {
	s := &modelSet{}
	for _, word := range f.words() {
		m, err := f.openModel(word, f.labels, answers)
		if err != nil {
			return nil, f.explainTask(word, err)
		}
		m.Contract.Preprocess.ScaledDecode = m.Contract.Preprocess.ScaledDecode || f.scaledDecode
		m.Contract.Preprocess.RawPreview = m.Contract.Preprocess.RawPreview || f.rawPreview
		f.values.apply(&m.Contract.Preprocess)
		if f.augment != "" {
			a := preprocess.Augment(f.augment)
			if err := oneOf("augment", f.augment, models.Augments()); err != nil {
				return nil, err
			}
			if err := joint.Augmentable(&m.Contract, a); err != nil {
				return nil, usage(fmt.Errorf("--augment %s: %w", f.augment, err))
			}
			m.Contract.Preprocess.Augment = a
		}
		if err := f.tiles.apply(&m.Contract); err != nil {
			return nil, err
		}
		s.all = append(s.all, joint.Model{Name: joint.Name(word), Model: m})
	}
	var err error
	if s.contract, err = joint.Contract(s.all); err != nil {
		return nil, config(err)
	}
	if len(s.all) == 1 {
		return s, nil
	}
	if s.contract.Settings.TileBox {
		return nil, usagef("--tile-rule top: of several models, no one tile decides: score them in jobs of their own")
	}
	return s, checkTask(s.contract.Name, &s.contract)
}

// record describes the models in the record of a job.
func (s *modelSet) record(job *output.Job) {
	job.ModelDigest = joint.Digest(s.all)
	var names []string
	for _, m := range s.all {
		names = append(names, filepath.Base(m.Path))
		if m.LabelsFile != "" && job.LabelsFile == "" {
			job.LabelsFile = filepath.Base(m.LabelsFile)
		}
		if m.Int8 {
			job.Int8 = output.ExactInt8
		}
		if len(s.all) > 1 {
			job.Models = append(job.Models, output.JobModel{Name: m.Name, Model: filepath.Base(m.Path), Digest: m.Digest,
				Precision: m.Contract.Precision})
		}
	}
	job.Model = strings.Join(names, "+")
}

// registerHead adds the flag for the answer that a command is about.
func registerHead(fs *pflag.FlagSet, head *string) {
	fs.StringVar(head, "head", "", "of rows with several answers, take that of the model or output called `NAME`")
}

// oneAnswer returns an error if a command that is about one answer was given rows with
// several.
func oneAnswer(job *output.Job) error {
	names := job.HeadNames()
	if len(names) == 0 {
		return nil
	}
	return usagef("its rows have several answers: say --head %s", strings.Join(names, " or --head "))
}

// openAnswer opens the output in the place called out for a command that is about one answer, that
// of this --head. The context that it returns is for reading those rows.
func openAnswer(ctx context.Context, places *placeFlags, out, head string) (context.Context, store.Store, *output.Job, error) {
	st, err := places.open("OUT", out)
	if err != nil {
		return ctx, nil, nil, err
	}
	ctx = output.ForHead(ctx, head)
	job, err := output.ExistingJob(ctx, st)
	if err == nil {
		err = oneAnswer(&job)
	}
	return ctx, st, &job, explainHead(err)
}

// explainHead makes a wrong --head wrong usage.
func explainHead(err error) error {
	if errors.Is(err, output.ErrNoHead) {
		return usage(err)
	}
	return err
}
