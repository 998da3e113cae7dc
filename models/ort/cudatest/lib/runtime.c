// libcudart: devices, memory, streams and events.
#include "cudatest.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static __thread int device;
static __thread cudaError_t last;
static cudaError_t broken;  // an error that the process cannot recover from

int current(void) { return device; }

// waited is what the host does for work of a device that is done at a time.
static void waited(Device *d, nanos until) {
  wait_until(until);
  settle(d, until);
}

static bool fatal(cudaError_t e) {
  return e == cudaErrorIllegalAddress || e == cudaErrorLaunchTimeout || e == cudaErrorLaunchFailure ||
         e == cudaErrorECCUncorrectable || e == cudaErrorHardwareStackError;
}

cudaError_t cudatest_fail(cudaError_t e) {
  if (fatal(e)) broken = e;
  return last = e;
}

// usable returns what stands against any work: an error asked for, an earlier one
// that lasts, a driver that is too old, no device.
static cudaError_t usable(const char *call) {
  int code = fault(call);
  if (code) return cudatest_fail(code);
  if (broken) return last = broken;
  // Minor versions of a line run on any driver of that line.
  if (config()->driver / 1000 < CUDATEST_LINE) return cudatest_fail(cudaErrorInsufficientDriver);
  if (config()->count == 0) return cudatest_fail(cudaErrorNoDevice);
  return cudaSuccess;
}

#define ENTER() \
  do { \
    cudaError_t e_ = usable(__func__); \
    if (e_) return e_; \
  } while (0)

cudaError_t cudaGetLastError(void) {
  cudaError_t e = fault(__func__);
  if (!e) e = broken ? broken : last;
  last = cudaSuccess;
  return e;
}

cudaError_t cudaPeekAtLastError(void) {
  cudaError_t e = fault(__func__);
  if (e) return e;
  return broken ? broken : last;
}

