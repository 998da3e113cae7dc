package chart

import (
	"strings"
	"unicode"
)

// lineHeight and fontSize are those of all texts, in pixels.
const (
	lineHeight = 19.0
	fontSize   = 14.0
)

// textWidth returns how many pixels a text takes at most, for the reader's font is not
// known: the letters of DejaVu Sans are among the widest.
func textWidth(text string) (pixels float64) {
	for _, r := range text {
		pixels += fontSize * letterWidth(r)
	}
	return pixels
}

// letterWidth returns the width of a letter as a share of the font's size.
func letterWidth(r rune) float64 {
	switch {
	case r >= 0x1100: // Chinese, Japanese, Korean, emoji
		return 1.25
	case strings.ContainsRune("mwMW@%", r):
		return 1
	case strings.ContainsRune("iljI.,:;'|!()[]/ ", r):
		return 0.4
	case unicode.IsUpper(r) || r > 0x7f:
		return 0.8
	}
	return 0.64
}

// broken returns the lines of a text that has only that much room: words move to the
// next line, and longer ones are divided.
func broken(text string, room float64) (lines []string) {
	line := ""
	for _, word := range strings.SplitAfter(text, " ") {
		if line != "" && textWidth(line+strings.TrimSpace(word)) > room {
			lines, line = append(lines, strings.TrimSpace(line)), ""
		}
		for _, r := range word {
			if r != ' ' && line != "" && textWidth(line+string(r)) > room {
				lines, line = append(lines, line), ""
			}
			line += string(r)
		}
	}
	return append(lines, strings.TrimSpace(line))
}
