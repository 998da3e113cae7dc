package fault

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// ProxyOptions say what a Proxy does to requests.
type ProxyOptions struct {
	Schedule Schedule      // no faults if nil
	Latency  time.Duration // added to every request
	// BytesPerSecond limits the rate of all answers together; no limit if 0.
	BytesPerSecond int64
	// StallFor is how long a stalled connection stays open; a minute if 0.
	StallFor time.Duration
	// Life is after how long the proxy closes by itself; an hour if 0.
	Life time.Duration
}

// Proxy passes HTTP/1.1 requests from a port of the loopback interface on to a
// server, whole and unchanged, with the faults of its Schedule. It does not speak
// TLS.
type Proxy struct {
	Injected
	opt      ProxyOptions
	target   string
	listener net.Listener
	ctx      context.Context //nolint:containedctx // the life of the proxy, which Close ends
	cancel   context.CancelFunc
	serving  sync.WaitGroup
	pace     pace
}

// NewProxy starts a proxy on a free port of 127.0.0.1 for the server at target
// (HOST:PORT). The caller closes it.
func NewProxy(target string, opt ProxyOptions) (*Proxy, error) {
	if opt.StallFor == 0 {
		opt.StallFor = time.Minute
	}
	if opt.Life == 0 {
		opt.Life = time.Hour
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the faulty proxy: %w", err)
	}
	p := &Proxy{opt: opt, target: target, listener: l, pace: pace{rate: opt.BytesPerSecond}}
	p.ctx, p.cancel = context.WithTimeout(context.Background(), opt.Life)
	context.AfterFunc(p.ctx, func() { _ = l.Close() })
	p.serving.Go(p.accept)
	return p, nil
}

// Addr returns the proxy's own HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close breaks all connections and returns when none is left.
func (p *Proxy) Close() error {
	p.cancel()
	p.serving.Wait()
	return nil
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// serve passes on the requests of one connection, one after the other.
func (p *Proxy) serve(client *net.TCPConn) {
	defer client.Close()
	defer context.AfterFunc(p.ctx, func() { _ = client.Close() })()
	upstream, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	server := upstream.(*net.TCPConn)
	defer server.Close()
	defer context.AfterFunc(p.ctx, func() { _ = server.Close() })()

	requests, answers := bufio.NewReaderSize(client, 64<<10), bufio.NewReaderSize(server, 64<<10)
	for {
		req, err := readRequest(requests)
		if err != nil {
			return
		}
		f := p.next(p.opt.Schedule, req.method)
		delay := p.opt.Latency
		if f.Kind == Slow {
			delay += f.Delay
		}
		if wait(p.ctx, delay) != nil {
			return
		}
		if !p.exchange(f, req, client, server, requests, answers) {
			return
		}
	}
}

// exchange passes one request and its answer on. It reports whether the connection
// can carry another request.
func (p *Proxy) exchange(f Fault, req message, client, server *net.TCPConn, requests, answers *bufio.Reader) bool {
	if f.Kind == Refuse {
		reset(client)
		return false
	}
	if answer, ok := f.message(); ok {
		// The request is read to its end: closing the connection earlier would
		// reset it, and the client would lose the answer.
		if req.copyBody(io.Discard, requests) == nil {
			_, _ = client.Write(answer) // the client may have left
		}
		return false
	}
	if _, err := server.Write(req.head); err != nil || req.copyBody(server, requests) != nil {
		return false
	}
	resp, err := readAnswer(answers, req.method)
	if err != nil {
		reset(client)
		return false
	}
	switch f.Kind {
	case Lost:
		reset(client)
		return false
	case Reset, Truncate, Stall:
		if resp.size > 0 { // without a body, the answer itself breaks
			through := resp
			through.size = f.offset(resp.size)
			if _, err := client.Write(resp.head); err != nil || p.pass(through, client, answers) != nil {
				return false
			}
		}
		switch f.Kind {
		case Reset:
			reset(client)
		case Stall:
			_ = wait(p.ctx, p.opt.StallFor) // the connection ends either way
		}
		return false
	}
	if _, err := client.Write(resp.head); err != nil || p.pass(resp, client, answers) != nil {
		return false
	}
	return !req.last && !resp.last
}

// pass passes an answer's body on at the limited rate.
func (p *Proxy) pass(m message, client *net.TCPConn, answers *bufio.Reader) error {
	if p.opt.BytesPerSecond == 0 {
		return m.copyBody(client, answers)
	}
	return m.copyBody(&pacedWriter{Writer: client, proxy: p}, answers)
}

// reset closes a connection so that the other side sees that it broke.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // if it fails, the connection closes, which is a fault too
	_ = conn.Close()
}

// pacedWriter writes no faster than its proxy's rate allows.
type pacedWriter struct {
	io.Writer
	proxy *Proxy
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	if err := wait(w.proxy.ctx, w.proxy.pace.take(len(p))); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// pace shares a rate among all connections.
type pace struct {
	rate int64 // bytes a second

	mu   sync.Mutex
	free time.Time // when all bytes taken so far are sent
}

// take returns how long to wait before sending n more bytes.
func (p *pace) take(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(int64(n) * int64(time.Second) / p.rate))
	return p.free.Sub(now)
}
