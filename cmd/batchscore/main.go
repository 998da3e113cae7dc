// Command batchscore scores large image collections with neural networks, on
// one machine or on many ranks, and proves that every image got one result.
package main

import "os"

func main() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) }
