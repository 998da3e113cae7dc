package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
)

// shape says what a report shows of a part of a YAML document. Its zero value shows
// nothing but the kind and the size.
type shape struct {
	// scalar matches the values that are shown; nil shows none.
	scalar *regexp.Regexp
	// fields are the known fields of a mapping.
	fields map[string]shape
	// named returns what is shown of a field that is not among them, and whether its name is.
	named func(name string) (shape, bool)
	// item returns what is shown of an item of a list, by its index.
	item func(i int, value string) (shown string, ok bool)
	// items is the shape of all items, where item is nil.
	items *shape
}

var (
	anyText     = shape{scalar: regexp.MustCompile(`^[^\x00-\x1f]*$`)}
	number      = shape{scalar: regexp.MustCompile(`^[0-9.]{1,9}$`)}
	boolean     = shape{scalar: regexp.MustCompile(`^(?i:true|false)$`)}
	duration    = shape{scalar: regexp.MustCompile(`^(?:[0-9.]{1,9}(?:h|m|s|ms)){1,4}$`)}
	word        = shape{scalar: regexp.MustCompile(`^[a-z]{1,10}$`)}
	cron        = shape{scalar: regexp.MustCompile(`^[0-9*/, -]{1,80}$`)}
	variable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	upperCase   = shape{scalar: regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,63}$`)}
	programName = regexp.MustCompile(`^[A-Za-z0-9_./+-]{1,100}$`)
	flagName    = regexp.MustCompile(`^(?:-[A-Za-z]|--[a-z][a-z-]{0,40})$`)
	texts       = shape{items: &anyText}
)

// jobShape is that of job.yaml.
func jobShape() shape {
	run := runCommand(nil).Flags()
	return shape{fields: map[string]shape{
		"name": anyText, "images": anyText, "out": anyText, "task": anyText, "model": anyText,
		"nodes": number, "ranksPerNode": number, "gpusPerNode": number, "gpu": anyText, "vmSize": anyText, "priority": word, "image": anyText,
		"timeLimit": duration, "schedule": cron,
		"command": {item: commandWord},
		"run": {named: func(name string) (shape, bool) {
			known := run.Lookup(name) != nil
			if !known || secretName.MatchString(name) || name == "on-end" || name == "on-first-failure" { // their addresses may be secret
				return shape{}, known
			}
			return anyText, true
		}},
		"environment": {
			named: func(name string) (shape, bool) {
				if showsValue(name) {
					return anyText, true
				}
				return shape{}, variable.MatchString(name)
			},
			item: func(_ int, value string) (string, bool) {
				name, _, ok := strings.Cut(value, "=")
				return value, ok && showsValue(name)
			},
		},
		"secrets": {named: func(name string) (shape, bool) {
			return shape{fields: map[string]shape{"env": upperCase, "file": anyText, "keyVault": anyText, "kubernetes": anyText}}, variable.MatchString(name)
		}},
		"mounts": {items: &shape{fields: map[string]shape{"source": anyText, "path": anyText, "readOnly": boolean}}},
	}}
}

// commandWord returns what is shown of a word of a command: the program and names of flags.
func commandWord(i int, value string) (string, bool) {
	if i == 0 {
		return value, programName.MatchString(value)
	}
	name, _, given := strings.Cut(value, "=")
	if given {
		value = name + "=..."
	}
	return value, flagName.MatchString(name)
}

// recordShape is that of the record of a launched job.
func recordShape() shape {
	return shape{fields: map[string]shape{
		"id": anyText, "engine": anyText, "endpoint": anyText, "credentials": anyText, "launched": anyText, "phase": anyText, "outcome": anyText,
		"exit_code": number, "job": jobShape(),
		"service": {fields: map[string]shape{
			"mpirun": anyText, "hosts": texts, "hostFile": anyText, "binary": anyText, "bind": anyText, "grace": duration, "restarts": number,
			"agent": {}, "mca": {}, "setup": {}, "partition": anyText, "constraint": anyText, "folder": anyText, "cpusPerRank": number,
			"exclusive": boolean, "kubectl": anyText, "context": anyText, "namespace": anyText, "mpi": anyText, "image": anyText,
			"gpuResource": anyText, "gpuLabel": anyText, "cpu": anyText, "memory": anyText, "sharedMemory": anyText, "retries": number,
			"timeZone": anyText, "location": anyText, "compute": anyText, "cluster": anyText,
		}},
	}}
}

// yaml returns what a report shows of a YAML document: values of known fields that hold no
// secrets by their kind. Of others it says the kind and the size. An error names no text of
// the document.
func (s *scrubber) yaml(body []byte, known shape) (string, error) {
	if err := deploy.CheckYAML(body); err != nil {
		return "", err
	}
	if job, err := deploy.ReadJob(bytes.NewReader(body)); err == nil {
		for _, secret := range job.Secrets {
			// One that cannot be read now is not in this process, either.
			values, _ := deploy.Job{Secrets: map[string]deploy.Secret{"S": secret}}.Resolve()
			s.add(values["S"])
		}
	}
	var n yaml.Node
	if err := yaml.Unmarshal(body, &n); err != nil {
		if at := new(yaml.LoadError); errors.As(err, &at) && at.Mark.Line > 0 {
			return "", fmt.Errorf("it cannot be parsed from line %d on", at.Mark.Line)
		}
		return "", errors.New("it cannot be parsed")
	}
	shown := notShown(&n)
	if len(n.Content) == 1 {
		shown = s.shown(n.Content[0], known)
	}
	text, err := yaml.Marshal(shown)
	return s.text(string(text)), err
}

// shown returns a copy of a part of a document, without anchors, tags and comments.
func (s *scrubber) shown(n *yaml.Node, known shape) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind == yaml.ScalarNode && (isNull(n) || known.scalar != nil && known.scalar.MatchString(n.Value)):
		return s.scalar(n, n.Value)
	case n.Kind == yaml.MappingNode && (known.fields != nil || known.named != nil):
		list := &yaml.Node{Kind: yaml.MappingNode, Style: n.Style & yaml.FlowStyle}
		for i := 0; i+1 < len(n.Content); i += 2 {
			list.Content = append(list.Content, s.field(n.Content[i], n.Content[i+1], known)...)
		}
		return list
	case n.Kind == yaml.SequenceNode && (known.item != nil || known.items != nil):
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: n.Style & yaml.FlowStyle}
		for i, c := range n.Content {
			switch {
			case known.item == nil:
				list.Content = append(list.Content, s.shown(c, *known.items))
			case c.Kind != yaml.ScalarNode:
				list.Content = append(list.Content, notShown(c))
			default:
				shown := notShown(c)
				if text, ok := known.item(i, c.Value); ok {
					shown = s.scalar(c, text)
				}
				list.Content = append(list.Content, shown)
			}
		}
		return list
	}
	return notShown(n)
}

// field returns the name and the value of a field.
func (s *scrubber) field(key, value *yaml.Node, known shape) []*yaml.Node {
	if key.Kind != yaml.ScalarNode {
		return []*yaml.Node{notShown(key), notShown(value)}
	}
	if key.Tag == "!!merge" {
		return []*yaml.Node{{Kind: yaml.ScalarNode, Value: "merged"}, s.shown(value, known)}
	}
	of, ok := known.fields[key.Value]
	switch {
	case ok:
	case known.named != nil:
		// A field of a mapping in braces that has no value may be one.
		if of, ok = known.named(key.Value); isNull(value) {
			ok = false
		}
	default:
		ok = similar(key.Value, known.fields)
	}
	if !ok {
		return []*yaml.Node{notShown(key), notShown(value)}
	}
	return []*yaml.Node{s.scalar(key, key.Value), s.shown(value, of)}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && (n.Value == "" || n.Value == "~" || strings.EqualFold(n.Value, "null"))
}

// similar reports whether a name is probably meant to be one of the fields.
func similar(name string, fields map[string]shape) bool {
	name = strings.ToLower(name)
	for field := range fields {
		field = strings.ToLower(field)
		if len(name) > 2 && strings.HasPrefix(field, name) || strings.HasPrefix(name, field) && len(name) < len(field)+2 {
			return true
		}
	}
	return false
}

// scalar returns a copy of a scalar with another text.
func (s *scrubber) scalar(n *yaml.Node, text string) *yaml.Node {
	// Here, where it is not yet folded.
	c := &yaml.Node{Kind: yaml.ScalarNode, Value: s.text(text), Style: n.Style &^ yaml.TaggedStyle}
	if n.Tag == "!!str" || c.Value != n.Value {
		c.Tag = "!!str"
	}
	return c
}

// notShown returns what is shown instead of a part of a document.
func notShown(n *yaml.Node) *yaml.Node {
	text := ""
	switch n.Kind {
	case yaml.MappingNode:
		text = fmt.Sprintf("<not shown, fields: %d>", len(n.Content)/2)
	case yaml.SequenceNode:
		text = fmt.Sprintf("<not shown, items: %d>", len(n.Content))
	case yaml.ScalarNode:
		text = fmt.Sprintf("<not shown, bytes: %d>", len(n.Value))
	default:
		text = "<not shown>"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}
