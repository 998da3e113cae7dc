package listing

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
)

func TestFault40_EndingsOfNames(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt": ".txt", "b/a.HEIC": ".heic", "a": "none", "b.d/a": "none", "a.": "none", "": "none", "dir/": "none",
		".DS_Store": ".ds_store", "a.jpg.1": ".1", "a.jpg?w=300": ".jpg?", "a?x=1.5": "none", "a.jpg?x=a/b.c": ".c",
		"a.very-long-and-no-ending": "others", "a.\xff\xfe": "others", "a.x\ny": "others", "a.é": ".é",
	} {
		if got := ending(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestFault40_PassedOverForPeople(t *testing.T) {
	for _, test := range []struct {
		name string
		add  func(p *PassedOver)
		want string
	}{
		{name: "nothing", add: func(*PassedOver) {}, want: ""},
		{name: "one", add: func(p *PassedOver) { p.Add(NotAPicture, "a.txt") }, want: "1 file passed over (1 .txt)"},
		{
			name: "several reasons",
			add: func(p *PassedOver) {
				for range 10 {
					p.Add(NotAPicture, "a.heic")
				}
				p.Add(NotAPicture, "README")
				p.Add("device", "null.jpg")
				p.AddFolder("folder that may not be entered", "x/lost+found")
			},
			want: "13 files passed over (10 .heic, 1 device, 1 folder that may not be entered, 1 without an ending)",
		},
		{
			name: "one more than are named",
			add: func(p *PassedOver) {
				for i := range 6 {
					p.Add(NotAPicture, fmt.Sprintf("a.%d", i))
				}
			},
			want: "6 files passed over (1 .0, 1 .1, 1 .2, 1 .3, 1 .4, 1 .5)",
		},
		{
			name: "many endings",
			add: func(p *PassedOver) {
				for i := range 7 {
					for range 10 - i {
						p.Add(NotAPicture, fmt.Sprintf("a.%d", i))
					}
				}
			},
			want: "49 files passed over (10 .0, 9 .1, 8 .2, 7 .3, 6 .4, 9 more)",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p PassedOver
			test.add(&p)
			if got := p.String(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestFault40_PassedOverIsBounded counts endings that are all different.
func TestFault40_PassedOverIsBounded(t *testing.T) {
	var p PassedOver
	for i := range 10_000 {
		p.Add(NotAPicture, fmt.Sprintf("a.%d", i))
		p.AddFolder("folder that may not be entered", fmt.Sprint(i))
	}
	if p.Files() != 20_000 || len(p[NotAPicture]) != mostEndings+1 || p[NotAPicture]["others"] != 10_000-mostEndings {
		t.Errorf("%d files, %d endings", p.Files(), len(p[NotAPicture]))
	}
	body, err := json.Marshal(p)
	if err != nil || len(body) > 8<<10 {
		t.Errorf("Marshal() = %d bytes, %v, want at most 8 KiB", len(body), err)
	}
	var again PassedOver
	if err := json.Unmarshal(body, &again); err != nil || !maps.EqualFunc(again, p, func(a, b map[string]int) bool { return maps.Equal(a, b) }) {
		t.Errorf("Unmarshal() = %v, %v, want what was written", again, err)
	}
}
