package preprocess

// #include "kernel.h"
import "C"

import "os"

// InstructionsEnv names a variable that bounds the vector instructions with which images
// are resized: "avx512", "avx2", or "none". Pixels are the same with all of them. What the
// processor does not have is not used whatever it says, and another value means no bound.
const InstructionsEnv = "BATCHSCORE_SIMD"

// Which kernels need tables of their own.
const (
	kernelsWithPairs  C.int32_t = C.BS_AVX2
	kernelsWithDigits C.int32_t = C.BS_AVX512
)

// instructions returns the best kernels that this process may use, given the value of
// InstructionsEnv.
func instructions(most string) C.int32_t {
	have := C.int32_t(C.bs_kernels())
	switch most {
	case "none":
		return C.BS_GENERIC
	case "avx2":
		return min(have, C.BS_AVX2)
	}
	return have
}

// allowed is the bound that the environment sets.
func allowed() C.int32_t { return instructions(os.Getenv(InstructionsEnv)) }
