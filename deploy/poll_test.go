package deploy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPollFor(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name  string
		look  func(n int) (bool, error)
		limit time.Duration
		done  bool
		err   error
		looks int
		took  time.Duration
	}{
		{name: "at once", look: func(int) (bool, error) { return true, nil }, limit: time.Hour, done: true, looks: 1},
		{name: "later", look: func(n int) (bool, error) { return n == 3, nil }, limit: time.Hour, done: true, looks: 3, took: 2 * time.Minute},
		{name: "too late", look: func(int) (bool, error) { return false, nil }, limit: 90 * time.Second, looks: 2, took: 90 * time.Second},
		{name: "an error", look: func(int) (bool, error) { return false, broken }, limit: time.Hour, err: broken, looks: 1},
		{
			name: "an error after the time is up", limit: time.Second, err: broken, looks: 1, took: time.Minute,
			look: func(int) (bool, error) { time.Sleep(time.Minute); return false, broken },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, looks := time.Now(), 0
				done, err := PollFor(t.Context(), test.limit, time.Minute, func(context.Context) (bool, error) {
					looks++
					return test.look(looks)
				})
				if done != test.done || !errors.Is(err, test.err) || looks != test.looks || time.Since(start) != test.took {
					t.Errorf("PollFor = %v, %v after %d looks and %v, want %v, %v after %d and %v",
						done, err, looks, time.Since(start), test.done, test.err, test.looks, test.took)
				}
			})
		})
	}
}

func TestPollEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	look := func(context.Context) (bool, error) { looks++; cancel(); return false, nil }
	if err := Poll(ctx, time.Hour, look); !errors.Is(err, context.Canceled) || looks != 1 {
		t.Errorf("Poll: %v after %d looks, want %v after 1", err, looks, context.Canceled)
	}
	if done, err := PollFor(ctx, time.Hour, time.Hour, look); done || !errors.Is(err, context.Canceled) {
		t.Errorf("PollFor = %v, %v, want false, %v", done, err, context.Canceled)
	}
}
