package arm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/deploy/arm/armtest"
)

const workspace = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/g/providers/Microsoft.BatchAI/workspaces/w"

var location = map[string]string{"location": "eastus"}

// clock notes how long it is asked to wait, and does not wait.
type clock struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	return ctx.Err()
}

func open(t *testing.T, endpoint string, c *clock) *arm.Client {
	t.Helper()
	client, err := arm.New(arm.Config{
		Endpoint: endpoint, APIVersion: "2018-05-01", Credential: arm.Token(armtest.Token), Sleep: c.sleep,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestLongOperation(t *testing.T) {
	for _, async := range []bool{false, true} {
		t.Run(fmt.Sprintf("async=%v", async), func(t *testing.T) {
			fake := armtest.NewBatchAI(t)
			fake.Async, fake.Polls, fake.RetryAfter = async, 2, "17"
			var c clock
			client := open(t, fake.URL, &c)
			var made struct{ Name string }
			if _, err := client.Do(t.Context(), "PUT", workspace, location, &made); err != nil {
				t.Fatal(err)
			}
			if made.Name != "w" {
				t.Errorf("the result is %+v, want the name w", made)
			}
			want := []time.Duration{17 * time.Second, 17 * time.Second, 17 * time.Second}
			if !slices.Equal(c.waits, want) {
				t.Errorf("waited %v, want %v", c.waits, want)
			}
		})
	}
}

// A resource may also tell its state itself; one that is made at once is not
// asked about.
func TestProvisioningState(t *testing.T) {
	for name, test := range map[string]struct {
		answers []string
		fails   bool
	}{
		"at once": {answers: []string{`{"name": "w"}`}},
		"has":     {answers: []string{`{"name": "w", "properties": {"provisioningState": "Succeeded"}}`}},
		"in a while": {answers: []string{
			`{"properties": {"provisioningState": "Creating"}}`, `{"properties": {"provisioningState": "Creating"}}`,
			`{"name": "w", "properties": {"provisioningState": "Succeeded"}}`,
		}},
		"never": {answers: []string{`{"properties": {"provisioningState": "Creating"}}`, `{"properties": {"provisioningState": "Failed"}}`}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					w.WriteHeader(http.StatusCreated)
				}
				fmt.Fprint(w, test.answers[min(asked, len(test.answers)-1)])
				asked++
			}))
			defer server.Close()
			var made struct{ Name string }
			_, err := open(t, server.URL, new(clock)).Do(t.Context(), "PUT", workspace, location, &made)
			if (err != nil) != test.fails || !test.fails && made.Name != "w" {
				t.Errorf("Do = %+v, %v; want an error: %v", made, err, test.fails)
			}
			if asked != len(test.answers) {
				t.Errorf("%d requests, want %d", asked, len(test.answers))
			}
		})
	}
}

func TestLongOperationFails(t *testing.T) {
	cluster := map[string]any{"properties": map[string]any{
		"vmSize": "STANDARD_NC6", "userAccountSettings": map[string]any{"adminUserName": "u"},
	}}
	for _, async := range []bool{false, true} {
		t.Run(fmt.Sprintf("async=%v", async), func(t *testing.T) {
			fake := armtest.NewBatchAI(t)
			fake.Async, fake.CreationFails = async, true
			client := open(t, fake.URL, new(clock))
			_, err := client.Do(t.Context(), "PUT", workspace+"/clusters/c", cluster, nil)
			var failed *arm.Error
			if !errors.As(err, &failed) || failed.Code != "QuotaExceeded" || !strings.Contains(err.Error(), "no cores left") {
				t.Errorf("Do: %v, want QuotaExceeded", err)
			}
		})
	}
}

func TestTriesAgain(t *testing.T) {
	for _, status := range []int{429, 500, 503, 0} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			fake := armtest.NewBatchAI(t)
			fake.Polls = 0
			fake.Fail(armtest.Fault{Path: "/workspaces/", Times: 2, Status: status, RetryAfter: "300", Code: "Busy"})
			var c clock
			if _, err := open(t, fake.URL, &c).Do(t.Context(), "PUT", workspace, location, nil); err != nil {
				t.Fatal(err)
			}
			want := []time.Duration{300 * time.Second, 300 * time.Second}
			if status == 0 {
				want = []time.Duration{time.Second, 2 * time.Second}
			}
			if len(c.waits) < 2 || !slices.Equal(c.waits[:2], want) {
				t.Errorf("waited %v, want first %v", c.waits, want)
			}
			if n := fake.Count("PUT", "/w"); n != 1 {
				t.Errorf("%d requests took effect, want 1", n)
			}
		})
	}
}

