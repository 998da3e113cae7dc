package deploy

import "fmt"

// ExitStatus is the error for a job whose ranks' launcher, such as mpirun, ended
// with a code other than zero: a rank's own code, or 128 plus a signal if a rank
// was killed.
type ExitStatus struct {
	// By is the program, such as mpirun.
	By   string
	Code int
	// Ranks are those that it reported as failed, in its order.
	Ranks []int
	// Lost is the machine that was lost with these ranks; empty if none was.
	Lost string
	// Host is the machine that all of the failed ranks ran on; empty if that is not
	// known, or if there were several.
	Host string
}

func (e *ExitStatus) Error() string {
	return fmt.Sprintf("%s; %s ended with status %d", e.Cause(), e.By, e.Code)
}

// Cause returns which ranks failed.
func (e *ExitStatus) Cause() string {
	ranks := "no rank was named as failed"
	switch len(e.Ranks) {
	case 0:
	case 1:
		ranks = fmt.Sprintf("rank %d failed", e.Ranks[0])
	default:
		ranks = fmt.Sprintf("ranks %v failed", e.Ranks)
	}
	if e.Lost != "" {
		return fmt.Sprintf("%s: host %s was lost", ranks, e.Lost)
	}
	if e.Host != "" && len(e.Ranks) > 0 {
		return fmt.Sprintf("%s on host %s", ranks, e.Host)
	}
	return ranks
}

func (e *ExitStatus) Unwrap() error { return ErrRankFailed }
