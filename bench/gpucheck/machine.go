package gpucheck

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models/device"
)

// Hardware is the machine that was checked, besides what the provenance says.
type Hardware struct {
	GPUs []GPU `json:"gpus"`
	// NUMA is the number of NUMA nodes.
	NUMA int `json:"numa_nodes"`
	// StandIn reports whether the libraries of CUDA are a stand-in that computes nothing.
	StandIn bool `json:"stand_in"`
}

// GPU is one GPU of the machine.
type GPU struct {
	Name string `json:"name"`
	Bus  string `json:"bus,omitempty"`
}

// hardware returns what this machine is.
func hardware() Hardware {
	var h Hardware
	for _, g := range device.GPUs().All {
		h.GPUs = append(h.GPUs, GPU{Name: g.Name, Bus: g.Bus})
	}
	nodes, _ := filepath.Glob("/sys/devices/system/node/node[0-9]*")
	h.NUMA = len(nodes)
	h.StandIn = h.standIn()
	return h
}

// standIn reports whether a GPU says by its name that it is a stand-in.
func (h *Hardware) standIn() bool {
	for _, g := range h.GPUs {
		name := strings.ToLower(g.Name)
		if strings.Contains(name, "stand-in") || strings.Contains(name, "cudatest") {
			return true
		}
	}
	return false
}

// names returns the names of the GPUs, each with how many there are.
func (h *Hardware) names() string {
	var order []string
	counts := map[string]int{}
	for _, g := range h.GPUs {
		name := g.Name
		if name == "" {
			name = "a GPU whose name is not known"
		}
		if counts[name] == 0 {
			order = append(order, name)
		}
		counts[name]++
	}
	for i, name := range order {
		order[i] = fmt.Sprintf("%d x %s", counts[name], name)
	}
	return strings.Join(order, ", ")
}

// machineClaims are about what the machine says of itself.
func machineClaims() []Claim {
	return []Claim{{
		Subject: Machine, Name: "gpus", Says: "The driver names every GPU of this machine.",
		Limit: "a name for each", Cost: time.Second,
		Check: func(context.Context, *Session) (Outcome, error) {
			h := hardware()
			for _, g := range h.GPUs {
				if g.Name == "" {
					return measured(false, "%s", h.names())
				}
			}
			return measured(len(h.GPUs) > 0, "%s", h.names())
		},
	}, {
		Subject: Machine, Name: "smi", Says: "nvidia-smi answers, so its whole output is in the logs.",
		Limit: "exit code 0", Cost: 5 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) { return smi(ctx, s) },
	}}
}

// doctorClaims are about what doctor finds.
func doctorClaims() []Claim {
	return []Claim{{
		Subject: Doctor, Name: "device", Says: "Every GPU computes a small network as the CPU does (doctor --device).",
		Limit: "exit code 0", Cost: 20 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			e, err := s.run(ctx, nil, "doctor", "--device")
			if err != nil {
				return Outcome{}, err
			}
			if err := e.expect(0); err != nil {
				return Outcome{}, err
			}
			return measured(true, "every GPU can be used")
		},
	}}
}

// smi keeps the output of nvidia-smi.
func smi(ctx context.Context, s *Session) (Outcome, error) {
	program, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return Outcome{}, skipf("there is no nvidia-smi on the PATH")
	}
	e, err := s.other(ctx, program, "-q")
	if err != nil {
		return Outcome{}, err
	}
	return measured(true, "its output is in %s", e.command.Log)
}
