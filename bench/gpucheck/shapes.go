package gpucheck

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A call costs as much as another one if it takes at most that many times as long, and
// this time more, which is for chance.
const (
	similar = 3
	chance  = 5 * time.Millisecond
)

// shapesClaims are about batches of several sizes.
func shapesClaims() []Claim {
	const limit = "at most 3 times as long as the calls after it, and 5 ms"
	return []Claim{{
		Subject: Shapes, Name: "once", Says: "A batch size is prepared in its first call, and not again in the second.", Limit: limit, Cost: 20 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			var calls []Call
			for _, size := range []int{1, 8, 32, 64} {
				for range 3 {
					calls = append(calls, Call{Capacity: size, Images: size})
				}
			}
			took, err := s.calls(ctx, calls)
			if err != nil {
				return Outcome{}, err
			}
			ok := true
			var said []string
			for i := 0; i < len(calls); i += 3 {
				ok = ok && asShort(took[i+1], took[i+2])
				said = append(said, fmt.Sprintf("batch %d: first call %s, second %s, third %s", calls[i].Images, ms(took[i]), ms(took[i+1]), ms(took[i+2])))
			}
			return measured(ok, "%s", strings.Join(said, "; "))
		},
	}, {
		Subject: Shapes, Name: "padded", Says: "A batch that is not full needs no preparation of its own.", Limit: limit, Cost: 20 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			var calls []Call
			for _, images := range []int{batch, batch, batch, 17, batch, 5, batch} {
				calls = append(calls, Call{Capacity: batch, Images: images})
			}
			took, err := s.calls(ctx, calls)
			if err != nil {
				return Outcome{}, err
			}
			ok := true
			var said []string
			full := took[2]
			for i := 3; i < len(calls); i++ {
				ok = ok && asShort(took[i], full)
				said = append(said, fmt.Sprintf("%d images %s", calls[i].Images, ms(took[i])))
			}
			return measured(ok, "%d images %s; then %s", batch, ms(full), strings.Join(said, ", "))
		},
	}}
}

// asShort reports whether a call costs as much as another one.
func asShort(took, other time.Duration) bool { return took <= similar*other+chance }

// ms returns a time in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1e3) }
