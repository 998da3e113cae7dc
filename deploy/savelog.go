package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// SaveLog is Fetch for an engine that keeps nothing of a job but what its ranks
// printed: it writes that to log.txt in the folder, which is made.
func SaveLog(ctx context.Context, l Launcher, id, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, "log.txt"))
	if err != nil {
		return err
	}
	return errors.Join(l.Logs(ctx, id, f, false), f.Close())
}
