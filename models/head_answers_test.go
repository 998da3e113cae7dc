package models

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every answer is one that heads may differ in, or one that is the same for all of them.
func TestAnswersOfHeads(t *testing.T) {
	ofHeads := strings.Fields("name output_name output_names task output labels threshold thresholds normalize element columns detector background" +
		" first_class units overlap agnostic max_boxes -")
	for field := range reflect.TypeFor[Answers]().Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if slices.Contains(pixelKeys, key) == slices.Contains(ofHeads, key) {
			t.Errorf("%s: may it differ between heads? It is in both lists or in none", key)
		}
	}
}
