// Package armtest is a fake of Azure's resource manager and of the services
// behind it that deploy uses. It checks every request against a table (method,
// path, api-version, body) and keeps state, so that a job passes through its states
// and its output grows. It cannot prove anything about the real services.
package armtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token is the bearer token that the servers accept.
const Token = "the-bearer-token-of-the-test" //nolint:gosec // G101: of a fake

// Signature is in every link to a file.
const Signature = "the/signature+of=links"

// Route is one kind of request that a server accepts.
type Route struct {
	Method string
	// Path has {name} in place of names, which Names checks.
	Path string
	// Query are the parameters besides api-version, with patterns. All are required.
	Query map[string]string
	// Body is nil for requests without a body.
	Body *Schema
	// Answer is called under the server's lock.
	Answer func(*Call) Answer
}

// Call is a request.
type Call struct {
	Method, Path string
	Query        url.Values
	Names        map[string]string
	Raw          []byte
	Body         map[string]any
}

// Answer is a response.
type Answer struct {
	Status int
	Header map[string]string
	Body   any
}

// Fault is an answer that replaces the right one.
type Fault struct {
	// Method and Path select requests; Path is a part of the path. Empty is any.
	Method, Path string
	// Skip is how many such requests are answered correctly before.
	Skip int
	// Times is how often the fault occurs; 0 is once.
	Times int
	// Status, RetryAfter, Code and Message are the answer. Status 0 breaks the
	// connection.
	Status        int
	RetryAfter    string
	Code, Message string
	// Location is where a redirect leads.
	Location string
	// After lets the request take effect before its answer is lost.
	After bool
}

// Server is a fake. Its fields may be set before the first request.
type Server struct {
	URL string
	// Version is the api-version that requests must have.
	Version string
	// Names are the patterns of the names in paths.
	Names map[string]string
	// Polls is how often a long operation says that it is not done.
	Polls int
	// RetryAfter is what long operations and jobs ask to wait, in seconds.
	RetryAfter string
	// Async makes long operations use Azure-AsyncOperation and not Location.
	Async bool

	http       *httptest.Server
	mu         sync.Mutex
	routes     []Route
	faults     []*Fault
	calls      []Call
	problems   []string
	operations []*operation
	files      map[string]file
}

type operation struct {
	left  int
	final Answer
}

type file struct {
	text string
	at   time.Time
}

func newServer(tb testing.TB, version string) *Server {
	s := &Server{Version: version, Names: map[string]string{}, Polls: 2, RetryAfter: "0", files: map[string]file{}}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	tb.Cleanup(s.http.Close)
	return s
}

// Fail adds faults, which occur in order.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		f.Times = max(f.Times, 1)
		s.faults = append(s.faults, &f)
	}
}

// Calls returns the requests that were accepted so far, in order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count returns how many requests of a method to paths with that end were accepted.
func (s *Server) Count(method, end string) (n int) {
	for _, c := range s.Calls() {
		if c.Method == method && strings.HasSuffix(c.Path, end) {
			n++
		}
	}
	return n
}

// Problems returns the requests that a real service would have rejected.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// Check fails the test at its end if there are Problems.
func (s *Server) Check(tb testing.TB) {
	tb.Cleanup(func() {
		if problems := s.Problems(); len(problems) > 0 {
			tb.Errorf("the service would not have taken: %q", problems)
		}
	})
}

func (s *Server) problem(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	s.problems = append(s.problems, text)
	return text
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fault := s.fault(r)
	if fault != nil && !fault.After {
		s.fail(w, fault)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/files/") {
		s.serveFile(w, r)
		return
	}
	answer := s.answer(r, body)
	if fault != nil {
		s.fail(w, fault)
		return
	}
	for name, value := range answer.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-ms-request-id", "request-1")
	w.WriteHeader(answer.Status)
	if answer.Body != nil {
		_ = json.NewEncoder(w).Encode(answer.Body) // a client that has gone
	}
}

