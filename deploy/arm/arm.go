// Package arm sends requests to Azure's resource manager, through azcore's
// pipeline, for the engines that are found there:
//
//  1. A request, with a bearer token of the credential, goes over https to the
//     endpoint of the Config or to a host beneath it, and nowhere else.
//  2. A request that the service cannot answer now (429, 5xx, no answer) is
//     repeated, after the time that the service asks for.
//  3. A long operation (202 with Location or Azure-AsyncOperation, or a
//     provisioning state) is followed to its end.
//  4. A request that fails in the end returns an *Error, which wraps
//     deploy.ErrService or deploy.ErrUnreachable and contains no secret.
//
// Service is what engines build on: it adds their names and subjects to errors.
package arm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	armruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/batchscore/batchscore/deploy"
)

// publicEndpoint is the resource manager of Azure's public cloud.
const publicEndpoint = "https://management.azure.com"

// Config says where a Client sends its requests.
type Config struct {
	// Endpoint is publicEndpoint when empty. It is an https URL, or one of this
	// machine, for tests.
	Endpoint string
	// Audience is what tokens are valid for; publicEndpoint when empty.
	Audience string
	// APIVersion is added to every request without one; empty adds none.
	APIVersion string
	// Credential is what the function Credential returns when nil.
	Credential azcore.TokenCredential
	// Sleep waits, or returns the context's error; nil waits in real time.
	Sleep func(context.Context, time.Duration) error
}

// Client sends requests to one endpoint. Its methods may be called from any
// number of goroutines.
type Client struct {
	endpoint *url.URL
	version  string
	sleep    func(context.Context, time.Duration) error
	signed   runtime.Pipeline // with tokens
	bare     runtime.Pipeline // for links that carry their own signature

	mu      sync.Mutex
	secrets []string
}

// New checks the configuration and sends nothing. It returns deploy.ErrService for
// an endpoint to which no token may be sent.
func New(c Config) (*Client, error) {
	c.Endpoint = cmp.Or(c.Endpoint, publicEndpoint)
	c.Audience = cmp.Or(c.Audience, publicEndpoint)
	u, err := url.Parse(strings.TrimRight(c.Endpoint, "/"))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: endpoint %q: want a URL such as %s", deploy.ErrService, c.Endpoint, publicEndpoint)
	}
	if !secure(u) {
		return nil, fmt.Errorf("%w: endpoint %q: tokens are sent over https only", deploy.ErrService, c.Endpoint)
	}
	if c.Credential == nil {
		if c.Credential, err = Credential(); err != nil {
			return nil, err
		}
	}
	if c.Sleep == nil {
		c.Sleep = deploy.Sleep
	}
	client := &Client{endpoint: u, version: c.APIVersion, sleep: c.Sleep}
	opt := policy.ClientOptions{
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: u.String(), Audience: c.Audience},
		}},
		InsecureAllowCredentialWithHTTP: u.Scheme == "http", // of this machine: see secure
		Retry:                           policy.RetryOptions{MaxRetries: -1, TryTimeout: longestTry},
		PerCallPolicies:                 []policy.Policy{&patience{sleep: c.Sleep}},
		Transport:                       direct{transport()},
	}
	client.bare = runtime.NewPipeline("batchscore", "1", runtime.PipelineOptions{}, &opt)
	opt.PerCallPolicies = slices.Insert(opt.PerCallPolicies, 0, policy.Policy(&guard{client.endpoint}))
	client.signed, err = armruntime.NewPipeline("batchscore", "1", &tokens{c.Credential}, runtime.PipelineOptions{},
		&azarm.ClientOptions{ClientOptions: opt, DisableRPRegistration: true})
	if err != nil {
		return nil, err
	}
	return client, nil
}

// Document returns a request for a person to read: what a Client would send to a
// path. A nil body is none.
func (c Config) Document(method, path string, body any) (deploy.Document, error) {
	d := deploy.Document{Name: method + " " + address(cmp.Or(c.Endpoint, publicEndpoint), c.APIVersion, path)}
	if body == nil {
		return d, nil
	}
	var err error
	d.Body, err = encode(body)
	return d, err
}

// String returns the endpoint.
func (c *Client) String() string { return c.endpoint.String() }

