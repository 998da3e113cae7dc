package ranks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rank is what one rank did.
type Rank struct {
	Rank int `json:"rank"`
	// Share is how many images it had to process at its start, or -1 where the
	// log does not say.
	Share int `json:"share"`
	// Images is how many it processed, in Seconds from its start to its end.
	Images  int     `json:"images"`
	Seconds float64 `json:"seconds"`
	// Untimed is how many of Images belong to starts that never told their end,
	// whose time is not in Seconds.
	Untimed int `json:"untimed_images,omitempty"`
	// Ended reports whether it told its end; otherwise Images is the last that is
	// known of it, and Seconds are 0.
	Ended bool `json:"ended"`
	// Starts is how many times it was started; Images and Seconds are over all
	// of them.
	Starts int `json:"starts"`
}

// speed is images a second, of those whose time is known; 0 where none is.
func (r Rank) speed() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.Images-r.Untimed) / r.Seconds
}

// Log is what logs tell.
type Log struct {
	Ranks []Rank // by rank
	// Simulated reports whether a line tells of a simulated device.
	Simulated bool
}

// The lines, wherever they stand in a line of the log: a launcher may have put
// anything in front.
var (
	needs     = regexp.MustCompile(`Worker (\d+) needs to process (\d+) images`)
	progress  = regexp.MustCompile(`Worker (\d+) Processed (\d+)/(\d+) images`)
	took      = regexp.MustCompile(`Worker (\d+) Processed (\d+) images, took (\S+(?: days?, \S+)?)`)
	simulated = regexp.MustCompile(`simulated: nothing is computed|Processed \d+ images(?: on \d+ ranks)?, took .*\(simulated\)`)
	// colours are what a terminal takes for colours and movements.
	colours = regexp.MustCompile(`\x1b\[[0-9;?]*[@-~]`)
)

const (
	// longestLine is beyond what any launcher writes as one line.
	longestLine = 1 << 20
	// MostRanks is beyond all numbers of ranks.
	MostRanks = 1 << 17
)

// ReadLog reads logs in turn: the lines of all ranks in any order, with whatever
// else is between them. Logs without a line of any rank are an error. Errors name a
// log by its method Name, as files have it, or by its number.
func ReadLog(logs ...io.Reader) (Log, error) {
	var l Log
	byRank := map[int]*attempts{}
	var names []string
	for i, log := range logs {
		name := fmt.Sprintf("log %d", i+1)
		if file, ok := log.(interface{ Name() string }); ok {
			name = file.Name()
		}
		names = append(names, name)
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, longestLine)
		for n := 1; lines.Scan(); n++ {
			line := lines.Bytes()
			if bytes.IndexByte(line, '\x1b') >= 0 {
				line = colours.ReplaceAll(line, nil)
			}
			l.Simulated = l.Simulated || simulated.Match(line)
			if err := readLine(byRank, line); err != nil {
				return l, fmt.Errorf("%s, line %d: %w", name, n, err)
			}
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			return l, fmt.Errorf("%s: a line is longer than %d bytes: it is no log", name, longestLine)
		} else if err != nil {
			return l, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(byRank) == 0 {
		return l, fmt.Errorf("%s: no line is that of a rank, such as %q", strings.Join(names, ", "), "Worker 0 Processed 3124 images, took 0:10:43.983157")
	}
	for _, rank := range slices.Sorted(maps.Keys(byRank)) {
		l.Ranks = append(l.Ranks, byRank[rank].sum(rank))
	}
	return l, nil
}

// attempt is one start of a rank.
type attempt struct {
	share, done int
	took        time.Duration
	ended       bool
}

type attempts []attempt

// repeats reports whether a line which tells an end is there a second time: a real
// second start would have told its share first.
func (a attempts) repeats(done int, took time.Duration) bool {
	return len(a) > 0 && a[len(a)-1] == attempt{share: a[len(a)-1].share, done: done, took: took, ended: true}
}

// current is the start that a line belongs to: the last, or a new one if that
// has ended.
func (a *attempts) current() *attempt {
	if last := len(*a) - 1; last >= 0 && !(*a)[last].ended {
		return &(*a)[last]
	}
	*a = append(*a, attempt{share: -1})
	return &(*a)[len(*a)-1]
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

// readLine books what a line says. Several ranks may have written to one line.
func readLine(byRank map[int]*attempts, line []byte) error {
	if !bytes.Contains(line, []byte("Worker ")) {
		return nil
	}
	each := func(pattern *regexp.Regexp, book func(a *attempts, n int, rest string) error) error {
		for _, m := range pattern.FindAllSubmatch(line, -1) {
			rank, err1 := strconv.Atoi(string(m[1]))
			n, err2 := strconv.Atoi(string(m[2]))
			if err1 != nil || err2 != nil || rank >= MostRanks {
				return fmt.Errorf("%q is beyond all numbers of ranks or images", m[0])
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
		if a.current().share >= 0 { // it never told its end
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
		return 0, fmt.Errorf("%q is no duration such as 0:10:43.983157 or 1 day, 0:00:05", text)
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
