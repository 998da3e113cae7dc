package deploy

import (
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"
)

// Traits are what must be known of an engine before it is opened.
type Traits struct {
	// Name is what --to takes, and the name of the engine's section in
	// service.yaml.
	Name string
	// Example is a job.yaml that the engine accepts, for 'batchscore launch
	// --example'. Its comment shows the section of service.yaml that it needs or may
	// have; each line of the section begins with "#   ".
	Example string
	// SharedFiles is true if ranks see the files of this machine under the same
	// paths. On other engines they run in containers or on machines of a cloud,
	// which have paths of their own.
	SharedFiles bool
	// Schedules is true if the engine starts jobs by the clock.
	Schedules bool
	// Secrets are the environment variables whose values are secret: what this machine
	// signs in to the engine with.
	Secrets []string
	// Flags are the flags of 'batchscore launch' that only this engine has.
	Flags []Flag
}

// Flag is a flag of 'batchscore launch' that replaces a setting in the engine's
// section of service.yaml.
type Flag struct {
	// Name has no hyphens in front. No two engines have a flag of one name.
	Name string
	// Setting is the name of the setting, as service.yaml spells it.
	Setting string
	// Value is the setting's value if the flag takes none. It is nil if the flag takes
	// text, which becomes the value, and an int, the default, if it takes a number.
	Value any
	Usage string
}

// Driver opens the launchers of one engine. Each engine's package declares its
// own; package engines lists them.
type Driver struct {
	Traits
	// Clusters and Exporter are true if the launchers implement the interfaces of
	// those names.
	Clusters, Exporter bool

	open func(section *yaml.Node) (Launcher, error)
}

// NewDriver returns the driver of an engine. O is the type of the engine's
// section of service.yaml, L that of its launchers, a concrete one.
func NewDriver[O any, L Launcher](traits Traits, open func(O) (L, error)) Driver {
	var zero L
	_, clusters := any(zero).(Clusters)
	_, exporter := any(zero).(Exporter)
	return Driver{
		Traits: traits, Clusters: clusters, Exporter: exporter,
		open: func(section *yaml.Node) (Launcher, error) {
			var o O
			if section.Kind != 0 {
				if err := section.Load(&o, yaml.WithKnownFields()); err != nil {
					return nil, YAMLError(err)
				}
			}
			return open(o)
		},
	}
}

// Open opens a launcher with the engine's section of service.yaml, which may be
// the zero Node. It sends nothing. A field that the section does not have is an
// error.
func (d Driver) Open(section *yaml.Node) (Launcher, error) { return d.open(section) }

// StateFolder returns the folder of that name for what batchscore keeps about
// this user's jobs: batchscore/NAME in XDG_STATE_HOME, or in .local/state of the
// home folder. It need not exist yet.
func StateFolder(name string) (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // as the XDG specification has it
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the folder for job records: %w; set XDG_STATE_HOME to a folder", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "batchscore", name), nil
}
