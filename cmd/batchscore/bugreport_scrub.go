package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy"
)

// secretName matches names of variables and fields whose values are probably secret.
var secretName = regexp.MustCompile(`(?i)passw|secret|token|api_?key|access_?key|account_?key|storage_?key|private_?key|` +
	`credential|signature|connection_?string|cookie|^sig$|_key$|^key$`)

// probablySecret are texts that are not shown in a bug report, besides those that redact
// finds. A report may hide too much: who reads it asks.
var probablySecret = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(\bBasic\s+)[a-z0-9+/=_-]{8,}`),
	// As curl takes a user and a password, wherever it is in a line.
	regexp.MustCompile(`((?:^|\s)(?:-u|-U|--user|--proxy-user)(?:[ \t]+|=)["']?[^\s"':=-][^\s"':]*:)[^\s"']+`),
	regexp.MustCompile(`()\b(?:gh[opsur]_[A-Za-z0-9]|hf_[A-Za-z0-9]|sk-proj-[\w-]|sk-ant-[\w-])[A-Za-z0-9]{10,}`),
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`),
	regexp.MustCompile(`()(?s:-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z))`),
	regexp.MustCompile(`(?i)((?:passw(?:or)?d|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|signature|cookie|\bsig)\w*` +
		`\\?["']?[ \t]*[=:][ \t]*\\?["']?)` +
		`(?:REDACTED)?[^\s"',;&{}\[\]\\]+`),
}

// leastProbable is the least length of a value that is taken for a secret because of its
// variable's name.
const leastProbable = 8

// scrubber takes out of texts what may be secret.
type scrubber struct {
	values []string
	// names are of images, which are private.
	names []string
}

// newScrubber returns a scrubber that knows the values of all variables of this process
// whose names sound secret, and those that a file of credentials holds.
func newScrubber(credentials string) *scrubber {
	s := new(scrubber)
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); slices.Contains(secretVariables(), name) || secretName.MatchString(name) {
			s.add(value)
		}
	}
	if credentials != "" {
		if body, err := deploy.ReadSmall(credentials); err == nil {
			for line := range strings.Lines(string(body)) {
				_, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				s.add(strings.Trim(value, `"'`))
			}
		}
	}
	return s
}

// add makes a value secret, and the secrets within it: those of a connection string and
// the signature of a token.
func (s *scrubber) add(value string) {
	value = strings.TrimSpace(value)
	if len(value) < leastProbable || slices.Contains(s.values, value) {
		return
	}
	s.values = append(s.values, value)
	for field := range strings.SplitSeq(value, ";") {
		if name, v, ok := strings.Cut(field, "="); ok && name != value && secretName.MatchString(name) {
			s.add(v)
		}
		_, query, _ := strings.Cut(field, "SharedAccessSignature=")
		for _, q := range []string{query, field} {
			if in, err := url.ParseQuery(strings.TrimPrefix(q, "?")); err == nil {
				s.add(in.Get("sig"))
			}
		}
	}
	s.values = append(s.values, forms(value)...)
	slices.SortFunc(s.values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

// forms are other spellings of a value.
func forms(value string) []string {
	quoted, _ := json.Marshal(value)
	encoded := base64.StdEncoding.EncodeToString([]byte(value))
	// What is encoded together with more has another end.
	return []string{url.QueryEscape(value), url.PathEscape(value), string(quoted[1 : len(quoted)-1]), encoded, encoded[:len(value)-len(value)%4]}
}

// text returns a text without secrets and without the names of images that are known.
func (s *scrubber) text(text string) string {
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, "REDACTED")
	}
	text = halfKey(redact(text))
	for _, form := range probablySecret {
		text = form.ReplaceAllString(text, "${1}REDACTED")
	}
	for _, name := range s.names {
		text = strings.ReplaceAll(text, name, "IMAGE")
	}
	return text
}

// imageField matches the fields of log lines and records that name an image.
var imageField = regexp.MustCompile(`("(?:image|path)"\s*:\s*)"(?:[^"\\]|\\.)*"`)

// named returns lines of a log or a record without the names of images in its fields,
// unless names are wanted.
func (s *scrubber) named(text string, names bool) string {
	if !names {
		text = imageField.ReplaceAllString(text, `${1}"IMAGE"`)
	}
	return s.text(text)
}

// halfKey replaces the lines of a private key whose first line was cut off.
func halfKey(text string) string {
	end := keyEnd.FindStringIndex(text)
	if end == nil || strings.Contains(text[:end[0]], "-----BEGIN ") {
		return text
	}
	from := strings.LastIndexByte(text[:end[0]], '\n') + 1
	for lines := 0; from > 0; lines++ {
		start := strings.LastIndexByte(text[:from-1], '\n') + 1
		fields := strings.Fields(text[start : from-1])
		// Only the last line of a key is short.
		if len(fields) > 0 && (lines > 0 && len(fields[len(fields)-1]) < 32 || !keyLine.MatchString(fields[len(fields)-1])) {
			break
		}
		from = start
	}
	return text[:from] + "REDACTED" + text[end[1]:]
}

var (
	keyEnd  = regexp.MustCompile(`-----END [A-Z ]*PRIVATE KEY-----`)
	keyLine = regexp.MustCompile(`^[A-Za-z0-9+/=]+$`)
)
