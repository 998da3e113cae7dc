// libcuda, the driver's library: what is asked of it apart from the runtime.
#include "cudatest.h"

#include <cuda.h>
#include <string.h>

static CUresult usable(const char *call) {
  int code = fault(call);
  if (code) return (CUresult)code;
  return config()->count == 0 ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
}

#define ENTER() \
  do { \
    CUresult e_ = usable(__func__); \
    if (e_) return e_; \
  } while (0)

#define ENTER_DEVICE(d) \
  ENTER(); \
  if ((d) < 0 || (d) >= config()->count) return CUDA_ERROR_INVALID_DEVICE

CUresult cuInit(unsigned flags) {
  (void)flags;
  ENTER();
  note("driver", "\"call\":\"cuInit\"");
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
  int code = fault(__func__);
  *version = config()->driver;
  return (CUresult)code;
}

CUresult cuDeviceGetCount(int *count) {
  ENTER();
  *count = config()->count;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int i) {
  ENTER_DEVICE(i);
  *device = i;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice d) {
  ENTER_DEVICE(d);
  strncpy(name, config()->visible[d]->name, (size_t)size - 1);
  name[size - 1] = 0;
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t *size, CUdevice d) {
  ENTER_DEVICE(d);
  *size = config()->visible[d]->memory;
  return CUDA_SUCCESS;
}

// Of a MIG device it is that of its GPU.
#undef cuDeviceGetUuid
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice d) {
  ENTER_DEVICE(d);
  const Device *it = config()->visible[d];
  cudatest_bytes(*it->parent ? it->parent : it->uuid, uuid->bytes);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice d) {
  ENTER_DEVICE(d);
  cudatest_bytes(config()->visible[d]->uuid, uuid->bytes);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice d) {
  ENTER_DEVICE(d);
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR   ? config()->visible[d]->major
           : attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? config()->visible[d]->minor
                                                                       : 0;
  return CUDA_SUCCESS;
}

// The flags of each device's context. Like all of the driver's state they are lost when
// its library is unloaded.
static unsigned flags_of[MAX_DEVICES];

bool sleeps(int d) { return (flags_of[d] & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_BLOCKING_SYNC; }

// cuUnloaded is called by the stand-in's libcuda.so.1 when it is unloaded. It has no
// namesake in NVIDIA's library.
void cuUnloaded(void);
void cuUnloaded(void) { memset(flags_of, 0, sizeof flags_of); }

CUresult cuDevicePrimaryCtxSetFlags(CUdevice d, unsigned flags) {
  ENTER_DEVICE(d);
  flags_of[d] = flags;
  note("context_flags", "\"device\":%d,\"flags\":%u,\"blocking_sync\":%s", d, flags, sleeps(d) ? "true" : "false");
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice d, unsigned *flags, int *active) {
  ENTER_DEVICE(d);
  *flags = flags_of[d];
  *active = config()->visible[d]->active;
  return CUDA_SUCCESS;
}

// Programs that find functions by name may take the older names.
#undef cuDeviceTotalMem
CUresult cuDeviceTotalMem(size_t *size, CUdevice d) { return cuDeviceTotalMem_v2(size, d); }

#undef cuDevicePrimaryCtxSetFlags
CUresult cuDevicePrimaryCtxSetFlags(CUdevice d, unsigned flags) { return cuDevicePrimaryCtxSetFlags_v2(d, flags); }

CUresult cuGetErrorString(CUresult e, const char **text) {
  *text = e == CUDA_SUCCESS ? "no error" : e == CUDA_ERROR_NO_DEVICE ? "no CUDA-capable device is detected" : "error of the stand-in for CUDA's driver";
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult e, const char **name) {
  *name = e == CUDA_SUCCESS ? "CUDA_SUCCESS" : e == CUDA_ERROR_NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_UNKNOWN";
  return CUDA_SUCCESS;
}
