// Command batchscore scores large image collections with neural networks, on
// one machine or on many ranks, and proves that every image got one result.
package main

import (
	"log"
	"os"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func main() {
	cobra.EnableCommandSorting = false // the help lists them as they were added
	os.Exit(program())
}

// program runs the command line of this process and returns its exit code.
func program() int {
	// GODEBUG makes Go's packages log what they send, credentials included, and receive.
	log.SetOutput(redacting(printable.NewWriter(os.Stderr)))
	return Main(os.Args[1:], os.Stdout, os.Stderr)
}
