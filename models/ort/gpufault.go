package ort

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
)

// gpuBroken reports that CUDA is unusable in this process, for every engine in it.
var gpuBroken atomic.Bool

// noteFault explains an error of ONNX Runtime or CUDA on a GPU, and notes if CUDA is
// unusable from then on. The errors of all native calls of an engine that computes on a
// GPU pass through it, or through findFault.
func (e *Engine) noteFault(err error) error {
	if err == nil || !e.rebind {
		return err
	}
	return e.target.explainRun(e.findFault(err))
}

// findFault notes if an error means that CUDA is unusable in this process. ONNX Runtime's
// allocators say of every error that there is no memory: then it returns CUDA's own.
func (e *Engine) findFault(err error) error {
	if err == nil || !e.rebind {
		return err
	}
	if f, _ := parseFault(err); f.lasts() {
		gpuBroken.Store(true)
		return err
	}
	if !errors.Is(classify(err), models.ErrOutOfMemory) {
		return err
	}
	if why := e.lastingFault(); why != nil {
		return &plainError{why.Error(), err}
	}
	return err
}

// lastingFault returns the error with which every call of CUDA fails, and notes it; nil if
// there is none.
func (e *Engine) lastingFault() error {
	_, _, err := e.target.memory()
	if err == nil {
		return nil
	}
	if f, _ := parseFault(err); !f.lasts() {
		return nil
	}
	gpuBroken.Store(true)
	return err
}

// noMemory returns the error of an allocation of the machine's memory that failed.
func (e *Engine) noMemory(err error) error {
	if err = e.noteFault(err); gpuBroken.Load() {
		return fmt.Errorf("%w: %w", models.ErrDevice, err)
	}
	return fmt.Errorf("%w: %w", models.ErrHostMemory, err)
}

// gpuFault is an error of CUDA or of one of its libraries, as ONNX Runtime reports it.
type gpuFault struct {
	library string // CUDA, CUDNN, CUDNN_FE (cuDNN's front end), CUBLAS ...
	code    int
	text    string // the library's description, or the name of the code
}

func (f gpuFault) String() string { return fmt.Sprintf("%s failure %d: %s", f.library, f.code, f.text) }

// is reports whether the error is one of these of the CUDA runtime.
func (f gpuFault) is(codes ...int) bool {
	return f.library == "CUDA" && slices.Contains(codes, f.code)
}

// After these errors of the CUDA runtime no call of CUDA succeeds any more in the process.
var (
	damaged   = []int{214, 220, 226} // memory or links
	brokenOff = []int{700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721}
)

// lasts reports whether no call of CUDA succeeds any more in this process.
func (f gpuFault) lasts() bool { return f.is(damaged...) || f.is(brokenOff...) }

// namedCodes are the codes of CUDA's errors that some of ONNX Runtime's messages only
// name.
var namedCodes = map[string]int{
	"cudaErrorMemoryAllocation": 2, "cudaErrorInitializationError": 3, "cudaErrorInsufficientDriver": 35,
	"cudaErrorDevicesUnavailable": 46, "cudaErrorNoDevice": 100, "cudaErrorInvalidDevice": 101, "cudaErrorInvalidKernelImage": 200,
	"cudaErrorNoKernelImageForDevice": 209, "cudaErrorECCUncorrectable": 214, "cudaErrorInvalidPtx": 218, "cudaErrorNvlinkUncorrectable": 220,
	"cudaErrorUnsupportedPtxVersion": 222, "cudaErrorContained": 226, "cudaErrorIllegalAddress": 700, "cudaErrorLaunchTimeout": 702,
	"cudaErrorContextIsDestroyed": 709, "cudaErrorAssert": 710,
	"cudaErrorHardwareStackError": 714, "cudaErrorIllegalInstruction": 715, "cudaErrorMisalignedAddress": 716,
	"cudaErrorInvalidAddressSpace": 717, "cudaErrorInvalidPc": 718, "cudaErrorLaunchFailure": 719,
	"cudaErrorTensorMemoryLeak": 721, "cudaErrorSystemNotReady": 802,
	"cudaErrorSystemDriverMismatch": 803, "cudaErrorCompatNotSupportedOnDevice": 804, "cudaErrorUnknown": 999,
}

