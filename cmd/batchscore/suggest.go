package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// oneOf returns an error unless the value of a flag is one of the choices.
func oneOf(flag, value string, choices []string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return invalid(flag, value, orList(choices)+didYouMean(value, choices))
}

// unknownCommand returns the error about a word that is not a command of cmd.
func unknownCommand(cmd *cobra.Command, word string) error {
	what := cmd.Name() + " has no command " + strconv.Quote(word)
	if !cmd.HasParent() {
		what = "there is no command " + strconv.Quote(word)
	}
	var names, elsewhere []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			if slices.Contains(sub.SuggestFor, word) {
				return usagef("%s; did you mean %q?", what, sub.Name())
			}
			names = append(names, sub.Name())
		}
	}
	if hint := didYouMean(word, names); hint != "" {
		return usagef("%s%s", what, hint)
	}
	eachCommand(cmd.Root(), func(c *cobra.Command) {
		if c.Name() == word && len(elsewhere) < maxSuggested {
			elsewhere = append(elsewhere, strconv.Quote(c.CommandPath()))
		}
	})
	if len(elsewhere) > 0 {
		return usagef("%s; did you mean %s?", what, orList(elsewhere))
	}
	return usagef("%s", what)
}

// eachCommand calls do for a command and all below it that the help shows.
func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			eachCommand(sub, do)
		}
	}
}

// flagError says what is wrong with the flags of a command line, as err reports
// it.
func flagError(cmd *cobra.Command, err error) error {
	return usage(explainFlag(cmd, err))
}

// explainFlag returns an error about flags in this program's words, with the flag
// that was probably meant.
func explainFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bad *pflag.InvalidValueError
	var twice twiceError
	switch {
	case errors.As(err, &bad) && errors.As(err, &twice):
		return usagef("--%s is %w", bad.GetFlag().Name, twice)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w%s", err, meantFlag(cmd, unknown))
	case errors.As(err, &bad):
		flag := bad.GetFlag()
		return invalid(flag.Name, bad.GetValue(), kindOf(flag, bad))
	}
	return err
}

// kindOf says what values a flag takes.
func kindOf(flag *pflag.Flag, bad *pflag.InvalidValueError) string {
	switch flag.Value.Type() {
	case "int", "int64", "uint64":
		return "a whole number"
	case "intSlice":
		return "whole numbers, separated by commas"
	case "float32", "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "duration":
		return "a time with its unit, such as 30s, 5m or 7h30m"
	}
	cause := bad.Unwrap().Error()
	return strings.TrimPrefix(cause, "want ")
}

// meantFlag returns the end of the error about a flag that a command does not
// have: the one of its own that was probably meant, else the commands that have
// it.
func meantFlag(cmd *cobra.Command, unknown *pflag.NotExistError) string {
	word := unknown.GetSpecifiedName()
	if group := unknown.GetSpecifiedShortnames(); group != "" {
		word = group // "-images" is read as -i, -m, -a, ...
		if cmd.Flags().Lookup(word) != nil {
			return fmt.Sprintf("; did you mean --%s?", word)
		}
	}
	if text := elsewhereCalled(cmd.Flags(), word); text != "" {
		return "; " + text
	}
	var near, others []string
	if len(word) > 1 {
		near = nearest(word, flagNames(cmd.Flags()))
		eachCommand(cmd.Root(), func(c *cobra.Command) {
			if c != cmd && c.LocalFlags().Lookup(word) != nil {
				others = append(others, "'"+c.CommandPath()+"'")
			}
		})
	}
	switch {
	case len(near) > 0 && (len(others) == 0 || errorsBetween(word, near[0]) < 2):
		return "; did you mean --" + orList(strings.Split(strings.Join(near, ",--"), ",")) + "?"
	case len(others) == 0 || len(others) > maxSuggested:
		return ""
	}
	return "; it is a flag of " + place.List(others, "and")
}

// otherNames are what other programs call flags of this one. Of several flags, those
// that the command has are meant.
var otherNames = map[string][]string{
	"output": {"out"}, "output-dir": {"out"}, "outdir": {"out"}, "dest": {"out"}, "result": {"out"}, "results": {"out"},
	"input": {"images"}, "inputs": {"images"}, "input-dir": {"images"}, "folder": {"images"}, "dir": {"images"}, "data": {"images"}, "path": {"images"},
	"limit": {"max"}, "head": {"limit", "max"}, "count": {"limit", "max"}, "max-images": {"max"}, "first": {"limit", "max"},
	"device": {"provider"}, "gpu": {"provider"}, "cuda": {"provider"}, "backend": {"provider"}, "ep": {"provider"},
	"classes": {"labels"}, "class-names": {"labels"}, "names": {"labels"},
	"batch-size": {"batch"}, "batchsize": {"batch"}, "bs": {"batch"}, "chunk-size": {"chunk"},
	"workers": {"ranks-per-node", "decoders"}, "num-workers": {"ranks-per-node", "decoders"}, "threads": {"decoders"}, "ranks": {"ranks-per-node"},
	"image-size": {"width", "height"}, "img-size": {"width", "height"}, "input-size": {"width", "height"},
	"filter": {"where"}, "label": {"where", "labels"}, "query": {"where"}, "order-by": {"sort"}, "fields": {"columns"},
	"overwrite": {"force", "yes"}, "csv": {"format", "merge"}, "parquet": {"format", "merge"}, "timeout": {"patience", "deadline"},
}

// elsewhereCalled returns what to say about a flag that other programs have, if this
// command does the same under another name, or without a flag.
func elsewhereCalled(fs *pflag.FlagSet, word string) string {
	if fs.Lookup("images") != nil && fs.Lookup("out") != nil {
		switch word {
		case "resume", "continue":
			return "no flag is needed: the same command continues what is in --out"
		case "recursive":
			return "no flag is needed: all images beneath a folder are taken"
		}
	}
	var own []string
	for _, name := range otherNames[strings.ToLower(word)] {
		if fs.Lookup(name) != nil {
			own = append(own, "--"+name)
		}
	}
	if len(own) == 0 {
		return ""
	}
	return "did you mean " + orList(own) + "?"
}

// flagNames returns the names of the flags that the help shows.
func flagNames(fs *pflag.FlagSet) []string {
	var names []string
	fs.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// strayArgument returns the error about an argument of a command that takes none:
// often the place of the images, without its flag. A note may say more.
func strayArgument(cmd *cobra.Command, arg, note string) error {
	hint := ""
	images, out := cmd.Flags().Lookup("images"), cmd.Flags().Lookup("out")
	switch {
	case images == nil || images.Value.Type() != "string":
	case !images.Changed:
		hint = "; did you mean --images " + shellquote.Quote(arg) + "?"
	case filepath.Dir(images.Value.String()) == filepath.Dir(arg) && filepath.Ext(arg) != "":
		hint = "; a shell replaces a pattern such as *.jpg by the names of files: name their folder instead, --images " +
			shellquote.Quote(filepath.Dir(arg))
	case out != nil && !out.Changed:
		hint = "; did you mean --out " + shellquote.Quote(arg) + "?"
	}
	if note != "" {
		note = "; " + note
	}
	return usagef("%s takes no argument %q%s%s", cmd.CommandPath(), arg, note, hint)
}
