package ort

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
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
func (e *Engine) checkPlacement(provider string, opt Options) error {
	if provider == CPU {
		return nil
	}
	nodes, err := e.api.assigned(e.native)
	if err != nil {
		return fmt.Errorf("%w: read the operator placement: %w", models.ErrProvider, err)
	}
	if n := unordered(nodes, opt); n > 0 {
		event.ModelUnordered.On(opt.Logger).Str("model", e.model.Path).Int("nodes", n).
			Msg("the model was saved after ONNX Runtime's optimizer had fused its convolutions (FusedConv)," +
				" which on a GPU may use memory before it is cleared: use the model from before that")
	}
	return judgePlacement(provider, nodes)
}

// unordered returns how many nodes on a GPU clear memory on a stream that is not in order
// with that of their kernels. Settings avoid it for convolutions that ONNX Runtime itself
// fuses, and not for those that are fused in the model's file.
func unordered(nodes map[string]map[string]int, opt Options) int {
	if opt.NHWC {
		return 0
	}
	return nodes[providerNames[CUDA]]["FusedConv"]
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
