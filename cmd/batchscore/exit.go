package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

const exitCodesHelp = `Exit codes:
  0    complete: every image has its row
  1    fatal error
  3    finished, but more images failed than --max-errors allows
  10   manifest, model, record or part does not match the output folder
  11   the output folder belongs to another job
  64   wrong usage
  75   try again: storage, disk, deadline, budget, a service that does not answer,
       or chunks of other ranks still missing
  78   configuration: no images, credentials, rank variables, provider, model,
       service.yaml, or what an engine cannot do
  130  interrupted (SIGINT); what was committed stands
  143  stopped (SIGTERM, SIGUSR1), resumable
Any other code means failure.`

// exitCode is the one place where errors become exit codes. sig is the signal
// that stopped the command, if one did.
func exitCode(err error, sig os.Signal) int {
	var ranks *shard.ConfigError
	var launched *deploy.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.Is(err, scorer.ErrStopped), sig != nil && errors.Is(err, context.Canceled):
		return stopCode(sig)
	case errors.Is(err, errUsage):
		return 64
	case errors.Is(err, scorer.ErrTooManyFailed):
		return 3
	case errors.Is(err, output.ErrMismatch), errors.Is(err, claim.ErrVanished):
		return 10
	case errors.Is(err, output.ErrOtherJob):
		return 11
	case errors.As(err, &ranks), errors.Is(err, errConfig),
		errors.Is(err, models.ErrModel), errors.Is(err, models.ErrProvider),
		errors.Is(err, listing.ErrNoImages), errors.Is(err, deploy.ErrNoEngine),
		errors.Is(err, deploy.ErrService), errors.Is(err, deploy.ErrUnsupported),
		errors.Is(err, deploy.ErrNoJob), errors.Is(err, deploy.ErrNoCluster),
		errors.Is(err, record.ErrNone), errors.Is(err, record.ErrAmbiguous),
		errors.Is(err, store.ErrDenied), errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrUnfit),
		errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return 78
	case errors.As(err, &launched) && launched.Code == 143 && sig != nil:
		return stopCode(sig) // ranks are drained by other signals than this command got
	case errors.As(err, &launched) && known(launched.Code):
		return launched.Code
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, output.ErrIncomplete),
		errors.Is(err, scorer.ErrPaused), errors.Is(err, deploy.ErrUnreachable),
		errors.Is(err, deploy.ErrRankFailed), diskFull(err):
		return 75
	}
	return 1
}

// diskFull reports whether err is one of a file that can be written again once
// somebody has made room for it.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// known reports whether code is one that a worker gives to say what to do next.
func known(code int) bool {
	return code == 130 || slices.Contains(deploy.FinalCodes, code) || slices.Contains(deploy.RetryCodes, code)
}
