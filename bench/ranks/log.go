package ranks

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Rank is what one rank did.
type Rank struct {
	Rank int `json:"rank"`
	// Share is how many images it had to process at its start; -1 if the log does
	// not say.
	Share int `json:"share"`
	// Images is how many it processed, in Seconds from its start to its end.
	Images  int     `json:"images"`
	Seconds float64 `json:"seconds"`
	// Untimed is how many of Images belong to starts whose end is not in the log.
	// Their time is not in Seconds.
	Untimed int `json:"untimed_images,omitempty"`
	// Ended is true if its end is in the log. Otherwise Images is the last number
	// that is known, and Seconds is 0.
	Ended bool `json:"ended"`
	// Starts is how many times it was started. Images and Seconds add up all
	// starts.
	Starts int `json:"starts"`
}

// speed returns the images per second, of those whose time is known; 0 if none is.
func (r Rank) speed() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.Images-r.Untimed) / r.Seconds
}

// Log is the content of logs.
type Log struct {
	Ranks []Rank // by rank
	// Simulated is true if a line mentions a simulated device.
	Simulated bool
	// Job is what lines of batchscore say of the whole job.
	Job Job
}

// The forms of lines. Launchers may put anything in front of them.
var (
	needs     = regexp.MustCompile(`Worker (\d+) needs to process (\d+) images`)
	progress  = regexp.MustCompile(`Worker (\d+) Processed (\d+)/(\d+) images`)
	took      = regexp.MustCompile(`Worker (\d+) Processed (\d+) images, took (\S+(?: days?, \S+)?)`)
	simulated = regexp.MustCompile(`simulated: nothing is computed|Processed \d+ images(?: on \d+ ranks)?, took .*\(simulated\)`)
	// colours are the escape sequences of terminals.
	colours = regexp.MustCompile(`\x1b\[[0-9;?]*[@-~]`)
)

const (
	// longestLine is longer than any line that launchers write.
	longestLine = 1 << 20
	// MostRanks is higher than any real number of ranks.
	MostRanks = 1 << 17
)

// ReadLog is ReadLogs for logs of one job. It returns an error for those of several.
func ReadLog(logs ...io.Reader) (Log, error) {
	all, err := ReadLogs(logs...)
	switch {
	case err != nil:
		return Log{}, err
	case len(all) > 1:
		return Log{}, fmt.Errorf("the logs are of %d jobs", len(all))
	}
	return all[0], nil
}

// ReadLogs reads logs one after the other: the lines of all ranks in any order, and
// ignores anything else. Logs of several jobs give one Log each (see section). It
// returns an error for logs without a line of any rank. Errors name a log by its method
// Name, which files have, or by its number.
func ReadLogs(logs ...io.Reader) ([]Log, error) {
	var r reader
	var names []string
	for i, log := range logs {
		name := fmt.Sprintf("log %d", i+1)
		if file, ok := log.(interface{ Name() string }); ok {
			name = file.Name()
		}
		names = append(names, name)
		texts, err := plain(log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, text := range texts {
			if err := r.read(text); err != nil {
				return nil, fmt.Errorf("%s%w", name, err)
			}
		}
	}
	all := r.jobs()
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no line of a rank, such as %q", strings.Join(names, ", "), "Worker 0 Processed 3124 images, took 0:10:43.983157")
	}
	return all, nil
}

// attempt is one start of a rank.
type attempt struct {
	share, done int
	took        time.Duration
	ended       bool
}

type attempts []attempt

// repeats reports whether a line about an end is in the log twice: a real second start
// would have logged its share first.
func (a attempts) repeats(done int, took time.Duration) bool {
	return len(a) > 0 && a[len(a)-1] == attempt{share: a[len(a)-1].share, done: done, took: took, ended: true}
}

// current returns the start that a line belongs to: the last, or a new one if that has
// ended.
func (a *attempts) current() *attempt {
	if last := len(*a) - 1; last >= 0 && !(*a)[last].ended {
		return &(*a)[last]
	}
	*a = append(*a, attempt{share: -1})
	return &(*a)[len(*a)-1]
}

// add adds a start from a later log: one without a share is the rest of the last, if that
// has not ended.
func (a *attempts) add(try attempt) {
	last := len(*a) - 1
	switch {
	case try.share < 0 && last >= 0 && !(*a)[last].ended:
		try.share = (*a)[last].share
		(*a)[last] = try
	case try.share < 0 && try.ended && a.repeats(try.done, try.took):
	default:
		*a = append(*a, try)
	}
}

func (a *attempts) sum(rank int) Rank {
	r := Rank{Rank: rank, Share: (*a)[0].share, Starts: len(*a), Ended: (*a)[len(*a)-1].ended}
	for _, try := range *a {
		r.Images += try.done
		if !try.ended {
			r.Untimed += try.done
		}
		r.Seconds += try.took.Seconds()
	}
	return r
}

// readLine enters what a line says. Several ranks may have written to one line.
func readLine(byRank map[int]*attempts, line []byte) error {
	if !bytes.Contains(line, []byte("Worker ")) {
		return nil
	}
	each := func(pattern *regexp.Regexp, book func(a *attempts, n int, rest string) error) error {
		for _, m := range pattern.FindAllSubmatch(line, -1) {
			rank, err1 := strconv.Atoi(string(m[1]))
			n, err2 := strconv.Atoi(string(m[2]))
			if err1 != nil || err2 != nil || rank >= MostRanks {
				return fmt.Errorf("%q is not a plausible number of ranks or images", m[0])
			}
			if byRank[rank] == nil {
				byRank[rank] = new(attempts)
			}
			if err := book(byRank[rank], n, string(m[len(m)-1])); err != nil {
				return err
			}
		}
		return nil
	}
	err := each(needs, func(a *attempts, n int, _ string) error {
		if a.current().share >= 0 { // its end is not in the log
			*a = append(*a, attempt{})
		}
		a.current().share = n
		return nil
	})
	if err != nil {
		return err
	}
	err = each(progress, func(a *attempts, n int, _ string) error {
		a.current().done = n
		return nil
	})
	if err != nil {
		return err
	}
	return each(took, func(a *attempts, n int, text string) error {
		d, err := Timedelta(text)
		if err != nil {
			return err
		}
		if a.repeats(n, d) {
			return nil
		}
		now := a.current()
		now.done, now.took, now.ended = n, d, true
		return nil
	})
}

var timedelta = regexp.MustCompile(`^(?:(\d{1,6}) days?, )?(\d{1,2}):(\d\d):(\d\d)(?:\.(\d{6}))?$`)

// Timedelta reads a duration as Python's str(timedelta) writes it: "0:10:44",
// "0:10:43.983157" or "1 day, 0:00:05".
func Timedelta(text string) (time.Duration, error) {
	m := timedelta.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not a duration such as 0:10:43.983157 or 1 day, 0:00:05", text)
	}
	var total int64 // microseconds
	for i, unit := range []int64{86_400e6, 3600e6, 60e6, 1e6, 1} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil {
			return 0, err
		}
		total += n * unit
	}
	return time.Duration(total) * time.Microsecond, nil
}
