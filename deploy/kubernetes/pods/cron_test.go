package pods

import (
	"path/filepath"
	"testing"
	"time"
)

// cron has a job that starts every minute, each time with a place of its own.
func (c *cluster) cron(t *testing.T) {
	c.table.note("\n== Cron\n")
	before, err := filepath.Glob(c.path("data/out/cron-*"))
	for _, old := range before {
		remove(t, old)
	}
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	j := c.launch(t, options{job: map[string]any{"schedule": "* * * * *", "out": "/data/out/cron-{run}"}})
	code := j.end(t)
	if code != 0 {
		t.Errorf("launch ended with %d:\n%s", code, j.printed.String())
	}
	var done []string
	await(t, "the first run", func() bool {
		done, err = filepath.Glob(c.path("data/out/cron-*/_SUCCESS"))
		return len(done) > 0 && err == nil
	})
	j.says(t, "last run "+j.id+`-\S+ succeeded`)
	place := filepath.Dir(done[0])
	rows := c.count(t, place)
	if rows != c.whole() {
		t.Errorf("%s has %s, want %s", place, rows, c.whole())
	}
	verified := c.verify(t, place)
	c.table.note("launch printed:\n%s\nstatus: %s\n", j.printed.String(), j.status)
	j.cancel(t)
	c.table.add("Cron", !t.Failed(), code, rows.String(), verified, time.Since(began), j.status)
}