// fault returns the fault for this request.
func (s *Server) fault(r *http.Request) *Fault {
	for _, f := range s.faults {
		if f.Times == 0 || f.Method != "" && f.Method != r.Method || !strings.Contains(r.URL.Path, f.Path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		return f
	}
	return nil
}

func (s *Server) fail(w http.ResponseWriter, f *Fault) {
	if f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Location != "" {
		w.Header().Set("Location", f.Location)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-ms-request-id", "request-1")
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(Error(f.Code, f.Message))
}

// Error returns the body of a failure.
func Error(code, message string) any {
	return map[string]any{"error": map[string]any{"code": code, "message": message}}
}

func failure(status int, code, format string, args ...any) Answer {
	return Answer{Status: status, Body: Error(code, fmt.Sprintf(format, args...))}
}

func (s *Server) answer(r *http.Request, body []byte) Answer {
	if r.Header.Get("Authorization") != "Bearer "+Token {
		return failure(http.StatusUnauthorized, "InvalidAuthenticationToken", "the access token is invalid")
	}
	var n int
	if _, err := fmt.Sscanf(r.URL.Path, "/operations/%d", &n); err == nil && n < len(s.operations) {
		return s.poll(s.operations[n])
	}
	for _, route := range s.routes {
		names, ok := match(route.Path, r.URL.Path)
		if !ok || route.Method != r.Method {
			continue
		}
		call := Call{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Names: names, Raw: body}
		if wrong := s.check(route, &call); len(wrong) > 0 {
			return failure(http.StatusBadRequest, "InvalidRequest", "%s", s.problem("%s %s: %s", r.Method, r.URL.Path, strings.Join(wrong, "; ")))
		}
		s.calls = append(s.calls, call)
		return route.Answer(&call)
	}
	return failure(http.StatusNotFound, "InvalidResourceType", "%s", s.problem("no route for %s %s", r.Method, r.URL.Path))
}

func match(pattern, path string) (map[string]string, bool) {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return nil, false
	}
	names := map[string]string{}
	for i := range a {
		if name, ok := strings.CutPrefix(a[i], "{"); ok {
			names[strings.TrimSuffix(name, "}")] = b[i]
		} else if a[i] != b[i] {
			return nil, false
		}
	}
	return names, true
}

func (s *Server) check(route Route, c *Call) (wrong []string) {
	if s.Version != "" && !strings.HasPrefix(route.Path, "/history/") && c.Query.Get("api-version") != s.Version {
		wrong = append(wrong, fmt.Sprintf("api-version %q, not %s", c.Query.Get("api-version"), s.Version))
	}
	for name, value := range c.Names {
		pattern, ok := s.Names[name]
		if !ok || !regexp.MustCompile(pattern).MatchString(value) {
			wrong = append(wrong, fmt.Sprintf("the %s %q does not match %q", name, value, pattern))
		}
	}
	for name := range c.Query {
		if _, ok := route.Query[name]; !ok && name != "api-version" {
			wrong = append(wrong, "there is no parameter "+name)
		}
	}
	for name, pattern := range route.Query {
		if !regexp.MustCompile(pattern).MatchString(c.Query.Get(name)) {
			wrong = append(wrong, fmt.Sprintf("the parameter %s=%q does not match %q", name, c.Query.Get(name), pattern))
		}
	}
	if route.Body == nil {
		if len(c.Raw) > 0 {
			wrong = append(wrong, "it takes no body")
		}
		return wrong
	}
	if err := json.Unmarshal(c.Raw, &c.Body); err != nil {
		return append(wrong, "the body is not a JSON object: "+err.Error())
	}
	return append(wrong, route.Body.Check("body", c.Body)...)
}

// long answers that a long operation has begun. It ends with the answer final.
func (s *Server) long(final Answer) Answer {
	s.operations = append(s.operations, &operation{left: s.Polls, final: final})
	header := map[string]string{}
	where := fmt.Sprintf("%s/operations/%d?api-version=%s", s.URL, len(s.operations)-1, s.Version)
	if s.RetryAfter != "" {
		header["Retry-After"] = s.RetryAfter
	}
	if s.Async {
		header["Azure-AsyncOperation"] = where
		return Answer{Status: http.StatusCreated, Header: header}
	}
	header["Location"] = where
	return Answer{Status: http.StatusAccepted, Header: header}
}

func (s *Server) poll(o *operation) Answer {
	header := map[string]string{"Retry-After": s.RetryAfter}
	if o.left > 0 {
		o.left--
		if s.Async {
			return Answer{Status: http.StatusOK, Header: header, Body: map[string]any{"status": "InProgress"}}
		}
		return Answer{Status: http.StatusAccepted, Header: header}
	}
	if !s.Async {
		return o.final
	}
	if o.final.Status >= 300 {
		body, _ := o.final.Body.(map[string]any)
		return Answer{Status: http.StatusOK, Body: map[string]any{"status": "Failed", "error": body["error"]}}
	}
	return Answer{Status: http.StatusOK, Body: map[string]any{"status": "Succeeded"}}
}

// link creates or replaces a file and returns its signed link.
func (s *Server) link(name, text string) string {
	s.files[name] = file{text: text, at: time.Now()}
	return s.URL + "/files/" + url.PathEscape(name) + "?sig=" + url.QueryEscape(Signature)
}

func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[strings.TrimPrefix(r.URL.Path, "/files/")]
	switch {
	case r.Header.Get("Authorization") != "":
		s.problem("a token was sent to %s", r.URL.Path)
		w.WriteHeader(http.StatusBadRequest)
	case r.URL.Query().Get("sig") != Signature:
		w.WriteHeader(http.StatusForbidden)
	case r.Header.Get("Range") == "":
		s.problem("%s was read without a range", r.URL.Path)
		w.WriteHeader(http.StatusBadRequest)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		http.ServeContent(w, r, "", f.at, strings.NewReader(f.text))
	}
}
