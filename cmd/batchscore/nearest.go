package main

import (
	"slices"
	"strconv"
	"strings"

	edlib "github.com/hbollon/go-edlib"
)

// otherValues are what other programs call values of flags.
var otherValues = map[string]string{
	"gpu": "cuda", "nvidia": "cuda", "trt": "tensorrt", "json": "jsonl",
	"k8s": "kubernetes", "aml": "azureml", "mpi": "local", "mpirun": "local",
}

// maxSuggested is the most words that an error suggests.
const maxSuggested = 3

// nearest returns the candidates that word is most likely meant to be: those that
// the fewest typing errors make of it, else those that begin with it.
func nearest(word string, candidates []string) []string {
	word = strings.ToLower(word)
	if other := otherValues[word]; slices.Contains(candidates, other) {
		return []string{other}
	}
	var near, longer []string
	least := max(1, (len(word)+1)/3) // more errors than that make another word
	for _, c := range candidates {
		lower := strings.ToLower(c)
		switch d := errorsBetween(word, lower); {
		case d < least:
			near, least = []string{c}, d
		case d == least:
			near = append(near, c)
		}
		if len(word) > 2 && strings.HasPrefix(lower, word) {
			longer = append(longer, c)
		}
	}
	if len(near) == 0 {
		near = longer
	}
	return near[:min(len(near), maxSuggested)]
}

// errorsBetween returns how many typing errors make one word of another.
func errorsBetween(a, b string) int { return edlib.OSADamerauLevenshteinDistance(a, b) }

// didYouMean returns the end of an error about a word that is none of the
// candidates; empty if no candidate is near.
func didYouMean(word string, candidates []string) string {
	var quoted []string
	for _, c := range nearest(word, candidates) {
		quoted = append(quoted, strconv.Quote(c))
	}
	if len(quoted) == 0 {
		return ""
	}
	return "; did you mean " + orList(quoted) + "?"
}

// orList joins words as English does: "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " or " + words[n]
}
