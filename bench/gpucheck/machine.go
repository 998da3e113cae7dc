package gpucheck

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
)

// Hardware is the machine that was checked, besides what the provenance says.
type Hardware struct {
	GPUs []device.GPUFacts `json:"gpus"`
	// NUMA is the number of NUMA nodes.
	NUMA int `json:"numa_nodes"`
	// StandIn reports whether the libraries of CUDA are a stand-in that computes nothing.
	StandIn bool `json:"stand_in"`
}

// hardware returns what this machine is. facts are those of the GPUs that could be
// opened; of the others, the system's names are known.
func hardware(facts []device.GPUFacts) Hardware {
	h := Hardware{GPUs: facts}
	if library, err := ort.FindLibrary("", ort.CUDA); err == nil {
		h.StandIn = ort.StandIn(library)
	}
	if len(facts) == 0 {
		for _, g := range device.GPUs().All {
			h.GPUs = append(h.GPUs, device.GPUFacts{Name: g.Name})
		}
	}
	nodes, _ := filepath.Glob("/sys/devices/system/node/node[0-9]*") // the pattern is valid
	h.NUMA = len(nodes)
	return h
}

// describe returns the GPUs in words. Equal ones are counted.
func describe(gpus []device.GPUFacts) string {
	var order []string
	counts := map[string]int{}
	for _, g := range gpus {
		text := g.Model()
		if g.MemoryMB > 0 {
			text += fmt.Sprintf(", %.0f GiB", float64(g.MemoryMB)/1024)
		}
		if g.MIG {
			text += ", a MIG instance"
		}
		for _, v := range []struct{ name, version string }{{"driver", g.Driver}, {"CUDA", g.CUDA}, {"cuDNN", g.CUDNN}} {
			if v.version != "" {
				text += ", " + v.name + " " + v.version
			}
		}
		if counts[text] == 0 {
			order = append(order, text)
		}
		counts[text]++
	}
	for i, text := range order {
		if counts[text] > 1 {
			order[i] = fmt.Sprintf("%d x %s", counts[text], text)
		}
	}
	return strings.Join(order, "; ")
}

// machineClaims are about what the machine says of itself.
func machineClaims() []Claim {
	return []Claim{{
		Subject: Machine, Name: "gpus", Says: "Every GPU that this process may use can be opened, and says what it is.",
		Limit: "name, compute capability and driver of each", Cost: 20 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			facts, err := s.facts(ctx)
			if err != nil {
				return Outcome{}, err
			}
			for _, g := range facts {
				if g.Name == "" || g.Capability == "" || g.Driver == "" {
					return measured(false, "%s: not everything is known", describe(facts))
				}
			}
			return measured(true, "%s", describe(facts))
		},
	}, {
		Subject: Machine, Name: "smi", Says: "nvidia-smi answers, so its whole output is in the logs.",
		Limit: "exit code 0", Cost: 5 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			program, err := exec.LookPath("nvidia-smi")
			if err != nil {
				return Outcome{}, skipf("there is no nvidia-smi on the PATH")
			}
			e, err := s.other(ctx, program, "-q")
			if err != nil {
				return Outcome{}, err
			}
			return measured(true, "its output is in %s", e.command.Log)
		},
	}}
}

// facts returns what each GPU is that this process may use. Each is opened in a process
// of its own, as a rank does.
func (s *Session) facts(ctx context.Context) ([]device.GPUFacts, error) {
	if s.gpus != nil {
		return s.gpus, nil
	}
	model, err := s.copier(ctx)
	if err != nil {
		return nil, err
	}
	var all []device.GPUFacts
	n := device.GPUs().Visible()
	for i := range n {
		r, err := s.readings(ctx, Plan{Model: model, Lanes: 1, LocalRank: i, LocalSize: n, Calls: []Call{{Capacity: 1, Images: 1}}})
		if err == nil && (len(r) == 0 || r[0].GPU == nil) {
			err = fmt.Errorf("nothing is known of it")
		}
		if err != nil {
			return nil, fmt.Errorf("GPU %d of %d: %w", i+1, n, err)
		}
		all = append(all, *r[0].GPU)
	}
	s.gpus = all
	return all, nil
}

// failures returns what doctor found to be unusable, as one text: its lines that begin with
// FAIL, and those that continue them.
func failures(report string) string {
	var all []string
	inside := false
	for line := range strings.Lines(report) {
		if continues := strings.HasPrefix(line, " "); !continues {
			inside = strings.HasPrefix(line, "FAIL")
			if inside {
				all = append(all, "")
			}
		}
		if inside {
			last := &all[len(all)-1]
			*last = oneLine(*last + " " + strings.TrimPrefix(line, "FAIL"))
		}
	}
	return strings.Join(all, "; ")
}

// doctorClaims are about what doctor finds.
func doctorClaims() []Claim {
	return []Claim{{
		Subject: Doctor, Name: "device", Says: "Every GPU computes a small network as the CPU does (doctor --device).",
		Limit: "exit code 0", Cost: 20 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			e, err := s.run(ctx, nil, "doctor", "--device")
			if err == nil {
				err = e.expect(0)
			}
			if err != nil {
				return Outcome{}, errors.Join(err, errors.New(failures(e.stdout)))
			}
			return measured(true, "every GPU can be used")
		},
	}}
}
