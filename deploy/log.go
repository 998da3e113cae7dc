package deploy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// FollowLog calls each for every line of a log file, including the line's end. It
// continues, with a pause before it looks for more lines, until ended reports
// that the job has ended. A file that does not exist yet has no lines. A last
// line without an end is passed on when the job has ended.
func FollowLog(ctx context.Context, path string, pause time.Duration,
	ended func(context.Context) (bool, error), each func(line []byte) error,
) error {
	var f *os.File
	defer func() { _ = f.Close() }() // an error means that it was never opened
	var log *bufio.Reader
	var part []byte
	return Poll(ctx, pause, func(ctx context.Context) (bool, error) {
		// Asked before the log is read: by then all that the job printed is there.
		last, err := ended(ctx)
		if err != nil {
			return false, err
		}
		if log == nil {
			switch f, err = atomicfile.OpenRegular(path); {
			case errors.Is(err, fs.ErrNotExist):
				return last, nil
			case err != nil:
				return false, err
			}
			log = bufio.NewReader(f)
		}
		for {
			text, err := log.ReadBytes('\n')
			part = append(part, text...)
			if err != nil && !errors.Is(err, io.EOF) {
				return false, err
			}
			if err != nil && !(last && len(part) > 0) {
				return last, nil
			}
			if err := each(part); err != nil {
				return false, err
			}
			part = nil
		}
	})
}

// SaveLog is Fetch for an engine that keeps nothing of a job except what its
// ranks printed: it writes that to log.txt in the folder, which it creates.
func SaveLog(ctx context.Context, l Launcher, id, folder string) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	var logs error // what came before it is kept
	err = atomicfile.WriteIn(root, "log.txt", 0o600, func(w io.Writer) error {
		logs = l.Logs(ctx, id, w, false)
		return nil
	})
	return errors.Join(logs, err)
}
