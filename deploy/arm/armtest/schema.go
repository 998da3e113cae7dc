package armtest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Schema describes a JSON value. It is a small, strict part of JSON Schema: an unknown
// field is an error.
type Schema struct {
	kind     string // string, integer, boolean, object, array, map
	required bool
	pattern  *regexp.Regexp
	least    float64
	fields   map[string]Schema
	items    *Schema
}

// Fields are the fields of an object.
type Fields = map[string]Schema

// String returns the schema of texts that match the pattern.
func String(pattern string) Schema {
	return Schema{kind: "string", pattern: regexp.MustCompile(pattern)}
}

// Text is the schema of any text except the empty one.
func Text() Schema { return String(`^(?s).+$`) }

// Integer returns the schema of whole numbers from least up.
func Integer(least int) Schema { return Schema{kind: "integer", least: float64(least)} }

// Boolean is the schema of true and false.
func Boolean() Schema { return Schema{kind: "boolean"} }

// Object returns the schema of objects with these fields and no others.
func Object(fields Fields) Schema { return Schema{kind: "object", fields: fields} }

// List returns the schema of arrays of such items.
func List(items Schema) Schema { return Schema{kind: "array", items: &items} }

// Map returns the schema of objects with any names and such values.
func Map(values Schema) Schema { return Schema{kind: "map", items: &values} }

// Must returns the schema of a field that may not be left out.
func (s Schema) Must() Schema {
	s.required = true
	return s
}

// Check returns what is wrong with a value that encoding/json decoded.
func (s Schema) Check(where string, v any) []string {
	wrong := func(format string, args ...any) []string {
		return []string{where + ": " + fmt.Sprintf(format, args...)}
	}
	switch s.kind {
	case "string":
		text, ok := v.(string)
		if !ok {
			return wrong("%T, not a string", v)
		}
		if !s.pattern.MatchString(text) {
			return wrong("%q does not match %s", text, s.pattern)
		}
	case "integer":
		n, ok := v.(float64)
		if !ok || n != float64(int64(n)) {
			return wrong("%v (%T) is not an integer", v, v)
		}
		if n < s.least {
			return wrong("%v is below %v", n, s.least)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong("%T, not a boolean", v)
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			return wrong("%T, not an array", v)
		}
		var all []string
		for i, item := range list {
			all = append(all, s.items.Check(fmt.Sprintf("%s[%d]", where, i), item)...)
		}
		return all
	case "map", "object":
		object, ok := v.(map[string]any)
		if !ok {
			return wrong("%T, not an object", v)
		}
		return s.checkFields(where, object)
	}
	return nil
}

func (s Schema) checkFields(where string, object map[string]any) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		field, ok := s.fields[name]
		if s.kind == "map" {
			field, ok = *s.items, true
		}
		if !ok {
			all = append(all, where+": there is no field "+name)
			continue
		}
		all = append(all, field.Check(where+"."+name, object[name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		if _, ok := object[name]; !ok && s.fields[name].required {
			all = append(all, where+": "+name+" is missing")
		}
	}
	return all
}
