package main

import "github.com/spf13/cobra"

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
