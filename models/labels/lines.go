package labels

import (
	"encoding/csv"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// lines parses text with one entry per line.
func (p parser) lines(text string) (List, error) {
	lines := strings.Split(strings.TrimRight(text, "\r\n\t "), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
		if err := Check(lines[i]); err != nil {
			return List{}, fmt.Errorf("line %d %w%s", i+1, err, p.has())
		}
	}
	for _, read := range []func([]string) (List, bool, error){
		p.commented, p.code, p.quoted, p.table, p.header, p.numberedLines, p.numberedAtEnd, p.numberedAfterBlank, p.columns,
	} {
		if l, is, err := read(lines); is || err != nil {
			return l, err
		}
	}
	return List{lines, Plain}, nil
}

// commented refuses a file with comments among its lines.
func (p parser) commented(lines []string) (_ List, is bool, err error) {
	remark := func(l string) bool {
		return strings.HasPrefix(l, "#") || strings.HasPrefix(l, "//")
	}
	i := slices.IndexFunc(lines, remark)
	if i < 0 || !slices.ContainsFunc(lines, func(l string) bool { return !remark(l) }) {
		return List{}, false, nil
	}
	return List{}, true, fmt.Errorf("line %d, %q, looks like a comment%s: a file of labels has no comments; remove it, or %s", i+1, lines[i], p.has(), certain)
}

var (
	assignment = regexp.MustCompile(`^\s*\w+\s*(:\s*\w+\s*)?=\s*[\[({]`)
	quotedLine = regexp.MustCompile(`^\s*(?:"[^"]*"|'[^']*')\s*,?\s*\]?\s*$`)
)

// code recognises a piece of a program: a list that is assigned to a name, or the inside
// of such a list.
func (p parser) code(lines []string) (_ List, is bool, err error) {
	commas := 0
	for _, l := range lines {
		if strings.HasSuffix(strings.TrimRight(l, " \t"), ",") {
			commas++
		}
	}
	switch {
	case assignment.MatchString(lines[0]) || strings.HasPrefix(lines[0], "import ") || lines[0] == "(":
		return List{}, true, fmt.Errorf("it is the text of a program, of %d lines%s; %s", len(lines), p.has(), certain)
	case len(lines) > 1 && commas >= len(lines)-1:
		return List{}, true, p.refuse("the inside of a list", len(lines), "with a comma behind every label")
	case len(lines) == 1 && strings.Count(lines[0], ",") > 0 && p.classes > 1:
		return List{}, true, p.refuse("one line", 1+strings.Count(lines[0], ","), "with commas between them")
	}
	return List{}, false, nil
}

// quoted recognises lines with quotes around each, or around those that contain a comma.
func (p parser) quoted(lines []string) (_ List, is bool, err error) {
	quotes := 0
	for _, l := range lines {
		if quotedLine.MatchString(l) {
			quotes++
		}
	}
	if quotes == 0 {
		return List{}, false, nil
	}
	if quotes == len(lines) && strings.HasPrefix(strings.TrimSpace(lines[0]), "'") {
		return List{}, true, p.refuse("a list with quotes", len(lines), "around every label")
	}
	for _, l := range lines {
		if quotes < len(lines) && quotedLine.MatchString(l) != strings.Contains(l, ",") {
			return List{}, true, p.refuse("a list with quotes", len(lines), "around some labels")
		}
	}
	rows, err := readCSV(lines, ',', 1)
	if err != nil {
		return List{}, true, p.refuse("a list with quotes", len(lines), "which cannot be read: %v", err)
	}
	var names []string
	for _, row := range rows {
		names = append(names, row[0])
	}
	if heads[strings.ToLower(names[0])] {
		l, _, err := p.header(names)
		return l, true, err
	}
	return List{names, "a column with quotes"}, true, nil
}

// table recognises lines that are drawn as a table.
func (p parser) table(lines []string) (_ List, is bool, err error) {
	begin := func(mark string) bool {
		return len(lines) > 1 && !slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(strings.TrimSpace(l), mark) })
	}
	switch {
	case begin("|"):
		return List{}, true, p.refuse("a table drawn with bars", len(lines), "of which it is not certain which column names the classes")
	case begin("* "):
		return List{}, true, p.refuse("a list with bullets", len(lines), "and bullets are not part of a label")
	}
	return List{}, false, nil
}