// A service that answers no more after it said that it is busy is given up.
func TestGivesUp(t *testing.T) {
	fake := armtest.NewBatchAI(t)
	fake.Fail(armtest.Fault{Status: 503, Times: 4}, armtest.Fault{Times: 99})
	var c clock
	_, err := open(t, fake.URL, &c).Do(t.Context(), "GET", workspace, nil, nil)
	if !errors.Is(err, deploy.ErrUnreachable) || len(c.waits) != 4 {
		t.Errorf("Do: %v after waits of %v; want %v after four", err, c.waits, deploy.ErrUnreachable)
	}
}

func TestErrors(t *testing.T) {
	const secret = `a/planted+key=="`
	for _, test := range []struct {
		name  string
		fault armtest.Fault
		kind  error
		says  []string
	}{
		{
			name:  "throttled for ever",
			fault: armtest.Fault{Status: 429, Times: 99, Code: "TooManyRequests", Message: "slow down"},
			kind:  deploy.ErrUnreachable,
			says:  []string{"HTTP 429", "TooManyRequests: slow down"},
		},
		{name: "no answer", fault: armtest.Fault{Times: 99}, kind: deploy.ErrUnreachable, says: []string{"does not answer"}},
		{
			name:  "token refused",
			fault: armtest.Fault{Status: 401, Code: "InvalidAuthenticationToken", Message: "bad"},
			kind:  deploy.ErrService,
			says:  []string{"sign in again", "HTTP 401"},
		},
		{
			name:  "no right",
			fault: armtest.Fault{Status: 403, Code: "AuthorizationFailed", Message: "no"},
			kind:  deploy.ErrService,
			says:  []string{"Contributor", "HTTP 403"},
		},
		{
			name:  "conflict",
			fault: armtest.Fault{Status: 409, Code: "Conflict", Message: "being deleted"},
			kind:  nil,
			says:  []string{"HTTP 409: Conflict: being deleted"},
		},
		{
			name:  "redirect",
			fault: armtest.Fault{Status: 307, Location: "https://elsewhere.example/", Code: "Moved"},
			kind:  deploy.ErrService,
			says:  []string{"redirects"},
		},
		{
			name:  "a secret repeated",
			fault: armtest.Fault{Status: 400, Code: "InvalidKey", Message: "the key " + secret + " is wrong"},
			kind:  nil,
			says:  []string{"the key REDACTED is wrong"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := armtest.NewBatchAI(t)
			fake.Fail(test.fault)
			client := open(t, fake.URL, new(clock))
			client.Hide(secret)
			_, err := client.Do(t.Context(), "PUT", workspace, location, nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, kind := range []error{deploy.ErrService, deploy.ErrUnreachable} {
				if errors.Is(err, kind) != (kind == test.kind) {
					t.Errorf("Do: %v; is it %v: %v, want %v", err, kind, errors.Is(err, kind), kind == test.kind)
				}
			}
			for _, text := range append(test.says, "PUT Microsoft.BatchAI/workspaces/w") {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("Do: %q, want %q in it", err, text)
				}
			}
			for _, hidden := range []string{secret, armtest.Token} {
				if strings.Contains(fmt.Sprintf("%+v", err), hidden) {
					t.Errorf("the error %q contains the secret %q", err, hidden)
				}
			}
		})
	}
}

