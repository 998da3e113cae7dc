package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// TestScreenOfShow keeps the screens of show: names that are long, wide or hostile, the
// reasons of failures, sorted rows, and a histogram.
func TestScreenOfShow(t *testing.T) {
	t.Parallel()
	long := crafted{
		images: "/data/photos",
		entries: named("1 short.jpg", "2 "+strings.Repeat("n", 234)+".jpg", "3 "+strings.Repeat("album/2019/", 145)+"last.jpg",
			"4 "+strings.Repeat("写真", 20)+".jpg", "5 "+strings.Repeat("e\u0301", 100)+".jpg", "6 a\x1b[31mred\r\n.jpg", "7 x.jpg"),
		rows: func(e shard.Entry) row.Row {
			switch e.Path[0] {
			case '3':
				return failure("truncated", "scan 1: the coded data end before the picture does, and the image has no end")
			case '7':
				return failure("unreadable", "open /data/photos/7 x.jpg: permission denied; "+strings.Repeat("the storage refuses to give it ", 12))
			}
			return answer("Neutral", 0.5+float32(e.Size)/32000, "Drawing")
		},
	}.write(t)
	many := animals(t, crafted{})
	for _, test := range []struct {
		name  string
		out   string
		flags []string
	}{
		{name: "show-names", out: long},
		{name: "show-failed", out: long, flags: []string{"--status", "failed"}},
		{name: "show-sorted", out: many, flags: []string{"--where", "label=cat,dog score<0.6", "--sort", "certainty", "--limit", "10"}},
		{name: "show-columns", out: many, flags: []string{"--columns", "address,size,topk", "--sort", "-size", "--limit", "5"}},
		{name: "show-histogram", out: many, flags: []string{"--histogram", "--columns", "score"}},
		{name: "show-none", out: many, flags: []string{"--where", "label=Dog"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			codes := screens(t, test.name, func(t *testing.T) *exec.Cmd {
				return command(t, nil, append([]string{"show", test.out}, test.flags...)...)
			})
			for _, code := range codes {
				if code != 0 {
					t.Errorf("exit code %d", code)
				}
			}
		})
	}
}

// TestScreenOfJobsList keeps the list of a job with a name of 40 letters.
func TestScreenOfJobsList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in, model := pictures(t, 4), tiny(t, graphtest.Options{})
	for _, name := range []string{"photos", strings.Repeat("collection", 4)} {
		out := filepath.Join(screenFolder(t), "labels", name)
		if r := d.run(t, "launch", "--to", "fake", "-f", jobFile(t, in, out, model, ""), "--name", name); r.code != 0 {
			t.Fatal(r)
		}
	}
	screens(t, "jobs-list", func(t *testing.T) *exec.Cmd { return d.command(t, "jobs", "list") },
		newMask(`\b\d\d:\d\d\b`, "12:00"), newMask(`…\d{5}-\d{6}-[0-9a-z]{4}\b`, "…61129-120000-k3fa"), newMask(`/tmp/\S*`, "/tmp/…"))
}
