#include "capi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
void ortc_trim(void) { malloc_trim(0); }
#else
void ortc_trim(void) {}
#endif

typedef void Status;

#define FN(api, name, result, ...) \
  ((result(*)(__VA_ARGS__))(((void *const *)(api))[ORT_##name]))

// report turns a status into a message, and releases it.
static char *report(const void *api, Status *status) {
  if (!status) return NULL;
  char *message = strdup(FN(api, GetErrorMessage, const char *, const Status *)(status));
  FN(api, ReleaseStatus, void, Status *)(status);
  return message;
}

#define TRY(call) \
  do { \
    char *message_ = report(api, call); \
    if (message_) return message_; \
  } while (0)

typedef struct {
  const void *(*get_api)(uint32_t);
  const char *(*get_version)(void);
} Base;

char *ortc_open(const char *path, const void **base) {
  *base = NULL;
  void *handle = dlopen(path, RTLD_NOW | RTLD_NODELETE);
  if (!handle) return strdup(dlerror());
  const void *(*get_base)(void) = (const void *(*)(void))dlsym(handle, "OrtGetApiBase");
  if (get_base) *base = get_base();
  dlclose(handle);
  return NULL;
}

const char *ortc_version(const void *base) { return ((const Base *)base)->get_version(); }

const void *ortc_api(const void *base) { return ((const Base *)base)->get_api(ORTC_API_VERSION); }

char *ortc_loadable(const char *path) {
  void *handle = dlopen(path, RTLD_LAZY);
  if (!handle) return strdup(dlerror());
  dlclose(handle);
  return NULL;
}

char *ortc_load_globally(const char *path) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  if (!handle) return strdup(dlerror());
  dlclose(handle);
  return NULL;
}

char *ortc_providers(const void *api, char ***names, int *count) {
  return report(api, FN(api, GetAvailableProviders, Status *, char ***, int *)(names, count));
}

void ortc_release_providers(const void *api, char **names, int count) {
  free(report(api, FN(api, ReleaseAvailableProviders, Status *, char **, int)(names, count)));
}

char *ortc_ports(const void *api, const void *session, size_t *inputs, size_t *outputs) {
  TRY(FN(api, SessionGetInputCount, Status *, const void *, size_t *)(session, inputs));
  TRY(FN(api, SessionGetOutputCount, Status *, const void *, size_t *)(session, outputs));
  return NULL;
}

static char *tensor_shape(const void *api, const void *tensor, ortc_port *port) {
  size_t rank = 0;
  TRY(FN(api, GetTensorElementType, Status *, const void *, int *)(tensor, &port->type));
  TRY(FN(api, GetDimensionsCount, Status *, const void *, size_t *)(tensor, &rank));
  port->rank = (int)rank;
  if (rank > sizeof port->dims / sizeof port->dims[0])
    rank = sizeof port->dims / sizeof port->dims[0];
  TRY(FN(api, GetDimensions, Status *, const void *, int64_t *, size_t)(tensor, port->dims, rank));
  return NULL;
}

static char *shape_of(const void *api, const void *info, ortc_port *port) {
  const void *tensor = NULL;
  TRY(FN(api, CastTypeInfoToTensorInfo, Status *, const void *, const void **)(info, &tensor));
  return tensor ? tensor_shape(api, tensor, port) : NULL;
}

char *ortc_get_port(const void *api, const void *session, int output, size_t index, ortc_port *port) {
  memset(port, 0, sizeof *port);
  port->rank = -1;
  void *allocator = NULL, *info = NULL;
  char *name = NULL;
  TRY(FN(api, GetAllocatorWithDefaultOptions, Status *, void **)(&allocator));
  if (output) {
    TRY(FN(api, SessionGetOutputTypeInfo, Status *, const void *, size_t, void **)(session, index, &info));
  } else {
    TRY(FN(api, SessionGetInputTypeInfo, Status *, const void *, size_t, void **)(session, index, &info));
  }
  char *message = shape_of(api, info, port);
  FN(api, ReleaseTypeInfo, void, void *)(info);
  if (message) return message;
  if (output) {
    TRY(FN(api, SessionGetOutputName, Status *, const void *, size_t, void *, char **)(session, index, allocator, &name));
  } else {
    TRY(FN(api, SessionGetInputName, Status *, const void *, size_t, void *, char **)(session, index, allocator, &name));
  }
  port->name = strdup(name);
  return report(api, FN(api, AllocatorFree, Status *, void *, void *)(allocator, name));
}

extern void ortcAssigned(uintptr_t handle, char *provider, char *operator);

char *ortc_assigned(const void *api, const void *session, uintptr_t handle) {
  const void *const *graphs = NULL;
  size_t count = 0;
  TRY(FN(api, Session_GetEpGraphAssignmentInfo, Status *, const void *, const void *const **, size_t *)(session, &graphs, &count));
  for (size_t i = 0; i < count; i++) {
    const char *provider = NULL;
    const void *const *nodes = NULL;
    size_t n = 0;
    TRY(FN(api, EpAssignedSubgraph_GetEpName, Status *, const void *, const char **)(graphs[i], &provider));
    TRY(FN(api, EpAssignedSubgraph_GetNodes, Status *, const void *, const void *const **, size_t *)(graphs[i], &nodes, &n));
    for (size_t j = 0; j < n; j++) {
      const char *op = NULL;
      TRY(FN(api, EpAssignedNode_GetOperatorType, Status *, const void *, const char **)(nodes[j], &op));
      ortcAssigned(handle, (char *)provider, (char *)op);
    }
  }
  return NULL;
}

char *ortc_run(const void *api, void *session, const void *run_options, void *binding,
             const char *input, const void *value) {
  char *message = NULL;
  if (value) message = report(api, FN(api, BindInput, Status *, void *, const char *, const void *)(binding, input, value));
  // It waits for its own streams at its end, not for those of other runs.
  if (!message) message = report(api, FN(api, RunWithBinding, Status *, void *, const void *, const void *)(session, run_options, binding));
  if (value) {
    // After a BindInput that failed, the next one would crash.
    FN(api, ClearBoundInputs, void, void *)(binding);
  }
  return message;
}

char *ortc_shrink(const void *api, void *session, const char *arenas,
             const char *input, const void *value, const char *output, void *result) {
  void *options = NULL;
  TRY(FN(api, CreateRunOptions, Status *, void **)(&options));
  char *message = report(api, FN(api, AddRunConfigEntry, Status *, void *, const char *, const char *)(
      options, "memory.enable_memory_arena_shrinkage", arenas));
  if (!message) message = report(api, FN(api, RunOptionsSetTerminate, Status *, void *)(options));
  if (!message) message = report(api, FN(api, Run, Status *, void *, const void *, const char *const *, const void *const *, size_t,
      const char *const *, size_t, void **)(session, options, &input, &value, 1, &output, 1, &result));
  FN(api, ReleaseRunOptions, void, void *)(options);
  return message;
}

static char *memory_info(const void *api, const char *name, int device, int type, void **info) {
  enum { device_allocator = 0 };  // OrtAllocatorType
  return report(api, FN(api, CreateMemoryInfo, Status *, const char *, int, int, int, void **)(name, device_allocator, device, type, info));
}

char *ortc_allocator(const void *api, const void *session, const char *name, int device, int type, void **allocator) {
  void *info = NULL;
  char *message = memory_info(api, name, device, type, &info);
  if (message) return message;
  message = report(api, FN(api, CreateAllocator, Status *, const void *, const void *, void **)(session, info, allocator));
  FN(api, ReleaseMemoryInfo, void, void *)(info);
  return message;
}

char *ortc_tensor(const void *api, const char *name, int device, void *memory, size_t size,
             const int64_t *shape, size_t rank, int dtype, void **value) {
  void *info = NULL;
  char *message = memory_info(api, name, device, 0, &info);
  if (message) return message;
  message = report(api, FN(api, CreateTensorWithDataAsOrtValue, Status *, const void *, void *, size_t, const int64_t *, size_t, int, void **)(
      info, memory, size, shape, rank, dtype, value));
  FN(api, ReleaseMemoryInfo, void, void *)(info);
  return message;
}

char *ortc_bind_any(const void *api, void *binding, const char *output) {
  void *info = NULL;
  char *message = memory_info(api, "Cpu", 0, 0, &info);
  if (message) return message;
  message = report(api, FN(api, BindOutputToDevice, Status *, void *, const char *, const void *)(binding, output, info));
  FN(api, ReleaseMemoryInfo, void, void *)(info);
  return message;
}

char *ortc_outputs(const void *api, const void *binding, void ***values, size_t *count) {
  void *allocator = NULL;
  TRY(FN(api, GetAllocatorWithDefaultOptions, Status *, void **)(&allocator));
  return report(api, FN(api, GetBoundOutputValues, Status *, const void *, void *, void ***, size_t *)(binding, allocator, values, count));
}

char *ortc_release_outputs(const void *api, void **values) {
  void *allocator = NULL;
  TRY(FN(api, GetAllocatorWithDefaultOptions, Status *, void **)(&allocator));
  return report(api, FN(api, AllocatorFree, Status *, void *, void *)(allocator, values));
}

char *ortc_look(const void *api, void *value, ortc_port *tensor, void **elements) {
  memset(tensor, 0, sizeof *tensor);
  tensor->rank = -1;
  void *info = NULL;
  TRY(FN(api, GetTensorTypeAndShape, Status *, const void *, void **)(value, &info));
  char *message = tensor_shape(api, info, tensor);
  FN(api, ReleaseTensorTypeAndShapeInfo, void, void *)(info);
  if (message) return message;
  return report(api, FN(api, GetTensorMutableData, Status *, void *, void **)(value, elements));
}

void ortc_release_value(const void *api, void *value) { FN(api, ReleaseValue, void, void *)(value); }

char *ortc_alloc(const void *api, void *allocator, size_t size, void **memory) {
  return report(api, FN(api, AllocatorAlloc, Status *, void *, size_t, void **)(allocator, size, memory));
}

char *ortc_free(const void *api, void *allocator, void *memory) {
  return report(api, FN(api, AllocatorFree, Status *, void *, void *)(allocator, memory));
}

void ortc_release_allocator(const void *api, void *allocator) {
  FN(api, ReleaseAllocator, void, void *)(allocator);
}
