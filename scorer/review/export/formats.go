package export

import (
	"fmt"
	"strings"
)

// Formats are the forms in which results are exported, one per line. Each is declared in
// the file of its name.
var Formats = []Format{
	labelStudioFormat,
	cvatFormat,
	csvFormat,
	cocoFormat,
	fiftyoneFormat,
	hfFormat,
	hfParquetFormat,
	yoloFormat,
}

// Named returns the format of that name.
func Named(name string) (Format, bool) {
	for _, f := range Formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// Names returns the names of all formats.
func Names() []string {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = f.Name
	}
	return names
}

// NamesForBoxes returns the names of the formats that have a place for a detector's answers.
func NamesForBoxes() (names []string) {
	for _, f := range Formats {
		if f.Boxes != nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// Table returns a line about each format, for help texts.
func Table() string {
	var b strings.Builder
	for _, f := range Formats {
		fmt.Fprintf(&b, "  %-13s %s\n", f.Name, f.What)
	}
	return b.String()
}