var (
	faultForm = regexp.MustCompile(`\b(CUDA|CUDNN|CUDNN_FE|CUBLAS|CUFFT|CURAND) failure (-?\d+): ([^;\n]*)`)
	namedForm = regexp.MustCompile(`\bCUDA error (cudaError\w+):([^;\n]*)`)
	nodeForm  = regexp.MustCompile(`while running (\w+) node\. Name:'([^']*)'`)
)

// parseFault returns the error of CUDA or its libraries that an error of ONNX Runtime is
// about.
func parseFault(err error) (gpuFault, bool) {
	if m := faultForm.FindStringSubmatch(err.Error()); m != nil {
		code, _ := strconv.Atoi(m[2])
		return gpuFault{m[1], code, strings.TrimSpace(m[3])}, true
	}
	if m := namedForm.FindStringSubmatch(err.Error()); m != nil && namedCodes[m[1]] > 0 {
		return gpuFault{"CUDA", namedCodes[m[1]], strings.TrimSpace(m[2])}, true
	}
	return gpuFault{}, false
}

func isFault(err error) bool {
	if err == nil {
		return false
	}
	_, ok := parseFault(err)
	return ok
}

// numberForm matches what ONNX Runtime says of a GPU that CUDA does not enumerate.
var numberForm = regexp.MustCompile(`Invalid device ID: (\d+), must be between 0 \(inclusive\) and (\d+) \(exclusive\)`)

// brief returns an error of ONNX Runtime on a GPU as one line, with the layer that it is
// about: without ONNX Runtime's source, the C++ call, and the plan of cuDNN in JSON.
func brief(err error) error {
	text := err.Error()
	if f, ok := parseFault(err); ok {
		text = f.String()
		if node := nodeForm.FindStringSubmatch(err.Error()); node != nil {
			text = fmt.Sprintf("%s (in the %s node %q)", text, node[1], node[2])
		}
	} else if n := numberForm.FindStringSubmatch(text); n != nil {
		text = fmt.Sprintf("there is no device %s among the %s that CUDA shows this process", n[1], n[2])
	} else {
		text = sourcePlace.ReplaceAllString(text, "")
		text, _, _ = strings.Cut(text, "\n")
		text, _, _ = strings.Cut(text, " ; GPU=")
		text = strings.TrimRight(text, " .;")
	}
	if text == err.Error() {
		return err
	}
	return &plainError{text, err}
}

// gpuPhrases are in errors, in lower case, of CUDA and its libraries that do not have the
// form of a gpuFault.
var gpuPhrases = []string{
	"cuda error", "cudnn is ", "cudnn frontend", "cufft is ", "no kernel image", "libcu", "libnv", "invalid device id",
	"library libonnxruntime_providers",
}

// modelPhrases are in errors, in lower case, of a model that does not fit what it is
// given.
var modelPhrases = []string{"shape", "dimension", "rank", "axis", "broadcast", "invalid input", "missing input", "out of bounds", "invalid_argument"}

// blamesModel reports whether an error of the first run on a GPU is about the model, and
// would be the same on the CPU.
func blamesModel(err error) bool {
	if _, ok := parseFault(err); ok {
		return false
	}
	text := strings.ToLower(root(err).Error())
	in := func(phrase string) bool { return strings.Contains(text, phrase) }
	return slices.ContainsFunc(modelPhrases, in) && !slices.ContainsFunc(gpuPhrases, in)
}

