package main

import (
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/scorer/listing"
)

// registerAllFiles adds the flag that chooses which files count as images.
func registerAllFiles(fs *pflag.FlagSet, all *bool) {
	fs.BoolVar(all, "all-files", false, "treat every file as an image, whatever its name (default files with the extension of an image or none,"+
		" outside of folders that operating systems keep for themselves)")
}

// filesTaken returns which files of a place count as images.
func filesTaken(all bool) listing.Files {
	if all {
		return listing.AllFiles
	}
	return listing.Pictures
}

// andPassedOver returns the end of a line that reports which files a listing
// passed over; empty if it passed over none.
func andPassedOver(p listing.PassedOver) string {
	if len(p) == 0 {
		return ""
	}
	return "; " + p.String()
}
