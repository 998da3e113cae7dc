package ort

import "fmt"

// makeRoom says how much memory a device has and what to do if that is too little.
func (t target) makeRoom(api capi) string {
	if t.provider == CPU {
		return "give the process more memory, or use a smaller model"
	}
	const remedy = "stop other programs that use this GPU, or choose another one with CUDA_VISIBLE_DEVICES," +
		" or a model of 16 bits, made by 'batchscore models convert --precision fp16'"
	free, total, err := api.gpuMemory(t.index)
	if err != nil {
		return remedy
	}
	const gb = 1e9
	return fmt.Sprintf("%.1f of the %.1f GB of %s:%d are free once this process has given back what it can: %s",
		float64(free)/gb, float64(total)/gb, t.provider, t.index, remedy)
}
