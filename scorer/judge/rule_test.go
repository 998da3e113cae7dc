package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
)

func limits(t *testing.T, text string) Limits {
	t.Helper()
	l, err := ParseLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestParseLimits(t *testing.T) {
	for text, says := range map[string]string{
		"":                                  "",
		"5%":                                "",
		"100":                               "",
		"5%,truncated=20%,unreadable=100":   "",
		" 5% , truncated = 20% ":            "",
		"truncated=20%":                     "",
		"truncated=20%,5%":                  "",
		"5%,10%":                            "two limits for all failures",
		"truncated=1,truncated=2":           "two limits for truncated",
		"blurred=5%":                        `"blurred" is not one of`,
		"ok=5%":                             `"ok" is not one of`,
		"truncated=":                        `"" is neither a number`,
		"truncated=-1":                      "neither a number",
		"5%,":                               "neither a number",
		"101%":                              "not a percentage",
		"truncated=NaN%":                    "not a percentage",
		"many":                              "neither a number",
		"failed=3":                          `"failed" is not one of`,
		"truncated=5%=6":                    "neither a number",
		"unreadable=9999999999999999999999": "neither a number",
	} {
		l, err := ParseLimits(text)
		switch {
		case says == "" && (err != nil || l.String() != text):
			t.Errorf("ParseLimits(%q) = %q, %v", text, l, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("ParseLimits(%q) = %v, want an error with %q", text, err, says)
		}
	}
}

// TestAClassHasItsOwnLimit: images with a status that has a limit of its own do not count
// for that of the others.
func TestAClassHasItsOwnLimit(t *testing.T) {
	for _, tt := range []struct {
		limits   string
		images   int
		statuses map[string]int
		says     string
	}{
		{limits: "5%,truncated=20%", images: 100, statuses: map[string]int{"truncated": 20, "corrupt": 5}},
		{limits: "5%,truncated=20%", images: 100, statuses: map[string]int{"truncated": 21},
			says: "21 of 100 (truncated 21), at most 20% are allowed for truncated"},
		{limits: "5%,truncated=20%", images: 100, statuses: map[string]int{"truncated": 20, "corrupt": 4, "empty": 2},
			says: "6 of 100 (corrupt 4, empty 2), at most 5% are allowed"},
		{limits: "truncated=0", images: 100, statuses: map[string]int{"truncated": 1}, says: "1 of 100 (truncated 1), at most 0 are allowed for truncated"},
		{limits: "truncated=50", images: 100, statuses: map[string]int{"truncated": 50, "corrupt": 11},
			says: "11 of 100 (corrupt 11), at most 10% are allowed unless"},
		{limits: "truncated=50", images: 10, statuses: map[string]int{"corrupt": 9}},
		{limits: "29%", images: 100, statuses: map[string]int{"corrupt": 29}},
		{limits: "unreadable=3,7", images: 100, statuses: map[string]int{"unreadable": 3, "corrupt": 7}},
	} {
		tt.statuses[row.StatusOK] = tt.images - row.Failed(tt.statuses)
		got := limits(t, tt.limits).Exceeded("10%", tt.images, tt.statuses)
		if (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s of %v: %q, want %q", tt.limits, tt.statuses, got, tt.says)
		}
	}
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		limits string
		images int
		want   string
	}{
		{limits: "", images: 100, want: "10%"},
		{limits: "", images: 19, want: "18"},
		{limits: "3", images: 19, want: "3"},
		{limits: "truncated=3", images: 100, want: "10%,truncated=3"},
		{limits: "5%,truncated=3", images: 100, want: "5%,truncated=3"},
	} {
		if got := limits(t, tt.limits).Of("10%", tt.images); got != tt.want {
			t.Errorf("%q of %d images: %q, want %q", tt.limits, tt.images, got, tt.want)
		}
	}
}

// TestLowest compares the bound with what is known of it.
func TestLowest(t *testing.T) {
	if got := lowest(0, 100); got != 0 {
		t.Errorf("without failures: %v, want 0", got)
	}
	// If all of k chunks fail, the bound is the k-th root of the probability.
	for k := 1; k < 200; k++ {
		want := math.Pow(doubt/float64(k)/float64(k+1), 1/float64(k))
		if got := lowest(1, k); math.Abs(got-want) > 1e-6 {
			t.Errorf("%d chunks that fail: %v, want %v", k, got, want)
		}
	}
	for k := 1; k < 1000; k *= 2 {
		for mean := 0.0; mean <= 1; mean += 0.05 {
			if got := lowest(mean, k); got < 0 || got > mean {
				t.Errorf("lowest(%v, %d) = %v", mean, k, got)
			}
		}
	}
	if got := lowest(0.5, 1_000_000); got < 0.49 {
		t.Errorf("half of a million: %v, want nearly a half", got)
	}
}

// play scores a made-up job: world ranks take their chunks in order, and at random once
// they see failures, and each in its own time. It returns the images that had their rows
// when the rule stopped the job, 0 if it never did.
func play(r *rand.Rand, bad []int, size, world int, l Limits) (stopped int) {
	images := len(bad) * size
	groups := l.groups("10%", images)
	counters, order, next := make([]*Counter, world), make([][]int, world), make([]int, world)
	bounds := func(rank int) (lo, hi int) { return len(bad) * rank / world, len(bad) * (rank + 1) / world }
	for rank := range world {
		counters[rank] = NewCounter(l, "10%", images, world)
		counters[rank].perm = r.Perm
		lo, hi := bounds(rank)
		for i := lo; i < hi; i++ {
			order[rank] = append(order[rank], i)
		}
	}
	spread := make([]bool, world)
	for done := 1; done <= len(bad); done++ {
		rank := r.IntN(world)
		for next[rank] == len(order[rank]) {
			rank = (rank + 1) % world
		}
		c := counters[rank]
		lo, hi := bounds(rank)
		if rest, ok := c.Spread(lo+next[rank], hi); ok {
			spread[rank] = true
			order[rank] = append(slices.Clone(order[rank][:next[rank]]), rest...)
		}
		chunk := order[rank][next[rank]]
		next[rank]++
		if spread[rank] {
			c.Draw(chunk)
		}
		rows := make([]row.Row, size)
		for i := range rows {
			rows[i].Status = row.StatusOK
			if i < bad[chunk] {
				rows[i].Status = "corrupt"
			}
		}
		c.Commit(chunk, rows)
		f := &facts{done: done * size, left: images - done*size, failed: map[string]int{}}
		for k, c := range counters {
			t, suspicious := c.tally()
			if !suspicious {
				continue
			}
			f.failed["corrupt"] += t.Failed["corrupt"]
			lo, hi := bounds(k)
			f.shares = append(f.shares, share{size: size, left: hi - lo - next[k], Sample: t.Sample})
		}
		if f.judge(groups) != nil {
			return f.done
		}
	}
	return 0
}

// TestNoJobThatWouldSucceedIsStopped plays jobs that stay within their limits, however the
// failures lie: alone, in whole chunks, in one folder at any place, at the beginning of each
// share.
func TestNoJobThatWouldSucceedIsStopped(t *testing.T) {
	const chunks, size, jobs = 400, 20, 100
	for n := range jobs {
		r := rand.New(rand.NewPCG(17, uint64(n)))
		world := []int{1, 2, 4, 16}[r.IntN(4)]
		allowed := chunks * size / []int{10, 20, 100}[r.IntN(3)]
		l := Limits{text: "N", rest: limit{kind: ofCount, count: allowed, text: "N"}}
		bad := make([]int, chunks)
		left := allowed - r.IntN(3)
		place := func(i, most int) {
			k := min(size-bad[i], left, most)
			bad[i] += k
			left -= k
		}
		how := r.IntN(4)
		at := r.IntN(chunks)
		for i := 0; left > 0; i++ {
			switch how {
			case 0:
				place(r.IntN(chunks), 1)
			case 1:
				place(r.IntN(chunks), size)
			case 2:
				place((at+i)%chunks, size)
			default:
				place(chunks*(i%world)/world+i/world, size)
			}
		}
		if stopped := play(r, bad, size, world, l); stopped > 0 {
			t.Errorf("job %d: %d ranks, %d of %d fail, as many may, form %d: stopped after %d images", n, world, allowed, chunks*size, how, stopped)
		}
	}
}

// TestFailingJobsAreStoppedEarly plays jobs with too many failures.
func TestFailingJobsAreStoppedEarly(t *testing.T) {
	const chunks, size = 1000, 30
	for _, tt := range []struct {
		name  string
		world int
		bad   func(chunk int) int // images of a chunk that fail
		most  int                 // images before the stop
	}{
		{name: "all fail, one rank", world: 1, bad: func(int) int { return size }, most: 600},
		{name: "all fail, 4 ranks", world: 4, bad: func(int) int { return size }, most: 1500},
		{name: "all fail, 50 ranks", world: 50, bad: func(int) int { return size }, most: 3100},
		{name: "half of each chunk, 4 ranks", world: 4, bad: func(int) int { return size / 2 }, most: 6500},
		{name: "every other chunk, 4 ranks", world: 4, bad: func(i int) int { return i % 2 * size }, most: 6500},
		{name: "all of one rank of 4", world: 4, bad: func(i int) int { return (1 - min(1, i/250)) * size }, most: 6500},
		{name: "a fifth of one rank", world: 1, bad: func(int) int { return size / 5 }, most: 18_000},
	} {
		for seed := range 5 {
			got := play(rand.New(rand.NewPCG(3, uint64(seed))), perChunk(chunks, tt.bad), size, tt.world, Limits{})
			if got == 0 || got > tt.most {
				t.Errorf("%s: stopped after %d images of %d, want %d at most", tt.name, got, chunks*size, tt.most)
			}
		}
	}
}

func perChunk(chunks int, bad func(int) int) []int {
	all := make([]int, chunks)
	for i := range all {
		all[i] = bad(i)
	}
	return all
}

// TestSmallJobsAreJudgedAtTheirEnd: one failure of three says nothing.
func TestSmallJobsAreJudgedAtTheirEnd(t *testing.T) {
	for _, images := range []int{3, 100, 2*Least - 1} {
		for world := range 4 {
			if got := play(rand.New(rand.NewPCG(1, 1)), perChunk(images, func(int) int { return 1 }), 1, world+1, limits(t, "0")); got > 0 {
				t.Errorf("%d images, all of which fail, are stopped after %d", images, got)
			}
		}
	}
	if got := play(rand.New(rand.NewPCG(1, 1)), perChunk(2*Least, func(int) int { return 1 }), 1, 1, limits(t, "0")); got != Least {
		t.Errorf("%d images are stopped after %d, want %d", 2*Least, got, Least)
	}
}

// TestQuickFailuresAreNoSample: chunks that fail are done first. Only those count of which
// all that were drawn before are done, too.
func TestQuickFailuresAreNoSample(t *testing.T) {
	c := NewCounter(limits(t, "0"), "", 1000, 1)
	failed := []row.Row{{Path: "a", Status: "corrupt"}}
	c.Commit(0, failed)
	if _, ok := c.Spread(1, 1000); !ok {
		t.Fatal("no spread after a failure, though none may fail")
	}
	if _, ok := c.Spread(1, 1000); ok {
		t.Error("the rest is spread twice")
	}
	for _, chunk := range []int{7, 3, 9, 5} {
		c.Draw(chunk)
	}
	sampled := func() int { t, _ := c.tally(); return t.Sample.Chunks }
	c.Commit(3, failed)
	c.Commit(5, failed)
	c.Commit(2, failed) // not drawn
	if n := sampled(); n != 0 {
		t.Errorf("%d chunks are in the sample while the first is not done, want 0", n)
	}
	c.Commit(7, []row.Row{{Path: "b", Status: row.StatusOK}})
	if n := sampled(); n != 2 {
		t.Errorf("%d chunks are in the sample, want the first 2", n)
	}
	c.Lose(9)
	if n := sampled(); n != 3 {
		t.Errorf("%d chunks are in the sample, want 3: another worker had the fourth", n)
	}
}
