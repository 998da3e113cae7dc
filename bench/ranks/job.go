package ranks

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
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
	// Out is where the job writes its result; "" if the log does not say.
	Out string `json:"out,omitempty"`
	// Begun is true if the log has the line about a new job, and so all of the job.
	Begun bool `json:"begun,omitempty"`
	// Seconds is the makespan that the job itself reports, from its first start to its
	// last part, pauses included; 0 if it is not in the log.
	Seconds float64 `json:"reported_seconds,omitempty"`
}

// The lines of batchscore about a job. Those about a race and the first of a log are
// of several releases.
var (
	ours    = regexp.MustCompile(`^batchscore: |"level":"(?:info|warn|error)".*"message":"`)
	tallied = regexp.MustCompile(`(scored again: )?\b([\d,]+) images: ([\d,]+) ok, ([\d,]+) failed`)
	closing = regexp.MustCompile(`(Worker \d+ )?Processed ([\d,]+) images(?: on \d+ ranks)?, took (\d[\d:.]*(?: days?, [\d:.]+)?)?`)
	// speed is the line about a result. The last rate in it is that with the pauses.
	speed  = regexp.MustCompile(`\bSpeed +(?:\S+ images/s in .* of work; )?([\d,.]+) images/s in \d`)
	begins = regexp.MustCompile(`"out":("(?:[^"\\]|\\.)*").*"message":"new job"`)
	racing = regexp.MustCompile(`racing a slow worker for a chunk|doubling a chunk that another`)
)

// jobFacts gathers what lines say of a job.
type jobFacts struct {
	totals []int // different numbers of images of whole jobs
	failed int
	races  int
	ours   bool
	out    string
	begun  bool
	took   []time.Duration // different times of whole jobs
	rate   float64         // of the whole job, with few digits
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
		if len(m[1]) > 0 || !f.total(m[2]) {
			continue
		}
		if d, err := Timedelta(string(m[3])); err == nil && !slices.Contains(f.took, d) {
			f.took = append(f.took, d)
		}
	}
	if m := speed.FindSubmatch(line); m != nil {
		f.rate, _ = strconv.ParseFloat(strings.ReplaceAll(string(m[1]), ",", ""), 64)
	}
}

// newJob returns the output of a job that a line says is new.
func newJob(line []byte) (out string, ok bool) {
	m := begins.FindSubmatch(line)
	return out, m != nil && json.Unmarshal(m[1], &out) == nil
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
	j := Job{Ours: f.ours, Races: f.races, Out: f.out, Begun: f.begun}
	switch {
	case len(f.totals) > 1:
		j.Several = f.totals
	case len(f.took) > 1:
		for range f.took {
			j.Several = append(j.Several, f.totals[0])
		}
	case len(f.totals) == 1:
		j.Images, j.Failed = f.totals[0], f.failed
		if len(f.took) > 0 {
			j.Seconds = f.took[0].Seconds()
		} else if f.rate > 0 {
			j.Seconds = float64(j.Images) / f.rate
		}
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
