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

char *cuda_block(int device) {
  enum { blocking_sync = 4 };  // CU_CTX_SCHED_BLOCKING_SYNC
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
  if (!driver) return strdup(dlerror());
  int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
  int (*get)(int *, int) = (int (*)(int *, int))dlsym(driver, "cuDeviceGet");
  int (*set)(int, unsigned) = (int (*)(int, unsigned))dlsym(driver, "cuDevicePrimaryCtxSetFlags_v2");
  if (!set) set = (int (*)(int, unsigned))dlsym(driver, "cuDevicePrimaryCtxSetFlags");
  int handle, code;
  char *message = NULL;
  if (!init || !get || !set) {
    message = strdup("libcuda.so.1 lacks a function");
  } else if ((code = init(0)) || (code = get(&handle, device)) || (code = set(handle, blocking_sync))) {
    message = format("the driver failed with code %d", code);
  }
  dlclose(driver);
  return message;
}
