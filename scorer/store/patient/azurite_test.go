package patient_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/fault"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// transient are the faults that a patient store survives, except stalls.
var transient = []fault.Kind{fault.Throttle, fault.Busy, fault.ServerError, fault.Reset, fault.Truncate,
	fault.Lost, fault.Refuse, fault.Slow}

// losing loses the answer of every tenth create, replace and block that succeeds.
type losing struct {
	http.RoundTripper
	successes atomic.Int64
}

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPut && resp.StatusCode == http.StatusCreated && l.successes.Add(1)%10 == 0 {
		resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return resp, err
}

// TestConformsBeforeAzurite runs the suite while some reads and listings fail, and
// some writes lose their answer. No write fails before it takes effect: the suite
// does not expect what a patient store makes of that.
func TestConformsBeforeAzurite(t *testing.T) {
	server := azuritetest.Start(t)
	reads := fault.Mix{Seed: 5, Share: 0.1, Kinds: []fault.Kind{fault.Busy, fault.Reset, fault.Truncate}}.Schedule()
	schedule := func(r fault.Request) fault.Fault {
		if r.Method == http.MethodGet {
			return reads(r)
		}
		return fault.Fault{}
	}
	storetest.Suite{
		Open: func(t *testing.T) store.Store {
			o := server.Options(t, server.Container(t), "")
			o.Transport = &losing{RoundTripper: &fault.Transport{Schedule: schedule}}
			return patient.New(azuritetest.Open(t, o), patient.Options{First: time.Microsecond, Longest: time.Microsecond})
		},
		Abilities: []storetest.Ability{storetest.Ranges, storetest.Streams, storetest.Replaces, storetest.StreamReplaces, storetest.Meters,
			storetest.Makes, storetest.Reached, storetest.Neighbors, storetest.Folders},
		Refuses: func(name string) bool {
			return !utf8.ValidString(name) || strings.ContainsAny(name, "\x07\\") || utf8.RuneCountInString(name) > 1024
		},
	}.Run(t)
}

