package ranks

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
)

// Job is what lines of batchscore say of a whole job.
type Job struct {
	// Ours is true if batchscore wrote the log.
	Ours bool `json:"ours"`
	// Images is how many rows the job has, and Failed how many of them are failures;
	// 0 if its end is not in the log.
	Images int `json:"images,omitempty"`
	Failed int `json:"failed,omitempty"`
	// Races is how many times a rank began a chunk that a slow rank was still working
	// on. Both ranks count the images of such a chunk.
	Races int `json:"races,omitempty"`
	// Several are the numbers of images of several jobs whose ends are in the log.
	// Images is 0 then.
	Several []int `json:"several,omitempty"`
}

// The lines of batchscore about a job. Those about a race and the first of a log are
// of several releases.
var (
	ours    = regexp.MustCompile(`^batchscore: |"level":"(?:info|warn|error)".*"message":"`)
	tallied = regexp.MustCompile(`(scored again: )?\b([\d,]+) images: ([\d,]+) ok, ([\d,]+) failed`)
	closing = regexp.MustCompile(`(Worker \d+ )?Processed ([\d,]+) images(?: on \d+ ranks)?, took `)
	racing  = regexp.MustCompile(`racing a slow worker for a chunk|doubling a chunk that another`)
)

// jobFacts gathers what lines say of a job.
type jobFacts struct {
	totals []int // different numbers of images of whole jobs
	failed int
	races  int
	ours   bool
}

// read enters what a line says.
func (f *jobFacts) read(line []byte) {
	f.ours = f.ours || ours.Match(line)
	if racing.Match(line) {
		f.ours = true
		f.races++
	}
	for _, m := range tallied.FindAllSubmatch(line, -1) {
		if len(m[1]) == 0 && f.total(m[2]) {
			f.failed, _ = grouped(m[4])
		}
	}
	for _, m := range closing.FindAllSubmatch(line, -1) {
		if len(m[1]) == 0 {
			f.total(m[2])
		}
	}
}

// total enters the number of images of a whole job.
func (f *jobFacts) total(text []byte) bool {
	n, ok := grouped(text)
	if !ok || n == 0 {
		return false
	}
	f.ours = true
	if !slices.Contains(f.totals, n) {
		f.totals = append(f.totals, n)
	}
	return true
}

// grouped reads a number with or without commas.
func grouped(text []byte) (int, bool) {
	n, err := strconv.Atoi(string(bytes.ReplaceAll(text, []byte(","), nil)))
	return n, err == nil
}

func (f *jobFacts) job() Job {
	j := Job{Ours: f.ours, Races: f.races}
	switch len(f.totals) {
	case 0:
	case 1:
		j.Images, j.Failed = f.totals[0], f.failed
	default:
		j.Several = f.totals
	}
	return j
}

// chunkOf returns how many images a chunk of the job has, as far as the numbers of its
// ranks show it, or 0 if each rank processed its own share. Where ranks take chunks
// from one another, a rank that ends while others are in their last chunk has done up
// to a chunk less than they, however fast it is.
func chunkOf(all []Rank) int {
	const enough = 64
	var numbers []int // different shares and images
	taken := false
	for _, k := range all {
		taken = taken || k.Ended && k.Share >= 0 && k.Share != k.Images
		for _, n := range []int{k.Share, k.Images} {
			if n > 0 && len(numbers) < enough && !slices.Contains(numbers, n) {
				numbers = append(numbers, n)
			}
		}
	}
	if !taken {
		return 0
	}
	chunk := 0
	for i, a := range numbers {
		for _, b := range numbers[:i] {
			if d := gcd(a, b); d > chunk && wholeChunks(all, d) {
				chunk = d
			}
		}
	}
	return chunk
}

// wholeChunks reports whether all numbers are those of chunks of d images, of which the
// last, in the share of the last rank, may be smaller.
func wholeChunks(all []Rank, d int) bool {
	last := max(0, all[len(all)-1].Share) % d
	for i, k := range all {
		if k.Share > 0 && i < len(all)-1 && k.Share%d != 0 || k.Images%d != 0 && k.Images%d != last {
			return false
		}
	}
	return true
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
