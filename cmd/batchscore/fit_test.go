package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

// TestGridFits: no line is wider than the terminal, whatever the names are.
func TestGridFits(t *testing.T) {
	t.Parallel()
	names := []string{
		"short.jpg", strings.Repeat("n", 240), strings.Repeat("album/", 266) + ".jpg", strings.Repeat("写真", 60),
		strings.Repeat("e\u0301", 200), strings.Repeat("👩🏽", 80), strings.Repeat("\u0301", 300), "",
	}
	for _, width := range []int{1, 2, 9, 20, 40, 80, 120, 200} {
		for _, wrap := range []bool{false, true} {
			t.Run(fmt.Sprint(width, " wrap ", wrap), func(t *testing.T) {
				var out bytes.Buffer
				g := grid{w: &out, width: width, wrap: wrap, right: map[int]bool{2: true}, copied: -1 + width%2}
				for _, name := range names {
					g.add(name, "truncated", "0.5000", "the coded data end before the picture does, and "+name)
				}
				if err := g.flush(); err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(out.String()) {
					if w := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); w > width {
						t.Errorf("a line is %d wide: %q", w, line)
					}
				}
				if n := strings.Count(out.String(), "\n"); n < len(names) || !wrap && n > len(names) {
					t.Errorf("%d lines for %d rows", n, len(names))
				}
			})
		}
	}
}

// TestGridElsewhere: where there is no terminal, cells are whole, and one long cell does
// not move the cells of other rows.
func TestGridElsewhere(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 240)
	var out bytes.Buffer
	g := newGrid(&out)
	g.add("IMAGE", "STATUS")
	g.add("写真.jpg", "ok")
	g.add(long, "ok")
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	want := "IMAGE" + strings.Repeat(" ", 57) + "STATUS\n写真.jpg" + strings.Repeat(" ", 54) + "ok\n" + long + "  ok\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestFirstN: it keeps what a sort of everything puts first, and no more.
func TestFirstN(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	all := random.Perm(1000)
	for _, n := range []int{0, 1, 7, 999, 1000, 2000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := choose.First[int]{N: n, Less: func(a, b int) bool { return a < b }}
			for _, v := range all {
				if f.Takes(v) {
					f.Add(v)
				}
				if n > 0 && len(f.Items) > n {
					t.Fatalf("it keeps %d", len(f.Items))
				}
			}
			want := slices.Sorted(slices.Values(all))
			if n > 0 {
				want = want[:min(n, len(want))]
			}
			if got := f.Sorted(); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestNothingMovesTheCursor: names of files with control characters are shown, not
// obeyed.
func TestNothingMovesTheCursor(t *testing.T) {
	t.Parallel()
	name := "a\x1b[31m\u009b\u202e\r\x07\x9bb.jpg"
	out := crafted{images: "/data/\x1b[32m", entries: named("b.jpg", name), rows: func(shard.Entry) row.Row {
		return failure("not_image", "no image at \x1b[33m/data")
	}}.write(t)
	for _, flags := range [][]string{{}, {"--status", "failed"}, {"--json"}, {"--columns", "address,error"}, {"--where", "path~\x1b status=ok"}} {
		r := must(t, 0, append([]string{"show", out}, flags...)...)
		if strings.ContainsFunc(r.stdout+r.stderr, printable.Hidden) {
			t.Errorf("%q: %q, %q", flags, r.stdout, r.stderr)
		}
	}
	r := must(t, 78, "sample", "--from", out, "--out", t.TempDir()+"/s")
	if strings.ContainsFunc(r.stdout+r.stderr, printable.Hidden) {
		t.Errorf("sample: %q, %q", r.stdout, r.stderr)
	}
}
