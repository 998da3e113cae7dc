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
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/truth"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
	"github.com/batchscore/batchscore/shard"
)

// exitCodesHint is the paragraph of help that says where exit codes are explained.
const exitCodesHint = "'batchscore help exit-codes' says what each exit code means."

// exitCodesHelp explains the exit codes.
const exitCodesHelp = `Exit codes:
  0    complete: every image has its row; of commands that score nothing: done
  1    fatal error
  3    complete, but more images failed than --max-errors allows: by default 10% of
       at least 20 images, or all of fewer; of 'sample' and 'export': images
       were left out because they cannot be read
  4    complete, but images were added, removed or changed since they were listed;
       only with --strict-drift
  6    stopped before it was complete, because more images fail than --max-errors
       allows; the message says why, and how to continue; everything committed is kept
  7    of 'report': a figure of the result is not as --fail-on wants it; the message
       names it
  10   the output folder is damaged, or of another model or kind of device (simulated
       or real); 'batchscore repair' restores parts, _SUCCESS and digests. Only 'verify'
       ends so, too, if the job is not finished: 'batchscore run' continues it
  11   the job in the output folder has another option than those of 10, or the folder
       holds something else; the message names the flags
  64   wrong usage
  75   try again: storage, disk, deadline, budget, a service that does not answer, a
       GPU that fails during the run or whose memory does not hold one image, or
       chunks that other ranks have not finished
  78   wrong configuration: no images, credentials, rank variables, provider, model,
       service.yaml, a batch or a model too large for the machine's memory or for
       --memory-limit, something that the engine cannot do, an output to be deleted
       or changed whose rows other outputs keep, or more images gone than --max-gone
  130  interrupted (SIGINT); everything already committed is kept
  143  stopped (SIGTERM, SIGUSR1, 'jobs cancel'); start it again to continue
Any other code means failure. 'jobs status --check' has codes of its own.`

// exitCode is the only place where errors become exit codes. sig is the signal
// that stopped the command, or nil.
func exitCode(err error, sig os.Signal) int {
	var ranks *shard.ConfigError
	var small *budget.TooSmall
	var much *budget.TooMuch
	var launched *deploy.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.Is(err, scorer.ErrStopped), sig != nil && errors.Is(err, context.Canceled):
		return stopCode(sig)
	case errors.Is(err, errUsage), errors.Is(err, increment.ErrNone), errors.Is(err, store.ErrOtherStorage):
		return 64
	case errors.Is(err, scorer.ErrTooManyFailed), errors.Is(err, errLeftOut):
		return 3
	case errors.Is(err, scorer.ErrDrifted):
		return 4
	case errors.Is(err, scorer.ErrFailing):
		return 6
	case errors.Is(err, errBroken):
		return 7
	case errors.Is(err, errStillGoing):
		return 5
	case errors.Is(err, output.ErrMismatch), errors.Is(err, claim.ErrVanished):
		return 10
	case errors.Is(err, output.ErrOtherJob):
		return 11
	case errors.As(err, &ranks), errors.As(err, &small), errors.As(err, &much), errors.Is(err, errConfig),
		errors.Is(err, models.ErrModel), errors.Is(err, models.ErrProvider), errors.Is(err, models.ErrHostMemory),
		errors.Is(err, listing.ErrNoImages), errors.Is(err, deploy.ErrNoEngine),
		errors.Is(err, deploy.ErrService), errors.Is(err, deploy.ErrUnsupported),
		errors.Is(err, deploy.ErrNoJob), errors.Is(err, deploy.ErrNoCluster), errors.Is(err, scorer.ErrNoPrice),
		errors.Is(err, record.ErrNone), errors.Is(err, record.ErrAmbiguous), errors.Is(err, review.ErrTask),
		errors.Is(err, truth.ErrForm), errors.Is(err, truth.ErrContradiction), errors.Is(err, truth.ErrNoMatch),
		errors.Is(err, prune.ErrNeeded), errors.Is(err, increment.ErrGone),
		errors.Is(err, store.ErrDenied), errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrUnfit),
		errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), errors.Is(err, atomicfile.ErrNotRegular), errors.Is(err, atomicfile.ErrIrregular):
		return 78
	case errors.As(err, &launched) && launched.Code == 143 && sig != nil:
		return stopCode(sig) // ranks are drained by another signal than the one this command got
	case errors.As(err, &launched) && isWorkerCode(launched.Code):
		return launched.Code
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, output.ErrIncomplete),
		errors.Is(err, scorer.ErrPaused), errors.Is(err, deploy.ErrUnreachable),
		errors.Is(err, deploy.ErrRankFailed), errors.Is(err, nvimgcodec.ErrFailed),
		errors.Is(err, models.ErrDevice), errors.Is(err, models.ErrOutOfMemory), diskFull(err),
		errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return 75
	}
	return 1
}

// diskFull reports whether err says that a file cannot be written until someone
// makes room for it.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// isWorkerCode reports whether code is one by which a worker says what to do next.
func isWorkerCode(code int) bool {
	return code == 130 || slices.Contains(deploy.FinalCodes, code) || slices.Contains(deploy.RetryCodes, code)
}
