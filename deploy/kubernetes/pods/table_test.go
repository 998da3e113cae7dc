package pods

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// table collects what came of each scenario.
type table struct {
	mu   sync.Mutex
	rows []string
	log  *os.File
}

func (tb *table) add(scenario string, ok bool, code int, rows, verify string, took time.Duration, status string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	result := "ok"
	if !ok {
		result = "FAILED"
	}
	tb.rows = append(tb.rows, fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%.0f s\t%s", scenario, result, code, rows, verify, took.Seconds(), status))
}

// note writes into the log.
func (tb *table) note(format string, args ...any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	fmt.Fprintf(tb.log, format, args...)
}

func (tb *table) print(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCENARIO\tRESULT\tLAUNCH\tROWS\tVERIFY\tTOOK\tSTATUS")
	for _, row := range tb.rows {
		fmt.Fprintln(w, row)
	}
	_ = w.Flush() // into memory
	fmt.Print(b.String())
	tb.note("%s", b.String())
	t.Logf("the whole log: %s", tb.log.Name())
}
