package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNotice checks that NOTICE is that of the modules of today.
func TestNotice(t *testing.T) {
	want, err := notice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "..", "NOTICE"))
	if err != nil || string(got) != want {
		t.Errorf("NOTICE is out of date (%v): make notice", err)
	}
}

func TestRecognise(t *testing.T) {
	const (
		bsd2 = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided that\n" +
			"Redistributions in binary form must reproduce the above copyright\n notice"
		bsd3 = bsd2 + "\nnor the names may be used to endorse or promote products derived from this software without specific prior written permission."
		mit  = "Permission is hereby granted, free of charge, to any person obtaining a copy of\n" +
			"The above copyright notice and this permission notice shall be included in all copies"
	)
	for _, c := range []struct {
		name, want string
		texts      []string
	}{
		{name: "MIT", texts: []string{mit}, want: "MIT"},
		{name: "two clauses", texts: []string{bsd2}, want: "BSD-2-Clause"},
		{name: "three clauses", texts: []string{bsd3}, want: "BSD-3-Clause"},
		{name: "several", texts: []string{mit + bsd3, "additional patents"}, want: "BSD-3-Clause MIT"},
		{name: "unknown", texts: []string{"Do what you want."}},
		{name: "none"},
		{name: "copyleft", texts: []string{"GNU\n  GENERAL PUBLIC LICENSE"}},
		{name: "copyleft and another", texts: []string{mit, "Mozilla Public License Version 2.0"}},
		{name: "half a licence", texts: []string{"Permission is hereby granted, free of charge, to any person obtaining a copy"}},
	} {
		got, err := recognise(c.texts)
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

// TestFetchedHasALicence: a package that nobody has looked at is refused.
func TestFetchedHasALicence(t *testing.T) {
	all, err := pins(filepath.Join("..", "deps"))
	if err != nil || len(all) < 20 {
		t.Fatalf("%d pins, %v, want those of pins.sh and of the files for pip", len(all), err)
	}
	if err := writeFetched(new(strings.Builder), append(all, pin{name: "left-pad", version: "1.0"})); err == nil {
		t.Error("a package without a licence was accepted")
	}
}
