package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// Message is one event.
type Message struct {
	// Event is one of the Event constants, ID the same whenever it is told again.
	Event Event
	ID    string
	// Out is the output folder, ExitCode that of the rank that tells; -1 while it runs.
	Out      string
	ExitCode int
	Body     []byte // JSON
}

// Event is what happened.
type Event string

// The events.
const (
	Complete     Event = "complete"      // every image has its row; the body is _SUCCESS
	Paused       Event = "paused"        // at a deadline or a budget
	Stopped      Event = "stopped"       // by a signal, or as the machine is taken away
	Failing      Event = "failing"       // too many images failed before the job was complete
	Failed       Event = "failed"        // for any other reason
	FirstFailure Event = "first_failure" // the first image of the job that failed
)

// Limits of telling.
const (
	// DefaultLimit is for how long one event is told, with all tries.
	DefaultLimit = time.Minute
	// mostTry is how long one try to reach a service takes.
	mostTry   = 15 * time.Second
	firstWait = time.Second
	lastWait  = 15 * time.Second
)

// Sender tells one target.
type Sender struct {
	Target Target
	// Secret signs what is sent to an address; empty for no signature.
	Secret []byte
	// Limit bounds all tries together; 0 is DefaultLimit.
	Limit time.Duration
	// Env is the environment of a command.
	Env []string
	// Version is that of this program.
	Version string
	Log     zerolog.Logger

	wait func(ctx context.Context, d time.Duration) error // nil is the real one
}

// failure is an error of one try.
type failure struct {
	error
	again bool          // another try may help
	after time.Duration // the receiver asked for that wait; 0 for none
}

func (f *failure) Unwrap() error { return f.error }

// Send tells the target, and tries again with longer and longer pauses where that may
// help. tries is how often it tried.
func (s *Sender) Send(ctx context.Context, m Message) (tries int, err error) {
	limit := s.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	end := time.Now().Add(limit)
	try := s.post
	if s.Target.address == nil {
		try = s.run
	}
	for pause := firstWait; ; pause = min(2*pause, lastWait) {
		tries++
		err := try(ctx, m)
		f := new(failure)
		if err == nil || !errors.As(err, &f) || !f.again {
			return tries, err
		}
		// Half of the pause is left to chance, so that ranks do not come back together.
		next := max(pause/2+rand.N(pause/2+1), f.after)
		if ctx.Err() != nil || time.Now().Add(next).After(end) {
			return tries, fmt.Errorf("%w; given up after %d tries within %v", err, tries, limit)
		}
		event.HookRetried.On(s.Log).Str("what", string(m.Event)).Str("to", s.Target.String()).Int("tries", tries).Float64("pause_s", next.Seconds()).
			Err(err).Msg("the hook is tried again")
		if err := s.pause(ctx, next); err != nil {
			return tries, fmt.Errorf("%w; given up after %d tries", f, tries)
		}
	}
}

func (s *Sender) pause(ctx context.Context, d time.Duration) error {
	if s.wait != nil {
		return s.wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// client follows no redirect: the document, and its signature, are for one address.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// post sends the document once.
func (s *Sender) post(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, mostTry)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Target.address.String(), bytes.NewReader(m.Body))
	if err != nil {
		return s.Target.errorf("%w", withoutAddress(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "batchscore/"+s.Version)
	req.Header.Set("X-Batchscore-Event", string(m.Event))
	req.Header.Set("X-Batchscore-Delivery", m.ID)
	req.Header.Set("X-Batchscore-Out", headerText(m.Out))
	if m.ExitCode >= 0 {
		req.Header.Set("X-Batchscore-Exit-Code", strconv.Itoa(m.ExitCode))
	}
	if len(s.Secret) > 0 {
		req.Header.Set("X-Batchscore-Signature", Signature(s.Secret, m.Body, time.Now()))
	}
	res, err := client.Do(req)
	if err != nil {
		return &failure{error: s.Target.errorf("%w", withoutAddress(err)), again: true}
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	return s.answer(res)
}

// answer returns what an answer means: nil if the event was taken.
func (s *Sender) answer(res *http.Response) error {
	code := res.StatusCode
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return s.Target.errorf("it answers %d and names another address; redirects are not followed: give the other address", code)
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		return &failure{error: s.Target.errorf("it answers %d", code), again: true, after: retryAfter(res.Header.Get("Retry-After"), time.Now())}
	}
	return s.Target.errorf("it answers %d", code)
}

// retryAfter returns how long a receiver asks to wait: seconds, or until a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// withoutAddress returns an error of net/http without the address, which may be a secret.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it did not answer in time")
	}
	return err
}

// headerText returns a text as a header can hold it: what is not printable ASCII is
// percent-encoded, and so is the percent sign.
func headerText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '%' || c == ' ' && i > 0 && i < len(s)-1 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
