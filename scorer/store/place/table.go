package place

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrScheme means that a place is spelled with a scheme that does not exist.
var ErrScheme = errors.New("unknown kind of place")

// Table lists the storages that a program knows.
type Table []Scheme

// asLocal says how to spell a local path that looks like a place elsewhere.
const asLocal = "a local path that begins so is written with ./ in front"

// foreign are schemes of storages that a Table may not list. Users write them
// out of habit, also without the slashes; then they are not local paths either.
var foreign = []string{
	"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "adl", "azure", "hdfs", "dbfs",
	"file", "ftp", "sftp", "smb", "nfs",
}

// Scheme returns the scheme of a place. A place that begins like x:// is never a
// local path: if the table does not list x, it is an error that wraps ErrScheme.
// A local folder of such a name is spelled ./x://. So is one that begins with a
// known scheme and a colon, without the slashes.
func (t Table) Scheme(spec string) (Scheme, error) {
	head, rest, found := strings.Cut(spec, ":")
	if !found || strings.Contains(head, "/") {
		return t.local()
	}
	name := strings.ToLower(strings.TrimSpace(head))
	i := slices.IndexFunc(t, func(s Scheme) bool { return slices.Contains(s.Names, name) })
	slashes := strings.HasPrefix(rest, "//")
	switch {
	case i >= 0 && slashes && name == strings.ToLower(head):
		return t[i], nil
	case i >= 0:
		return Scheme{}, fmt.Errorf("%w: it begins with %q, which is written %s://; %s; %s", ErrScheme, head+":", name, t.Forms(), asLocal)
	case name == "file" && strings.HasPrefix(rest, "/"):
		return Scheme{}, fmt.Errorf("%w %s://: write a local path without it, such as /data/photos; %s", ErrScheme, name, t.Forms())
	case slashes, slices.Contains(foreign, name):
		return Scheme{}, fmt.Errorf("%w %s://: %s; %s", ErrScheme, name, t.Forms(), asLocal)
	}
	return t.local()
}

func (t Table) local() (Scheme, error) {
	i := slices.IndexFunc(t, Scheme.Local)
	if i < 0 {
		return Scheme{}, fmt.Errorf("%w: a local path is not supported here; %s", ErrScheme, t.Forms())
	}
	return t[i], nil
}

// Parse reads a place. It opens nothing. An empty place is an error: it comes
// from a variable that is not set, and does not mean the working directory.
func (t Table) Parse(spec string) (Scheme, Place, error) {
	if spec == "" {
		return Scheme{}, nil, errors.New("the place is empty; the folder you are in is spelled . (a dot)")
	}
	s, err := t.Scheme(spec)
	if err != nil {
		return s, nil, err
	}
	if name, rest := Cut(spec); !s.Local() {
		spec = name + "://" + rest
	}
	p, err := s.Parse(spec)
	return s, p, err
}

// Forms returns a sentence that shows how places are spelled, without a full
// stop, for messages.
func (t Table) Forms() string { return "a place is " + List(t.forms(), "or") }

func (t Table) forms() []string {
	var forms []string
	for _, s := range t {
		forms = append(forms, s.Forms...)
	}
	return forms
}

// Help returns the paragraph on places for the help of commands, in one line.
func (t Table) Help() string {
	text := "A place is " + List(t.forms(), "or") + "."
	for _, s := range t {
		text += " " + s.Help
	}
	return strings.Join(strings.Fields(text), " ")
}

// Secrets returns the environment variables whose values are always secret.
func (t Table) Secrets() []string {
	var names []string
	for _, s := range t {
		names = append(names, s.Secrets...)
	}
	return names
}

// HoldsSecret reports whether a text holds a secret of one of the storages.
func (t Table) HoldsSecret(text string) bool {
	return slices.ContainsFunc(t, func(s Scheme) bool { return s.SecretText != nil && s.SecretText.MatchString(text) })
}

// Redact returns a text without the secrets of the storages.
func (t Table) Redact(text string) string {
	for _, s := range t {
		if s.SecretText == nil {
			continue
		}
		kept := ""
		for i := range s.SecretText.NumSubexp() {
			kept += fmt.Sprintf("${%d}", i+1)
		}
		text = s.SecretText.ReplaceAllString(text, kept+"REDACTED")
	}
	return text
}

// List joins words as English does: "a, b or c", where last is "or".
func List(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}
