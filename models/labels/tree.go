package labels

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// value is a value of JSON or YAML: a scalar, a list, or an object with its keys in the
// order of the file.
type value struct {
	kind  kind
	text  string // of a scalar
	keys  []string
	items []value
}

type kind int

const (
	word   kind = iota // a scalar that is text
	number             // a scalar that is a number
	other              // true, false, null
	list
	object
)

// maxDepth is how deeply labels may be nested in a file.
const maxDepth = 8

// structured parses text that begins with a bracket or a brace: JSON, JSON lines, or a
// Python literal that YAML can parse.
func (p parser) structured(text string) (List, error) {
	v, err := parseJSON(text)
	if err == nil {
		return p.tree("JSON", v)
	}
	if errors.Is(err, errDoubled) {
		return List{}, fmt.Errorf("it is JSON%s: %w", p.has(), err)
	}
	if lines, ok := jsonLines(text); ok {
		return p.tree("JSON lines", lines)
	}
	if v, err2 := parseYAML(text); err2 == nil && !strings.Contains(text, `\`) && (v.kind == list || v.kind == object) {
		return p.tree("Python", v)
	}
	return List{}, fmt.Errorf("it begins as JSON does, with %q, but is not complete JSON%s: %w; %s", text[:1], p.has(), err, certain)
}

func (p parser) yaml(text string) (List, error) {
	v, err := parseYAML(text)
	if err != nil {
		return List{}, fmt.Errorf("it looks like YAML but is not%s: %w; %s", p.has(), err, certain)
	}
	if v.kind != list && v.kind != object {
		return List{}, fmt.Errorf("it is YAML without a list%s; %s", p.has(), certain)
	}
	return p.tree("YAML", v)
}

var errDoubled = errors.New("a key occurs twice")

func parseJSON(text string) (value, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := readJSON(d, 0)
	if err != nil {
		return v, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, errors.New("unexpected data after the first value")
	}
	return v, nil
}

func readJSON(d *json.Decoder, depth int) (value, error) {
	t, err := d.Token()
	if err != nil {
		return value{}, err
	}
	switch t := t.(type) {
	case string:
		return value{kind: word, text: t}, nil
	case json.Number:
		return value{kind: number, text: t.String()}, nil
	case json.Delim:
		if depth == maxDepth {
			return value{}, errors.New("it is nested too deeply for labels")
		}
		v := value{kind: list}
		seen := map[string]bool{}
		if t == '{' {
			v.kind = object
		}
		for d.More() {
			if v.kind == object {
				key, err := d.Token()
				if err != nil {
					return v, err
				}
				name := key.(string)
				if seen[name] {
					return v, fmt.Errorf("%w: %q", errDoubled, name)
				}
				seen[name] = true
				v.keys = append(v.keys, name)
			}
			item, err := readJSON(d, depth+1)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, item)
		}
		_, err := d.Token()
		return v, err
	}
	return value{kind: other, text: fmt.Sprint(t)}, nil
}

// jsonLines returns the list of the values of the lines.
func jsonLines(text string) (value, bool) {
	v := value{kind: list}
	for l := range strings.Lines(text) {
		item, err := parseJSON(l)
		if err != nil {
			return v, false
		}
		v.items = append(v.items, item)
	}
	return v, len(v.items) > 1
}

func parseYAML(text string) (value, error) {
	var n yaml.Node
	if err := yaml.Load([]byte(text), &n); err != nil {
		return value{}, err
	}
	return ofYAML(&n, 0)
}

func ofYAML(n *yaml.Node, depth int) (value, error) {
	if depth > maxDepth {
		return value{}, errors.New("it is nested too deeply for labels")
	}
	v := value{}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 1 {
			return ofYAML(n.Content[0], depth+1)
		}
		return v, errors.New("it is empty")
	case yaml.ScalarNode:
		v.text = n.Value
		// The words no and null are labels, not false or nothing.
		if tag := n.ShortTag(); tag == "!!int" {
			v.kind = number
		}
		return v, nil
	case yaml.SequenceNode:
		v.kind = list
		for _, c := range n.Content {
			item, err := ofYAML(c, depth+1)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, item)
		}
		return v, nil
	case yaml.MappingNode:
		v.kind = object
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				return v, errors.New("a key is not text")
			}
			if seen[key.Value] {
				return v, fmt.Errorf("%w: %q", errDoubled, key.Value)
			}
			seen[key.Value] = true
			item, err := ofYAML(n.Content[i+1], depth+1)
			if err != nil {
				return v, err
			}
			v.keys, v.items = append(v.keys, key.Value), append(v.items, item)
		}
		return v, nil
	}
	return v, errors.New("it contains an alias")
}

var yamlKey = regexp.MustCompile(`(?m)^(names|labels|classes|class_names|label_names|id2label|categories)[ \t]*:[ \t]*($|[\[{#\r])`)

// yamlLike reports whether text is YAML even though its name does not say so: it has a
// key for labels, or is a list with dashes.
func yamlLike(text string) bool {
	if yamlKey.MatchString(text) || strings.HasPrefix(text, "---\n") || strings.HasPrefix(text, "---\r") {
		return true
	}
	n := 0
	for l := range strings.Lines(strings.TrimSpace(text)) {
		if !strings.HasPrefix(l, "- ") {
			return false
		}
		n++
	}
	return n > 1
}

// holders are keys under which other programs keep labels.
var holders = []string{
	"id2label", "names", "labels", "classes", "class_names", "label_names", "categories",
	"idx_to_class", "index_to_name", "class_to_idx", "class_indices", "label2id",
}

// tree finds the labels in a value.
func (p parser) tree(language string, v value) (List, error) {
	if v.kind == list {
		return p.ofList(language, v)
	}
	form := language + " object"
	if len(v.items) == 0 {
		return List{}, p.refuse(form, 0, "which is empty")
	}
	numbers, numbered := ints(v.keys)
	var texts []string
	for _, item := range v.items {
		texts = append(texts, item.text)
	}
	places, placed := ints(texts)
	placed = placed && v.all(number)
	switch {
	case numbered && placed && !slices.Equal(numbers, places):
		return List{}, p.refuse(form, len(texts), "numbers on either side: it does not say which are the classes")
	case numbered && (v.all(word) || v.all(word, number)):
		return p.numbered(form+" of numbers and labels", numbers, texts)
	case numbered && v.all(list):
		names, err := seconds(v.items)
		if err != nil {
			return List{}, p.refuse(form, len(texts), "whose values are lists: %v", err)
		}
		return p.numbered(language+" index of pairs, as ImageNet's", numbers, names)
	case numbered && v.all(object):
		names, err := named(v.items)
		if err != nil {
			return List{}, p.refuse(form, len(texts), "whose values are objects: %v", err)
		}
		return p.numbered(form+" of numbers and labels", numbers, names)
	case placed:
		return p.numbered(form+" of labels and numbers", places, v.keys)
	}
	return p.held(language, v)
}

// held finds the labels under one of the keys in holders.
func (p parser) held(language string, v value) (List, error) {
	var found []string
	var at value
	for _, key := range holders {
		if i := slices.Index(v.keys, key); i >= 0 && (v.items[i].kind == list || v.items[i].kind == object) && len(v.items[i].items) > 0 {
			if len(found) == 0 {
				at = v.items[i]
			}
			found = append(found, key)
		}
	}
	if slices.Equal(found, []string{"id2label", "label2id"}) {
		found = found[:1] // the same labels in the other direction
	}
	switch {
	case len(found) > 1:
		return List{}, fmt.Errorf("it is a %s object%s with lists under %s: it does not say which are the labels; %s",
			language, p.has(), strings.Join(found, " and "), certain)
	case len(found) == 0:
		keys := v.keys
		if len(keys) > 5 {
			keys = append(keys[:5:5], "...")
		}
		return List{}, fmt.Errorf("it is a %s object of %d entries%s in an unknown form (keys %s); %s",
			language, len(v.keys), p.has(), strings.Join(keys, ", "), certain)
	}
	l, err := p.tree(language, at)
	if err != nil {
		return l, fmt.Errorf("under %q: %w", found[0], err)
	}
	l.Form += " under " + found[0]
	return l, nil
}

func (p parser) ofList(language string, v value) (List, error) {
	form := language + " list"
	n := len(v.items)
	var texts []string
	for _, item := range v.items {
		texts = append(texts, item.text)
	}
	switch {
	case n == 0:
		return List{}, p.refuse(form, 0, "which is empty")
	case v.all(word):
		if err := check(texts); err != nil {
			return List{}, fmt.Errorf("it is a %s%s: %w", form, p.has(), err)
		}
		return List{texts, form}, nil
	case v.all(number) || v.all(word, number) && language != "JSON":
		if numbers, ok := ints(texts); ok && !slices.Equal(numbers, upTo(n)) {
			return List{}, p.refuse(form, n, "numbers and not names")
		}
		return List{texts, form}, nil
	case v.all(object):
		names, err := named(v.items)
		if err != nil {
			return List{}, p.refuse(form+" of objects", n, "%v", err)
		}
		numbers, ok := ids(v.items)
		if !ok {
			numbers = upTo(n)
		}
		return p.numbered(form+" of objects", numbers, names)
	case v.all(list):
		var names []string
		var firsts []string
		for _, item := range v.items {
			if len(item.items) != 2 || item.items[1].kind != word {
				return List{}, p.refuse(form+" of lists", n, "which are not pairs of a number and a label")
			}
			firsts, names = append(firsts, item.items[0].text), append(names, item.items[1].text)
		}
		numbers, ok := ints(firsts)
		if !ok {
			return List{}, p.refuse(form+" of pairs", n, "of which neither side is numbers")
		}
		return p.numbered(form+" of pairs", numbers, names)
	}
	return List{}, p.refuse(form, n, "of values of several kinds")
}

// all reports whether every item is of one of the kinds.
func (v value) all(kinds ...kind) bool {
	return !slices.ContainsFunc(v.items, func(item value) bool { return !slices.Contains(kinds, item.kind) })
}

var wordNetID = regexp.MustCompile(`^n\d{8}$`)

// seconds returns the names in pairs of a WordNet number and a name.
func seconds(items []value) ([]string, error) {
	var names []string
	for _, item := range items {
		if len(item.items) != 2 || !item.all(word) || !wordNetID.MatchString(item.items[0].text) {
			return nil, errors.New("its items are not pairs of a WordNet number and a name")
		}
		names = append(names, item.items[1].text)
	}
	return names, nil
}

// nameKeys and idKeys are the keys that programs use for a class's label and number.
var (
	nameKeys = []string{"display_name", "class_name", "classname", "label", "labels", "name", "names", "category", "class", "words", "description"}
	idKeys   = []string{"id", "index", "idx", "class_id", "classid", "class_index", "label_id", "number", "class", "label", ""}
)

// named returns the labels in objects, which are all under the same key.
func named(items []value) ([]string, error) {
	for _, key := range nameKeys {
		var names []string
		for _, item := range items {
			if i := slices.Index(item.keys, key); i >= 0 && item.items[i].kind == word {
				names = append(names, item.items[i].text)
			}
		}
		if len(names) == len(items) {
			return names, nil
		}
	}
	return nil, errors.New("of which not every one has a name or a label")
}

// ids returns the numbers in objects, which are all under the same key.
func ids(items []value) ([]int, bool) {
	for _, key := range idKeys {
		var texts []string
		for _, item := range items {
			if i := slices.Index(item.keys, key); i >= 0 {
				texts = append(texts, item.items[i].text)
			}
		}
		if numbers, ok := ints(texts); ok && len(numbers) == len(items) {
			return numbers, true
		}
	}
	return nil, false
}

// ints parses all texts as whole numbers.
func ints(texts []string) ([]int, bool) {
	var numbers []int
	for _, t := range texts {
		n, err := strconv.Atoi(t)
		if err != nil || len(t) > 9 {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, len(texts) > 0
}

func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}
