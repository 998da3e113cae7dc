package fault

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"
)

// Transport is an http.RoundTripper that passes requests on to Next, with the
// faults of its Schedule. Set its fields before the first use.
type Transport struct {
	Next     http.RoundTripper // http.DefaultTransport if nil
	Schedule Schedule          // no faults if nil
	Injected
}

var errReset = fmt.Errorf("fault: %w", syscall.ECONNRESET)

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	f := t.next(t.Schedule, req.Method)
	if status, header, ok := f.answer(); ok {
		drain(req)
		return &http.Response{
			Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: header, Body: http.NoBody, Request: req,
		}, nil
	}
	switch f.Kind {
	case Refuse:
		drain(req)
		return nil, errReset
	case Slow:
		if err := wait(req.Context(), f.Delay); err != nil {
			drain(req)
			return nil, err
		}
	}
	next := t.Next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch f.Kind {
	case Lost:
		_, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		return nil, errReset
	case Reset, Truncate, Stall:
		if resp.ContentLength <= 0 {
			// There is no body, so the answer itself breaks.
			resp.Body.Close()
			return nil, f.breaks(req.Context())
		}
		resp.Body = &brokenBody{ReadCloser: resp.Body, ctx: req.Context(), fault: f, left: f.offset(resp.ContentLength)}
	}
	return resp, nil
}

// drain reads and closes a request's body, as every RoundTripper must.
func drain(req *http.Request) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body) // the body of a refused request need not be readable
		req.Body.Close()
	}
}

// breaks returns the error that ends an answer. For a Stall, it waits for ctx to
// end and returns its error.
func (f Fault) breaks(ctx context.Context) error {
	switch f.Kind {
	case Stall:
		<-ctx.Done()
		return ctx.Err()
	case Truncate:
		return io.ErrUnexpectedEOF
	}
	return errReset
}

// brokenBody breaks after some bytes.
type brokenBody struct {
	io.ReadCloser
	ctx   context.Context //nolint:containedctx // a body ends with the context of its request
	fault Fault
	left  int64
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.fault.breaks(b.ctx)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// wait returns after d, or with ctx's error when that ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
