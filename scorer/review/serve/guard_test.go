package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// paths are all that the server answers.
var paths = []string{"/", "/page.css", "/page.js", "/icon.svg", "/progress", "/rows", "/row?row=0", "/image?size=small&row=0"}

func TestTokenIsExchangedForACookie(t *testing.T) {
	s := startJob(begin(t, 20))
	stranger := s.visitor()
	for _, p := range paths {
		if r := s.do(stranger, s.request(http.MethodGet, p)); r.code != http.StatusUnauthorized {
			t.Errorf("%s without a cookie: %d", p, r.code)
		}
	}
	token := s.guard.token
	if len(token) < 22 || token == secret() {
		t.Errorf("the token %q has fewer than 128 bits, or is no secret", token)
	}
	changed := "A" + token[1:]
	if token[0] == 'A' {
		changed = "B" + token[1:]
	}
	for _, wrong := range []string{"", "x", token[1:], token + "x", changed, s.guard.session} {
		if r := s.do(stranger, s.request(http.MethodGet, "/?token="+wrong)); r.code != http.StatusForbidden || r.header.Get("Set-Cookie") != "" {
			t.Errorf("the token %q: %d %v", wrong, r.code, r.header)
		}
	}
	stranger.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := s.do(stranger, s.request(http.MethodGet, "/?token="+token))
	if r.code != http.StatusSeeOther || r.header.Get("Location") != "/"+s.guard.folder+"/" {
		t.Errorf("the token: %d %v, want a redirect to the address without it", r.code, r.header)
	}
	set := r.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/" + s.guard.folder + "/;", "batchscore_view="} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie %q lacks %s", set, want)
		}
	}
	if strings.Contains(set, token) {
		t.Error("the cookie is the token")
	}
	wrong := s.request(http.MethodGet, "/progress")
	wrong.AddCookie(&http.Cookie{Name: cookie, Value: token})
	if r := s.do(s.visitor(), wrong); r.code != http.StatusUnauthorized {
		t.Errorf("the token as a cookie: %d", r.code)
	}
	for _, p := range paths {
		r := s.do(stranger, s.request(http.MethodGet, p))
		if r.code >= 400 && r.code != http.StatusNotFound {
			t.Errorf("%s with the cookie: %d %s", p, r.code, r.body)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if !strings.Contains(r.header.Get(name), want) {
				t.Errorf("%s: %s: %q, want %q", p, name, r.header.Get(name), want)
			}
		}
		if r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other origins may read it", p)
		}
	}
}

