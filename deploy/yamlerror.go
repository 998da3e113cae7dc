package deploy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// YAMLError returns an error that tells a user what is wrong with a YAML file. It
// shows the names of fields and no values: a value may be a secret in the wrong
// place.
func YAMLError(err error) error {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &all):
		var lines []string
		for _, e := range all.Errors {
			lines = append(lines, inWords(e))
		}
		return errors.New(strings.Join(lines, "; "))
	case errors.As(err, &one):
		return errors.New(inWords(one))
	}
	return err
}

var (
	noField   = regexp.MustCompile(`^field (.*) not found in type `)
	wrongType = regexp.MustCompile("^cannot construct !!([a-z]+)(?s:.*) into ([^ ]+)$")
)

func inWords(e *yaml.LoadError) string {
	text := e.Message
	if m := noField.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("there is no field %q", m[1])
	} else if m := wrongType.FindStringSubmatch(text); m != nil {
		text = "found " + kindOfTag(m[1]) + ", want " + kindOfType(m[2])
	}
	if e.Mark.Line == 0 {
		return text
	}
	return fmt.Sprintf("line %d: %s", e.Mark.Line, text)
}

func kindOfTag(tag string) string {
	switch tag {
	case "seq":
		return "a list"
	case "map":
		return "a mapping"
	case "int", "float":
		return "a number"
	case "bool":
		return "true or false"
	}
	return "text"
}

func kindOfType(name string) string {
	switch {
	case strings.HasPrefix(name, "int"):
		return "a whole number"
	case name == "bool":
		return "true or false"
	case name == "string":
		return "text"
	case strings.HasPrefix(name, "[]"):
		return "a list"
	}
	return "a mapping"
}
