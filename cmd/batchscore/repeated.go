package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// joined is the value of a flag that takes a list as one text. If the flag is given
// several times, the lists are joined.
type joined struct {
	text      *string
	separator string
	given     bool
}

// registerJoined adds a flag whose value is a list with this separator.
func registerJoined(fs *pflag.FlagSet, text *string, name, separator, usage string) {
	fs.Var(&joined{text: text, separator: separator}, name, usage)
}

func (j *joined) Set(text string) error {
	if j.given {
		text = *j.text + j.separator + text
	}
	*j.text, j.given = text, true
	return nil
}

func (j *joined) String() string {
	if j.text == nil { // pflag makes a zero value to compare with
		return ""
	}
	return *j.text
}

// Type names the value in the help, and tells pflag how to read it.
func (j *joined) Type() string { return "string" }

// override replaces the value, as if it had not been given before.
func (j *joined) override(text string) error {
	*j.text, j.given = text, false
	return nil
}

// once is the value of a flag that has one value. If the flag is given again with
// another one, that is an error: the first would be lost without a word.
type once struct {
	pflag.Value
	given bool
	first string // as it was given
}

func (o *once) Set(text string) error {
	if o.given && o.first != text {
		return twiceError{o.first, text}
	}
	if err := o.Value.Set(text); err != nil {
		return err
	}
	o.given, o.first = true, text
	return nil
}

// override replaces the value, as if it had not been given before.
func (o *once) override(text string) error {
	o.given = false
	return o.Value.Set(text)
}

// twiceError is the error of a flag that was given two different values.
type twiceError struct{ first, second string }

func (t twiceError) Error() string {
	return fmt.Sprintf("given twice, as %s and as %s: give it once", strconv.Quote(t.first), strconv.Quote(t.second))
}

// overrideFlag sets a flag from elsewhere than the command line, which may set it too.
func overrideFlag(flag *pflag.Flag, text string) error {
	if v, ok := flag.Value.(interface{ override(text string) error }); ok {
		return v.override(text)
	}
	return flag.Value.Set(text)
}

// refuseRepeated makes it an error, for cmd and all commands below it, to give a flag
// two values that takes one.
func refuseRepeated(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch v := f.Value.(type) {
		case pflag.SliceValue, *joined, *prices, *once:
		default:
			if v.Type() != "stringToString" { // whose values add up, too
				f.Value = &once{Value: v}
				if f.DefValue == "0s" { // which pflag knows to be no default in a value of its own only
					f.DefValue = "0"
				}
			}
		}
	})
	for _, sub := range cmd.Commands() {
		refuseRepeated(sub)
	}
}
