package serve

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/thumbnail"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Limits of the server: a client that is slow, or asks much, holds nothing for long.
const (
	headerTime  = 5 * time.Second
	readTime    = 10 * time.Second
	writeTime   = 60 * time.Second
	idleTime    = 75 * time.Second
	workTime    = 45 * time.Second // for one answer
	mostHeader  = 8 << 10
	mostClients = 512
	mostWaiting = 256
	// keptPictures, keptRows and keptAnswers are the bytes of pictures, the bytes of rows of parts and
	// the rows of answers that are kept.
	keptPictures = 64 << 20
	keptRows     = 64 << 20
	keptAnswers  = 4 << 10
	farewell     = time.Second // for answers under way when the server ends
)

// Images are the images of a job.
type Images struct {
	store.Store // whose links out of it are not followed
	// Copies reports whether they may be copies of those that were scored, with other ETags.
	Copies bool
	// Pictures says how images are decoded. Its Side and Workers are not used.
	Pictures thumbnail.Options
}

// Options say what is served, and to whom.
type Options struct {
	Out store.Store
	// Images returns where the images of a job are. Its error says why they are not shown.
	Images func(*output.Job) (Images, error)
	// Every is how often the output is looked at, at most.
	Every time.Duration
	// OtherMachines lets requests from other machines pass, if the listener takes them.
	OtherMachines bool
	// Clean removes secrets from texts; nil keeps texts as they are.
	Clean func(string) string
	// Log takes what goes wrong with connections; nil throws it away. It has no token in it.
	Log io.Writer
	// Clients is how many connections there are at most; 0 means 512.
	Clients int
}

func (o *Options) clean(s string) string {
	if o.Clean == nil {
		return s
	}
	return o.Clean(s)
}

// Server is a live page.
type Server struct {
	opt      Options
	watch    *watcher
	guard    *guard
	listener *limited
	http     http.Server

	pictures *cache[pictureKey, picture]
	parts    *cache[partKey, []row.Row]
	answers  *cache[answerKey, answer]
	making   *gate // pictures
	reading  *gate // parts
	asking   *gate // questions about rows
	stop     context.CancelFunc
}

// New returns a server that will serve on a listener, which it closes at its end.
func New(l net.Listener, opt Options) *Server {
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{opt: opt, stop: stop}
	if s.opt.Every <= 0 {
		s.opt.Every = 2 * time.Second
	}
	if s.opt.Images == nil {
		s.opt.Images = func(*output.Job) (Images, error) { return Images{}, errNoPicture }
	}
	most := s.opt.Clients
	if most <= 0 {
		most = mostClients
	}
	few := max(1, runtime.GOMAXPROCS(0)/8) // most of the machine is the job's
	s.watch = newWatcher(ctx, &s.opt)
	s.listener = &limited{Listener: l, most: int64(most)}
	s.guard = newGuard(l.Addr(), opt.OtherMachines, http.HandlerFunc(s.route))
	s.pictures, s.parts = newCache[pictureKey, picture](keptPictures), newCache[partKey, []row.Row](keptRows)
	s.answers = newCache[answerKey, answer](keptAnswers)
	s.making, s.reading, s.asking = newGate(few, mostWaiting), newGate(2, mostWaiting), newGate(few, mostWaiting)
	errs := opt.Log
	if errs == nil {
		errs = io.Discard
	}
	s.http = http.Server{
		Handler: s.guard, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: mostHeader, DisableGeneralOptionsHandler: true, ErrorLog: log.New(errs, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	return s
}

// Address returns the address to open in a browser, with the token.
func (s *Server) Address() string {
	at := s.listener.Addr().(*net.TCPAddr)
	host := at.String()
	if at.IP.IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", at.Port)
	}
	return "http://" + host + "/?token=" + url.QueryEscape(s.guard.token)
}

// Serve serves until ctx ends, which is not an error.
func (s *Server) Serve(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.listener) }()
	var err error
	select {
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		_ = s.http.Shutdown(last) // who is slow does not get the rest
	case err = <-ended:
	}
	_ = s.http.Close()
	s.stop()
	s.watch.close()
	return err
}

//go:embed static
var static embed.FS

// files are those of the page.
var files = map[string]struct{ name, kind string }{
	"/":         {"page.html", "text/html; charset=utf-8"},
	"/page.css": {"page.css", "text/css; charset=utf-8"},
	"/page.js":  {"page.js", "text/javascript; charset=utf-8"},
	"/icon.svg": {"icon.svg", "image/svg+xml"},
}

// route answers a request that the guard let pass. Paths are compared as they are.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), workTime)
	defer cancel()
	r = r.WithContext(ctx)
	if f, ok := files[r.URL.Path]; ok {
		body, err := static.ReadFile("static/" + f.name)
		if err != nil {
			say(w, http.StatusInternalServerError, err.Error())
			return
		}
		w.Header().Set("Content-Type", f.kind)
		_, _ = w.Write(body)
		return
	}
	answer := map[string]func(http.ResponseWriter, *http.Request) error{
		"/progress": s.progress, "/rows": s.rows, "/row": s.row, "/image": s.image,
	}[r.URL.Path]
	if answer == nil {
		say(w, http.StatusNotFound, "There is nothing here.")
		return
	}
	s.watch.wake()
	if err := answer(w, r); err != nil {
		s.fail(w, err)
	}
}

// errQuestion marks errors of what was asked.
var errQuestion = errors.New("the request is wrong")

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, errQuestion):
		code = http.StatusBadRequest
	case errors.Is(err, errBusy), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		w.Header().Set("Retry-After", "1")
		code = http.StatusServiceUnavailable
	case errors.Is(err, errNothing), errors.Is(err, errNoPicture), errors.Is(err, thumbnail.ErrNoAccess), errors.Is(err, store.ErrNotExist):
		code = http.StatusNotFound
	case errors.Is(err, output.ErrIncomplete):
		code = http.StatusConflict
	}
	say(w, code, printable.Line(s.opt.clean(err.Error())))
}

// progress answers how far the job is. Who has the answer already gets none.
func (s *Server) progress(w http.ResponseWriter, r *http.Request) error {
	body, etag := s.watch.state()
	h := w.Header()
	h.Set("ETag", etag)
	if strings.TrimPrefix(r.Header.Get("If-None-Match"), "W/") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(body)
	return nil
}

// answerJSON answers with a value.
func answerJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
	return nil
}
