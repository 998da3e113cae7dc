package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// leastSecret is the least length of a secret: a shorter value of a variable may
// occur in any text.
const leastSecret = 16

// refuseSecretArguments returns an error if a command line holds a secret, before
// the command can print, log or record it. The error does not repeat it. The command
// launch says better where a job names its secrets, and records nothing before.
func refuseSecretArguments(root *cobra.Command, args []string) (*cobra.Command, error) {
	cmd, _, err := root.Find(args)
	if err != nil || cmd == nil {
		cmd = root
	}
	for i, arg := range args {
		known := storages.HoldsSecret(arg)
		// It may be taken for a flag, or for what follows a flag of one letter.
		flag := strings.TrimLeft(arg, "-")
		hidden := !known && flag != "" && (storages.HoldsSecret(flag) || storages.HoldsSecret(flag[1:]))
		secret := hidden || known && cmd.Name() != "launch"
		for _, name := range secretVariables() {
			value := os.Getenv(name)
			secret = secret || len(value) >= leastSecret && strings.Contains(arg, value)
		}
		if secret {
			return cmd, usagef("argument %d of the command line holds a key or a signature, which other users of this machine can see:"+
				" give credentials in the environment or in a file that --credentials names ('batchscore help places' says how)", i+1)
		}
	}
	return cmd, nil
}

// noArgs is the argument rule of commands that take none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return strayArgument(cmd, args[0], "")
	}
	return nil
}

// subcommandOnly is the argument rule of commands that do nothing themselves:
// any argument is the name of a subcommand that does not exist.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unknownCommand(cmd, args[0])
}

// oneArg is the argument rule of commands that take exactly one, called name in
// the error.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s takes one argument, %s; %d were given", cmd.CommandPath(), name, len(args))
		}
		return nil
	}
}

// someArgs is the argument rule of commands that take one and may take more.
func someArgs(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s takes at least one argument, %s", cmd.CommandPath(), name)
		}
		return nil
	}
}

// atMostOne is the argument rule of commands that take one or none.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("%s takes at most one argument, %s; %d were given", cmd.CommandPath(), name, len(args))
		}
		return nil
	}
}

// firstArg returns the first argument, or "" if there is none.
func firstArg(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// noneEmpty returns an error if a flag that takes a text was given an empty one, as with a variable
// of a shell that is not set: it would be ignored.
func noneEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = usagef("--%s is empty: give it a value, or leave it out", f.Name)
		}
	})
	return err
}