// headers are names of columns in lower case.
var headers = func() map[string]bool {
	m := map[string]bool{"wnid": true, "synset": true, "mid": true, "supercategory": true, "count": true}
	for _, name := range slices.Concat(nameKeys, idKeys) {
		m[name] = true
	}
	return m
}()

// heads are names of an only column.
var heads = map[string]bool{
	"label": true, "labels": true, "name": true, "names": true, "class": true, "classes": true,
	"class_name": true, "class_names": true, "classname": true, "category": true, "categories": true,
}

// header recognises a table whose first line names its columns.
func (p parser) header(lines []string) (_ List, is bool, err error) {
	comma, columns := split(lines[0])
	for i, c := range columns {
		columns[i] = strings.ToLower(strings.Trim(strings.TrimSpace(c), `"'`))
		if !headers[columns[i]] && !heads[columns[i]] {
			return List{}, false, nil
		}
	}
	if len(lines) == 1 {
		return List{}, false, nil
	}
	form := fmt.Sprintf("a table with the header %q", lines[0])
	if len(columns) == 1 {
		form = fmt.Sprintf("a column with the header %q", lines[0])
		switch n := len(lines) - 1; {
		case !heads[columns[0]]:
			return List{}, false, nil
		case n == p.classes || n == 2 && p.classes == 1:
			return List{lines[1:], form}, true, nil
		default:
			return List{}, true, p.refuse(form, n, "unless that is itself a label")
		}
	}
	rows, err := readCSV(lines[1:], comma, len(columns))
	if err != nil {
		return List{}, true, p.refuse(form, len(lines)-1, "which cannot be read: %v", err)
	}
	column := func(at int) []string {
		var texts []string
		for _, row := range rows {
			texts = append(texts, strings.TrimSpace(row[at]))
		}
		return texts
	}
	byNumber := -1
	var numbers []int
	for _, key := range idKeys {
		if i := slices.Index(columns, key); i >= 0 {
			if n, ok := ints(column(i)); ok {
				byNumber, numbers = i, n
				break
			}
		}
	}
	byName := -1
	for _, key := range nameKeys {
		if i := slices.Index(columns, key); i >= 0 && i != byNumber {
			byName = i
			break
		}
	}
	if byName < 0 {
		return List{}, true, p.refuse(form, len(rows), "of which no column is called label or name")
	}
	names := column(byName)
	if byNumber < 0 {
		return List{names, form}, true, nil
	}
	l, err := p.numbered(form, numbers, names)
	return l, true, err
}

// split splits a line at its first separator of columns.
func split(line string) (comma rune, columns []string) {
	for _, comma := range "\t,;|" {
		if strings.ContainsRune(line, comma) {
			return comma, strings.Split(line, string(comma))
		}
	}
	return ',', []string{line}
}

func readCSV(lines []string, comma rune, columns int) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(strings.Join(lines, "\n") + "\n"))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = comma, columns, true
	return r.ReadAll()
}

// leading splits off the number at the start of a line, and its separator.
func leading(line string) (number int, separator byte, rest string, ok bool) {
	line = strings.TrimSpace(line)
	digits := len(line) - len(strings.TrimLeft(line, "0123456789"))
	if digits == 0 || digits > 9 || digits == len(line) {
		return 0, 0, "", false
	}
	number, _ = strconv.Atoi(line[:digits])
	rest = line[digits:]
	tight := strings.TrimLeft(rest, " ")
	switch {
	case strings.IndexByte(",;:=)|\t", tight[0]) >= 0:
		separator, rest = tight[0], tight[1:]
	case strings.HasPrefix(rest, ". "):
		separator, rest = '.', rest[2:]
	case strings.HasPrefix(rest, " - "):
		separator, rest = '-', rest[3:]
	case len(tight) < len(rest):
		separator, rest = ' ', tight
	default:
		return 0, 0, "", false
	}
	rest = strings.TrimSpace(rest)
	return number, separator, rest, rest != ""
}