// TestFaultsBeforeAzurite writes, lists and reads while a quarter of all requests
// fail, and then looks at what is really there.
func TestFaultsBeforeAzurite(t *testing.T) {
	server := azuritetest.Start(t)
	mix := fault.Mix{Seed: 4, Share: 0.25, Kinds: transient, Delay: []time.Duration{time.Millisecond}}
	// A stall takes real time, so there are few.
	schedule := fault.First(mix.Schedule(), func(r fault.Request) fault.Fault {
		if r.N%70 == 35 {
			return fault.Fault{Kind: fault.Stall, At: 0.5}
		}
		return fault.Fault{}
	})
	for name, open := range map[string]func(t *testing.T, o azblob.Options) (store.Store, *fault.Injected){
		"transport": func(t *testing.T, o azblob.Options) (store.Store, *fault.Injected) {
			tr := &fault.Transport{Schedule: schedule}
			o.Transport = tr
			return azuritetest.Open(t, o), &tr.Injected
		},
		"proxy": func(t *testing.T, o azblob.Options) (store.Store, *fault.Injected) {
			p, err := fault.NewProxy(strings.TrimPrefix(server.Endpoint, "http://"), fault.ProxyOptions{Schedule: schedule})
			if err != nil {
				t.Fatal(err)
			}
			own := &http.Transport{DisableCompression: true}
			t.Cleanup(func() { own.CloseIdleConnections(); p.Close() })
			o.Endpoint, o.Transport = "http://"+p.Addr(), own
			return azuritetest.Open(t, o), &p.Injected
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := server.Options(t, server.Container(t), "out/")
			faulty, injected := open(t, o)
			// On a busy machine, a slow answer may count as a stall and cost one more try.
			st := patient.New(faulty, patient.Options{First: time.Millisecond, Longest: 20 * time.Millisecond, Stall: 2 * time.Second})
			const workers, each = 8, 12
			content := func(w, i int) string { return strings.Repeat(fmt.Sprintf("%d of %d\n", i, w), 2000) }
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					for i := range each {
						name := fmt.Sprintf("w%d/part %d", w, i)
						o, err := st.Create(t.Context(), name, []byte(content(w, i)))
						if err != nil {
							t.Errorf("create %s: %v", name, err)
							return
						}
						if got, err := read(t.Context(), st, name, o.ETag); err != nil || got != content(w, i) {
							t.Errorf("read %s: %d bytes, %v; want %d", name, len(got), err, len(content(w, i)))
						}
						if _, err := st.Create(t.Context(), name, []byte("another's")); !errors.Is(err, store.ErrExist) {
							t.Errorf("create %s again: %v, want ErrExist", name, err)
						}
					}
				})
			}
			wg.Wait()
			listed := map[string]int{}
			if err := st.List(t.Context(), "", func(o store.Object) error { listed[o.Name]++; return nil }); err != nil {
				t.Error(err)
			}
			direct := azuritetest.Open(t, o)
			stored := 0
			if err := direct.List(t.Context(), "", func(o store.Object) error {
				stored++
				if listed[o.Name] != 1 {
					t.Errorf("%s was listed %d times, want once", o.Name, listed[o.Name])
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			for w := range workers {
				for i := range each {
					if got, err := read(t.Context(), direct, fmt.Sprintf("w%d/part %d", w, i), ""); err != nil || got != content(w, i) {
						t.Errorf("part %d of worker %d: %d bytes are stored, %v; want %d", i, w, len(got), err, len(content(w, i)))
					}
				}
			}
			if stored != workers*each {
				t.Errorf("%d objects are stored, want %d", stored, workers*each)
			}
			s, counts := st.Stats(), injected.Counts()
			t.Logf("%d requests, faults %v; %+v", injected.Requests(), counts, s)
			if len(counts) != len(transient)+1 {
				t.Errorf("the faults were %v, want %d kinds", counts, len(transient)+1)
			}
			if s.GaveUp != 0 || s.Resumed == 0 || s.Settled == 0 || s.UnderWay != 0 || s.Stalls == 0 || s.Throttled == 0 {
				t.Errorf("unexpected statistics: %+v", s)
			}
		})
	}
}

// TestFault02_Streams creates blobs in pieces, of none, one and several blocks,
// while every second request loses its answer or is refused.
func TestFault02_Streams(t *testing.T) {
	server := azuritetest.Start(t)
	for _, kind := range []fault.Kind{fault.Lost, fault.Refuse, fault.Busy} {
		for _, pieces := range []int{0, 1, 5} { // of 4 MiB; a block has 8
			t.Run(fmt.Sprintf("%v/%d", kind, pieces), func(t *testing.T) {
				o := server.Options(t, server.Container(t), "")
				direct := azuritetest.Open(t, o)
				o.Transport = &fault.Transport{Schedule: func(r fault.Request) fault.Fault {
					if r.N%2 == 0 && r.Method == http.MethodPut {
						return fault.Fault{Kind: kind}
					}
					return fault.Fault{}
				}}
				st := patient.New(azuritetest.Open(t, o), patient.Options{First: time.Millisecond})
				body := strings.Repeat("merged\n", 4<<20/7)
				write := func(w io.Writer) error {
					for range pieces {
						if _, err := io.WriteString(w, body); err != nil {
							return err
						}
					}
					return nil
				}
				made, err := store.CreateFrom(t.Context(), st, "labels", write)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := read(t.Context(), direct, "labels", made.ETag); err != nil || got != strings.Repeat(body, pieces) {
					t.Errorf("%d bytes are stored, %v; want %d", len(got), err, pieces*len(body))
				}
				if _, err := store.CreateFrom(t.Context(), st, "labels", func(w io.Writer) error {
					_, err := io.WriteString(w, "another's")
					return err
				}); !errors.Is(err, store.ErrExist) {
					t.Errorf("create again: %v, want ErrExist", err)
				}
				if s := st.Stats(); s.Retries == 0 || s.UnderWay != 0 {
					t.Errorf("unexpected statistics: %+v", s)
				}
			})
		}
	}
}

