package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Main runs one command line and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	stdout, stderr, closeDoors := openDoors(stdout, stderr)
	defer closeDoors()
	noCore()
	sig := newSignals()
	if isCompletion(args) {
		completing.Store(true)
	}
	root := newRoot(sig)
	ctx, cancel := context.WithCancel(withCommandLog(context.Background()))
	defer cancel()
	if cmd, _, err := root.Find(args); err == nil {
		cmd.SetContext(ctx) // before others read it
	}
	sig.listen(func(code int) {
		cmd, _, _ := root.Find(args) // the root if there is no such command
		endOverdue(stderr, cmd, code)
	})
	defer sig.close()
	// A signal ends a command at once, except for commands that drain first. They
	// detach their context and watch sig.stop themselves.
	go func() {
		select {
		case <-sig.stop:
			cancel()
		case <-ctx.Done():
		}
	}()

	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := refuseSecretArguments(root, args)
	if err == nil {
		cmd, err = root.ExecuteContextC(ctx)
	}
	code := exitCode(err, sig.received())
	if s := sig.received(); s != nil && err != nil && err.Error() == context.Canceled.Error() {
		err = fmt.Errorf("ended by a signal (%v)", s)
	}
	if err != nil {
		text := err.Error()
		if errors.Is(err, store.ErrUnfit) {
			text += "; " + storages.Forms()
		}
		if sayWhy(stderr, cmd, code, text) {
			return code
		}
	}
	if err == nil {
		commandLogOf(cmd.Context()).endWell(cmd)
	}
	if errors.Is(err, errUsage) {
		path := cmd.CommandPath()
		if of := new(commandError); errors.As(err, of) {
			path = of.command
		}
		printf(stderr, "Run '%s --help' for usage.\n", path)
	}
	return code
}

// longestWhy is how many bytes of an error are printed at most. It may have texts from files
// and answers of services in it.
const longestWhy = 16_000

// sayWhy says why a command ends with that code: as a line of its log if that is JSON,
// and returns true then.
func sayWhy(stderr io.Writer, cmd *cobra.Command, code int, text string) bool {
	text = redact(text)
	if n := len(text) - longestWhy; n > 0 {
		at := longestWhy * 3 / 4
		text = fmt.Sprintf("%s ... (%d bytes) ... %s", text[:at], n, text[at+n:])
	}
	return commandLogOf(cmd.Context()).endBadly(stderr, cmd, code, text)
}

// logsJSON reports whether a command was asked for a log of JSON lines, which its last
// one is then, too.
func logsJSON(cmd *cobra.Command) bool {
	format := cmd.Flags().Lookup("log-format")
	return format != nil && format.Changed && format.Value.String() == "json"
}

// sayError prints why a command failed: on a terminal wrapped at spaces.
func sayError(stderr io.Writer, text string) {
	if isTerminal(stderr) {
		stderr = toWidth(stderr, 2) // so that no wrapped line looks like another message
	}
	indent := "" // of the lines below the first, none of which is a message of its own
	for line := range strings.Lines("batchscore: " + strings.ReplaceAll(printable.Text(text), "\t", " ")) {
		fmt.Fprintln(stderr, indent+strings.TrimSuffix(line, "\n"))
		indent = "  "
	}
}

func newRoot(sig *signals) *cobra.Command {
	root := &cobra.Command{
		Use:   "batchscore",
		Short: "Score large image collections with neural networks, provably complete",
		Long: `batchscore scores every image of a collection with a neural network, on one
machine or on many ranks, and proves afterwards that every image got exactly one
result. Ranks need no coordinator: they meet only in the output folder. A job that
was stopped continues where it was when you start it again.`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommandOnly,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// No file may be written over one of an output folder.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return noneOwned(cmd.Flags()) },
	}
	root.SetFlagErrorFunc(flagError)
	groupCommands(root, "Score a collection", newRun(sig), newLaunch(sig), newJobs(), newPlan(), newSample())
	groupCommands(root, "Read and check a result", newShow(), newReport(), newView(), newExport(), newSimilar(), newMerge(),
		newVerify(), newRepair(), newPrune())
	groupCommands(root, "Models and machines", newModels(), newDoctor(), newGPUCheck(), newBench(), newCluster())
	groupCommands(root, "This program", newVersion(), newCompletion())
	root.AddCommand(
		&cobra.Command{Use: "exit-codes", Short: "What each exit code means, and what to do", Long: exitCodesHelp},
		&cobra.Command{Use: "figures", Short: "The figures of a result that --fail-on judges", Long: figuresTopic()},
		&cobra.Command{Use: "places", Short: "How places are written, and how to sign in to storage", Long: placesTopic},
	)
	layOutHelp(root)
	refuseRepeated(root)
	if completing.Load() {
		completeAll(root)
	}
	checkHelpWords(root)
	return root
}
