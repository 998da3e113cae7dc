package engines

import (
	"slices"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
)

func TestNames(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("Names() = %q, want different names in their order", names)
	}
	for _, name := range names {
		if d, found := Find(name); !found || d.Name != name {
			t.Errorf("Find(%q) = %q, %v", name, d.Name, found)
		}
	}
	if d, found := Find("elsewhere"); found {
		t.Errorf("Find(elsewhere) = %q, want none", d.Name)
	}
	suits := func(d deploy.Driver) bool { return d.Clusters }
	cloud := func(d deploy.Driver) bool { return !d.SharedFiles }
	for _, d := range All {
		if got, want := slices.Contains(Names(suits, cloud), d.Name), d.Clusters && !d.SharedFiles; got != want {
			t.Errorf("%s is named among engines of a cloud with clusters: %v, want %v", d.Name, got, want)
		}
	}
}

// TestTraits checks traits that are read from the types of the launchers.
func TestTraits(t *testing.T) {
	for _, test := range []struct {
		engine                          string
		clusters, exporter, sharedFiles bool
		schedules                       bool
	}{
		{engine: "azureml", clusters: true, exporter: true, schedules: true},
		{engine: "batchai", clusters: true},
		{engine: "kubernetes", schedules: true},
		{engine: "local", sharedFiles: true},
		{engine: "slurm", sharedFiles: true},
	} {
		t.Run(test.engine, func(t *testing.T) {
			d, _ := Find(test.engine)
			if d.Schedules != test.schedules {
				t.Errorf("schedules %v, want %v", d.Schedules, test.schedules)
			}
			if d.Example == "" {
				t.Error("it has no example of job.yaml")
			}
			if d.Clusters != test.clusters || d.Exporter != test.exporter || d.SharedFiles != test.sharedFiles {
				t.Errorf("clusters %v, exporter %v, shared files %v; want %v, %v, %v",
					d.Clusters, d.Exporter, d.SharedFiles, test.clusters, test.exporter, test.sharedFiles)
			}
		})
	}
}

// TestFlags checks that every flag replaces a setting that its engine has.
func TestFlags(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	owner := map[string]string{}
	for _, d := range All {
		for _, flag := range d.Flags {
			t.Run(flag.Name, func(t *testing.T) {
				if other := owner[flag.Name]; other != "" {
					t.Errorf("both %s and %s have the flag --%s", other, d.Name, flag.Name)
				}
				owner[flag.Name] = d.Name
				value := flag.Value
				if value == nil {
					value = "text"
				}
				var section yaml.Node
				if err := section.Encode(map[string]any{flag.Setting: value}); err != nil {
					t.Fatal(err)
				}
				if _, err := d.Open(&section); err != nil {
					t.Errorf("%s does not open with %s: %v: %v", d.Name, flag.Setting, value, err)
				}
			})
		}
	}
}

func TestOpenRefusesUnknownSettings(t *testing.T) {
	for _, d := range All {
		t.Run(d.Name, func(t *testing.T) {
			var section yaml.Node
			if err := section.Encode(map[string]any{"colour": "red"}); err != nil {
				t.Fatal(err)
			}
			const want = `there is no field "colour"`
			if _, err := d.Open(&section); err == nil || err.Error() != want {
				t.Errorf("Open: %v, want %s", err, want)
			}
		})
	}
}
