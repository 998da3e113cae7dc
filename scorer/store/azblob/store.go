package azblob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/batchscore/batchscore/scorer/store"
)

// Options say which place to open, and how.
type Options struct {
	Place       Place
	Credentials Credentials
	// Endpoint is the address of the blob service outside Azure's public cloud:
	// a cloud's domain (https://blob.core.usgovcloudapi.net), an emulator
	// (http://127.0.0.1:10000), or the account's own address.
	Endpoint string
	// Transport carries the requests. By default, all stores of this process share
	// one.
	Transport http.RoundTripper
	// PageSize is how many blobs are on one page of a listing; 5,000 if zero, the
	// most that the service allows.
	PageSize int
}

// Store is a store.Store in a container of Azure Blob Storage. It reads ranges,
// lists by pages, streams creates, and replaces.
type Store struct {
	place  Place
	signer signer
	client *container.Client
	// address is where requests are sent, and source what says so. via returns the
	// proxy that they go through, or nil.
	address *url.URL
	source  string
	via     func(*http.Request) (*url.URL, error)
	page    int32
	// answered reports whether the service has answered once. After that, an unknown
	// host is not a mistyped name.
	answered atomic.Bool
}

// New returns a store of that place. It sends no request, so wrong credentials and
// a missing container show at the first use. Missing credentials are
// ErrCredentials.
func New(o Options) (*Store, error) {
	s := &Store{place: o.Place, page: maxPage}
	if o.PageSize > 0 {
		s.page = int32(min(o.PageSize, maxPage)) //nolint:gosec // G115: at most 5,000
	}
	var err error
	if s.signer, err = o.Credentials.signer(o.Place.Account); err != nil {
		return nil, err
	}
	u, source, err := o.Place.serviceURL(o.endpoints(s.signer.endpoint))
	if err != nil {
		return nil, err
	}
	s.address, s.source = u, source
	rt := o.Transport
	if rt == nil {
		rt = sharedTransport()
		s.via = http.ProxyFromEnvironment
	}
	s.client, err = s.signer.client(o.Place.Account, u.JoinPath(o.Place.Container), newClient(rt), &container.ClientOptions{
		ClientOptions: policy.ClientOptions{
			// Package patient repeats requests; it knows the deadline and the load.
			Retry:     policy.RetryOptions{MaxRetries: -1},
			Transport: newClient(peeking{watched{rt, s}}),
			Telemetry: policy.TelemetryOptions{ApplicationID: "batchscore"},
			// Only this machine is reached over http; see secure.
			InsecureAllowCredentialWithHTTP: u.Scheme == "http",
		},
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// endpoints returns the endpoint that the user named, and the one of a connection
// string. An endpoint in a variable counts as named unless there is a better one.
func (o *Options) endpoints(connection string) (asked, known endpoint) {
	c := o.Credentials
	asked = endpoint{o.Endpoint, "from --endpoint"}
	known = endpoint{connection, "from " + ConnectionString + " of " + c.from}
	if address := c.values[Endpoint]; o.Endpoint == "" && connection == "" && o.Place.endpoint == "" && c.isOf(o.Place.Account, address) {
		asked = endpoint{address, "from " + Endpoint + " of " + c.from}
	}
	return asked, known
}

// String implements store.Store.
func (s *Store) String() string { return s.place.String() }

// GoString is String, so that no verb of package fmt shows the credentials.
func (s *Store) GoString() string { return s.String() }

// Format is String, whatever the verb.
func (s *Store) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// maxName is how many characters (UTF-16 code units) a blob's name may have.
const maxName = 1024

// errBackslash means that a request for a name would reach another one.
var errBackslash = errors.New("the name holds a backslash, which the service takes for a slash")

// checkName returns why a blob cannot have that name, or nil.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an object needs a name")
	case !utf8.ValidString(name):
		return fmt.Errorf("the name is not UTF-8")
	case strings.ContainsFunc(name, notInXML):
		return fmt.Errorf("the name holds a control character")
	case len(name) > maxName && units(name) > maxName:
		return fmt.Errorf("the name is longer than %d characters", maxName)
	case strings.Contains(name, `\`):
		return errBackslash
	}
	return nil
}

// notInXML reports whether r is not allowed in XML, the format of listings.
func notInXML(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff || unicode.Is(unicode.Cs, r)
}

func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// singlePut is the size of the largest body that one request sends.
const singlePut = 32 << 20

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	if err := s.checkCreate(ctx, name); err != nil {
		return store.Object{}, err
	}
	if len(body) <= singlePut {
		return s.put(ctx, name, body)
	}
	return s.CreateFrom(ctx, name, store.Once, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
}

func (s *Store) checkCreate(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkName(s.place.Prefix + name); err != nil {
		return fmt.Errorf("create %q in %s: %w: %w", name, s, store.ErrName, err)
	}
	return nil
}

// unlessExists is the condition of every create.
func unlessExists() *blob.AccessConditions {
	anything := azcore.ETagAny
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &anything}}
}

// put creates a blob in one request.
func (s *Store) put(ctx context.Context, name string, body []byte) (store.Object, error) {
	resp, err := s.blob(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)),
		&blockblob.UploadOptions{AccessConditions: unlessExists()})
	if err != nil {
		return store.Object{}, s.fail(ctx, opCreate, name, err)
	}
	return store.Object{Name: name, Size: int64(len(body)), ETag: bare(resp.ETag), Modified: value(resp.LastModified).UTC()}, nil
}

func (s *Store) blob(name string) *blockblob.Client {
	return s.client.NewBlockBlobClient(s.place.Prefix + name)
}

// bare returns an ETag without its quotes, which listings leave out.
func bare(e *azcore.ETag) string {
	return strings.Trim(string(value(e)), `"`)
}

// value returns what p points at, or zero.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
