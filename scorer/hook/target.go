package hook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Target is what is told: the address of a service, or a command. The zero value is none.
type Target struct {
	address *url.URL
	command string
}

// ErrSecret means that a target holds a secret where everybody can read it.
var ErrSecret = errors.New("the address is a secret, which does not belong in a command line or a file of settings")

// Parse reads a target: an address that begins with http:// or https://, or the line of a
// command. The error does not repeat the text, which may hold a secret.
func Parse(text string) (Target, error) {
	text = strings.TrimSpace(text)
	scheme, _, isURL := strings.Cut(text, "://")
	switch {
	case text == "":
		return Target{}, errors.New("it is empty: want an address (https://...) or a command")
	case strings.ContainsRune(text, 0):
		return Target{}, errors.New("it contains a zero byte")
	case !isURL || strings.ContainsAny(scheme, " \t\n\"'/$;|&=("):
		return Target{command: text}, nil
	case !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		return Target{}, errors.New("its address does not begin with https:// or http://")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || strings.ContainsAny(text, " \t\n") {
		return Target{}, errors.New("its address is no valid URL")
	}
	u.Fragment = ""
	return Target{address: u}, nil
}

// Zero reports whether there is nothing to tell.
func (t Target) Zero() bool { return t.address == nil && t.command == "" }

// String names the target in messages: the address without its path, which may be a
// secret, or "the command".
func (t Target) String() string {
	if t.address != nil {
		return t.address.Scheme + "://" + t.address.Host
	}
	return "the command"
}

// secretHosts are services whose addresses are all that it takes to write there.
var secretHosts = []string{"hooks.slack.com", "webhook.office.com", "discord.com", "discordapp.com", "chat.googleapis.com", "logic.azure.com"}

// Open returns ErrSecret if the target may not be given where others can read it: an
// address with a user or a password, or one of a service whose addresses are secret.
func (t Target) Open() error {
	u := t.address
	if u == nil {
		return nil
	}
	host := strings.ToLower(u.Hostname())
	if u.User != nil || slices.ContainsFunc(secretHosts, func(s string) bool { return host == s || strings.HasSuffix(host, "."+s) }) {
		return ErrSecret
	}
	return nil
}

// Plain reports whether what is sent to the target can be read and changed on the way: it
// is http, and not to this machine.
func (t Target) Plain() bool {
	if t.address == nil || !strings.EqualFold(t.address.Scheme, "http") {
		return false
	}
	host := t.address.Hostname()
	addr, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !addr.Unmap().IsLoopback())
}

// Secrets returns the texts of the target that no message may show, if it was given by
// reference.
func (t Target) Secrets() []string {
	if t.address == nil {
		return []string{t.command}
	}
	secrets := []string{t.address.String(), t.address.RequestURI(), t.address.Path, t.address.RawQuery}
	if password, ok := t.address.User.Password(); ok {
		secrets = append(secrets, password)
	}
	return secrets
}

// errTarget says what failed to be told, without the address.
func (t Target) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", t, fmt.Errorf(format, args...))
}
