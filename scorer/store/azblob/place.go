package azblob

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/batchscore/batchscore/scorer/store/place"
)

// Place is a folder of a container: every blob whose name begins with Prefix.
type Place struct {
	Account, Container string
	// Prefix is empty or ends in a slash.
	Prefix string

	endpoint string // that of an https place; empty for az://
}

const scheme = "az://"

// How places are spelled.
const (
	azForm    = "az://ACCOUNT/CONTAINER/PREFIX"
	httpsForm = "https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX"
)

// domains are what follows "ACCOUNT.blob." and "ACCOUNT.zNN.blob." in the
// addresses of Azure's clouds. Credentials are sent to any other host only if the
// user names it as the endpoint.
var domains = []string{
	"core.windows.net", "storage.azure.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn", "core.cloudapi.de",
}

// ParsePlace reads az://ACCOUNT/CONTAINER/PREFIX, in which nothing is escaped, or
// the URL https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX. Both spell the
// same place. A prefix names a folder, with or without a slash at its end. A URL of
// this machine (http or https) has the account in its path, as emulators do. Errors
// repeat no more of s than its host.
func ParsePlace(s string) (Place, error) {
	if hasSignature(s) {
		return Place{}, errors.New("a place with a SAS token in it would show the token to everyone who lists processes: " +
			"put the token into the environment variable " + SASToken + " and leave it out here")
	}
	var p Place
	var path string
	if rest, ok := strings.CutPrefix(s, scheme); ok {
		p.Account, path, _ = strings.Cut(rest, "/")
	} else {
		u, err := url.Parse(s)
		if err != nil {
			return Place{}, fmt.Errorf("this is not a URL of a blob container: %w", withoutURL(err))
		}
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return Place{}, fmt.Errorf("the URL of a place at %s holds a user, a query or a fragment: "+
				"write %%3F for a question mark and %%23 for a number sign in a name, and give credentials in the environment", u.Host)
		}
		if path, err = p.address(u); err != nil {
			return Place{}, err
		}
	}
	p.Container, p.Prefix, _ = strings.Cut(path, "/")
	if p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/") {
		p.Prefix += "/"
	}
	return p, p.check()
}

// address takes account and endpoint from the URL of a place and returns the
// rest of its path.
func (p *Place) address(u *url.URL) (path string, err error) {
	if err := secure(u); err != nil {
		return "", err
	}
	path = strings.TrimPrefix(u.Path, "/")
	p.endpoint = u.Scheme + "://" + u.Host
	if pathStyle(u) {
		p.Account, path, _ = strings.Cut(path, "/")
		p.endpoint += "/" + p.Account
		return path, nil
	}
	p.Account, _, _ = strings.Cut(u.Hostname(), ".")
	return path, nil
}

func (p Place) check() error {
	const form = "a place is " + azForm + " or " + httpsForm
	switch {
	case !simple(p.Account, 3, 24, ""):
		return fmt.Errorf("%s: an account has 3 to 24 lower-case letters and digits", form)
	case p.Container != "$root" && p.Container != "$web" && !simple(p.Container, 3, 63, "-"):
		return fmt.Errorf("%s: a container has 3 to 63 lower-case letters, digits and hyphens", form)
	case !utf8.ValidString(p.Prefix):
		return fmt.Errorf("%s: the prefix is not UTF-8", form)
	}
	return nil
}

// simple reports whether s has least to most characters, all of them small
// letters, digits or among more.
func simple(s string, least, most int, more string) bool {
	return len(s) >= least && len(s) <= most &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789"+more) == ""
}

// String implements place.Place. The spelling does not depend on the endpoint.
func (p Place) String() string { return scheme + p.Account + "/" + p.Container + "/" + p.Prefix }

// Split implements place.Place, for a place that was written as that of one
// blob. The name is empty if the place is a whole container.
func (p Place) Split() (folder place.Place, name string) {
	path := strings.TrimSuffix(p.Prefix, "/")
	at := strings.LastIndexByte(path, '/') + 1
	p.Prefix = path[:at]
	return p, path[at:]
}

// endpoint is an address of the blob service, and what says so.
type endpoint struct{ address, source string }

