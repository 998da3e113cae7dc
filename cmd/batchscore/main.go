// Command batchscore scores large image collections with neural networks, on
// one machine or on many ranks, and proves that every image got one result.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	cobra.EnableCommandSorting = false // the help lists them as they were added
	os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
}
