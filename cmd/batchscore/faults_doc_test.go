package main

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// TestEveryPromiseIsTested checks that docs/faults.md has rows numbered from 1,
// each number once, and that each row has tests, which are found by its number.
func TestEveryPromiseIsTested(t *testing.T) {
	doc, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := commandOutput(t, "git", "grep", "-hoE", `^func TestFault[0-9]+_\w+`, "--", "*_test.go")
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllSubmatch(doc, -1)
	if len(rows) < 43 {
		t.Errorf("the document has %d rows, want 43 at least", len(rows))
	}
	for i, row := range rows {
		number := string(row[1])
		if want := strconv.Itoa(i + 1); number != want {
			t.Errorf("row %d of the table has number %s, want %s", i+1, number, want)
		}
		if len(number) == 1 {
			number = "0" + number
		}
		if !regexp.MustCompile(`func TestFault` + number + `_`).Match([]byte(tests)) {
			t.Errorf("row %s has no test named TestFault%s_", row[1], number)
		}
	}
}
