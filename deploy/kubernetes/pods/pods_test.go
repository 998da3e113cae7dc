package pods

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// options are what a scenario changes about the job.
type options struct {
	// mpi is whether it is an MPIJob. Ranks compute nothing unless real is set, and score
	// one image a second if slow is, or one in seven if slower is.
	mpi, real, slow, slower bool
	// again keeps the output of a former launch.
	again bool
	// job and service replace fields of job.yaml and of the section in service.yaml.
	job, service map[string]any
}

// scenario is a job and what happens to it.
type scenario struct {
	name string
	options
	// during happens once the ranks work; before, before the job is launched. instead
	// happens instead of waiting for the end.
	before, during, instead func(t *testing.T, j *job)
	// code is that of launch, and says a pattern of what jobs status says at the end or,
	// if stuck, while launch waits in vain. printed is a pattern of what launch prints.
	// unprinted is a pattern of what it does not print.
	code                     int
	says, printed, unprinted string
	stuck                    bool
	// none is that no row is expected, part that not all are, and that launching the job
	// again completes it.
	none, part bool
	// after happens before a job is launched again.
	after func(t *testing.T, c *cluster)
}

func TestPods(t *testing.T) {
	if os.Getenv(folderVar) == "" {
		return // make pods-check runs it
	}
	log, err := os.Create(os.Getenv(folderVar) + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	began := time.Now()
	c := startCluster(t)
	c.table = &table{log: log}
	c.table.note("the cluster was ready after %.0f s\n", time.Since(began).Seconds())
	defer c.table.print(t)
	t.Run("Access", func(t *testing.T) { c.access(t) })
	t.Run("Alone", func(t *testing.T) {
		for _, s := range disturbed() {
			t.Run(s.name, func(t *testing.T) { c.play(t, s) })
		}
	})
	t.Run("Together", func(t *testing.T) {
		for _, s := range append(hurt(), ended()...) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				c.play(t, s)
			})
		}
	})
	t.Run("Storage", func(t *testing.T) { c.storage(t) })
	t.Run("Cron", func(t *testing.T) { c.cron(t) })
}

// play runs a scenario.
func (c *cluster) play(t *testing.T, s scenario) {
	c.table.note("\n== %s\n", s.name)
	j := &job{cluster: c}
	code, rows, verified := -1, "", ""
	began := time.Now()
	defer func() {
		logs, _ := j.batchscore("jobs", "logs", j.id) // the job may be gone
		c.table.note("launch printed:\n%s\njobs logs:\n%s\nstatus: %s\n", j.printed.String(), logs, j.status)
		c.table.add(s.name, !t.Failed(), code, rows, verified, time.Since(began), j.status)
	}()
	if s.before != nil {
		s.before(t, j)
	}
	j = c.launch(t, s.options)
	if s.during != nil {
		j.works(t)
		s.during(t, j)
	}
	switch {
	case s.stuck:
		j.says(t, s.says)
		code = j.interrupt(t)
	case s.instead != nil:
		s.instead(t, j)
		code = j.end(t)
	default:
		code = j.end(t)
		j.status = j.said(t)
		if s.says != "" {
			j.says(t, s.says)
		}
	}
	if code != s.code {
		t.Errorf("launch ended with %d, want %d; it printed:\n%s", code, s.code, j.printed.String())
	}
	if s.printed != "" && !matches(s.printed, j.printed.String()) {
		t.Errorf("launch printed:\n%s\nwant %s", j.printed.String(), s.printed)
	}
	if s.unprinted != "" && matches(s.unprinted, j.printed.String()) {
		t.Errorf("launch printed:\n%s\nwant no %s", j.printed.String(), s.unprinted)
	}
	if s.none {
		rows = "none"
		if s.stuck {
			j.cancel(t)
		}
		return
	}
	if s.part {
		rows = fmt.Sprintf("%d, then ", c.count(t, j.out).rows)
		if s.after != nil {
			s.after(t, c)
		}
		again := s.options
		again.again, again.slow, again.slower = true, false, false
		if s.job["timeLimit"] != nil {
			again.job = with(again.job, "timeLimit", "10m")
		}
		next := c.launch(t, again)
		if code := next.end(t); code != 0 {
			t.Errorf("launched again, it ended with %d:\n%s", code, next.printed.String())
		}
		c.table.note("launched again, it printed:\n%s\n", next.printed.String())
	}
	have := c.count(t, j.out)
	rows += have.String()
	verified = c.verify(t, j.out)
	if have != c.whole() {
		t.Errorf("%s has %s, want %s", j.out, have, c.whole())
	}
}

// verify checks an output, which must be complete.
func (c *cluster) verify(t *testing.T, place string, flags ...string) string {
	t.Helper()
	out, err := c.batchscore(append([]string{"verify", place}, flags...)...)
	if err != nil {
		t.Error(err)
		return "FAILED"
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	c.table.note("verify: %s\n", lines[len(lines)-1])
	return "ok"
}

func with(fields map[string]any, field string, value any) map[string]any {
	more := map[string]any{field: value}
	for f, v := range fields {
		if f != field {
			more[f] = v
		}
	}
	return more
}
