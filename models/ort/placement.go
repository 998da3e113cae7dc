package ort

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// providerNames are ONNX Runtime's names of the providers.
var providerNames = map[string]string{
	CPU:      "CPUExecutionProvider",
	CUDA:     "CUDAExecutionProvider",
	TensorRT: "TensorrtExecutionProvider",
}

// heavy are the operators that take the time of a network. ONNX Runtime places
// small ones, which compute shapes, on the CPU on purpose.
var heavy = []string{"Conv", "FusedConv", "Gemm", "MatMul", "FusedMatMul", "ConvTranspose"}

// checkPlacement makes sure that ONNX Runtime has put the work of the session
// on the provider asked for.
func (e *Engine) checkPlacement(provider string) error {
	if provider == CPU {
		return nil
	}
	nodes, err := e.api.assigned(e.native)
	if err != nil {
		return fmt.Errorf("%w: which device runs what: %w", models.ErrProvider, err)
	}
	return judgePlacement(provider, nodes)
}

// judgePlacement takes the number of nodes by ONNX Runtime's provider name and
// by operator.
func judgePlacement(provider string, nodes map[string]map[string]int) error {
	if len(nodes[providerNames[provider]]) == 0 {
		return fmt.Errorf("%w: ONNX Runtime placed no part of the model on %s", models.ErrProvider, provider)
	}
	var onCPU []string
	for operator, n := range nodes[providerNames[CPU]] {
		if slices.Contains(heavy, operator) {
			onCPU = append(onCPU, fmt.Sprintf("%d %s", n, operator))
		}
	}
	if len(onCPU) > 0 {
		slices.Sort(onCPU)
		return fmt.Errorf("%w: ONNX Runtime would run %s on the CPU instead of %s", models.ErrProvider,
			strings.Join(onCPU, ", "), provider)
	}
	return nil
}
