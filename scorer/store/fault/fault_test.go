package fault_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store/fault"
)

const size = 300_000

// server answers every GET with size bytes, every path under /chunked/ in
// chunks, and counts the PUTs that took effect.
type server struct {
	*httptest.Server
	puts atomic.Int64
	body []byte
}

func serve(t *testing.T) *server {
	s := &server{body: bytes.Repeat([]byte("pixel"), size/5)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.Method == http.MethodPut {
			s.puts.Add(1)
			w.Header().Set("X-Got", fmt.Sprint(len(got)))
			w.WriteHeader(http.StatusCreated)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/chunked/") {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		_, _ = w.Write(s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

// ways are the two ways to inject faults before a server: each returns a client
// and the address to use.
var ways = map[string]func(t *testing.T, s *server, schedule fault.Schedule) (*http.Client, string, *fault.Injected){
	"transport": func(t *testing.T, s *server, schedule fault.Schedule) (*http.Client, string, *fault.Injected) {
		tr := &fault.Transport{Next: s.Client().Transport, Schedule: schedule}
		return newClient(tr), s.URL, &tr.Injected
	},
	"proxy": func(t *testing.T, s *server, schedule fault.Schedule) (*http.Client, string, *fault.Injected) {
		p := proxy(t, s, fault.ProxyOptions{Schedule: schedule, StallFor: time.Millisecond})
		return newClient(fresh(t)), "http://" + p.Addr(), &p.Injected
	},
}

func proxy(t *testing.T, s *server, opt fault.ProxyOptions) *fault.Proxy {
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := fault.NewProxy(u.Host, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func fresh(t *testing.T) http.RoundTripper {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func newClient(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func always(f fault.Fault) fault.Schedule { return func(fault.Request) fault.Fault { return f } }

func do(client *http.Client, method, url string, body string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp, got, err
}

func TestPassesOnWithoutFaults(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			client, base, injected := way(t, s, nil)
			for _, path := range []string{"/plain/a%2Fb", "/chunked/x?y=z"} {
				if resp, got, err := do(client, "GET", base+path, ""); err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(got, s.body) {
					t.Errorf("GET %s: %d bytes, %v; want %d", path, len(got), err, size)
				}
			}
			if resp, got, err := do(client, "HEAD", base+"/plain", ""); err != nil || resp.ContentLength != size || len(got) != 0 {
				t.Errorf("HEAD: %v, %v; want a length of %d", resp, err, size)
			}
			for _, n := range []int{0, 1, 200_000} {
				resp, _, err := do(client, "PUT", base+"/plain", strings.Repeat("x", n))
				if err != nil || resp.StatusCode != http.StatusCreated || resp.Header.Get("X-Got") != fmt.Sprint(n) {
					t.Errorf("PUT of %d bytes: %v, %v; want 201", n, resp, err)
				}
			}
			if injected.Requests() != 6 || len(injected.Counts()) != 0 {
				t.Errorf("%d requests with the faults %v, want 6 without", injected.Requests(), injected.Counts())
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, way := range ways {
		for _, test := range []struct {
			fault  fault.Fault
			status int
			header string
			value  string
		}{
			{fault: fault.Fault{Kind: fault.Throttle}, status: 429, header: "Retry-After", value: ""},
			{fault: fault.Fault{Kind: fault.Throttle, After: 1500 * time.Millisecond}, status: 429, header: "Retry-After", value: "2"},
			{fault: fault.Fault{Kind: fault.Busy, After: time.Minute}, status: 503, header: "Retry-After", value: "60"},
			{fault: fault.Fault{Kind: fault.ServerError}, status: 500, header: "x-ms-error-code", value: "InternalError"},
			{fault: fault.Fault{Kind: fault.Redirect, Location: "http://else.invalid/"}, status: 307, header: "Location", value: "http://else.invalid/"},
		} {
			t.Run(fmt.Sprintf("%s/%v/%v", name, test.fault.Kind, test.fault.After), func(t *testing.T) {
				s := serve(t)
				client, base, injected := way(t, s, always(test.fault))
				resp, _, err := do(client, "PUT", base, strings.Repeat("x", 100_000))
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != test.status || resp.Header.Get(test.header) != test.value {
					t.Errorf("%s with %v, want %d with %s: %s", resp.Status, resp.Header, test.status, test.header, test.value)
				}
				if s.puts.Load() != 0 {
					t.Error("the request took effect")
				}
				if got := injected.Counts(); !maps.Equal(got, map[fault.Kind]int{test.fault.Kind: 1}) {
					t.Errorf("Counts() = %v, want one %v", got, test.fault.Kind)
				}
			})
		}
	}
}

func TestBodiesBreakWhereTheyShould(t *testing.T) {
	for name, way := range ways {
		for _, kind := range []fault.Kind{fault.Reset, fault.Truncate, fault.Stall} {
			if name == "transport" && kind == fault.Stall {
				continue // ends with the request's context: see below
			}
			for at, want := range map[float64]int{0: 0, 0.5: size / 2, 1: size - 1} {
				t.Run(fmt.Sprintf("%s/%v/%v", name, kind, at), func(t *testing.T) {
					s := serve(t)
					client, base, _ := way(t, s, always(fault.Fault{Kind: kind, At: at}))
					_, got, err := do(client, "GET", base, "")
					if err == nil {
						t.Fatal("the body came whole")
					}
					// A reset may overtake what was sent before it.
					if len(got) > want || kind == fault.Truncate && len(got) != want || !bytes.Equal(got, s.body[:len(got)]) {
						t.Errorf("%d bytes before %v, want %d", len(got), err, want)
					}
				})
			}
		}
	}
}

func TestStallEndsWithTheContext(t *testing.T) {
	s := serve(t)
	tr := &fault.Transport{Next: s.Client().Transport, Schedule: always(fault.Fault{Kind: fault.Stall, At: 0.5})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newClient(tr).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, size/2)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
		t.Error("the body continues after its context ended")
	}
}

func TestLostAnswersTookEffect(t *testing.T) {
	for name, way := range ways {
		for kind, want := range map[fault.Kind]int64{fault.Lost: 1, fault.Refuse: 0} {
			t.Run(fmt.Sprintf("%s/%v", name, kind), func(t *testing.T) {
				s := serve(t)
				client, base, injected := way(t, s, always(fault.Fault{Kind: kind}))
				if _, _, err := do(client, "PUT", base, "body"); err == nil {
					t.Error("an answer came")
				}
				if s.puts.Load() != want*int64(injected.Requests()) {
					t.Errorf("%d PUTs of %d requests took effect, want %d of each", s.puts.Load(), injected.Requests(), want)
				}
			})
		}
	}
}

func TestMixIsFixedByItsSeed(t *testing.T) {
	all := []fault.Kind{fault.Throttle, fault.Busy, fault.ServerError, fault.Reset, fault.Truncate, fault.Stall,
		fault.Lost, fault.Refuse, fault.Redirect, fault.Slow}
	m := fault.Mix{Seed: 42, Share: 0.25, Kinds: all, After: []time.Duration{0, time.Second}, Delay: []time.Duration{time.Second}, Last: 4000}
	draw := func(m fault.Mix, method string) (faults []fault.Fault) {
		s := m.Schedule()
		for n := range 5000 {
			faults = append(faults, s(fault.Request{N: n, Method: method}))
		}
		return faults
	}
	puts := draw(m, "PUT")
	if !slices.Equal(puts, draw(m, "PUT")) {
		t.Error("the same seed gave two schedules")
	}
	other := m
	other.Seed = 43
	if slices.Equal(puts, draw(other, "PUT")) {
		t.Error("two seeds gave one schedule")
	}
	count := map[fault.Kind]int{}
	for n, f := range puts {
		count[f.Kind]++
		if n >= m.Last && f.Kind != fault.None {
			t.Fatalf("request %d has the fault %v, want none from %d on", n, f.Kind, m.Last)
		}
	}
	if hit := 5000 - count[fault.None]; hit < 900 || hit > 1100 || len(count) != len(all)+1 {
		t.Errorf("the faults of 4000 requests are %v, want about 1000 of all kinds", count)
	}
	for n, f := range draw(m, "GET") {
		if f.Kind == fault.Lost || puts[n].Kind != fault.Lost && puts[n] != f {
			t.Fatalf("request %d: %v for a GET and %v for a PUT, want the same or Reset for Lost", n, f, puts[n])
		}
	}
}

func TestProxyIsSharedByManyClients(t *testing.T) {
	s := serve(t)
	p := proxy(t, s, fault.ProxyOptions{Latency: time.Millisecond, BytesPerSecond: 1 << 30})
	client := newClient(fresh(t))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, got, err := do(client, "GET", "http://"+p.Addr(), ""); err != nil || !bytes.Equal(got, s.body) {
					t.Errorf("%d bytes, %v; want %d", len(got), err, size)
				}
			}
		})
	}
	wg.Wait()
	if p.Requests() != 40 {
		t.Errorf("%d requests, want 40", p.Requests())
	}
}

func TestProxyEndsByItself(t *testing.T) {
	s := serve(t)
	p := proxy(t, s, fault.ProxyOptions{Schedule: always(fault.Fault{Kind: fault.Stall}), StallFor: time.Hour, Life: time.Millisecond})
	if _, _, err := do(newClient(fresh(t)), "GET", "http://"+p.Addr(), ""); err == nil {
		t.Error("an answer came through a proxy whose life is over")
	}
}
