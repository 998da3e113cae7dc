package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Violation is a fault that axe-core found.
type Violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		Target  []string
		Summary string `json:"failureSummary"`
	}
}

func (v Violation) String() string {
	text := fmt.Sprintf("%s (%s): %s", v.ID, v.Impact, v.Help)
	for i, n := range v.Nodes {
		if i == 5 {
			return fmt.Sprintf("%s\n  and %d more", text, len(v.Nodes)-i)
		}
		text += fmt.Sprintf("\n  %v: %s", n.Target, n.Summary)
	}
	return text
}

// Serious returns the faults of the page by which people cannot use it, or only with trouble:
// those that axe-core calls serious or critical. Without axe-core, the test is skipped, and
// fails in CI.
func (tab *Tab) Serious() []Violation {
	tab.t.Helper()
	Evaluate[bool](tab, axe(tab.t)+"\n;true")
	var bad []Violation
	for _, v := range Evaluate[[]Violation](tab, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations)`) {
		if v.Impact == "serious" || v.Impact == "critical" {
			bad = append(bad, v)
		}
	}
	return bad
}

// axe returns the script of axe-core.
func axe(t testing.TB) string {
	t.Helper()
	cache := os.Getenv("BATCHSCORE_CACHE")
	for at, _ := os.Getwd(); cache == "" && at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			cache = filepath.Join(at, ".cache")
		}
	}
	body, err := os.ReadFile(filepath.Join(cache, "axe", "axe.min.js"))
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("axe-core is missing: make deps: %v", err)
	}
	if err != nil {
		t.Skipf("axe-core is missing: make deps: %v", err)
	}
	return string(body)
}
