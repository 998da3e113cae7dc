package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// allowed are the licences that may be linked into the program, with sentences that a text
// of each has. A file may have several.
var allowed = []struct {
	name      string
	sentences []string
}{
	{name: "Apache-2.0", sentences: []string{"apache license", "version 2.0, january 2004", "terms and conditions for use, reproduction, and distribution"}},
	{name: "MIT", sentences: []string{
		"permission is hereby granted, free of charge, to any person obtaining a copy",
		"the above copyright notice and this permission notice shall be included in all",
	}},
	{name: "ISC", sentences: []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}},
	{name: "BSD-3-Clause", sentences: []string{
		"redistribution and use in source and binary forms, with or without modification, are permitted",
		"be used to endorse or promote products derived from this software without specific prior written permission",
	}},
	{name: "BSD-2-Clause", sentences: []string{
		"redistribution and use in source and binary forms, with or without modification, are permitted",
		"redistributions in binary form must reproduce the above copyright notice",
	}},
}

// refused are words of licences that ask for the source of what contains them, or forbid
// some of its uses.
var refused = []string{
	"gnu general public license", "gnu lesser general public license", "gnu library general public license",
	"gnu affero general public license", "mozilla public license", "eclipse public license",
	"common development and distribution license", "european union public licence", "server side public license",
	"business source license", "commons clause", "elastic license", "noncommercial", "non-commercial",
}

// recognise returns the licences of a part's texts. It is an error if one of them is
// refused, or none is known.
func recognise(texts []string) ([]string, error) {
	var found []string
	for _, text := range texts {
		words := strings.Join(strings.Fields(strings.ToLower(text)), " ")
		for _, bad := range refused {
			if strings.Contains(words, bad) {
				return nil, fmt.Errorf("its licence speaks of %q: do without this module", bad)
			}
		}
		three := false
		for _, l := range allowed {
			has := true
			for _, sentence := range l.sentences {
				has = has && strings.Contains(words, sentence)
			}
			if has && (l.name != "BSD-2-Clause" || !three) {
				found = append(found, l.name)
				three = three || l.name == "BSD-3-Clause"
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("it has no licence that is known: read it, and add it to deploy/notice/licence.go if it asks for no more than its notice")
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
