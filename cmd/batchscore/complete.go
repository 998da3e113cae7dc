package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// choicesKey is the annotation of a flag that takes one of a few words, with these
// words.
const choicesKey = "batchscore_choices"

// chooseOne makes the shell complete a flag with words, the same that the command
// compares its value with.
func chooseOne(cmd *cobra.Command, flag string, words []string) {
	completeFlag(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err := cmd.Flags().SetAnnotation(flag, choicesKey, words); err != nil {
		panic(err) // there is no such flag
	}
}

// chooseSome is chooseOne for a flag that takes several words, separated by commas.
func chooseSome(cmd *cobra.Command, flag string, words []string) {
	completeFlag(cmd, flag, completeList(words))
	if err := cmd.Flags().SetAnnotation(flag, choicesKey, words); err != nil {
		panic(err) // there is no such flag
	}
}

// completing says that a shell asks for completions. Cobra keeps them, and with them the
// command tree, until the process ends.
var completing atomic.Bool

// isCompletion reports whether a command line is that of a shell which asks for completions.
func isCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// completeFlag registers how the shell completes the values of a flag, if one asks.
func completeFlag(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if !completing.Load() {
		return
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, harmless(f)); err != nil {
		panic(err) // there is no such flag, or it has one already
	}
}

// harmless returns f without candidates that mean something to a shell. Where several
// candidates begin alike, bash puts that into the command line without quoting it, and
// evaluates the line when it completes the next word.
func harmless(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		candidates, directive := f(cmd, args, toComplete)
		var kept []string
		for _, c := range candidates {
			word, description, described := strings.Cut(c, "\t")
			if strings.ContainsFunc(word, meansSomething) {
				continue
			}
			if described {
				word += "\t" + printable.Line(description)
			}
			kept = append(kept, word)
		}
		return kept, directive
	}
}

// meansSomething reports whether a character may mean more to a shell than itself and the
// end of a word.
func meansSomething(c rune) bool {
	return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune(" _@%+=:,./-", c)
}

// completeAll gives all flags and arguments of a command, and of those below it,
// the completion that suits the kind of value that their help names.
func completeAll(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, has := cmd.GetFlagCompletionFunc(f.Name); has || f.Value.Type() == "bool" || f.Name == "help" {
			return
		}
		kind, _ := pflag.UnquoteUsage(f)
		completeFlag(cmd, f.Name, completionOf(kind))
	})
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = completeOperands(cmd)
	}
	cmd.ValidArgsFunction = harmless(cmd.ValidArgsFunction)
	for _, sub := range cmd.Commands() {
		completeAll(sub)
	}
}

// completionOf returns the completion of values that help calls kind.
func completionOf(kind string) cobra.CompletionFunc {
	switch {
	case kind == "PLACE", kind == "FOLDER", kind == "DIR", kind == "OUT":
		return completeFolders
	case kind == "FILE.onnx", kind == "IN.onnx":
		return completeONNX
	case strings.HasPrefix(kind, "FILE"), kind == "SOURCE", kind == "PROGRAM", kind == "LOG":
		return completeFiles
	case kind == "JOB":
		return completeJobs
	case kind == "N|auto":
		return cobra.FixedCompletions([]string{"auto"}, cobra.ShellCompDirectiveNoFileComp)
	case kind == "NETWORK":
		return cobra.FixedCompletions(asWords(networks.Networks), cobra.ShellCompDirectiveNoFileComp)
	case kind == "MODEL", kind == "FILE.onnx|NAME":
		return completeModels
	}
	return cobra.NoFileCompletions
}

// completeOperands returns the completion of a command's arguments, which the
// beginning of its usage line names: "fetch JOB DIR".
func completeOperands(cmd *cobra.Command) cobra.CompletionFunc {
	line, _, _ := strings.Cut(cmd.Use, " -")
	line = strings.NewReplacer("[", "", "]", "", " | ", "|", " (", "").Replace(line)
	kinds := slices.DeleteFunc(strings.Fields(line)[1:], func(kind string) bool { return kind == "flags" })
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(kinds) > 0 && strings.HasSuffix(kinds[len(kinds)-1], "...") && len(args) >= len(kinds) {
			args = args[:len(kinds)-1]
		}
		if len(args) >= len(kinds) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeKind(strings.TrimSuffix(kinds[len(args)], "..."))(cmd, args, toComplete)
	}
}

