package serve

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// secret returns 256 random bits that fit an address and a cookie.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// same compares secrets in a time that does not depend on where they differ.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// guard lets requests pass that come from the server's own page, of somebody who had the token.
type guard struct {
	token   string // in the address that is printed
	session string // in the cookie that takes its place
	// folder is a part of the path of all that is served. Browsers send cookies to every port of a
	// host, also to servers of others, but only for the path of the cookie: folder is in it.
	folder string
	port   int
	others bool // other machines may ask
	hosts  map[string]bool
	next   http.Handler
}

// cookie is the name of the cookie.
const cookie = "batchscore_view"

// newGuard returns a guard for a server that listens on that address.
func newGuard(a net.Addr, others bool, next http.Handler) *guard {
	at := a.(*net.TCPAddr)
	g := &guard{
		token: secret(), session: secret(), folder: secret(), port: at.Port, others: others, hosts: map[string]bool{}, next: next,
	}
	names := []string{"localhost"}
	if others {
		if name, err := os.Hostname(); err == nil {
			first, _, _ := strings.Cut(name, ".")
			names = append(names, strings.ToLower(name), strings.ToLower(first))
		}
	}
	if !at.IP.IsUnspecified() {
		names = append(names, at.IP.String())
	}
	for _, name := range names {
		g.hosts[net.JoinHostPort(name, strconv.Itoa(at.Port))] = true
		if at.Port == 80 {
			g.hosts[name] = true
		}
	}
	return g
}

// known reports whether a host is one by which the server is reached. An address in numbers cannot
// be made to lead elsewhere, as a name can, so a server for other machines takes any.
func (g *guard) known(host string) bool {
	if g.hosts[strings.ToLower(host)] {
		return true
	}
	if !g.others {
		return false
	}
	at, err := netip.ParseAddrPort(host)
	return err == nil && int(at.Port()) == g.port
}

// policy is what the page may do: its own script and style, pictures and answers of this server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	switch {
	case !g.known(r.Host):
		// Answer no more than that: whoever asked may be a page elsewhere.
		say(w, http.StatusMisdirectedRequest, "This server is reached by the address that it printed, and by no other name. "+
			"Through a tunnel, use the same port at both ends.")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		say(w, http.StatusMethodNotAllowed, "This page only reads.")
	case r.ContentLength != 0: // -1 if it is not known before the end
		h.Set("Connection", "close")
		say(w, http.StatusRequestEntityTooLarge, "A request has no body here.")
	case r.URL.RawPath != "" || r.URL.Host != "" && r.URL.Host != r.Host:
		say(w, http.StatusNotFound, "There is nothing here.")
	case !g.ours(r):
		say(w, http.StatusForbidden, "Another site asked for this. Open the address in a tab of its own.")
	case r.URL.Path == "/" && r.URL.Query().Has("token"):
		g.exchange(w, r)
	default:
		path, inside := g.within(r.URL.Path)
		if !inside || !g.admitted(r) {
			refuse(w, r, inside && path == "/")
			return
		}
		below, address := *r, *r.URL
		address.Path, below.URL = path, &address
		g.next.ServeHTTP(w, &below)
	}
}

// within returns what of a path is below the folder, which begins with a slash.
func (g *guard) within(path string) (string, bool) {
	first, rest, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return "/" + rest, found && same(first, g.folder)
}

// ours reports whether the server's own page asks, or a person who opens the page. Other
// programs do not say.
func (g *guard) ours(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		host, ok := strings.CutPrefix(origin, "http://")
		if !ok || !g.known(host) || !strings.EqualFold(host, r.Host) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	// A link in a chat or a notebook: the page is opened, and who had the link sees nothing of it.
	path, inside := g.within(r.URL.Path)
	return (r.URL.Path == "/" || inside && path == "/") && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// exchange gives a cookie for the token. The address without it is the one that the browser keeps.
func (g *guard) exchange(w http.ResponseWriter, r *http.Request) {
	if !same(r.URL.Query().Get("token"), g.token) {
		say(w, http.StatusForbidden, "That is not the token of this server. Open the address that 'batchscore view' printed last.")
		return
	}
	at := "/" + g.folder + "/"
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: g.session, Path: at, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Location", at)
	w.WriteHeader(http.StatusSeeOther)
}

// admitted reports whether a request has the cookie.
func (g *guard) admitted(r *http.Request) bool {
	c, err := r.Cookie(cookie)
	return err == nil && same(c.Value, g.session)
}

// refuse answers a request without the cookie.
func refuse(w http.ResponseWriter, r *http.Request, page bool) {
	if page && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		// A browser does not send the cookie when another site opened the page, only after that.
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>batchscore view</title><p>` +
			`<a href=".">Open the page</a>. If that leads back here, open the address that batchscore view printed.</p></html>` + "\n"))
		return
	}
	say(w, http.StatusUnauthorized, "Open the address that 'batchscore view' printed: the token in it is needed once in each browser.")
}

// say answers with a text.
func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n")) // who asked may be gone
}
