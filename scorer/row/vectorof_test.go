package row

import (
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
)

// TestVectorOf reads vectors of an output with one answer, and of one with several.
func TestVectorOf(t *testing.T) {
	c := manyHeads()
	s := headSchema(t, c, JSONL)
	rows := headRows(t, s, c)
	for _, head := range []string{"", "look"} {
		vector, err := VectorOf(s.Task, head)
		if err != nil {
			t.Fatal(err)
		}
		// The model gave 1, -2, 0.5, 0, of which int8 keeps 127 steps.
		if v := vector(&rows[0]); len(v) != 4 || v[1] != -2 || v[3] != 0 || v[0] < 0.99 || v[0] > 1.01 {
			t.Errorf("head %q: %v, want nearly 1, -2, 0.5, 0", head, v)
		}
		if v := vector(&rows[2]); v != nil {
			t.Errorf("head %q of an image that failed: %v, want nil", head, v)
		}
	}
	two := manyHeads()
	two.Heads = append(two.Heads, models.Head{Name: "sound", Task: models.Embed, Classes: 3})
	alone, err := New(models.Embed, models.Settings{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if vector, err := VectorOf(alone, ""); err != nil {
		t.Error(err)
	} else if v := vector(&Row{Answer: &Embedding{Vector: []float32{3, 4}}}); len(v) != 2 || v[1] != 4 {
		t.Errorf("one answer: %v, want 3, 4", v)
	}
	for _, bad := range []struct {
		name string
		task Task
		head string
		want string
	}{
		{name: "labels", task: Classify, want: "its task is classify"},
		{name: "no head", task: alone, head: "look", want: `none called "look"`},
		{name: "another head", task: s.Task, head: "tags", want: `none is called "tags"; there are look`},
		{name: "which", task: headSchema(t, two, JSONL).Task, want: "it has several, look, sound"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			if _, err := VectorOf(bad.task, bad.head); !errors.Is(err, ErrNoVector) || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%v, want %q in it", err, bad.want)
			}
		})
	}
}
