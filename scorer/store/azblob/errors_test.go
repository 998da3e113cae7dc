package azblob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// Planted secrets: a key in base64, and a signature that is escaped in URLs.
const (
	plantedKey = "cGxhbnRlZC1rZXktdGhhdC1uby1vbmUtbWF5LXNlZQ=="
	plantedSig = "planted/signature+that=nobody&sees"
	plantedSAS = "sv=2024-11-04&sp=rl&se=2020-01-01T00:00:00Z&sig=planted%2Fsignature%2Bthat%3Dnobody%26sees"
)

// leaks reports whether a text shows a planted secret, or a part of one.
func leaks(text string) bool {
	for _, secret := range []string{"cGxhbnRlZC1rZXk", "planted/sig", "planted%2Fsig", "sig="} {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

func planted(values map[string]string) azblob.Credentials {
	return azblob.FromEnvironment(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
}

func placeOf(t *testing.T, s string) azblob.Place {
	t.Helper()
	p, err := azblob.ParsePlace(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answering opens a store whose every request is answered by rt.
func answering(t *testing.T, rt roundTripper) *azblob.Store {
	t.Helper()
	return azuritetest.Open(t, azblob.Options{
		Place: placeOf(t, "az://acme/photos"), Credentials: planted(map[string]string{azblob.SASToken: plantedSAS}), Transport: rt,
	})
}

func TestAnswers(t *testing.T) {
	date := "Sat, 21 Nov 2026 23:00:00 GMT"
	for _, test := range []struct {
		op        string
		status    int
		code      string
		header    http.Header
		is        error
		transient bool
		after     time.Duration
		throttled bool
		says      string
	}{
		{op: "open", status: 404, code: "BlobNotFound", is: store.ErrNotExist},
		{op: "open", status: 404, code: "ContainerNotFound", is: store.ErrDenied, says: "no such container: the account acme has no container photos"},
		{op: "create", status: 404, code: "ContainerNotFound", is: store.ErrDenied, says: "no such container: the account acme has no container photos"},
		{op: "list", status: 404, code: "ContainerNotFound", is: store.ErrNotExist, says: "no such container: the account acme has no container photos"},
		{op: "open", status: 412, code: "ConditionNotMet", is: store.ErrChanged},
		{op: "open", status: 409, code: "BlobArchived", is: store.ErrUnreadable, says: "archive tier"},
		{op: "open", status: 409, code: "BlobBeingRehydrated", is: store.ErrUnreadable, says: "archive tier"},
		{op: "open", status: 409, code: "BlobUsesCustomerSpecifiedEncryption", is: store.ErrUnreadable, says: "a key of its own"},
		{op: "open", status: 409, code: "BlobNotReadyYet", is: store.ErrUnreadable, says: "the service refuses it: BlobNotReadyYet"},
		{op: "create", status: 409, code: "BlobAlreadyExists", is: store.ErrExist},
		{op: "create", status: 412, code: "ConditionNotMet", is: store.ErrExist},
		{op: "create", status: 403, code: "UnauthorizedBlobOverwrite", is: store.ErrExist},
		{op: "create", status: 409, code: "BlobImmutableDueToPolicy", is: store.ErrExist},
		{op: "open", status: 403, code: "AuthenticationFailed", is: store.ErrDenied, says: "expired at 2020-01-01T00:00:00Z"},
		{op: "list", status: 403, code: "AuthorizationPermissionMismatch", is: store.ErrDenied, says: "container photos"},
		{op: "create", status: 401, code: "NoAuthenticationInformation", is: store.ErrDenied, says: "account acme"},
		{op: "open", status: 409, code: "PublicAccessNotPermitted", is: store.ErrDenied},
		{op: "open", status: 503, code: "ServerBusy", transient: true, throttled: true, header: http.Header{"Retry-After": {"7"}}, after: 7 * time.Second},
		{op: "open", status: 429, transient: true, throttled: true, header: http.Header{"X-Ms-Retry-After-Ms": {"250"}}, after: 250 * time.Millisecond},
		{op: "list", status: 503, transient: true, throttled: true,
			header: http.Header{"Retry-After": {"Sat, 21 Nov 2026 23:00:30 GMT"}, "Date": {date}}, after: 30 * time.Second},
		{op: "open", status: 503, transient: true, throttled: true, header: http.Header{"Retry-After": {"-5"}}},
		{op: "create", status: 500, code: "OperationTimedOut", transient: true},
		{op: "list", status: 502, transient: true},
		{op: "open", status: 504, transient: true},
		{op: "open", status: 408, transient: true},
		{
			op:     "open",
			status: 302,
			header: http.Header{"Location": {"http://elsewhere.example/x?" + plantedSAS}},
			is:     store.ErrDenied,
			says:   "wrong endpoint: acme.blob.core.windows.net redirects to http://elsewhere.example",
		},
		{op: "open", status: 400, code: "InvalidHeaderValue", says: "InvalidHeaderValue"},
	} {
		t.Run(fmt.Sprint(test.op, test.status, test.code), func(t *testing.T) {
			st := answering(t, func(r *http.Request) (*http.Response, error) {
				header := http.Header{"X-Ms-Error-Code": {test.code}, "X-Ms-Request-Id": {"request-1"}}
				for name, values := range test.header {
					header[name] = values
				}
				body := "<Error><Message>" + r.URL.String() + "</Message></Error>"
				return &http.Response{StatusCode: test.status, Status: fmt.Sprint(test.status), Header: header,
					Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
			})
			err := do(t.Context(), st, test.op)
			if err == nil {
				t.Fatal("no error")
			}
			for _, kind := range []error{store.ErrNotExist, store.ErrExist, store.ErrChanged, store.ErrUnreadable, store.ErrDenied} {
				if got := errors.Is(err, kind); got != (kind == test.is) {
					t.Errorf("errors.Is(%v, %v) = %v, want %v", err, kind, got, !got)
				}
			}
			tr, ok := store.AsTransient(err)
			if ok != test.transient {
				t.Fatalf("%v is transient: %v, want %v", err, ok, test.transient)
			}
			if ok && (tr.After != test.after || tr.Throttled != test.throttled || !tr.Answered) {
				t.Errorf("a wait of %v, throttled: %v, answered: %v; want %v, %v and true", tr.After, tr.Throttled, tr.Answered, test.after, test.throttled)
			}
			text := err.Error()
			if leaks(text) || !strings.Contains(text, test.says) || !strings.Contains(text, "request-1") ||
				strings.Contains(text, "\n") || !strings.Contains(text, "az://acme/photos/") {
				t.Errorf("the error is %q, want one line with %q, the request id and the place, and no secret", text, test.says)
			}
		})
	}
}

// TestAnswersOfOthers gets answers that are not from blob storage.
func TestAnswersOfOthers(t *testing.T) {
	for status, transient := range map[int]bool{404: false, 502: true, 503: true, 504: true} {
		st := answering(t, func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Request: r,
				Body: io.NopCloser(strings.NewReader("<html>not here</html>"))}, nil
		})
		for _, op := range []string{"open", "create", "list"} {
			err := do(t.Context(), st, op)
			tr, ok := store.AsTransient(err)
			if ok != transient || ok && tr.Answered {
				t.Errorf("%s with the status %d = %v, want a transient error: %v, of a place that has not answered", op, status, err, transient)
			}
			const says = "not blob storage: something else answers at https://acme.blob.core.windows.net"
			if !transient && (!errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), says)) {
				t.Errorf("%s with the status %d = %v, want ErrDenied with %q", op, status, err, says)
			}
		}
	}
}

// TestDenied refuses each kind of credentials. The message is about that kind.
func TestDenied(t *testing.T) {
	valid := strings.Replace(plantedSAS, "2020-01-01", "2999-01-01", 1)
	for _, test := range []struct {
		values    map[string]string
		code      string
		says, not string
	}{
		{values: map[string]string{azblob.Key: plantedKey}, code: "AuthorizationFailure", says: "the key in AZURE_STORAGE_KEY of the environment: " +
			"check the account's firewall and network rules, and that the key is one of this account's two", not: "token"},
		{values: map[string]string{azblob.Key: plantedKey}, code: "AuthenticationFailed", says: "one of this account's two", not: "token"},
		{values: map[string]string{azblob.Key: plantedKey}, code: "KeyBasedAuthenticationNotPermitted", says: "accepts no keys", not: "token"},
		{values: map[string]string{azblob.ConnectionString: "AccountName=acme;AccountKey=" + plantedKey}, code: "AuthenticationFailed",
			says: "one of this account's two", not: "token"},
		{values: map[string]string{azblob.SASToken: valid}, code: "AuthorizationFailure",
			says: "the permissions and the addresses that the token is for", not: "key"},
		{values: map[string]string{azblob.SASToken: valid}, code: "AuthenticationFailed", says: "neither expired nor revoked", not: "key"},
		{values: map[string]string{azblob.ConnectionString: "AccountName=acme;SharedAccessSignature=" + valid}, code: "AuthenticationFailed",
			says: "neither expired nor revoked", not: " key "},
	} {
		st := azuritetest.Open(t, azblob.Options{Place: placeOf(t, "az://acme/photos"), Credentials: planted(test.values),
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusForbidden, Status: "403", Request: r,
					Header: http.Header{"X-Ms-Error-Code": {test.code}}, Body: http.NoBody}, nil
			})})
		text := strings.ReplaceAll(fmt.Sprint(do(t.Context(), st, "open")), test.code, "CODE")
		if !strings.Contains(text, test.says) || strings.Contains(text, test.not) || leaks(text) {
			t.Errorf("%s for %v: %s, want %q and not %q", test.code, test.values, text, test.says, test.not)
		}
	}
}

