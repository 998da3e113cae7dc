package arm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// transport is the only one of this process.
var transport = sync.OnceValue(func() http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		IdleConnTimeout:       90 * time.Second,
	}
})

// direct sends requests without http.Client, so that a redirect is returned like
// any other answer and no token follows it.
type direct struct{ http.RoundTripper }

func (d direct) Do(req *http.Request) (*http.Response, error) { return d.RoundTrip(req) }

// guard keeps tokens from other hosts: for the URL of a long operation, a service
// may name only its own host or one beneath it.
type guard struct{ endpoint *url.URL }

// foreign is the error for a request that guard refused.
type foreign struct{ host string }

func (e *foreign) Error() string {
	return fmt.Sprintf("the service names %s, to which no token is sent", e.host)
}
func (*foreign) NonRetriable() {}

func (g *guard) Do(req *policy.Request) (*http.Response, error) {
	u := req.Raw().URL
	if u.Scheme != g.endpoint.Scheme || u.Host != g.endpoint.Host && !strings.HasSuffix(u.Host, "."+g.endpoint.Host) {
		return nil, &foreign{u.Scheme + "://" + u.Host}
	}
	return req.Next()
}

// How often a request is made before the service counts as not answering, and how
// long the pauses are unless the service asks for others: the first, doubled each
// time, up to the longest. A name that does not exist, or a refused connection,
// seldom improves with many tries.
const (
	triesAnswered   = 8
	triesUnanswered = 3
	firstPause      = time.Second
	longestPause    = time.Minute
	shortest        = 20 * time.Millisecond
	// longestTry bounds one request with its answer's body, which may stall. A
	// download that takes longer continues with another request.
	longestTry = 2 * time.Minute
)

// patience repeats a request that the service cannot answer now. azcore's own
// policy gives up if Retry-After is long.
type patience struct {
	sleep func(context.Context, time.Duration) error
}

func (p *patience) Do(req *policy.Request) (*http.Response, error) {
	ctx := req.Raw().Context()
	var text []byte
	if b := req.Body(); b != nil {
		var err error
		if text, err = io.ReadAll(b); err != nil {
			return nil, err
		}
	}
	for try, pause := 1, firstPause; ; try, pause = try+1, min(2*pause, longestPause) {
		again := req.Clone(ctx)
		if text != nil {
			// Each try has its own body: the transport may still be reading that of
			// a request which was answered early.
			if err := again.SetBody(reader(text), req.Raw().Header.Get("Content-Type")); err != nil {
				return nil, err
			}
		}
		resp, err := again.Next()
		var never interface{ NonRetriable() }
		switch {
		case ctx.Err() != nil, errors.As(err, &never):
			return resp, err
		case err != nil && try >= triesUnanswered, err == nil && (!temporary(resp.StatusCode) || try >= triesAnswered):
			return resp, err
		}
		wait := pause
		if err == nil {
			if asked := retryAfter(resp.Header); asked >= 0 {
				wait = max(asked, shortest)
			}
			runtime.Drain(resp)
		}
		if err := p.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// temporary reports whether a later request may get another status.
func temporary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter returns how long the service asks to wait; negative if it does not say.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	// It is a date, by the service's clock and not this machine's.
	until, err := http.ParseTime(text)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil {
		return -1
	}
	return max(0, until.Sub(now))
}