// TestFault12_ReplacedWhileBroken breaks the body of a blob in the middle. It is
// continued where it broke, unless the blob was replaced meanwhile.
func TestFault12_ReplacedWhileBroken(t *testing.T) {
	server := azuritetest.Start(t)
	for _, replaced := range []bool{false, true} {
		container := server.Container(t)
		o := server.Options(t, container, "")
		made, err := azuritetest.Open(t, o).Create(t.Context(), "image", someBody(0))
		if err != nil {
			t.Fatal(err)
		}
		tr := &fault.Transport{Schedule: func(r fault.Request) fault.Fault {
			if r.N == 0 {
				return fault.Fault{Kind: fault.Reset, At: 0.5}
			}
			if replaced {
				if _, err := server.Client().NewContainerClient(container).NewBlockBlobClient("image").
					UploadBuffer(t.Context(), someBody(1), nil); err != nil {
					t.Error(err)
				}
			}
			return fault.Fault{}
		}}
		o.Transport = tr
		st := patient.New(azuritetest.Open(t, o), patient.Options{First: time.Millisecond})
		got, err := read(t.Context(), st, "image", made.ETag)
		switch {
		case replaced && (!errors.Is(err, store.ErrChanged) || got != string(someBody(0)[:bodySize/2])):
			t.Errorf("%d bytes, %v, want half of the first version and ErrChanged", len(got), err)
		case !replaced && (err != nil || got != string(someBody(0)) || tr.Requests() != 2):
			t.Errorf("%d bytes after %d requests, %v; want %d after 2", len(got), tr.Requests(), err, bodySize)
		}
	}
}

// TestFault31_RedirectsAreOneError: no request follows a redirect, and none is
// repeated.
func TestFault31_RedirectsAreOneError(t *testing.T) {
	server := azuritetest.Start(t)
	for _, target := range []string{"http://127.0.0.1:1/elsewhere", "https://foreign.invalid/"} {
		tr := &fault.Transport{Schedule: func(fault.Request) fault.Fault {
			return fault.Fault{Kind: fault.Redirect, Location: target}
		}}
		o := server.Options(t, server.Container(t), "")
		o.Transport = tr
		st := patient.New(azuritetest.Open(t, o), patient.Options{})
		_, err := st.Create(t.Context(), "part", []byte("rows"))
		if !errors.Is(err, store.ErrDenied) {
			t.Errorf("%v, want ErrDenied", err)
		}
		if tr.Requests() != 1 {
			t.Errorf("%d requests, want 1", tr.Requests())
		}
	}
}

// TestFault13_ExpiredInMidRun: the account's key is another one from some
// request on.
func TestFault13_ExpiredInMidRun(t *testing.T) {
	server := azuritetest.Start(t)
	container := server.Container(t)
	good := patient.New(azuritetest.Open(t, server.Options(t, container, "")), patient.Options{})
	if _, err := good.Create(t.Context(), "image", []byte("pixels")); err != nil {
		t.Fatal(err)
	}
	key := server.Key
	server.Key = strings.Repeat("A", 86) + "=="
	bad := server.Options(t, container, "")
	server.Key = key
	tr := &fault.Transport{}
	bad.Transport = tr
	st := patient.New(azuritetest.Open(t, bad), patient.Options{})
	_, err := read(t.Context(), st, "image", "")
	if !errors.Is(err, store.ErrDenied) {
		t.Errorf("%v, want ErrDenied", err)
	}
	if tr.Requests() != 1 || st.Stats().Retries != 0 {
		t.Errorf("%d requests with the statistics %+v, want one request and no retry", tr.Requests(), st.Stats())
	}
}
