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

// transport is the one of this process.
var transport = sync.OnceValue(func() http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		IdleConnTimeout:       90 * time.Second,
	}
})

// direct sends requests past http.Client, so that a redirect is an answer like
// others: no token follows it.
type direct struct{ http.RoundTripper }

func (d direct) Do(req *http.Request) (*http.Response, error) { return d.RoundTrip(req) }

// guard keeps tokens with the endpoint: a service may name another host, to ask
// about a long operation, only beneath its own.
type guard struct{ endpoint *url.URL }

// foreign is a request that guard did not let through.
type foreign struct{ host string }

func (e *foreign) Error() string {
	return fmt.Sprintf("the service names %s, where no token is sent", e.host)
}
func (*foreign) NonRetriable() {}

func (g *guard) Do(req *policy.Request) (*http.Response, error) {
	u := req.Raw().URL
	if u.Scheme != g.endpoint.Scheme || u.Host != g.endpoint.Host && !strings.HasSuffix(u.Host, "."+g.endpoint.Host) {
		return nil, &foreign{u.Scheme + "://" + u.Host}
	}
	return req.Next()
}

// How often a request is made before the service counts as not answering, and
// how long the pauses are where it names none: from the first doubled up to the
// longest. A name that does not exist, or a refused connection, is seldom worth
// many tries.
const (
	triesAnswered   = 8
	triesUnanswered = 3
	firstPause      = time.Second
	longestPause    = time.Minute
	shortest        = 20 * time.Millisecond
	// longestTry bounds one request with its answer's body, which may stall. A
	// file that takes longer is taken up where it was.
	longestTry = 2 * time.Minute
)

// patience makes a request again that the service cannot answer now. It is ours
// and not azcore's, which gives up where Retry-After is long.
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
			// A body of its own: the transport may still read that of a request
			// which was answered early.
			if err := again.SetBody(reader(text), req.Raw().Header.Get("Content-Type")); err != nil {
				return nil, err
			}
		}
		resp, err := again.Next()
		var never interface{ NonRetriable() }
		switch {
		case ctx.Err() != nil, errors.As(err, &never):
			return resp, err
		case err != nil && try >= triesUnanswered, err == nil && (!passing(resp.StatusCode) || try >= triesAnswered):
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

// passing reports whether a status speaks of the moment rather than of the request.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter is how long the service asks to wait, or negative.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	// A date: held against the service's own clock, not this machine's.
	until, err := http.ParseTime(text)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil {
		return -1
	}
	return max(0, until.Sub(now))
}