// root returns what ONNX Runtime said, without what was put before it, such as the path
// of the model.
func root(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// explainGPU returns an error of ONNX Runtime on a GPU as one line that says what to do.
// It wraps models.ErrProvider.
func (t target) explainGPU(doing string, err error) error {
	return t.explainAs(models.ErrProvider, doing, err)
}

// explainAs does what explainGPU does for an error that is of another kind.
func (t target) explainAs(kind error, doing string, err error) error {
	text := t.String()
	if doing != "" {
		text += ", " + doing
	}
	if advice := t.circumstances().advise(err); advice != "" {
		return fmt.Errorf("%w: %s: %w; %s", kind, text, brief(err), advice)
	}
	return fmt.Errorf("%w: %s: %w", kind, text, brief(err))
}

// explainRun returns an error of a run on a GPU as one line, which says what to do if it
// is about the GPU.
func (t target) explainRun(err error) error {
	short := brief(err)
	if errors.Is(classify(err), models.ErrOutOfMemory) {
		return short
	}
	if _, ok := parseFault(err); ok {
		if advice := t.circumstances().advise(err); advice != "" {
			return &plainError{short.Error() + "; " + advice, err}
		}
	}
	return short
}

// circumstances are what the advice about an error of a GPU depends on.
type circumstances struct {
	facts   device.GPUFacts
	cuda    int     // CUDA's release that ONNX Runtime is built for: 12, 13; 0 if unknown
	visible int     // GPUs that the driver shows
	driver  bool    // the driver's library can be loaded
	list    *string // CUDA_VISIBLE_DEVICES; nil if it is not set
}

const (
	oldGPUs = "a K80 is not supported; a P100 or V100 needs ONNX Runtime 1.24 to 1.26 for CUDA 12 with cuDNN 9.10 or older"
	cuda12  = `the build for CUDA 12 ("make deps-gpu CUDA=cuda12", or deploy/deps/fetch.sh gpu cuda12)`
	getGPU  = `"make deps-gpu" in the source tree, or deploy/deps/fetch.sh gpu,`
)

// advise returns what to do about an error; empty if nothing is known.
func (c circumstances) advise(err error) string {
	f, _ := parseFault(err)
	text := strings.ToLower(err.Error())
	has := func(phrase string) bool { return strings.Contains(text, phrase) }
	cuda := "CUDA"
	if c.cuda > 0 {
		cuda += " " + strconv.Itoa(c.cuda)
	}
	switch {
	case f.is(34):
		return "the libcuda.so.1 that was found is the stub of the CUDA toolkit: remove its folder from LD_LIBRARY_PATH"
	case f.is(35, 36):
		return c.adviseDriver(cuda)
	case f.is(100) && c.list != nil:
		return fmt.Sprintf("%s is %q, and CUDA finds none of these devices: nvidia-smi -L names those that there are", device.VisibleVariable, *c.list)
	case f.is(100):
		return fmt.Sprintf("the driver lists %s, but CUDA may use none: start the container with its GPUs (docker run --gpus all), and see nvidia-smi",
			count(c.visible, "GPU"))
	case f.is(101), has("invalid device id"):
		list := device.VisibleVariable
		if c.list != nil {
			list += fmt.Sprintf(" (now %q)", *c.list)
		}
		return fmt.Sprintf("the driver lists %s, but CUDA shows this process fewer: see %s, the limits of the container, and nvidia-smi for GPUs in MIG mode",
			count(c.visible, "GPU"), list)
	case f.is(46):
		return "another process has this GPU for itself: see the compute mode and the processes in nvidia-smi"
	case f.is(209, 222, 200, 218), has("no kernel image"), has("arch_mismatch"):
		return c.adviseCapability(cuda)
	case f.is(damaged...):
		return "the GPU's memory or links are damaged: nvidia-smi -q says more; take the GPU out of use"
	case f.is(brokenOff...):
		return "the GPU has broken off its work, by a fault of the hardware or the driver (an Xid in dmesg) or of ONNX Runtime:" +
			` start again, and see "batchscore doctor --device"`
	case f.is(802):
		return "the switch between the GPUs is not ready: start nvidia-fabricmanager in the release of the driver"
	case f.is(803):
		return "the driver's library and its kernel module are of different releases: load the new module, or restart the machine"
	case f.is(804):
		return "the CUDA compatibility libraries of the container do not serve this GPU: remove their folder (compat) from LD_LIBRARY_PATH, or update the driver"
	case f.is(3, 304, 999):
		return "CUDA does not start: see nvidia-smi and dmesg; after an update of the driver, restart the machine"
	case has("version_mismatch"), has("sublibrary_loading_failed"), has("sublibrary_unavailable"):
		return "cuDNN's libraries are not all there, or are of different releases: see LD_LIBRARY_PATH; " + getGPU + " fetches one release"
	case has("cudnn is un"), has("cudnn is not"), has("libcudnn"):
		return "cuDNN 9 for " + cuda + " cannot be loaded: " + getGPU + " fetches it, or add its folder to LD_LIBRARY_PATH"
	case has("cufft is un"), has("cannot open shared object"):
		return "a library of " + cuda + " cannot be loaded: " + getGPU + " fetches all, or add their folders to LD_LIBRARY_PATH"
	case f.library == "CUDNN", f.library == "CUDNN_FE":
		return c.adviseCUDNN(cuda)
	case f.library == "CUBLAS":
		return "cuBLAS has to be that of " + cuda + ", and a GPU whose memory is full fails like this, too: see nvidia-smi"
	}
	return c.old()
}

func (c circumstances) adviseDriver(cuda string) string {
	least := device.LineOfCUDA(c.cuda).Driver
	switch {
	case !c.driver:
		return "there is no NVIDIA driver that can be loaded (libcuda.so.1): install it, or start the container with its GPUs"
	case least == "":
		return "the NVIDIA driver is older than CUDA needs: update it"
	}
	text := fmt.Sprintf("%s needs the NVIDIA driver %s or newer", cuda, least)
	if device.AtLeast(c.facts.Driver, least) {
		return text + "; the driver is " + c.facts.Driver + ", so the libcuda.so.1 that was found is another one: see LD_LIBRARY_PATH"
	}
	if c.facts.Driver != "" {
		text += ", and this is " + c.facts.Driver
	}
	text += ": update it"
	if c.cuda > 12 {
		text += ", or use " + cuda12
	}
	return text
}

func (c circumstances) adviseCapability(cuda string) string {
	line, has := device.LineOfCUDA(c.cuda), c.facts.Capability
	if has == "" || c.isOld() {
		text := oldGPUs
		if served := line.Served(); served != "" {
			text = fmt.Sprintf("ONNX Runtime's builds for %s serve GPUs of compute capability %s", cuda, served)
			if has != "" {
				text += ", and this one has " + has
			}
			text += "; " + oldGPUs
		}
		return text
	}
	text := fmt.Sprintf("the libraries for %s have no kernels for GPUs of compute capability %s: ", cuda, has)
	if other, ok := device.LineFor(has); ok && !line.Serves(has) && other.CUDA == 12 {
		return text + "use " + cuda12
	}
	return text + "take those of a newer ONNX Runtime"
}

func (c circumstances) adviseCUDNN(cuda string) string {
	text := "cuDNN"
	if c.facts.CUDNN != "" {
		text += " " + c.facts.CUDNN
	}
	on := "this GPU"
	if c.facts.Name != "" {
		on = c.facts.Model()
	}
	text += " cannot compute this model on " + on
	text += ", or is not for " + cuda + ": " + getGPU + " fetches one that fits"
	if old := c.old(); old != "" {
		text += "; " + old
	}
	return text
}

// old returns the sentence about old GPUs if this is one.
func (c circumstances) old() string {
	if c.isOld() {
		return oldGPUs
	}
	return ""
}

// isOld reports whether the GPU is older than those that the newest libraries serve.
func (c circumstances) isOld() bool {
	return c.facts.Capability != "" && !device.AtLeast(c.facts.Capability, device.LineOfCUDA(13).Capability)
}

// circumstances returns those of a GPU. It is for errors: it asks the GPU's libraries.
func (t target) circumstances() circumstances {
	gpus := device.GPUs()
	c := circumstances{visible: gpus.Visible(), cuda: cudaRelease(providerFile(t.library, CUDA)), driver: loadable(driverLibrary) == nil}
	if list, set := os.LookupEnv(device.VisibleVariable); set {
		c.list = &list
	}
	if t.library != "" {
		g, _ := gpu.Open(homes(t.library), t.index) // what is not known stays empty
		c.facts = g.Facts()
	}
	c.facts.Driver = cmp.Or(gpus.Driver, c.facts.Driver)
	return c
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// explainProbe says what an error of the first runs means. A GPU that is too old for the
// build is only detected then.
func (t target) explainProbe(err error) error {
	switch {
	case errors.Is(err, models.ErrOutOfMemory) && t.provider == CPU:
		return fmt.Errorf("%w: %w", models.ErrHostMemory, plain(err, ""))
	case errors.Is(err, models.ErrOutOfMemory): // or it may be
		return err
	case t.provider == CUDA && !blamesModel(err):
		return t.explainGPU("the probe batch failed", err)
	}
	return fmt.Errorf("%w: the probe batch failed: %w", models.ErrModel, plain(err, ""))
}
