// Package event names the kinds of lines of the log. Every line begins with a Kind, which
// gives it its name and its level:
//
//	event.ClaimLost.On(log).Int("chunk", 17).Msg("another worker took this claim over")
//
// So a name cannot be forgotten, and the list in docs/reference.md is written from the
// kinds. The names are an interface: what reads a log filters by them.
package event

import (
	"context"
	"slices"
	"strings"

	"github.com/rs/zerolog"
)

// Fields that lines of any kind have.
const (
	// NameField holds the name of the kind.
	NameField = "event"
	// PersonField is true in lines that ask for a person, and left out of others.
	PersonField = "needs_person"
)

// A Kind is one kind of lines of the log.
type Kind struct {
	// Name is the value of the field "event": lower case, with underscores.
	Name string
	// Levels are those that lines of the kind have, the usual one first. An error means
	// that a person is needed now, a warning that the result or the time it takes is not
	// what it could be.
	Levels []zerolog.Level
	// Person reports whether a line asks for a person whatever its level: nothing changes
	// until somebody acts. Errors do so anyway.
	Person bool
	// Means says what has happened, and Fields which fields the line has, both in Markdown
	// for docs/reference.md.
	Means, Fields string
}

// On begins a line of the kind, with its usual level.
func (k *Kind) On(log zerolog.Logger) *zerolog.Event { return k.At(log, k.Levels[0]) }

// At begins a line of the kind with one of its levels.
func (k *Kind) At(log zerolog.Logger, level zerolog.Level) *zerolog.Event {
	e := log.WithLevel(level).Str(NameField, k.Name)
	if k.Person || level == zerolog.ErrorLevel {
		e = e.Bool(PersonField, true)
	}
	return e
}

// In begins a line of the kind about what is done in ctx: if that holds a span, a Scope adds
// its ids.
func (k *Kind) In(ctx context.Context, log zerolog.Logger) *zerolog.Event { return k.On(log).Ctx(ctx) }

// All returns every kind, sorted by name.
func All() []*Kind {
	return slices.SortedFunc(slices.Values(all), func(a, b *Kind) int { return strings.Compare(a.Name, b.Name) })
}

var all []*Kind

func add(k Kind) *Kind {
	all = append(all, &k)
	return &k
}

func debug(name, means, fields string) *Kind {
	return ordinary(zerolog.DebugLevel, name, means, fields)
}
func info(name, means, fields string) *Kind { return ordinary(zerolog.InfoLevel, name, means, fields) }
func warn(name, means, fields string) *Kind { return ordinary(zerolog.WarnLevel, name, means, fields) }

func ordinary(level zerolog.Level, name, means, fields string) *Kind {
	return add(Kind{Name: name, Levels: []zerolog.Level{level}, Means: means, Fields: fields})
}

// ask returns a kind of warnings that ask for a person.
func ask(name, means, fields string) *Kind {
	return add(Kind{Name: name, Levels: []zerolog.Level{zerolog.WarnLevel}, Person: true, Means: means, Fields: fields})
}
