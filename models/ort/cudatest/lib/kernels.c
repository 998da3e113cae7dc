// libcudart: the kernels that a library registers, and their launches.
#include "cudatest.h"

#include <cuda_runtime_api.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A table from a kernel's function on the host to its name, with open addressing.
typedef struct {
  const void *function;
  const char *name;
} Kernel;

static Kernel *kernels;
static size_t capacity, count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static Kernel *slot(Kernel *table, size_t size, const void *function) {
  size_t i = ((uintptr_t)function * 0x9E3779B97F4A7C15ull) >> 20;
  while (table[i & (size - 1)].function && table[i & (size - 1)].function != function) i++;
  return &table[i & (size - 1)];
}

static void grow(void) {
  size_t size = capacity ? 2 * capacity : 1 << 14;
  Kernel *table = calloc(size, sizeof *table);
  if (!table) abort();
  for (size_t i = 0; i < capacity; i++)
    if (kernels[i].function) *slot(table, size, kernels[i].function) = kernels[i];
  free(kernels);
  kernels = table;
  capacity = size;
}

static const char *name_of(const void *function) {
  pthread_mutex_lock(&lock);
  const char *name = capacity ? slot(kernels, capacity, function)->name : NULL;
  pthread_mutex_unlock(&lock);
  return name ? name : "unknown";
}

// NVIDIA's compiler calls these when a library is loaded.
void **__cudaRegisterFatBinary(void *binary) {
  void **handle = malloc(sizeof *handle);
  if (handle) *handle = binary;
  return handle;
}

void __cudaRegisterFatBinaryEnd(void **handle) { (void)handle; }

void __cudaUnregisterFatBinary(void **handle) { free(handle); }

void __cudaRegisterFunction(void **handle, const char *function, char *device_function, const char *name, int limit,
                            uint3 *tid, uint3 *bid, dim3 *block, dim3 *grid, int *warp) {
  (void)handle, (void)device_function, (void)limit, (void)tid, (void)bid, (void)block, (void)grid, (void)warp;
  pthread_mutex_lock(&lock);
  if (2 * count >= capacity) grow();
  Kernel *k = slot(kernels, capacity, function);
  count += !k->function;
  *k = (Kernel){function, name};
  pthread_mutex_unlock(&lock);
}

void __cudaRegisterVar(void **handle, char *variable, char *address, const char *name, int external, size_t size,
                       int constant, int global) {
  (void)handle, (void)variable, (void)address, (void)name, (void)external, (void)size, (void)constant, (void)global;
}

// ---- launches ----

// spend takes processor time, as NVIDIA's library does for a launch.
static void spend(nanos duration) {
  struct timespec t;
  if (duration == 0) return;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  nanos end = t.tv_sec * 1000000000LL + t.tv_nsec + duration;
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  while (t.tv_sec * 1000000000LL + t.tv_nsec < end);
}

void launched(Stream *s, const char *name, nanos duration) {
  spend(config()->host);
  reserve(s, &s->device->compute, duration);
  note("launch", "\"device\":%d,\"stream\":%d,\"name\":\"%.300s\",\"busy_us\":%lld", s->index, s->id, name,
       (long long)(duration / 1000));
}

// The smallest compute capability that the line's ONNX Runtime has kernels for.
static bool too_old(const Device *d) {
  return CUDATEST_LINE == 12 ? d->major < 6 : 10 * d->major + d->minor < 75;
}

static __thread struct {
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;
} pushed;

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  pushed.grid = grid, pushed.block = block, pushed.shared = shared, pushed.stream = stream;
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
  *grid = pushed.grid, *block = pushed.block, *shared = pushed.shared;
  *(cudaStream_t *)stream = pushed.stream;
  return cudaSuccess;
}

cudaError_t cudatest_fail(cudaError_t e);

static cudaError_t launch(const char *call, const void *function, cudaStream_t stream) {
  int code = fault(call);
  if (code) return cudatest_fail(code);
  if (config()->count == 0) return cudatest_fail(cudaErrorNoDevice);
  Stream *s = stream_of(stream);
  if (too_old(s->device)) return cudatest_fail(cudaErrorNoKernelImageForDevice);
  launched(s, name_of(function), config()->launch);
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream) {
  (void)grid, (void)block, (void)args, (void)shared;
  return launch("cudaLaunchKernel", function, stream);
}

cudaError_t cudaLaunchCooperativeKernel(const void *function, dim3 grid, dim3 block, void **args, size_t shared,
                                        cudaStream_t stream) {
  (void)grid, (void)block, (void)args, (void)shared;
  return launch("cudaLaunchKernel", function, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *how, const void *function, void **args) {
  (void)args;
  return launch("cudaLaunchKernel", function, how->stream);
}

// CUDA 13's compiler asks for a kernel first and launches that.
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function) {
  *kernel = (cudaKernel_t)function;
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream) {
  (void)grid, (void)block, (void)args, (void)shared;
  return launch("cudaLaunchKernel", kernel, stream);
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *function) {
  (void)function;
  memset(a, 0, sizeof *a);
  a->maxThreadsPerBlock = 1024;
  a->numRegs = 32;
  a->maxDynamicSharedSizeBytes = 48 << 10;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *function, int size,
                                                                   size_t shared, unsigned flags) {
  (void)function, (void)size, (void)shared, (void)flags;
  *blocks = 2;
  return cudaSuccess;
}