// numberedLines recognises a list with the number of the class before every label.
func (p parser) numberedLines(lines []string) (_ List, is bool, err error) {
	var numbers []int
	var names []string
	var by byte
	for i, l := range lines {
		number, separator, rest, ok := leading(l)
		if !ok || i > 0 && separator != by {
			return List{}, false, nil
		}
		numbers, names, by = append(numbers, number), append(names, rest), separator
	}
	n := len(lines)
	form := "a numbered list"
	sorted := slices.Clone(numbers)
	slices.Sort(sorted)
	// Up to half of the labels may begin with a number themselves: 100 euro, 50 euro.
	list := slices.Equal(sorted, upTo(n)) || slices.Equal(sorted, upTo(n + 1)[1:]) && n > 1
	if !list && strings.IndexByte(" .-", by) >= 0 {
		return List{}, false, nil
	}
	if n > 1 && len(slices.Compact(slices.Sorted(slices.Values(names)))) == 1 {
		return List{}, true, p.refuse(form, n, "all of them %q", names[0])
	}
	comma := rune(by)
	if strings.IndexByte(",;\t|", by) >= 0 {
		if strings.HasPrefix(names[0], `"`) || slices.ContainsFunc(names, func(s string) bool { return strings.HasPrefix(s, `"`) }) {
			rows, err := readCSV(lines, comma, 2)
			if err != nil {
				return List{}, true, p.refuse(form, n, "which cannot be read: %v", err)
			}
			for i, row := range rows {
				names[i] = row[1]
			}
		} else if columns := narrow(names, comma); columns > 1 {
			return List{}, true, p.refuse("a table without a header", n, "with %d columns besides the numbers", columns)
		}
	} else if unquoted, ok := unquote(names); ok {
		names = unquoted
	}
	l, err := p.numbered(form, numbers, names)
	return l, true, err
}

// unquote removes the quotes from names if all of them have quotes.
func unquote(names []string) ([]string, bool) {
	var plain []string
	for _, s := range names {
		s = strings.TrimSuffix(s, ",")
		if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' || strings.ContainsRune(s[1:len(s)-1], rune(s[0])) {
			return nil, false
		}
		plain = append(plain, s[1:len(s)-1])
	}
	return plain, true
}

// numberedAtEnd recognises a list with the number of the class after every label.
func (p parser) numberedAtEnd(lines []string) (_ List, is bool, err error) {
	var numbers []int
	var names []string
	var by byte
	for i, l := range lines {
		at := strings.LastIndexAny(l, ",;:=\t|")
		if at <= 0 || i > 0 && l[at] != by {
			return List{}, false, nil
		}
		n, ok := ints([]string{strings.TrimSpace(l[at+1:])})
		if !ok {
			return List{}, false, nil
		}
		numbers, names, by = append(numbers, n[0]), append(names, strings.TrimSpace(l[:at])), l[at]
	}
	if unquoted, ok := unquote(names); ok {
		names = unquoted
	}
	l, err := p.numbered("a list with numbers behind", numbers, names)
	return l, true, err
}

// numberedAfterBlank recognises such a list with a blank before the numbers. Labels that
// end with numbers of their own differ in nothing else, or leave numbers out.
func (p parser) numberedAfterBlank(lines []string) (_ List, is bool, err error) {
	var numbers []int
	var names []string
	for _, l := range lines {
		at := strings.LastIndexByte(l, ' ')
		if at <= 0 {
			return List{}, false, nil
		}
		n, ok := ints([]string{l[at+1:]})
		if !ok {
			return List{}, false, nil
		}
		numbers, names = append(numbers, n[0]), append(names, strings.TrimSpace(l[:at]))
	}
	n := len(lines)
	sorted := slices.Sorted(slices.Values(numbers))
	list := slices.Equal(sorted, upTo(n)) || slices.Equal(sorted, upTo(n + 1)[1:])
	if n < 2 || !list || len(slices.Compact(slices.Sorted(slices.Values(names)))) < n {
		return List{}, false, nil
	}
	l, err := p.numbered("a list with numbers behind", numbers, names)
	return l, true, err
}

// columns recognises a table whose columns have no names.
func (p parser) columns(lines []string) (_ List, is bool, err error) {
	if rows, err := readCSV(lines, ',', 0); err == nil && len(rows) == len(lines) && len(rows[0]) > 1 &&
		!slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, `"`) }) {
		return List{}, true, p.refuse("a table without a header", len(lines), "with %d columns", len(rows[0]))
	}
	for _, comma := range "\t,;|" {
		if n := narrow(lines, comma); n > 1 && len(lines) > 1 {
			return List{}, true, p.refuse("a table without a header", len(lines), "with %d columns", n)
		}
	}
	return List{}, false, nil
}

// narrow returns the number of columns if every line has as many, without the blanks
// that follow a comma in prose; 0 otherwise.
func narrow(lines []string, comma rune) int {
	n := strings.Count(lines[0], string(comma))
	for _, l := range lines {
		if strings.Count(l, string(comma)) != n || strings.Contains(l, string(comma)+" ") {
			return 0
		}
	}
	return n + 1
}
