package bench

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
)

// TestMain has benchmarks tell what their figures depend on, before them.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		if err := result.WriteConfig(os.Stdout, result.Here(nil, 0)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
