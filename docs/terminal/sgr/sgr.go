// Package sgr reads lines with the escape sequences that choose colours and styles
// on a terminal ("select graphic rendition"), as "tmux capture-pane -e" writes them.
package sgr

import (
	"strconv"
	"strings"
)

// Colour is a colour of a terminal. The zero Colour is the terminal's default, the
// colours Black to BrightWhite are the sixteen that have names.
type Colour int

// The first and the last colour that have names. Black+1 to Black+7 are red, green,
// yellow, blue, magenta, cyan and white; the eight bright ones follow.
const (
	Default Colour = iota
	Black
	BrightBlack Colour = Black + 8
	BrightWhite Colour = Black + 15
	// Other stands for every colour without a name.
	Other Colour = Black + 16
)

// String returns the colour's name.
func (c Colour) String() string {
	names := []string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}
	switch {
	case c == Default:
		return "default"
	case c >= BrightBlack && c <= BrightWhite:
		return "bright " + names[c-BrightBlack]
	case c >= Black && c < BrightBlack:
		return names[c-Black]
	}
	return "a colour without a name"
}

// Style is how characters look. The zero Style is the default.
type Style struct {
	Foreground, Background            Colour
	Bold, Dim, Italic, Under, Reverse bool
}

// String returns the style in words, such as "bold red".
func (s Style) String() string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{
		{s.Bold, "bold"}, {s.Dim, "dim"}, {s.Italic, "italic"}, {s.Under, "underlined"}, {s.Reverse, "reversed"},
		{s.Foreground != Default, s.Foreground.String()}, {s.Background != Default, "on " + s.Background.String()},
	} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}

// Run is a piece of a line in one style.
type Run struct {
	Style
	Text string
}

// Parse splits a line into runs, beginning in the given style, and returns the style
// at its end. Spaces at the end of the line are dropped, and so are sequences that
// choose no style.
func Parse(line string, now Style) ([]Run, Style) {
	var runs []Run
	line = strings.TrimRight(line, " ")
	for line != "" {
		text, rest, escape := strings.Cut(line, "\x1b[")
		if text != "" {
			runs = append(runs, Run{now, text})
		}
		if !escape {
			break
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			break
		}
		if rest[end] == 'm' {
			now = now.apply(rest[:end])
		}
		line = rest[end+1:]
	}
	return runs, now
}

// apply returns the style after the parameters of a sequence. What it does not know
// changes nothing.
func (s Style) apply(parameters string) Style {
	numbers := strings.FieldsFunc(parameters+" ", func(r rune) bool { return r == ';' || r == ':' || r == ' ' })
	if len(numbers) == 0 {
		return Style{}
	}
	for i := 0; i < len(numbers); i++ {
		n, err := strconv.Atoi(numbers[i])
		if err != nil {
			continue
		}
		switch {
		case n == 0:
			s = Style{}
		case n == 1:
			s.Bold = true
		case n == 2:
			s.Dim = true
		case n == 3:
			s.Italic = true
		case n == 4:
			s.Under = true
		case n == 7:
			s.Reverse = true
		case n == 22:
			s.Bold, s.Dim = false, false
		case n == 23:
			s.Italic = false
		case n == 24:
			s.Under = false
		case n == 27:
			s.Reverse = false
		case n == 38 || n == 48:
			c, used := extended(numbers[i+1:])
			i += used
			if n == 38 {
				s.Foreground = c
			} else {
				s.Background = c
			}
		case n >= 30 && n <= 37:
			s.Foreground = Black + Colour(n-30)
		case n == 39:
			s.Foreground = Default
		case n >= 40 && n <= 47:
			s.Background = Black + Colour(n-40)
		case n == 49:
			s.Background = Default
		case n >= 90 && n <= 97:
			s.Foreground = BrightBlack + Colour(n-90)
		case n >= 100 && n <= 107:
			s.Background = BrightBlack + Colour(n-100)
		}
	}
	return s
}

// extended reads what follows 38 or 48: 5 and the number of a colour, or 2 and three
// parts of one. It returns how many numbers it read.
func extended(numbers []string) (c Colour, used int) {
	switch {
	case len(numbers) >= 2 && numbers[0] == "5":
		if n, err := strconv.Atoi(numbers[1]); err == nil && n < 16 {
			return Black + Colour(n), 2
		}
		return Other, 2
	case len(numbers) >= 4 && numbers[0] == "2":
		return Other, 4
	}
	return Other, len(numbers)
}
