package ort

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// providerNames maps providers to ONNX Runtime's names for them.
var providerNames = map[string]string{
	CPU:  "CPUExecutionProvider",
	CUDA: "CUDAExecutionProvider",
}

// heavy are the operators in which a network spends its time. ONNX Runtime places
// small operators, which compute shapes, on the CPU on purpose.
var heavy = []string{
	"Conv", "FusedConv", "Gemm", "MatMul", "FusedMatMul", "ConvTranspose",
	"QLinearConv", "ConvInteger", "QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QGemm",
}

// checkPlacement checks that ONNX Runtime has placed the work of the session on the
// requested provider.
func (e *Engine) checkPlacement(provider string) error {
	if provider == CPU {
		return nil
	}
	nodes, err := e.api.assigned(e.native)
	if err != nil {
		return fmt.Errorf("%w: read the operator placement: %w", models.ErrProvider, err)
	}
	return judgePlacement(provider, nodes)
}

// judgePlacement checks the number of nodes, which is given by ONNX Runtime's
// provider name and by operator.
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
