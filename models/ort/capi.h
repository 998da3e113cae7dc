#ifndef BATCHSCORE_ORT_CAPI_H
#define BATCHSCORE_ORT_CAPI_H

#include <stddef.h>
#include <stdint.h>

// The part of ONNX Runtime's C API that onnxruntime_go does not offer. OrtApi is a
// table of functions that only grows at its end, so a position identifies the same
// function in every release. TestPositions compares these with the header.
#define ORT_FUNCTIONS(X) \
  X(GetErrorMessage, 2) \
  X(Run, 9) \
  X(SessionGetInputCount, 30) \
  X(SessionGetOutputCount, 31) \
  X(SessionGetInputTypeInfo, 33) \
  X(SessionGetOutputTypeInfo, 34) \
  X(SessionGetInputName, 36) \
  X(SessionGetOutputName, 37) \
  X(CreateRunOptions, 39) \
  X(RunOptionsSetTerminate, 46) \
  X(CreateTensorWithDataAsOrtValue, 49) \
  X(GetTensorMutableData, 51) \
  X(CastTypeInfoToTensorInfo, 55) \
  X(GetTensorElementType, 60) \
  X(GetDimensionsCount, 61) \
  X(GetDimensions, 62) \
  X(GetTensorTypeAndShape, 65) \
  X(CreateMemoryInfo, 68) \
  X(AllocatorAlloc, 75) \
  X(AllocatorFree, 76) \
  X(GetAllocatorWithDefaultOptions, 78) \
  X(ReleaseStatus, 93) \
  X(ReleaseMemoryInfo, 94) \
  X(ReleaseValue, 96) \
  X(ReleaseRunOptions, 97) \
  X(ReleaseTypeInfo, 98) \
  X(ReleaseTensorTypeAndShapeInfo, 99) \
  X(GetAvailableProviders, 125) \
  X(ReleaseAvailableProviders, 126) \
  X(CreateAllocator, 131) \
  X(ReleaseAllocator, 132) \
  X(RunWithBinding, 133) \
  X(BindInput, 136) \
  X(BindOutputToDevice, 138) \
  X(GetBoundOutputValues, 140) \
  X(ClearBoundInputs, 141) \
  X(AddRunConfigEntry, 165) \
  X(Session_GetEpGraphAssignmentInfo, 407) \
  X(EpAssignedSubgraph_GetEpName, 408) \
  X(EpAssignedSubgraph_GetNodes, 409) \
  X(EpAssignedNode_GetOperatorType, 412)

enum {
#define X(name, position) ORT_##name = position,
  ORT_FUNCTIONS(X)
#undef X
};

// The version of the table that onnxruntime_go asks for: that of 1.24.
enum { ORTC_API_VERSION = 24 };

// Functions that can fail return NULL, or a message that the caller frees.

// ortc_open loads a shared library, which is never unloaded. *base is the result of
// its OrtGetApiBase, or NULL if the library has no such function.
char *ortc_open(const char *path, const void **base);
const char *ortc_version(const void *base);
// ortc_api returns NULL for a library that is too old; check its version first.
const void *ortc_api(const void *base);

// ortc_loadable tries to load a library, and unloads it.
char *ortc_loadable(const char *path);
// ortc_load_globally loads a library, which is never unloaded, for others to find its symbols.
char *ortc_load_globally(const char *path);

char *ortc_providers(const void *api, char ***names, int *count);
void ortc_release_providers(const void *api, char **names, int count);

typedef struct {
  char *name;       // the caller frees it
  int type;         // ONNXTensorElementDataType; 0 if it is not a tensor
  int rank;         // -1 if it is not a tensor
  int64_t dims[8];  // -1 is any size
} ortc_port;

char *ortc_ports(const void *api, const void *session, size_t *inputs, size_t *outputs);
char *ortc_get_port(const void *api, const void *session, int output, size_t index, ortc_port *port);

// ortc_assigned calls ortcAssigned for every node of the session's graph.
char *ortc_assigned(const void *api, const void *session, uintptr_t handle);

// ortc_run runs a bound session. A value that is not NULL is first bound to the input;
// it is on the device already, and complete. The outputs are complete at the return.
char *ortc_run(const void *api, void *session, const void *run_options, void *binding,
             const char *input, const void *value);

// ortc_bind_any makes the next run of a binding allocate an output, in the host's memory,
// because its size is not known before.
char *ortc_bind_any(const void *api, void *binding, const char *output);
// ortc_outputs returns the values of a binding's outputs, in the order in which they were
// bound. The caller releases each, and then the list.
char *ortc_outputs(const void *api, const void *binding, void ***values, size_t *count);
char *ortc_release_outputs(const void *api, void **values);
// ortc_look returns type, shape and elements of a tensor; tensor->name is NULL.
char *ortc_look(const void *api, void *value, ortc_port *tensor, void **elements);

// ortc_shrink makes a session give back the memory of its arenas that nothing uses.
// arenas names them, as in "gpu:0". It starts a run that ends before its first operator,
// as only a run can do so; the error of that is returned.
char *ortc_shrink(const void *api, void *session, const char *arenas,
             const char *input, const void *value, const char *output, void *result);

// ortc_allocator creates one of a session's allocators, by its name, the number of its
// device and the type of its memory, an OrtMemType.
char *ortc_allocator(const void *api, const void *session, const char *name, int device, int type, void **allocator);
char *ortc_alloc(const void *api, void *allocator, size_t size, void **memory);
char *ortc_free(const void *api, void *allocator, void *memory);
// ortc_tensor makes a tensor over memory of such a device. It does not own the memory.
char *ortc_tensor(const void *api, const char *name, int device, void *memory, size_t size,
             const int64_t *shape, size_t rank, int dtype, void **value);
void ortc_release_value(const void *api, void *value);
void ortc_release_allocator(const void *api, void *allocator);

// ortc_trim returns freed memory to the system.
void ortc_trim(void);

#endif
