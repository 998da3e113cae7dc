package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of the server: a client that is slow, or sends much, holds nothing for long.
const (
	readTime   = 5 * time.Second
	gatherTime = 10 * time.Second
	writeTime  = 15 * time.Second
	idleTime   = 2 * time.Minute
	mostHeader = 16 << 10
	atOnce     = 4
)

// Server serves metrics over HTTP: /metrics, and /healthz, which says that the process
// answers. There is nothing else to see, and nothing to change.
type Server struct {
	Address net.Addr // that it listens on

	http  http.Server
	ended chan error
}

// Serve begins to serve on an address such as :9090. The returned error is that of
// listening.
func Serve(address string, g prometheus.Gatherer) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{Timeout: gatherTime, MaxRequestsInFlight: atOnce}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // who asked may be gone
	})
	s := &Server{Address: l.Addr(), ended: make(chan error, 1), http: http.Server{
		Handler: mux, ReadTimeout: readTime, ReadHeaderTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: mostHeader,
	}}
	go func() { s.ended <- s.http.Serve(l) }()
	return s, nil
}

// Close ends the server. It does not wait for clients.
func (s *Server) Close() {
	if s == nil {
		return
	}
	_ = s.http.Close() // of the listener, which nobody needs any more
	<-s.ended          //nolint:errcheck // it says that it was closed
}

// Wait returns when the server has ended, or has been closed because ctx ended.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		s.Close()
		return nil
	case err := <-s.ended:
		s.ended <- err // for Close
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}
}