// serviceURL returns the address of the place's account, and what says so. asked is
// the endpoint that the user named, known that of a connection string; either may
// be empty.
func (p Place) serviceURL(asked, known endpoint) (u *url.URL, source string, err error) {
	u, source, err = p.chooseURL(asked, known)
	if err != nil {
		return nil, "", err
	}
	if err := secure(u); err != nil {
		return nil, "", fmt.Errorf("%w (the address is %s)", err, source)
	}
	if asked.address == "" && !pathStyle(u) && !ofAzure(u.Hostname(), p.Account) {
		return nil, "", fmt.Errorf("%s is not a host of Azure Blob Storage for the account %s, and credentials are not sent there: "+
			"to use it anyway, pass it with --endpoint or in the variable %s", u.Hostname(), p.Account, Endpoint)
	}
	return u, source, nil
}

// chooseURL returns the address of the place's account, without checking it.
func (p Place) chooseURL(asked, known endpoint) (*url.URL, string, error) {
	standard := endpoint{"https://" + p.Account + ".blob." + domains[0], "the default of Azure's public cloud"}
	use := cmp.Or(endpoint{p.endpoint, "from the place"}.orNone(), known.orNone(), standard)
	if asked.address != "" {
		a, err := url.Parse(asked.address)
		if err != nil || a.Host == "" {
			return nil, "", fmt.Errorf("the endpoint %s is not a URL such as https://blob.core.usgovcloudapi.net or http://127.0.0.1:10000", asked.source)
		}
		if a.User != nil || a.RawQuery != "" || a.Fragment != "" {
			return nil, "", fmt.Errorf("the endpoint at %s, %s, has a user, a query or a fragment: give only the address", a.Host, asked.source)
		}
		a.Path = strings.Trim(a.Path, "/")
		switch {
		case pathStyle(a) && a.Path == "":
			a.Path = p.Account
		case strings.HasPrefix(a.Host, "blob."):
			a.Host = p.Account + "." + a.Host
		}
		if p.endpoint != "" && strings.TrimRight(p.endpoint, "/") != strings.TrimRight(a.String(), "/") {
			return nil, "", fmt.Errorf("the place is at %s and the endpoint is %s: write the place as %s…", p.endpoint, a, scheme)
		}
		use = endpoint{a.String(), asked.source}
	}
	u, err := url.Parse(use.address)
	if err != nil {
		return nil, "", fmt.Errorf("the endpoint %s is not a URL: %w", use.source, withoutURL(err))
	}
	return u, use.source, nil
}

// orNone returns e, or the zero value if it has no address.
func (e endpoint) orNone() endpoint {
	if e.address == "" {
		return endpoint{}
	}
	return e
}

// isOf reports whether an endpoint in a variable is for an account: not if it is
// that of another one.
func (c Credentials) isOf(account, address string) bool {
	u, err := url.Parse(address)
	if address == "" {
		return false
	}
	if err != nil { // which is reported when it is used
		return true
	}
	if whose := c.values[Account]; whose != "" && whose != account {
		return false
	}
	if whose := strings.Trim(u.Path, "/"); pathStyle(u) {
		return whose == "" || whose == account
	}
	whose, _, _ := strings.Cut(strings.ToLower(u.Hostname()), ".")
	return whose == account || !ofAzure(u.Hostname(), whose)
}

// ofAzure reports whether host is an address that Azure gives the account.
func ofAzure(host, account string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(host), account+".")
	if !ok {
		return false
	}
	for _, domain := range domains {
		if zone, ok := strings.CutSuffix(rest, "blob."+domain); ok && (zone == "" || simple(strings.TrimSuffix(zone, "."), 1, 8, "")) {
			return true
		}
	}
	return false
}

// secure refuses addresses to which credentials would be sent in clear text.
func secure(u *url.URL) error {
	switch {
	case u.Host == "":
		return errors.New("the blob storage URL has no host")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("http would send credentials to %s in clear text: use https (http is for this machine only)", u.Hostname())
	}
	return fmt.Errorf("blob storage at %s is reached over https, not %s", u.Hostname(), u.Scheme)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// pathStyle reports whether the account is the first element of a URL's path, as
// with emulators, and not part of its host.
func pathStyle(u *url.URL) bool {
	return u.Hostname() == "localhost" || net.ParseIP(u.Hostname()) != nil
}

// hasSignature reports whether s contains the signature of a SAS token.
func hasSignature(s string) bool {
	_, query, ok := strings.Cut(strings.ToLower(s), "?")
	return ok && (strings.HasPrefix(query, "sig=") || strings.Contains(query, "&sig=") || strings.Contains(query, "&amp;sig="))
}

// withoutURL removes the URL that net/url and net/http put into their errors.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
