#include "cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *format(const char *form, ...) __attribute__((format(printf, 1, 2)));

#include <stdarg.h>

static char *format(const char *form, ...) {
  va_list list;
  va_start(list, form);
  char *text = NULL;
  if (vasprintf(&text, form, list) < 0) text = strdup("out of memory");
  va_end(list);
  return text;
}

char *cuda_open(const char *provider, cuda_runtime *runtime) {
  void *handle = dlopen(provider, RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) return format("%s is not loaded", provider);
  const struct {
    const char *name;
    void **to;
  } functions[] = {
      {"cudaSetDevice", (void **)&runtime->set_device},
      {"cudaStreamCreateWithFlags", (void **)&runtime->create_stream},
      {"cudaStreamDestroy", (void **)&runtime->destroy_stream},
      {"cudaStreamSynchronize", (void **)&runtime->synchronize},
      {"cudaMemcpyAsync", (void **)&runtime->copy},
      {"cudaDeviceSynchronize", (void **)&runtime->synchronize_device},
      {"cudaMemGetInfo", (void **)&runtime->memory},
      {"cudaGetErrorString", (void **)&runtime->describe},
  };
  char *message = NULL;
  for (size_t i = 0; !message && i < sizeof functions / sizeof functions[0]; i++) {
    // A search in the provider's handle includes the libraries that it needs.
    *functions[i].to = dlsym(handle, functions[i].name);
    if (!*functions[i].to) message = format("%s has no %s: %s", provider, functions[i].name, dlerror());
  }
  dlclose(handle);  // ONNX Runtime keeps it loaded
  return message;
}

// The form of ONNX Runtime's own errors of CUDA.
#define TRY(runtime, call) \
  do { \
    int code_ = call; \
    if (code_) return format("CUDA failure %d: %s", code_, (runtime)->describe(code_)); \
  } while (0)

char *cuda_create_stream(const cuda_runtime *runtime, int device, void **stream) {
  enum { non_blocking = 1 };  // not in order with the default stream
  TRY(runtime, runtime->set_device(device));
  TRY(runtime, runtime->create_stream(stream, non_blocking));
  return NULL;
}

char *cuda_destroy_stream(const cuda_runtime *runtime, int device, void *stream) {
  TRY(runtime, runtime->set_device(device));
  TRY(runtime, runtime->destroy_stream(stream));
  return NULL;
}

char *cuda_copy_in(const cuda_runtime *runtime, int device, void *stream, void *to, const void *from, size_t size) {
  enum { host_to_device = 1 };
  TRY(runtime, runtime->set_device(device));
  TRY(runtime, runtime->copy(to, from, size, host_to_device, stream));
  TRY(runtime, runtime->synchronize(stream));
  return NULL;
}

char *cuda_wait(const cuda_runtime *runtime, int device) {
  TRY(runtime, runtime->set_device(device));
  TRY(runtime, runtime->synchronize_device());
  return NULL;
}

char *cuda_memory(const cuda_runtime *runtime, int device, size_t *free, size_t *total) {
  TRY(runtime, runtime->set_device(device));
  TRY(runtime, runtime->memory(free, total));
  return NULL;
}

enum { sched_mask = 7, blocking_sync = 4 };  // CU_CTX_SCHED_MASK, CU_CTX_SCHED_BLOCKING_SYNC

typedef int (*driver_function)();

// in_driver finds a function of the driver's library under the first of two names that it
// has. The library stays in the process: unloading it ends the driver's state, the flags
// of devices included, and ONNX Runtime need not have loaded it yet.
static char *in_driver(const char *name, const char *older, driver_function *function) {
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NODELETE);
  if (!driver) return strdup(dlerror());
  *function = (driver_function)dlsym(driver, name);
  if (!*function && older) *function = (driver_function)dlsym(driver, older);
  dlclose(driver);
  return *function ? NULL : format("libcuda.so.1 has no %s", name);
}

// open_device prepares the driver, and finds its handle of a device.
static char *open_device(int device, int *handle) {
  driver_function init, get;
  char *message = in_driver("cuInit", NULL, &init);
  if (!message) message = in_driver("cuDeviceGet", NULL, &get);
  if (message) return message;
  int code = ((int (*)(unsigned))init)(0);
  if (!code) code = ((int (*)(int *, int))get)(handle, device);
  return code ? format("the driver failed with code %d", code) : NULL;
}

char *cuda_block(int device) {
  driver_function set;
  int handle;
  char *message = open_device(device, &handle);
  if (!message) message = in_driver("cuDevicePrimaryCtxSetFlags_v2", "cuDevicePrimaryCtxSetFlags", &set);
  if (message) return message;
  int code = ((int (*)(int, unsigned))set)(handle, blocking_sync);
  return code ? format("the driver failed with code %d", code) : NULL;
}

char *cuda_blocks(int device, int *blocks) {
  driver_function get;
  int handle, active;
  unsigned flags = 0;
  char *message = open_device(device, &handle);
  if (!message) message = in_driver("cuDevicePrimaryCtxGetState", NULL, &get);
  if (message) return message;
  int code = ((int (*)(int, unsigned *, int *))get)(handle, &flags, &active);
  *blocks = (flags & sched_mask) == blocking_sync;
  return code ? format("the driver failed with code %d", code) : NULL;
}