// TestOtherPortsGetNoCookie: to browsers, a server on another port of this host is the same site.
// It gets what they send there, and must not see the page with it.
func TestOtherPortsGetNoCookie(t *testing.T) {
	s := startJob(begin(t, 20))
	got := make(chan *http.Request, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	defer other.Close()
	for _, path := range []string{"/", "/progress", "/x/../"} {
		r, err := s.client.Get(other.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if sent := (<-got).Header; sent.Get("Cookie") != "" || sent.Get("Referer") != "" {
			t.Errorf("a server on another port is sent %v for %s", sent, path)
		}
	}
	// What is in the address alone, and the cookie alone, admit nobody.
	if r := s.do(s.visitor(), s.request(http.MethodGet, "/progress")); r.code != http.StatusUnauthorized {
		t.Errorf("the address without the cookie: %d", r.code)
	}
	folder := "/" + s.guard.folder
	for _, path := range []string{"/progress", "/x/progress", "//progress", "/" + folder[2:] + "/progress", folder, folder + "x/progress"} {
		r := s.request(http.MethodGet, "/progress")
		r.URL.Path = path
		r.AddCookie(&http.Cookie{Name: cookie, Value: s.guard.session})
		if got := s.do(s.visitor(), r); got.code != http.StatusUnauthorized {
			t.Errorf("%s with the cookie: %d", path, got.code)
		}
	}
}

func TestOtherHostsAreRefused(t *testing.T) {
	s := startJob(begin(t, 20))
	port := s.guard.port
	for host, want := range map[string]int{
		fmt.Sprint("127.0.0.1:", port): 200, fmt.Sprint("localhost:", port): 200, fmt.Sprint("LOCALHOST:", port): 200,
		fmt.Sprint("attacker.example:", port): 421, "127.0.0.1": 421, "localhost": 421, fmt.Sprint("127.0.0.1:", port+1): 421,
		fmt.Sprint("127.0.0.1.attacker.example:", port): 421, fmt.Sprint("192.0.2.1:", port): 421, fmt.Sprint("[::1]:", port): 421,
		fmt.Sprint("localhost.:", port): 421, fmt.Sprint("2130706433:", port): 421,
	} {
		r := s.request(http.MethodGet, "/progress")
		r.Host = host
		r.URL.Path = "/" + s.guard.folder + "/progress"
		for _, c := range s.client.Jar.Cookies(r.URL) {
			r.AddCookie(c) // as a browser would that takes the name for the same site
		}
		if got := s.do(s.visitor(), r); got.code != want {
			t.Errorf("Host %q: %d, want %d", host, got.code, want)
		} else if want != 200 && got.header.Get("Set-Cookie") != "" {
			t.Errorf("Host %q: it gets a cookie", host)
		}
		token := s.request(http.MethodGet, "/?token="+s.guard.token)
		token.Host = host
		if got := s.do(s.visitor(), token); want != 200 && got.code != want {
			t.Errorf("Host %q with the token: %d, want %d", host, got.code, want)
		}
	}
	g := newGuard(&net.TCPAddr{IP: net.IPv4zero, Port: 8090}, true, nil)
	for host, want := range map[string]bool{
		"192.0.2.1:8090": true, "[2001:db8::1]:8090": true, "localhost:8090": true, "192.0.2.1:8091": false,
		"attacker.example:8090": false, "192.0.2.1": false, "192.0.2.1.attacker.example:8090": false,
	} {
		if got := g.known(host); got != want {
			t.Errorf("for other machines, Host %q: %v, want %v", host, got, want)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	s := startJob(begin(t, 20))
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "PROPFIND"} {
		for _, p := range paths {
			if method == "CONNECT" {
				continue // its target is a host
			}
			if r := s.do(s.client, s.request(method, p)); r.code != http.StatusMethodNotAllowed || r.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, want 405", method, p, r.code)
			}
		}
	}
	for _, p := range paths {
		head := s.do(s.client, s.request(http.MethodHead, p))
		if head.body != "" {
			t.Errorf("HEAD %s has a body", p)
		}
	}
	body := s.request(http.MethodGet, "/progress")
	body.Body, body.ContentLength = io.NopCloser(strings.NewReader("x")), 1
	if r := s.do(s.client, body); r.code != http.StatusRequestEntityTooLarge {
		t.Errorf("a request with a body: %d, want 413", r.code)
	}
	host := strings.TrimPrefix(s.base, "http://")
	chunked := "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
	if got := s.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\n" + chunked); !strings.Contains(got, " 413 ") {
		t.Errorf("a request with a body of unknown length: %s, want 413", got)
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	s := startJob(begin(t, 20))
	ask := func(path string, header ...string) response {
		r := s.request(http.MethodGet, path)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return s.do(s.client, r)
	}
	for _, p := range paths {
		for _, header := range [][]string{
			{"Origin", "https://attacker.example"}, {"Origin", "null"}, {"Origin", strings.Replace(s.base, "http", "https", 1)},
			{"Origin", "http://localhost:1"},
			{"Origin", fmt.Sprint("http://localhost:", s.guard.port)}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
			{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
			{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		} {
			if r := ask(p, header...); r.code != http.StatusForbidden {
				t.Errorf("%s with %q: %d, want 403", p, header, r.code)
			}
		}
		if r := ask(p, "Sec-Fetch-Site", "same-origin", "Origin", s.base); r.code == http.StatusForbidden {
			t.Errorf("%s for the page itself: %d", p, r.code)
		}
	}
	opened := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	if r := ask("/", opened...); r.code != http.StatusOK {
		t.Errorf("a link elsewhere to the page: %d", r.code)
	}
	if r := ask("/rows", opened...); r.code != http.StatusForbidden {
		t.Errorf("a link elsewhere to the rows: %d, want 403", r.code)
	}
	// A browser leaves the cookie out the first time.
	s.client = s.visitor()
	if r := ask("/", opened...); r.code != http.StatusUnauthorized || !strings.Contains(r.body, `href="."`) {
		t.Errorf("a link elsewhere, without the cookie: %d %s", r.code, r.body)
	}
}

// raw sends text as it is and returns the first line of the answer.
func (s *served) raw(text string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

func TestNoPathLeadsOut(t *testing.T) {
	j := begin(t, 20)
	j.finish(0)
	s := startJob(j)
	s.await("complete", func(p seen) bool { return p.Rows == 20 })
	host := strings.TrimPrefix(s.base, "http://")
	header := "Cookie: " + cookie + "=" + s.guard.session + "\r\n"
	for _, target := range []string{
		"/../etc/passwd", "/%2e%2e/etc/passwd", "/..%2fetc%2fpasswd", "//etc/passwd", "/images/00000.jpg", "/image/../../etc/passwd",
		"/image%00", "/page.html", "/static/page.html", "/static/", "/_batchscore/job.json", "/part-00000.jsonl", "/page.js/", "/./page.js",
		"/progress/", "/debug/pprof/", "/metrics",
	} {
		got := s.raw("GET /" + s.guard.folder + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + header + "\r\n")
		if !strings.Contains(got, " 404 ") && !strings.Contains(got, " 400 ") {
			t.Errorf("%s: %s, want 404", target, got)
		}
	}
	if got := s.raw("GET http://attacker.example/progress HTTP/1.1\r\nHost: " + host + "\r\n" + header + "\r\n"); !strings.Contains(got, " 421 ") {
		t.Errorf("the address of another host: %s, want 421", got)
	}
	for _, query := range []string{
		"", "row=-1", "row=20", "row=99999999999999999999", "row=../../etc/passwd", "row=%2fetc%2fpasswd", "row=0x0", "row=1e0", "row=" + hostile,
	} {
		for _, p := range []string{"/row?" + query, "/image?size=small&" + query} {
			r := s.request(http.MethodGet, "/")
			path, q, _ := strings.Cut(p, "?")
			r.URL.Path, r.URL.RawQuery = "/"+s.guard.folder+path, strings.ReplaceAll(q, " ", "%20")
			if got := s.do(s.client, r); got.code != http.StatusBadRequest {
				t.Errorf("%s: %d %s, want 400", p, got.code, got.body)
			}
		}
	}
	for _, size := range []string{"", "huge", "100000", "small&size=large"} {
		if got := s.get("/image?row=0&size=" + size); size != "small&size=large" && got.code != http.StatusBadRequest {
			t.Errorf("size %q: %d, want 400", size, got.code)
		}
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	s := start(t, Options{Out: begin(t, 20).out}, func(s *Server) { s.http.ReadHeaderTimeout = 500 * time.Millisecond })
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /progress HTTP/1.1\r\nHost: "); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("a client that sends its header slowly is not cut off: %v", err)
	}
	host := strings.TrimPrefix(s.base, "http://")
	got := s.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n")
	if !strings.Contains(got, " 431 ") {
		t.Errorf("a header of 64 KiB: %s, want 431", got)
	}
	for what, limit := range map[string]time.Duration{
		"ReadTimeout": s.http.ReadTimeout, "WriteTimeout": s.http.WriteTimeout, "IdleTimeout": s.http.IdleTimeout,
	} {
		if limit <= 0 || limit > 2*time.Minute {
			t.Errorf("%s is %v", what, limit)
		}
	}
}

// TestSlowReadersAreCutOff asks for much and reads none of it.
func TestSlowReadersAreCutOff(t *testing.T) {
	s := start(t, Options{Out: begin(t, 20).out}, func(s *Server) { s.http.WriteTimeout = 500 * time.Millisecond })
	s.client.CloseIdleConnections()
	address := strings.TrimPrefix(s.base, "http://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	ask := "GET /" + s.guard.folder + "/page.js HTTP/1.1\r\nHost: " + address + "\r\nCookie: " + cookie + "=" + s.guard.session + "\r\n\r\n"
	_ = c.SetWriteDeadline(time.Now().Add(30 * time.Second))
	for err == nil { // more than the buffers of sockets take
		_, err = io.WriteString(c, strings.Repeat(ask, 100))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a client that reads nothing is not cut off")
	}
	if r := s.get("/progress"); r.code != http.StatusOK {
		t.Errorf("another client meanwhile: %d", r.code)
	}
}

func TestTooManyClients(t *testing.T) {
	j := begin(t, 20)
	s := start(t, Options{Out: j.out, Clients: 3})
	s.client.CloseIdleConnections()
	address := strings.TrimPrefix(s.base, "http://")
	var slow []net.Conn
	refused := 0
	for range 10 { // the connection that opened the page may still count
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && strings.Contains(line, " 503 ") {
			refused++
			continue
		}
		slow = append(slow, c)
	}
	if len(slow) > 3 || refused < 7 {
		t.Errorf("%d slow clients have a connection and %d are refused, want 3 and 7", len(slow), refused)
	}
	for _, c := range slow {
		_ = c.Close() // nobody reads from it any more
	}
	for range 200 { // the server sees that they are gone
		if line := s.raw("GET / HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n"); strings.Contains(line, " 401 ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("after the slow clients, nobody is let in")
}

func TestNothingSaysTheToken(t *testing.T) {
	var log strings.Builder
	j := begin(t, 20)
	s := start(t, Options{Out: j.out, Log: &log})
	s.raw("GET /?token=" + s.guard.token + " HTTP/9.9\r\n\r\n")
	all := log.String()
	for _, p := range paths {
		r := s.get(p)
		all += r.body + fmt.Sprint(r.header)
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	all += log.String()
	for _, hidden := range []string{s.guard.token, s.guard.session} {
		if strings.Contains(all, hidden) {
			t.Errorf("a log or an answer has %q", hidden)
		}
	}
	if !strings.HasPrefix(s.Address(), "http://"+s.listener.Addr().String()+"/?token=") || !slices.Contains([]int{43}, len(s.guard.token)) {
		t.Errorf("Address() = %s", s.Address())
	}
}
