package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/store/place"
)

// otherValues are what other programs call values of flags.
var otherValues = map[string]string{
	"gpu": "cuda", "nvidia": "cuda", "json": "jsonl",
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

// errorsBetween returns how many typing errors make one word of another: a letter
// too many, missing or wrong, or two neighbours exchanged. No letter is changed twice.
func errorsBetween(a, b string) int {
	from, to := []rune(a), []rune(b)
	// Rows of distances between the first i letters of one and the first j of the other.
	older, last, row := make([]int, len(to)+1), make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(from); i++ {
		older, last, row = last, row, older
		row[0] = i
		for j := 1; j <= len(to); j++ {
			wrong := 1
			if from[i-1] == to[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return row[len(to)]
}

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
func orList(words []string) string { return place.List(words, "or") }