func TestDetails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"code":"Invalid","message":"two things","target":"body","details":[
			{"code":"A","message":"first","target":"x"},{"code":"B","message":"second"}]}}`)
	}))
	defer server.Close()
	_, err := open(t, server.URL, new(clock)).Do(t.Context(), "GET", workspace, nil, nil)
	const want = "GET Microsoft.BatchAI/workspaces/w: HTTP 400: Invalid: body: two things; A: x: first; B: second"
	if err == nil || err.Error() != want {
		t.Errorf("error  %v\nwant   %s", err, want)
	}
}

// refusing is a credential without a token.
type refusing struct{}

func (refusing) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("nobody has signed in")
}

func TestNoToken(t *testing.T) {
	fake := armtest.NewBatchAI(t)
	var c clock
	client, err := arm.New(arm.Config{Endpoint: fake.URL, Credential: refusing{}, Sleep: c.sleep})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(t.Context(), "GET", workspace, nil, nil)
	if !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), "nobody has signed in") || len(c.waits) > 0 {
		t.Errorf("Do: %v after waits of %v; want %v at once", err, c.waits, deploy.ErrService)
	}
}

// A long operation that leads to another host gets no token there.
func TestTokenStaysHome(t *testing.T) {
	var asked []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	_, err := open(t, server.URL, new(clock)).Do(t.Context(), "PUT", workspace, location, nil)
	if !errors.Is(err, deploy.ErrService) || len(asked) > 0 {
		t.Errorf("Do: %v, want %v; the other host got %q, want nothing", err, deploy.ErrService, asked)
	}
}

func TestUnknownHost(t *testing.T) {
	_, err := open(t, "https://no-such-host.invalid", new(clock)).Do(t.Context(), "GET", workspace, nil, nil)
	if !errors.Is(err, deploy.ErrUnreachable) {
		t.Errorf("Do: %v, want %v", err, deploy.ErrUnreachable)
	}
}

func TestPlainHTTP(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"https://management.azure.com": true, "http://127.0.0.1:99": true, "http://[::1]:99": true,
		"http://management.azure.com": false, "http://10.0.0.1": false, "http://127.0.0.1.example": false, "management": false,
	} {
		_, err := arm.New(arm.Config{Endpoint: endpoint, Credential: arm.Token("t")})
		if (err == nil) != ok || !ok && !errors.Is(err, deploy.ErrService) {
			t.Errorf("New(%s): %v, want success: %v", endpoint, err, ok)
		}
	}
}

func TestCanceled(t *testing.T) {
	fake := armtest.NewBatchAI(t)
	ctx, cancel := context.WithCancel(t.Context())
	client, err := arm.New(arm.Config{
		Endpoint: fake.URL, APIVersion: "2018-05-01", Credential: arm.Token(armtest.Token),
		Sleep: func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(ctx, "PUT", workspace, location, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Do: %v, want %v", err, context.Canceled)
	}
}

// The fake takes no request that the service would not take.
func TestFakeIsStrict(t *testing.T) {
	for _, test := range []struct {
		name, method, path string
		body               any
		says               string
	}{
		{name: "unknown field", method: "PUT", path: workspace, body: map[string]any{"location": "x", "size": 1}, says: "no field size"},
		{name: "missing field", method: "PUT", path: workspace, body: map[string]any{}, says: "location is missing"},
		{name: "wrong type", method: "PUT", path: workspace, body: map[string]any{"location": 1}, says: "not a string"},
		{name: "name", method: "PUT", path: workspace + "!", body: location, says: "does not match"},
		{name: "version", method: "PUT", path: workspace + "?api-version=2017-01-01", body: location, says: "api-version"},
		{name: "path", method: "PUT", path: workspace + "/things/x", body: location, says: "no route"},
		{name: "method", method: "POST", path: workspace, body: location, says: "no route"},
		{name: "parameter", method: "GET", path: workspace + "?x=1", body: nil, says: "no parameter x"},
		{name: "body", method: "GET", path: workspace, body: location, says: "no body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := armtest.NewBatchAI(t)
			_, err := open(t, fake.URL, new(clock)).Do(t.Context(), test.method, test.path, test.body, nil)
			if err == nil || !strings.Contains(err.Error(), test.says) || len(fake.Problems()) != 1 {
				t.Errorf("Do: %v and problems %q, want one that says %q", err, fake.Problems(), test.says)
			}
		})
	}
}

// files serves one text under links with a signature.
func files(t *testing.T, handler http.HandlerFunc) arm.File {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return arm.File{Name: "logs/stdout.txt", Link: server.URL + "/x?sig=SIGNATURE"}
}

// breaksOff serves a text, of which the first request gets the beginning only.
func breaksOff(text string) http.HandlerFunc {
	var requests atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, text[:5])
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}
}

func TestTail(t *testing.T) {
	text := "one\ntw"
	f := files(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a token was sent with a signed link")
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
	for _, tag := range []bool{false, true} {
		text = "one\ntw"
		client := open(t, "https://management.azure.com", new(clock))
		var out strings.Builder
		tail := arm.NewTail(&out, tag)
		for _, more := range []string{"", "", "o\nthr", "ee\nfour"} {
			text += more
			if err := tail.Step(t.Context(), client, []arm.File{f}); err != nil {
				t.Fatal(err)
			}
		}
		if err := tail.End(); err != nil {
			t.Fatal(err)
		}
		want := "one\ntwo\nthree\nfour\n"
		if tag {
			want = "[logs/stdout.txt] one\n[logs/stdout.txt] two\n[logs/stdout.txt] three\n[logs/stdout.txt] four\n"
		}
		if out.String() != want {
			t.Errorf("tag %v: %q, want %q", tag, out.String(), want)
		}
	}
}

func TestReadWithoutRanges(t *testing.T) {
	f := files(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") })
	for offset, want := range map[int64]string{0: "0123456789", 7: "789", 10: "", 20: ""} {
		var b bytes.Buffer
		n, err := open(t, "https://management.azure.com", new(clock)).Read(t.Context(), f, offset, &b)
		if err != nil || b.String() != want || n != int64(len(want)) {
			t.Errorf("Read from %d: %q, %d, %v; want %q", offset, b.String(), n, err, want)
		}
	}
}

func TestReadHidesTheLink(t *testing.T) {
	f := files(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	_, err := open(t, "https://management.azure.com", new(clock)).Read(t.Context(), f, 0, new(bytes.Buffer))
	if !errors.Is(err, deploy.ErrService) || strings.Contains(err.Error(), "SIGNATURE") {
		t.Errorf("Read: %v, want %v without the signature", err, deploy.ErrService)
	}
	f.Link = "http://files.example/x?sig=SIGNATURE"
	_, err = open(t, "https://management.azure.com", new(clock)).Read(t.Context(), f, 0, new(bytes.Buffer))
	if err == nil || strings.Contains(err.Error(), "SIGNATURE") {
		t.Errorf("Read: %v, want an error without the signature", err)
	}
}

// While a job runs, what breaks off is taken up at the next look; a reader that
// has gone is the end.
func TestFollow(t *testing.T) {
	f := files(t, breaksOff("0123456789\n"))
	client := open(t, "https://management.azure.com", new(clock))
	looks := 0
	look := func(context.Context) ([]arm.File, bool, time.Duration, error) {
		looks++
		return []arm.File{f}, looks == 3, -1, nil
	}
	var out strings.Builder
	if err := client.Follow(t.Context(), arm.NewTail(&out, false), true, look); err != nil || out.String() != "0123456789\n" {
		t.Errorf("Follow: %q, %v; want the whole text", out.String(), err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(read.Close(), write.Close()); err != nil {
		t.Fatal(err)
	}
	looks = 0
	if err := client.Follow(t.Context(), arm.NewTail(write, false), true, look); !errors.Is(err, os.ErrClosed) || looks != 1 {
		t.Errorf("Follow: %v after %d looks, want %v after 1", err, looks, os.ErrClosed)
	}
}

func TestSaveGoesOnWhereItBrokeOff(t *testing.T) {
	f := files(t, breaksOff("0123456789"))
	folder := t.TempDir()
	client := open(t, "https://management.azure.com", new(clock))
	if err := client.Save(t.Context(), []arm.File{f}, folder); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(folder, "logs", "stdout.txt")); err != nil || string(text) != "0123456789" {
		t.Errorf("saved %q, %v; want the whole text", text, err)
	}
	for _, name := range []string{"../x", "/etc/x", ""} {
		if err := client.Save(t.Context(), []arm.File{{Name: name, Link: f.Link}}, folder); err == nil {
			t.Errorf("a file with the name %q was saved", name)
		}
	}
}
