package bench

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
)

// TestMain prints what the figures of benchmarks depend on in front of them.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		if err := result.WriteConfig(os.Stdout, result.Here(nil, 0)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	for _, folder := range untilTheEnd {
		if err := os.RemoveAll(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var untilTheEnd []string

// keptFolder is b.TempDir, except that the folder is removed when all benchmarks have
// ended. To create a file, ext4 without a journal skips every file that was deleted
// within the last five minutes, so what one round deletes would slow the next.
func keptFolder(b testing.TB) string {
	b.Helper()
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		b.Fatal(err)
	}
	untilTheEnd = append(untilTheEnd, folder)
	return folder
}
