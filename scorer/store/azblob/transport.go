package azblob

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// sharedTransport returns the transport of this process. It keeps connections for
// the next requests, and opens as many as there are requests under way.
var sharedTransport = sync.OnceValue(func() http.RoundTripper {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 512,
		// The service drops idle connections after some minutes.
		IdleConnTimeout: 90 * time.Second,
		// Counted from the last byte of the request: the service answers
		// within 30 s by its own limits, or not at all.
		ResponseHeaderTimeout: 60 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A blob stored with Content-Encoding must not be decoded.
		DisableCompression: true,
		WriteBufferSize:    64 << 10,
		ReadBufferSize:     64 << 10,
	}
})

// newClient returns a client that sends requests through rt. It does not follow
// redirects.
func newClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// watched records that the service has answered.
type watched struct {
	http.RoundTripper
	store *Store
}

func (w watched) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(req)
	if err == nil {
		w.store.answered.Store(true)
	}
	return resp, err
}

// tokens marks the errors of a credential chain.
type tokens struct{ from azcore.TokenCredential }

// noToken reports whether no token could be had.
type noToken struct{ err error }

func (e *noToken) Error() string { return e.err.Error() }

// GetToken implements azcore.TokenCredential.
func (t *tokens) GetToken(ctx context.Context, opt policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := t.from.GetToken(ctx, opt)
	if err != nil && ctx.Err() == nil {
		return token, &noToken{err}
	}
	return token, err
}