// Format writes String for every verb: a Client knows secrets.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// secure reports whether a token may be sent there.
func secure(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// Hide keeps values out of every text that the client returns from now on.
func (c *Client) Hide(values ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range values {
		if v != "" && !slices.Contains(c.secrets, v) {
			c.secrets = append(c.secrets, v)
		}
	}
	// The longest first: one secret may hold another.
	slices.SortFunc(c.secrets, func(a, b string) int { return len(b) - len(a) })
}

// Redact returns a text with every hidden value replaced.
func (c *Client) Redact(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range c.secrets {
		text = strings.ReplaceAll(text, secret, "REDACTED")
		if escaped, err := json.Marshal(secret); err == nil {
			text = strings.ReplaceAll(text, string(escaped[1:len(escaped)-1]), "REDACTED")
		}
	}
	return text
}

// URL returns the URL of a path, with the API's version.
func (c *Client) URL(path string) string { return address(c.endpoint.String(), c.version, path) }

func address(endpoint, version, path string) string {
	full := path
	if strings.HasPrefix(path, "/") {
		full = endpoint + path
	}
	if version == "" || strings.Contains(full, "api-version=") {
		return full
	}
	mark := "?"
	if strings.Contains(full, "?") {
		mark = "&"
	}
	return full + mark + "api-version=" + version
}

// Do sends a request to a path of the endpoint, or to a URL that the service
// named, and follows the operation that it starts to its end. It sends body as
// JSON and decodes the answer into out, each unless nil. It returns how long the
// service asks to wait before the next request; negative if it does not say.
func (c *Client) Do(ctx context.Context, method, path string, body, out any) (next time.Duration, err error) {
	req, err := runtime.NewRequest(ctx, method, c.URL(path))
	if err != nil {
		return 0, c.fail(ctx, method, path, err)
	}
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		text, err := encode(body)
		if err != nil {
			return 0, err
		}
		if err := req.SetBody(reader(text), "application/json"); err != nil {
			return 0, err
		}
	}
	resp, err := c.signed.Do(req)
	if err == nil && !runtime.HasStatusCode(resp, 200, 201, 202, 204) {
		err = runtime.NewResponseError(resp)
	}
	if err != nil {
		return 0, c.fail(ctx, method, path, err)
	}
	next = retryAfter(resp.Header)
	text, err := runtime.Payload(resp)
	if err == nil && method != http.MethodGet && startsOperation(resp, text) {
		text, err = c.follow(ctx, resp)
	}
	if err != nil {
		return 0, c.fail(ctx, method, path, err)
	}
	if out != nil && len(text) > 0 {
		if err := json.Unmarshal(text, out); err != nil {
			return 0, fmt.Errorf("%s %s: the answer cannot be read: %s", method, brief(path), c.Redact(err.Error()))
		}
	}
	return next, nil
}

// startsOperation reports whether an answer begins a long operation. azcore takes
// every 201 for one, and would send one request more for what exists already.
func startsOperation(resp *http.Response, text []byte) bool {
	if resp.StatusCode == http.StatusAccepted || resp.Header.Get("Azure-AsyncOperation") != "" {
		return true
	}
	var resource struct {
		Properties struct {
			State string `json:"provisioningState"`
		} `json:"properties"`
	}
	return json.Unmarshal(text, &resource) == nil && resource.Properties.State != "" &&
		!strings.EqualFold(resource.Properties.State, "succeeded")
}

// pollEvery is the time between two requests about a long operation, unless the
// service asks for another.
const pollEvery = 5 * time.Second

// follow waits until the operation that an answer started has ended, and returns
// its result.
func (c *Client) follow(ctx context.Context, resp *http.Response) (json.RawMessage, error) {
	poller, err := runtime.NewPoller[json.RawMessage](resp, c.signed, nil)
	if err != nil {
		return nil, err
	}
	for !poller.Done() {
		if err := c.Wait(ctx, retryAfter(resp.Header), pollEvery); err != nil {
			return nil, err
		}
		if resp, err = poller.Poll(ctx); err != nil {
			return nil, err
		}
	}
	return poller.Result(ctx)
}

// Wait waits for as long as the service asked, or for otherwise if asked is
// negative.
func (c *Client) Wait(ctx context.Context, asked, otherwise time.Duration) error {
	if asked < 0 {
		asked = otherwise
	}
	// A service that asks for 0 must not be polled in a tight loop.
	return c.sleep(ctx, max(asked, shortest))
}

// encode returns a body as JSON, always in the same form.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return []byte(b.String()), err
}

// body is a request's body that can be sent again.
type body struct{ *strings.Reader }

func (body) Close() error { return nil }

func reader(text []byte) io.ReadSeekCloser { return body{strings.NewReader(string(text))} }

// brief returns a path without the part that is the same for every request.
func brief(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if _, rest, ok := strings.Cut(path, "/providers/"); ok {
		return rest
	}
	if u, err := url.Parse(path); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host + u.EscapedPath()
	}
	return path
}

// IsStatus reports whether err is an answer with one of these HTTP statuses.
func IsStatus(err error, statuses ...int) bool {
	var e *Error
	return errors.As(err, &e) && slices.Contains(statuses, e.Status)
}
