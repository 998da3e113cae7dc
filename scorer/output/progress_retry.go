package output

import "context"

// lookAtRetry tells of the retry that is under way on a complete output, if one is.
func (o *Observer) lookAtRetry(ctx context.Context, p *Progress, s *Success) error {
	r, err := ReadRetries(ctx, o.st)
	if err != nil {
		return err
	}
	n := r.Complete
	if r.Begun != nil {
		n++
	} else if n <= s.Generation() {
		o.retry = nil
		return nil
	}
	if o.retry == nil || o.retrying != n {
		o.retry, o.retrying = Observe(Generation(o.st, n)), n
		o.retry.me, o.retry.now = o.me, o.now
	}
	retry, err := o.retry.Look(ctx)
	if err != nil {
		return err
	}
	p.Stage, p.Retry, p.Ranks = Retrying, &retry, retry.Ranks
	p.Rate, p.LeftSeconds, p.MakespanSeconds = retry.Rate, retry.LeftSeconds, 0
	return nil
}