// do makes one call.
func do(ctx context.Context, st store.Store, op string) error {
	var err error
	switch op {
	case "open":
		_, _, err = st.Open(ctx, "a.jpg", "etag")
	case "create":
		_, err = st.Create(ctx, "a.jpg", []byte("body"))
	case "list":
		err = st.List(ctx, "", func(store.Object) error { return nil })
	}
	return err
}

// TestNetwork breaks connections. The errors of net/http contain the token.
func TestNetwork(t *testing.T) {
	broken := answering(t, func(*http.Request) (*http.Response, error) {
		return nil, errors.New("connection reset for " + plantedSAS)
	})
	for _, op := range []string{"open", "create", "list"} {
		err := do(t.Context(), broken, op)
		if _, ok := store.AsTransient(err); !ok || leaks(err.Error()) || !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s = %v, want a transient error without secrets", op, err)
		}
	}
	half := answering(t, func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{"Etag": {`"e"`}, "Content-Length": {"10"}}, ContentLength: 10,
			Body: io.NopCloser(io.MultiReader(strings.NewReader("half "), errorReader{errors.New("reset " + plantedSAS)}))}, nil
	})
	r, _, err := half.Open(t.Context(), "a.jpg", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if _, ok := store.AsTransient(err); !ok || leaks(err.Error()) || string(got) != "half " {
		t.Errorf("read %q, %v; want %q and a transient error without secrets", got, err, "half ")
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

// TestFault31_Redirect lets the endpoint redirect to another host, which must get
// no request.
func TestFault31_Redirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent elsewhere, with %d headers", r.Method, r.URL.Path, len(r.Header))
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path+"?"+r.URL.RawQuery, status) //nolint:gosec // G710: that is the fault
		}))
		for _, credentials := range []azblob.Credentials{
			planted(map[string]string{azblob.SASToken: plantedSAS}), planted(map[string]string{azblob.Key: plantedKey}),
		} {
			st := azuritetest.Open(t, azblob.Options{Place: placeOf(t, "az://acme/photos"), Credentials: credentials, Endpoint: endpoint.URL})
			for _, op := range []string{"open", "create", "list"} {
				if err := do(t.Context(), st, op); !errors.Is(err, store.ErrDenied) || leaks(err.Error()) {
					t.Errorf("%s with the status %d = %v, want ErrDenied without secrets", op, status, err)
				}
			}
		}
		endpoint.Close()
	}
}

