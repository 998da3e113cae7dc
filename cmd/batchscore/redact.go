package main

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/deploy/engines"
)

// secretText are secrets that are recognised wherever they come from, besides those of a
// storage: what follows the scheme of an Authorization header, tokens of services that
// begin with a name of their own, what follows a flag for a password, and the password of
// a URL, which is the last.
var secretText = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(\bAuthorization\\?["']?\s*[:=]\s*\\?["']?(?:Bearer|Basic|Digest|Token|Negotiate)\s+)[a-z0-9._~+/=-]{4,}`),
	regexp.MustCompile(`()\b(?:gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|` +
		`sk-(?:proj|ant|svcacct)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{32,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}\b|` +
		`npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}|AIza[A-Za-z0-9_-]{35})`),
	regexp.MustCompile(`(?i)((?:^|[\s"'\[])--?(?:[a-z0-9]+[-_])*(?:password|passwd|pass|token|api[-_]?key|access[-_]?key|account[-_]?key|client[-_]?secret)` +
		`(?:=|[ \t]+|\\?["'],[ \t]*)\\?["']?)[^\s"'\\,;)\]-][^\s"'\\,\]]*`),
	regexp.MustCompile(`(?i)(\bcurl\s[^\n]*?\s(?:-u|-U|--user|--proxy-user)(?:[ \t]+|=)["']?[^\s"':]+:)[^\s"']+`),
	regexp.MustCompile(`(?i)(\bBearer\s+)[a-z0-9._~+/=-]{16,}`),
	regexp.MustCompile(`(?i)(\bSharedKey\s+[a-z0-9-]+:)[a-z0-9+/=]{16,}`),
	regexp.MustCompile(`(?i)(\b[a-z][a-z0-9+.-]*://[^\s/@:"'\\]*:)[^\s/@"'\\]+(?:@)`),
}

// secretVariables returns the variables whose values are always secret.
func secretVariables() []string {
	names := storages.Secrets()
	for _, engine := range engines.All {
		names = append(names, engine.Secrets...)
	}
	return names
}

// hidden are further values that no text of this process shows.
var hidden struct {
	sync.Mutex
	values []string
}

// hide keeps values out of every error and log line from now on.
func hide(values ...string) {
	hidden.Lock()
	defer hidden.Unlock()
	for _, v := range values {
		if len(v) >= leastSecret && !slices.Contains(hidden.values, v) {
			hidden.values = append(hidden.values, v)
		}
	}
}

// redact returns a text without secrets: those that a storage or secretText recognises,
// the values of variables that are always secret, and those of hide.
func redact(text string) string {
	hidden.Lock()
	values := slices.Clone(hidden.values)
	hidden.Unlock()
	for _, name := range secretVariables() {
		if v := os.Getenv(name); len(v) >= leastSecret {
			values = append(values, v)
		}
	}
	// The longest first: one secret may hold another.
	slices.SortFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, v := range values {
		text = strings.ReplaceAll(text, v, "REDACTED")
		if escaped, err := json.Marshal(v); err == nil {
			text = strings.ReplaceAll(text, string(escaped[1:len(escaped)-1]), "REDACTED")
		}
	}
	text = storages.Redact(text)
	for i, form := range secretText {
		with := "${1}REDACTED"
		if i == len(secretText)-1 {
			with += "@"
		}
		text = form.ReplaceAllString(text, with)
	}
	return text
}

// redacting returns a writer without secrets. Every write is a line or several.
func redacting(w io.Writer) io.Writer { return redactor{w} }

type redactor struct{ to io.Writer }

func (r redactor) Write(p []byte) (int, error) {
	if _, err := io.WriteString(r.to, redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
