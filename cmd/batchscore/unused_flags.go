package main

import (
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/export"
)

// unused refuses flags that would do nothing. given reports whether a flag was given.
func (f *reportFlags) unused(given func(flag string) bool) error {
	refuse := func(why string, flags ...string) error {
		for _, flag := range flags {
			if given(flag) {
				return usagef("--%s does nothing here: %s", flag, why)
			}
		}
		return nil
	}
	if f.file == "" {
		if err := refuse("it is for the page; name its file with -o", "images", "follow-links", "max-megabytes", "force"); err != nil {
			return err
		}
		if !f.json {
			return refuse("it is for galleries; write a page with -o, or --json", "per-gallery", "threshold")
		}
		return nil
	}
	if f.file == "-" {
		if err := refuse("-o - is standard output, and not a file to replace", "force"); err != nil {
			return err
		}
	}
	if f.noPictures {
		return refuse("with --no-pictures no images are read", "images", "follow-links")
	}
	return nil
}

// unused is that of reportFlags for an export.
func (f *exportImages) unused(given func(flag string) bool) error {
	if f.format.Needs == export.Rows {
		for _, flag := range []string{"images", "follow-links"} {
			if given(flag) {
				return usagef("--%s is not for %s: it reads no images", flag, f.to)
			}
		}
	}
	if f.format.Name != export.LabelStudio {
		for _, flag := range []string{"urls", "served", "per-file"} {
			if given(flag) {
				return usagef("--%s is not for %s: it is for %s", flag, f.to, export.LabelStudio)
			}
		}
	}
	if given("served") && given("urls") && f.options.URLs != export.LocalFilesURL {
		return usagef("--served is for --urls %s, not for %s", export.LocalFilesURL, f.options.URLs)
	}
	if f.replace.given && f.file == "-" {
		return usagef("--force replaces a file, and -o - is standard output")
	}
	return nil
}

// parseShare reads a share such as 0.2 or 20%.
func parseShare(flag, text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	if percent {
		number += "e-2" // the decimal number is divided before it is rounded
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, invalid(flag, text, "a share from 0 to 1, or from 0% to 100%")
	}
	return v, nil
}