// login answers every request with a redirect to another host.
type login struct {
	t     *testing.T
	asked int
}

func (l *login) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "elsewhere.example" {
		l.t.Errorf("%s %s was sent elsewhere", r.Method, r.URL.Path)
	}
	if r.Method == http.MethodPost {
		l.asked++
	}
	answer := httptest.NewRecorder()
	if strings.Contains(r.URL.Path, "openid-configuration") {
		const host = "https://login.microsoftonline.com/tenant/"
		fmt.Fprintf(answer, `{"authorization_endpoint":"%[1]sauthorize","token_endpoint":"%[1]stoken","issuer":"%[1]sv2.0"}`, host)
	} else {
		http.Redirect(answer, r, "https://elsewhere.example"+r.URL.Path, http.StatusTemporaryRedirect) //nolint:gosec // G710: that is the fault
	}
	said := answer.Result()
	said.Request = r
	return said, nil
}

// TestFault31_LoginRedirect signs in with a client secret to a service that redirects the
// request for a token, whose body holds the secret.
func TestFault31_LoginRedirect(t *testing.T) {
	for name, value := range map[string]string{
		"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": plantedKey, "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
	} {
		t.Setenv(name, value)
	}
	service := &login{t: t}
	st := azuritetest.Open(t, azblob.Options{Place: placeOf(t, "az://acme/photos"), Transport: service})
	if err := do(t.Context(), st, "open"); err == nil || leaks(err.Error()) {
		t.Errorf("got %v, want an error without secrets", err)
	}
	if service.asked == 0 {
		t.Error("no token was asked for, so this test proves nothing")
	}
}

// TestFault30_Verbs prints values that contain secrets with every verb.
func TestFault30_Verbs(t *testing.T) {
	for _, values := range []map[string]string{
		{azblob.SASToken: plantedSAS},
		{azblob.Key: plantedKey},
		{azblob.ConnectionString: "AccountName=acme;AccountKey=" + plantedKey},
		{azblob.ConnectionString: "BlobEndpoint=https://acme.blob.core.windows.net;SharedAccessSignature=" + plantedSAS},
	} {
		c := planted(values)
		o := azblob.Options{Place: placeOf(t, "az://acme/photos"), Credentials: c}
		st := azuritetest.Open(t, o)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			for _, v := range []any{c, &c, o, &o, st} {
				if text := fmt.Sprintf(verb, v); leaks(text) || strings.Contains(text, fmt.Sprintf("%x", plantedSig)) {
					t.Errorf("%s of a %T shows a secret: %s", verb, v, text)
				}
			}
		}
	}
}
