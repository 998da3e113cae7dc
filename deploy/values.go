package deploy

import (
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/distribution/reference"
)

// longest is how many bytes Linux takes in one argument of a program, or in one
// variable with its name.
const longest = 128<<10 - 1

var (
	// kindName is what every engine takes as the name of a kind of GPU or machine.
	kindName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$`)
	flagName = regexp.MustCompile(`^[a-z][-a-z0-9]*$`)
	// shellsOwn are variables whose values would not reach the ranks, because the shells
	// set them that engines start ranks with: those of POSIX and of bash, and those of the
	// scripts that batchscore writes, which begin with an underscore.
	shellsOwn = regexp.MustCompile(`^(_[a-z]*|IFS|PWD|OLDPWD|SHLVL|PPID|UID|EUID|GROUPS|S?RANDOM|SECONDS|LINENO|OPTIND|OPTERR|HISTCMD|PS[0-4]` +
		`|DIRSTACK|FUNCNAME|PIPESTATUS|EPOCHSECONDS|EPOCHREALTIME|COMP_WORDBREAKS|SHELLOPTS|BASHOPTS|BASH|BASHPID` +
		`|BASH_(ALIASES|ARGC|ARGV0?|CMDS|COMMAND|LINENO|SOURCE|SUBSHELL|VERSINFO|VERSION))$`)
)

// Shown returns a value for an error message: quoted, and without the end of a long one.
func Shown(value string) string {
	const most = 100
	if len(value) <= most {
		return strconv.Quote(value)
	}
	return fmt.Sprintf("%q... (%d bytes)", value[:most], len(value))
}

// CheckImage returns an error unless image is a reference to a container image.
func CheckImage(image string) error {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return fmt.Errorf("image %s: want [REGISTRY/]NAME[:TAG][@DIGEST] with lower-case letters in NAME: %w", Shown(image), err)
	}
	return nil
}

// texts returns the values of the job that reach the engine or the ranks, by field.
func (j Job) texts() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, f := range []struct{ field, value string }{
			{"name", j.Name}, {"images", j.Images}, {"out", j.Out}, {"after", j.After}, {"task", j.Task}, {"model", j.Model},
			{"gpu", j.GPU}, {"vmSize", j.VMSize}, {"image", j.Image}, {"schedule", j.Schedule},
		} {
			if !yield(f.field, f.value) {
				return
			}
		}
		for i, argument := range j.Command {
			if !yield("command: argument "+strconv.Itoa(i), argument) {
				return
			}
		}
		for _, of := range []struct {
			field string
			all   map[string]string
		}{{"run", j.Run}, {"environment", j.Environment}} {
			for _, name := range slices.Sorted(maps.Keys(of.all)) {
				// The name is part of the same argument or variable.
				if !yield(of.field+": "+Shown(name), name+"="+of.all[name]) {
					return
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(j.Secrets)) {
			if _, reference := j.Secrets[name].Kind(); !yield("secrets: "+Shown(name), name+"="+reference) {
				return
			}
		}
		for _, m := range j.Mounts {
			if !yield("mounts: source", m.Source) || !yield("mounts: path", m.Path) {
				return
			}
		}
	}
}

// checkValues checks every value by itself.
func (j Job) checkValues(faults *Faults) {
	for field, value := range j.texts() {
		switch {
		case strings.ContainsRune(value, 0):
			faults.Say("%s: it has a zero byte, which neither an argument nor a variable can have", field)
		case len(value) > longest:
			faults.Say("%s: %d bytes are too many: Linux takes at most %d in one argument or variable", field, len(value), longest)
		}
	}
	for _, kind := range []struct{ field, value string }{{"gpu", j.GPU}, {"vmSize", j.VMSize}} {
		if kind.value != "" && !kindName.MatchString(kind.value) {
			faults.Say("%s %s: want at most 63 letters, digits and ._+-, a letter or digit first", kind.field, Shown(kind.value))
		}
	}
	if j.Image != "" {
		faults.Add(CheckImage(j.Image))
	}
	if len(j.Command) > 0 && (j.Command[0] == "" || strings.HasPrefix(j.Command[0], "-")) {
		faults.Say("command: %s is not a program: launchers would take it for a flag of theirs", Shown(j.Command[0]))
	}
	for _, of := range []struct {
		field string
		names iter.Seq[string]
	}{{"environment", maps.Keys(j.Environment)}, {"secrets", maps.Keys(j.Secrets)}} {
		for _, name := range slices.Sorted(of.names) {
			if shellsOwn.MatchString(name) {
				faults.Say("%s: %s is set by the shells that start the ranks: choose another name", of.field, name)
			}
		}
	}
}

// CheckUTF8 returns ErrUnsupported for values that are not text in UTF-8. It is for
// engines that are sent documents, in which such values would change.
func CheckUTF8(engine string, job Job) error {
	var faults Faults
	for field, value := range job.texts() {
		if !utf8.ValidString(value) {
			faults.Add(Unsupported(engine, field, "it is not text in UTF-8, as this engine's documents must be"))
		}
	}
	return faults.Err()
}
