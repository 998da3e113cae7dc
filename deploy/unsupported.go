package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Unsupported returns ErrUnsupported for a field of the job.
func Unsupported(engine, field, what string, args ...any) error {
	return fmt.Errorf("%s: %s: %s: %w", engine, field, fmt.Sprintf(what, args...), ErrUnsupported)
}

// CheckMounts returns ErrUnsupported for a mount that shows a folder under
// another path, on an engine that mounts nothing.
func CheckMounts(engine string, job Job) error {
	for _, m := range job.Mounts {
		if m.Source != m.Path {
			return Unsupported(engine, "mounts", "%s at %s: nothing is mounted here; ranks see the folders of their nodes under their own paths", m.Source, m.Path)
		}
	}
	return nil
}

// CheckSecrets returns ErrUnsupported for a secret that comes from elsewhere than
// the kinds of sources, named as in job.yaml, that an engine takes.
func CheckSecrets(engine string, job Job, kinds ...string) error {
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		if kind, _ := job.Secrets[name].Kind(); !slices.Contains(kinds, kind) {
			return Unsupported(engine, "secrets", "%s comes from %s: they come from %s here", name, kind, strings.Join(kinds, " or "))
		}
	}
	return nil
}
