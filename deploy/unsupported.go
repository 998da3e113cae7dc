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

// Lacking returns the error of a field of the job, or of a setting in service.yaml,
// without which the engine cannot start the job: what says how to add it. It wraps ErrUnsupported, which its message leaves
// out: the engine supports the job once the field is there.
func Lacking(engine, field, what string, args ...any) error {
	return lacking(fmt.Sprintf("%s: %s: %s", engine, field, fmt.Sprintf(what, args...)))
}

type lacking string

func (e lacking) Error() string { return string(e) }

func (e lacking) Unwrap() error { return ErrUnsupported }

// CheckMounts returns ErrUnsupported for the mounts that would show a folder under
// another path. It is for engines that mount nothing.
func CheckMounts(engine string, job Job) error {
	var faults Faults
	for _, m := range job.Mounts {
		if m.Source != m.Path {
			faults.Add(Unsupported(engine, "mounts",
				"%s at %s: this engine mounts nothing; ranks see the folders of their nodes under the same paths", m.Source, m.Path))
		}
	}
	return faults.Err()
}

// CheckSecrets returns ErrUnsupported for the secrets whose sources are not of the
// kinds that the engine takes. Kinds are named as in job.yaml.
func CheckSecrets(engine string, job Job, kinds ...string) error {
	var faults Faults
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		if kind, _ := job.Secrets[name].Kind(); !slices.Contains(kinds, kind) {
			faults.Add(Unsupported(engine, "secrets",
				"%s comes from %s, and this engine takes secrets from %s only", name, kind, strings.Join(kinds, " or ")))
		}
	}
	return faults.Err()
}