// completeKind returns the completion of an argument that the usage line calls
// kind: a kind of value, or words and kinds to choose from.
func completeKind(kind string) cobra.CompletionFunc {
	switch {
	case kind == "JOB|OUT":
		return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			jobs, _ := completeJobs(cmd, args, toComplete)
			if len(jobs) > 0 {
				return jobs, cobra.ShellCompDirectiveNoFileComp
			}
			return completeFolders(cmd, args, toComplete)
		}
	case strings.HasPrefix(kind, "FILE.onnx|"), kind == "FILE|NAME":
		return completeModels
	case kind == strings.ToLower(kind):
		return cobra.FixedCompletions(strings.Split(kind, "|"), cobra.ShellCompDirectiveNoFileComp)
	}
	return completionOf(kind)
}

// isStored reports whether what is being typed is a place in object storage, which
// no shell can complete.
func isStored(toComplete string) bool { return strings.Contains(toComplete, "://") }

func completeFolders(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if isStored(toComplete) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func completeFiles(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if isStored(toComplete) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

func completeONNX(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"onnx"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeModels completes the name of a registered model, or else a file.
func completeModels(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if names, _ := completeRegistered(cmd, args, toComplete); len(names) > 0 {
		return names, cobra.ShellCompDirectiveDefault
	}
	return completeONNX(cmd, args, toComplete)
}

// completeRegistered completes the name of a registered model.
func completeRegistered(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	folder := ""
	if f := cmd.Flags().Lookup("models"); f != nil {
		folder = f.Value.String()
	}
	var names []string
	if folder, err := modelsDir(folder); err == nil {
		for _, name := range library.Names(folder) {
			if strings.HasPrefix(name, toComplete) {
				names = append(names, name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeJobs completes the ID of a job that was launched from this machine, the
// newest first.
func completeJobs(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	book, err := openBook()
	if err != nil {
		return nil, directive
	}
	all, _ := book.List()
	var jobs []string
	for _, r := range all {
		if strings.HasPrefix(r.ID, toComplete) {
			jobs = append(jobs, cobra.CompletionWithDesc(r.ID, fmt.Sprintf("%s, %s", r.Launched.Local().Format("2006-01-02 15:04"), r.Engine)))
		}
	}
	return jobs, directive
}

// completeList completes the last of several words, separated by commas.
func completeList(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		given := toComplete[:strings.LastIndex(toComplete, ",")+1]
		var all []string
		for _, word := range words {
			if !slices.Contains(strings.Split(given, ","), word) {
				all = append(all, given+word)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// completeColumns completes names of columns, separated by commas: those of the
// result in the command line if it is on this machine, else the usual ones.
func completeColumns(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	var job output.Job
	if len(args) > 0 && isLocal(args[0]) {
		if st, err := new(placeFlags).open("OUT", args[0]); err == nil {
			if own, err := output.ExistingJob(cmd.Context(), st); err == nil {
				job = own
			}
		}
	}
	var names []string
	for _, c := range columnsOf(&job) {
		names = append(names, c.Name)
	}
	return completeList(names)(cmd, args, toComplete)
}

// completeRunFlags completes the flags for run after launch's --, and their values.
func completeRunFlags(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if cmd.ArgsLenAtDash() < 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	run := runCommand(nil)
	// Cobra takes a flag that launch has, too, out of the arguments that it passes.
	if n := len(os.Args); n > 2 {
		name, isFlag := strings.CutPrefix(os.Args[n-2], "--")
		if flag := run.Flags().Lookup(name); isFlag && flag != nil && flag.NoOptDefVal == "" {
			if f, ok := run.GetFlagCompletionFunc(flag.Name); ok {
				return f(run, nil, toComplete)
			}
		}
	}
	var names []string
	run.Flags().VisitAll(func(f *pflag.Flag) {
		if name := "--" + f.Name; !f.Hidden && strings.HasPrefix(name, toComplete) {
			_, usage := pflag.UnquoteUsage(f)
			names = append(names, cobra.CompletionWithDesc(name, usage))
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
