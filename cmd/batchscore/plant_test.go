package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Texts of an attacker: planted gives a terminal commands, also as one that knows C1 controls
// reads them, shows text from right to left, and has a line and a cell of its own.
const (
	forged  = "FORGED"
	planted = "a\x1b]0;PWNED\x07\x1b[2J\u009b31m\u202e\u2066\b\r\n" + forged + " line\t" + forged
)

// leaf is a string somewhere in a value: the steps that lead there.
type leaf struct {
	name  string
	steps []int // fields; 0 through pointers, slices and maps
}

// leaves of a type are all its strings, those included that are in pointers, slices and maps.
func stringsOf(of reflect.Type) []leaf {
	var all []leaf
	var walk func(of reflect.Type, name string, steps []int, within map[reflect.Type]bool)
	walk = func(of reflect.Type, name string, steps []int, within map[reflect.Type]bool) {
		deeper := func(of reflect.Type, name string, step int) {
			walk(of, name, append(steps[:len(steps):len(steps)], step), within)
		}
		switch of.Kind() {
		case reflect.String:
			all = append(all, leaf{name, steps})
		case reflect.Pointer, reflect.Slice:
			deeper(of.Elem(), name, 0)
		case reflect.Map:
			all = append(all, leaf{name + "[key]", steps})
			if k := of.Elem().Kind(); k == reflect.String || k == reflect.Struct {
				deeper(of.Elem(), name+"[]", 0)
			}
		case reflect.Struct:
			if of == reflect.TypeFor[time.Time]() || within[of] {
				return
			}
			within[of] = true
			for i := range of.NumField() {
				if f := of.Field(i); f.IsExported() && f.Tag.Get("json") != "-" && f.Tag.Get("yaml") != "-" {
					deeper(f.Type, strings.TrimPrefix(name+"."+f.Name, "."), i)
				}
			}
			delete(within, of)
		}
	}
	walk(of, "", nil, map[reflect.Type]bool{})
	return all
}

// plantAt sets one string of a value. It makes pointers, slices and maps on the way.
func plantAt(v reflect.Value, steps []int, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		plantAt(v.Field(steps[0]), steps[1:], text)
	case reflect.Pointer:
		made := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			made.Elem().Set(v.Elem())
		}
		plantAt(made.Elem(), steps[1:], text)
		v.Set(made)
	case reflect.Slice:
		made := reflect.MakeSlice(v.Type(), max(v.Len(), 1), max(v.Len(), 1))
		reflect.Copy(made, v)
		plantAt(made.Index(0), steps[1:], text)
		v.Set(made)
	case reflect.Map:
		made := reflect.MakeMap(v.Type())
		for _, k := range v.MapKeys() {
			made.SetMapIndex(k, v.MapIndex(k))
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if value.CanInt() {
			value.SetInt(1)
		}
		if len(steps) > 0 {
			plantAt(value, steps[1:], text)
			text = "key"
		}
		made.SetMapIndex(reflect.ValueOf(text).Convert(v.Type().Key()), value)
		v.Set(made)
	}
}

// resealed returns a record of an output folder as its own program would have written it:
// its checksum has no key.
func resealed(t testing.TB, record any) []byte {
	t.Helper()
	sum := reflect.ValueOf(record).Elem().FieldByName("Checksum")
	sum.SetString("")
	for range 2 {
		body, err := json.MarshalIndent(record, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if sum.String() != "" {
			return append(body, '\n')
		}
		sum.SetString(fmt.Sprintf("sha256:%x", sha256.Sum256(body)))
	}
	return nil
}

// TestPlant checks the tool itself: each string of a value can be set.
func TestPlant(t *testing.T) {
	t.Parallel()
	type inner struct{ S string }
	type outer struct {
		P *inner
		L []inner
		M map[string]int
		N map[string]inner
		T time.Time
		I int
	}
	var names []string
	for _, l := range stringsOf(reflect.TypeFor[outer]()) {
		names = append(names, l.name)
		var o outer
		plantAt(reflect.ValueOf(&o).Elem(), l.steps, planted)
		if body, err := json.Marshal(o); err != nil || !strings.Contains(string(body), forged) {
			t.Errorf("%s: got %s, %v", l.name, body, err)
		}
	}
	if got, want := strings.Join(names, " "), "P.S L.S M[key] N[key] N[].S"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
