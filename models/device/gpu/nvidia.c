#include "nvidia.h"

#include <dlfcn.h>
#include <string.h>

// CALL calls a function of a library that returns an int-sized code, if it is there.
#define CALL(library, name, types, ...) \
  ({ \
    int (*call_) types = library ? (int (*) types)dlsym(library, name) : NULL; \
    call_ ? call_ __VA_ARGS__ : NV_ABSENT; \
  })

void *nv_load(const char *path, char *why) {
  // It stays: a driver's library leaves threads and exit handlers behind.
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    const char *error = dlerror();
    strncpy(why, error ? error : "unknown error", NV_TEXT - 1);
    why[NV_TEXT - 1] = 0;
  }
  return library;
}

void *nv_loaded(const char *name) { return dlopen(name, RTLD_LAZY | RTLD_NOLOAD); }

int nv_init(void *l) {
  int code = CALL(l, "nvmlInit_v2", (void), ());
  return code == NV_ABSENT ? CALL(l, "nvmlInit", (void), ()) : code;
}

int nv_driver(void *l, char *text) {
  return CALL(l, "nvmlSystemGetDriverVersion", (char *, unsigned), (text, NV_TEXT));
}

int nv_cuda_driver(void *l, int *version) {
  int code = CALL(l, "nvmlSystemGetCudaDriverVersion_v2", (int *), (version));
  return code == NV_ABSENT ? CALL(l, "nvmlSystemGetCudaDriverVersion", (int *), (version)) : code;
}

int nv_by_bus(void *l, const char *bus, void **device) {
  return CALL(l, "nvmlDeviceGetHandleByPciBusId_v2", (const char *, void **), (bus, device));
}

int nv_by_uuid(void *l, const char *uuid, void **device) {
  return CALL(l, "nvmlDeviceGetHandleByUUID", (const char *, void **), (uuid, device));
}

int nv_name(void *l, void *device, char *text) {
  return CALL(l, "nvmlDeviceGetName", (void *, char *, unsigned), (device, text, NV_TEXT));
}

int nv_uuid(void *l, void *device, char *text) {
  return CALL(l, "nvmlDeviceGetUUID", (void *, char *, unsigned), (device, text, NV_TEXT));
}

int nv_capability(void *l, void *device, int *major, int *minor) {
  return CALL(l, "nvmlDeviceGetCudaComputeCapability", (void *, int *, int *), (device, major, minor));
}

int nv_memory(void *l, void *device, unsigned long long *total, unsigned long long *used) {
  struct {
    unsigned long long total, free, used;
  } m = {0};
  int code = CALL(l, "nvmlDeviceGetMemoryInfo", (void *, void *), (device, &m));
  *total = m.total;
  *used = m.used;
  return code;
}

int nv_mig(void *l, void *device, unsigned *current) {
  unsigned pending = 0;
  return CALL(l, "nvmlDeviceGetMigMode", (void *, unsigned *, unsigned *), (device, current, &pending));
}

int nv_busy(void *l, void *device, unsigned *percent) {
  struct {
    unsigned gpu, memory;
  } u = {0};
  int code = CALL(l, "nvmlDeviceGetUtilizationRates", (void *, void *), (device, &u));
  *percent = u.gpu;
  return code;
}

int nv_clock(void *l, void *device, unsigned *mhz) {
  enum { NVML_CLOCK_SM = 1 };
  return CALL(l, "nvmlDeviceGetClockInfo", (void *, int, unsigned *), (device, NVML_CLOCK_SM, mhz));
}

int nv_power(void *l, void *device, unsigned *milliwatts) {
  return CALL(l, "nvmlDeviceGetPowerUsage", (void *, unsigned *), (device, milliwatts));
}

int nv_energy(void *l, void *device, unsigned long long *millijoules) {
  return CALL(l, "nvmlDeviceGetTotalEnergyConsumption", (void *, unsigned long long *), (device, millijoules));
}

int nv_celsius(void *l, void *device, unsigned *celsius) {
  enum { NVML_TEMPERATURE_GPU = 0 };
  return CALL(l, "nvmlDeviceGetTemperature", (void *, int, unsigned *), (device, NVML_TEMPERATURE_GPU, celsius));
}

int nv_throttle(void *l, void *device, unsigned long long *reasons) {
  // Two names of one function: drivers since 535 have both.
  int code = CALL(l, "nvmlDeviceGetCurrentClocksThrottleReasons", (void *, unsigned long long *), (device, reasons));
  if (code != NV_ABSENT) return code;
  return CALL(l, "nvmlDeviceGetCurrentClocksEventReasons", (void *, unsigned long long *), (device, reasons));
}

int nv_runtime_version(void *l, int *version) { return CALL(l, "cudaRuntimeGetVersion", (int *), (version)); }

int nv_runtime_driver_version(void *l, int *version) { return CALL(l, "cudaDriverGetVersion", (int *), (version)); }

int nv_bus(void *l, int index, char *text) {
  return CALL(l, "cudaDeviceGetPCIBusId", (char *, int, int), (text, NV_TEXT, index));
}

int nv_attribute(void *l, int index, int attribute, int *value) {
  return CALL(l, "cudaDeviceGetAttribute", (int *, int, int), (value, attribute, index));
}

int nv_cuda_uuid(void *l, int index, unsigned char *bytes) {
  int device = 0, code = CALL(l, "cuDeviceGet", (int *, int), (&device, index));
  if (code) return code;
  // The second version returns the UUID of a MIG instance, the first that of its GPU.
  return CALL(l, "cuDeviceGetUuid_v2", (void *, int), (bytes, device));
}

int nv_cuda_name(void *l, int index, char *text) {
  int device = 0, code = CALL(l, "cuDeviceGet", (int *, int), (&device, index));
  return code ? code : CALL(l, "cuDeviceGetName", (char *, int, int), (text, NV_TEXT, device));
}

int nv_cuda_memory(void *l, int index, size_t *bytes) {
  int device = 0, code = CALL(l, "cuDeviceGet", (int *, int), (&device, index));
  return code ? code : CALL(l, "cuDeviceTotalMem_v2", (size_t *, int), (bytes, device));
}

size_t nv_cudnn_version(void *l) {
  size_t (*call)(void) = l ? (size_t(*)(void))dlsym(l, "cudnnGetVersion") : NULL;
  return call ? call() : 0;
}