// The errors that tests ask for, with the names and texts of NVIDIA's library.
static const struct {
  cudaError_t code;
  const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice", "no kernel image is available for execution on the device"},
    {cudaErrorECCUncorrectable, "cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorHardwareStackError, "cudaErrorHardwareStackError", "hardware stack error"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorSystemNotReady, "cudaErrorSystemNotReady", "system not yet initialized"},
    {cudaErrorSystemDriverMismatch, "cudaErrorSystemDriverMismatch", "system has unsupported display driver / cuda driver combination"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const char *cudaGetErrorName(cudaError_t e) {
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (errors[i].code == e) return errors[i].name;
  return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t e) {
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (errors[i].code == e) return errors[i].text;
  return "unrecognized error code";
}

// ---- devices ----

cudaError_t cudaDriverGetVersion(int *version) {
  int code = fault(__func__);
  if (code) return cudatest_fail(code);
  *version = config()->driver;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count) {
  *count = 0;
  ENTER();
  *count = config()->count;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int *d) {
  ENTER();
  *d = device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int d) {
  ENTER();
  if (d < 0 || d >= config()->count) return cudatest_fail(cudaErrorInvalidDevice);
  Device *it = config()->visible[d];
  if (!it->active) {
    it->active = true;
    note("device", "\"device\":%d,\"physical\":%d,\"uuid\":\"%s\",\"blocking_sync\":%s", d, it->physical, it->uuid, sleeps(d) ? "true" : "false");
  }
  device = d;
  return cudaSuccess;
}

void cudatest_bytes(const char *uuid, char to[16]) {
  int n = 0;
  for (const char *s = uuid + 4; *s && n < 32; s++) {
    int digit = *s >= '0' && *s <= '9' ? *s - '0' : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10 : -1;
    if (digit < 0) continue;
    to[n / 2] = (char)(to[n / 2] << 4 | digit);
    n++;
  }
}

cudaError_t cudaDeviceGetPCIBusId(char *bus, int size, int d) {
  ENTER();
  if (d < 0 || d >= config()->count) return cudatest_fail(cudaErrorInvalidDevice);
  if ((int)strlen(config()->visible[d]->bus) >= size) return cudatest_fail(cudaErrorInvalidValue);
  strcpy(bus, config()->visible[d]->bus);
  return cudaSuccess;
}

// cudaGetDeviceProperties is a macro for the name of the line's current layout.
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int d) {
  ENTER();
  if (d < 0 || d >= config()->count) return cudatest_fail(cudaErrorInvalidDevice);
  const Device *it = config()->visible[d];
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "%s", it->name);
  cudatest_bytes(it->uuid, p->uuid.bytes);
  p->totalGlobalMem = it->memory;
  p->major = it->major;
  p->minor = it->minor;
  p->multiProcessorCount = 108;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  for (int i = 0; i < 3; i++) p->maxThreadsDim[i] = i < 2 ? 1024 : 64;
  for (int i = 0; i < 3; i++) p->maxGridSize[i] = i < 1 ? 2147483647 : 65535;
  p->sharedMemPerBlock = 48 << 10;
  p->sharedMemPerBlockOptin = p->sharedMemPerMultiprocessor = 164 << 10;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->l2CacheSize = 40 << 20;
  p->asyncEngineCount = 3;
  p->concurrentKernels = p->unifiedAddressing = p->canMapHostMemory = p->memoryPoolsSupported = 1;
  sscanf(it->bus, "%x:%x:%x", (unsigned *)&p->pciDomainID, (unsigned *)&p->pciBusID, (unsigned *)&p->pciDeviceID);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int d) {
  ENTER();
  if (d < 0 || d >= config()->count) return cudatest_fail(cudaErrorInvalidDevice);
  const Device *it = config()->visible[d];
  unsigned domain = 0, bus = 0, slot = 0;
  sscanf(it->bus, "%x:%x:%x", &domain, &bus, &slot);
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = it->major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = it->minor; break;
    case cudaDevAttrMultiProcessorCount: *value = 108; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = 48 << 10; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = 164 << 10; break;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor: *value = 65536; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrMaxGridDimX: *value = 2147483647; break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ: *value = 65535; break;
    case cudaDevAttrPciDomainId: *value = (int)domain; break;
    case cudaDevAttrPciBusId: *value = (int)bus; break;
    case cudaDevAttrPciDeviceId: *value = (int)slot; break;
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrUnifiedAddressing: *value = 1; break;
    default: *value = 0;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
  ENTER();
  nanos end = drained(device), before = now();
  note("synchronize", "\"what\":\"device\",\"device\":%d,\"wait_us\":%lld", device, (long long)(end > before ? (end - before) / 1000 : 0));
  wait_ahead(NULL);
  waited(config()->visible[device], end);
  return cudaSuccess;
}

// ---- memory ----

cudaError_t cudaMalloc(void **p, size_t size) {
  ENTER();
  *p = size ? allocate(ON_DEVICE, device, size) : NULL;
  note("allocate", "\"kind\":\"device\",\"device\":%d,\"bytes\":%zu,\"ok\":%s,\"used\":%zu", device, size,
       *p || !size ? "true" : "false", config()->visible[device]->used);
  return *p || !size ? cudaSuccess : cudatest_fail(cudaErrorMemoryAllocation);
}

// Freeing waits for the device, as NVIDIA's library does.
static cudaError_t freed(void *p, const char *kind) {
  if (!p) return cudaSuccess;
  waited(config()->visible[device], drained(device));
  note("free", "\"kind\":\"%s\",\"device\":%d", kind, device);
  return release(p) ? cudaSuccess : cudatest_fail(cudaErrorInvalidValue);
}

cudaError_t cudaFree(void *p) {
  ENTER();
  return freed(p, "device");
}

cudaError_t cudaMallocAsync(void **p, size_t size, cudaStream_t stream) {
  (void)stream;
  return cudaMalloc(p, size);
}

cudaError_t cudaMallocFromPoolAsync(void **p, size_t size, cudaMemPool_t pool, cudaStream_t stream) {
  (void)pool;
  (void)stream;
  return cudaMalloc(p, size);
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t stream) {
  ENTER();
  (void)stream;
  note("free", "\"kind\":\"device\",\"device\":%d", device);
  return release(p) ? cudaSuccess : cudatest_fail(cudaErrorInvalidValue);
}

cudaError_t cudaHostAlloc(void **p, size_t size, unsigned flags) {
  ENTER();
  (void)flags;
  *p = allocate(PINNED, device, size);
  note("allocate", "\"kind\":\"pinned\",\"device\":%d,\"bytes\":%zu,\"ok\":true", device, size);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t size) { return cudaHostAlloc(p, size, 0); }

cudaError_t cudaFreeHost(void *p) {
  ENTER();
  return freed(p, "pinned");
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *total) {
  ENTER();
  *total = config()->visible[device]->memory;
  *left = *total - config()->visible[device]->used;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) {
  ENTER();
  int of, kind = owner(p, &of);
  memset(a, 0, sizeof *a);
  a->type = kind == ON_DEVICE ? cudaMemoryTypeDevice : kind == PINNED ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
  a->device = of;
  a->devicePointer = kind == PAGEABLE ? NULL : (void *)p;
  a->hostPointer = kind == ON_DEVICE ? NULL : (void *)p;
  return cudaSuccess;
}

// ---- copies ----

// arrive gives the host the batch's scores, or what the device holds.
static void arrive(Stream *s, void *to, const void *from, size_t size, bool at_once) {
  void *bytes = malloc(size + 1);
  if (!bytes) abort();
  if (!answer(s, bytes, size)) memcpy(bytes, from, size);
  if (at_once) {
    memcpy(to, bytes, size);
    free(bytes);
  } else {
    reaches_host(s, to, bytes, size);
  }
}

static cudaError_t copy(void *to, const void *from, size_t size, cudaStream_t stream, bool async) {
  Stream *s = stream_of(stream);
  int to_device, from_device;
  int to_kind = owner(to, &to_device), from_kind = owner(from, &from_device);
  bool up = to_kind == ON_DEVICE && from_kind != ON_DEVICE, down = to_kind != ON_DEVICE && from_kind == ON_DEVICE;
  const char *kind = up ? "h2d" : down ? "d2h" : to_kind == ON_DEVICE ? "d2d" : "h2h";
  bool pinned = up ? from_kind == PINNED : down ? to_kind == PINNED : false;
  note("copy", "\"kind\":\"%s\",\"device\":%d,\"stream\":%d,\"bytes\":%zu,\"pinned\":%s,\"async\":%s", kind, s->index, s->id, size,
       pinned ? "true" : "false", async ? "true" : "false");

  nanos duration = config()->h2d_gbs > 0 && (up || down) ? (nanos)(size / config()->h2d_gbs) : 0;
  reserve(s, up ? &s->device->to_device : down ? &s->device->to_host : &s->device->compute, duration);
  // What the device holds stays zero: nothing computes with it, and an output that
  // is never written must not show older bytes.
  bool waits = !async || ((up || down) && !pinned);
  if (up && async) batch_arrived(s, from, size);
  if (up && !waits) leaves_host(s, (void *)from, size);
  if (down) arrive(s, to, from, size, waits);
  if (!up && !down) memmove(to, from, size);
  if (waits) waited(s->device, s->end);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind kind, cudaStream_t stream) {
  ENTER();
  (void)kind;
  return copy(to, from, size, stream, true);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind) {
  ENTER();
  (void)kind;
  return copy(to, from, size, NULL, false);
}

static cudaError_t set(void *p, int value, size_t size, cudaStream_t stream, bool async) {
  Stream *s = stream_of(stream);
  note("memset", "\"device\":%d,\"stream\":%d,\"bytes\":%zu,\"async\":%s", s->index, s->id, size, async ? "true" : "false");
  reserve(s, &s->device->compute, 0);
  memset(p, value, size);
  return cudaSuccess;
}

cudaError_t cudaMemset(void *p, int value, size_t size) {
  ENTER();
  return set(p, value, size, NULL, false);
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t size, cudaStream_t stream) {
  ENTER();
  return set(p, value, size, stream, true);
}

// ---- streams ----

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  ENTER();
  Stream *s = new_stream();
  note("stream", "\"device\":%d,\"stream\":%d,\"blocking\":%s", s->index, s->id, flags & cudaStreamNonBlocking ? "false" : "true");
  *stream = (cudaStream_t)s;
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  ENTER();
  free_stream((Stream *)stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ENTER();
  Stream *s = stream_of(stream);
  nanos before = now();
  note("synchronize", "\"what\":\"stream\",\"device\":%d,\"stream\":%d,\"wait_us\":%lld", s->index, s->id,
       (long long)(s->end > before ? (s->end - before) / 1000 : 0));
  wait_ahead(s);
  waited(s->device, s->end);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  (void)stream;
  *status = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

// Work on the host runs at once: what is before it in the stream has had its effect.
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t fn, void *data) {
  ENTER();
  Stream *s = stream_of(stream);
  note("hostfunc", "\"device\":%d,\"stream\":%d", s->index, s->id);
  settle(s->device, s->end);
  fn(data);
  return cudaSuccess;
}

// ---- events ----

typedef struct {
  nanos at;
  Device *device;
} Event;

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  ENTER();
  *event = calloc(1, sizeof(Event));
  note("create_event", "\"device\":%d,\"blocking\":%s,\"timing\":%s", device, flags & cudaEventBlockingSync ? "true" : "false",
       flags & cudaEventDisableTiming ? "false" : "true");
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  free(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  ENTER();
  (void)flags;
  ((Event *)event)->at = stream_of(stream)->end;
  ((Event *)event)->device = stream_of(stream)->device;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  ENTER();
  Event *e = (Event *)event;
  if (e->at > now()) return cudaErrorNotReady;
  settle(e->device, e->at);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  ENTER();
  note("synchronize", "\"what\":\"event\",\"device\":%d", device);
  waited(((Event *)event)->device, ((Event *)event)->at);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) {
  ENTER();
  *ms = (float)(((Event *)to)->at - ((Event *)from)->at) / 1e6f;
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  ENTER();
  (void)flags;
  Stream *s = stream_of(stream);
  if (((Event *)event)->at > s->end) s->end = ((Event *)event)->at;
  return cudaSuccess;
}
