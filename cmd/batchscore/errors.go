package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/store"
)

var (
	// errUsage marks errors in the command line itself.
	errUsage = errors.New("usage")
	// errConfig marks errors in what the command line refers to: files, settings,
	// credentials.
	errConfig = errors.New("configuration")
)

// marked wraps an error so that errors.Is also finds mark, which is not part of
// the message.
type marked struct {
	error
	mark error
}

func (m marked) Unwrap() []error { return []error{m.error, m.mark} }

// usage marks err as an error in the command line.
func usage(err error) error { return marked{err, errUsage} }

// usagef returns a new error in the command line.
func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// invalid returns an error about the value of a flag, which takes want instead.
func invalid(flag string, value any, want string) error {
	if text, ok := value.(string); ok {
		value = strconv.Quote(text)
	}
	return usagef("invalid value %v for --%s: want %s", value, flag, want)
}

// config marks err as an error in what the command line refers to.
func config(err error) error {
	if diskFull(err) || errors.Is(err, store.ErrUnavailable) {
		return err // the same command succeeds once there is room, or the storage answers
	}
	return marked{err, errConfig}
}

// commandError is an error in the command line of another command than the one that
// runs, such as in the flags for run after launch's --.
type commandError struct {
	error
	command string // its path
}

// ofCommand marks err as an error in the command line of cmd.
func ofCommand(cmd *cobra.Command, err error) error {
	return usage(commandError{err, cmd.CommandPath()})
}

func (c commandError) Unwrap() error { return c.error }
