// The libraries that the package asks, with two GPUs: CUDA's number 0 is NVML's number 1.
// FAKE_MIG=1 divides the GPU, FAKE_FAIL=1 lets every function of NVML but nvmlInit fail.
// FAKE_NAME is the name of every GPU.
// With -DOLD the driver is one that lacks the newer functions of NVML.
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, UNKNOWN = 999 };

static int on(const char *name) {
  const char *value = getenv(name);
  return value && *value == '1';
}

#define FAILS if (on("FAKE_FAIL")) return UNKNOWN

static int gpus[2], instance;

static int put(char *to, unsigned room, const char *text) {
  if (strlen(text) >= room) return INVALID;
  strcpy(to, text);
  return OK;
}

#ifdef OLD
int nvmlInit(void) { return OK; }
#else
int nvmlInit_v2(void) { return on("FAKE_NO_DRIVER") ? 9 : OK; }
#endif

int nvmlSystemGetDriverVersion(char *text, unsigned n) { FAILS; return put(text, n, "550.54.15"); }

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device) {
  FAILS;
  if (!strcmp(bus, "0000:04:00.0")) *device = &gpus[0];
  else if (!strcmp(bus, "0000:81:00.0")) *device = &gpus[1];
  else return NOT_FOUND;
  return OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
  FAILS;
  if (strcmp(uuid, "MIG-00010203-0405-0607-0809-0a0b0c0d0e0f")) return NOT_FOUND;
  *device = &instance;
  return OK;
}

int nvmlDeviceGetName(void *d, char *text, unsigned n) {
  FAILS;
  const char *given = getenv("FAKE_NAME");
  return put(text, n, given ? given : d == &gpus[0] ? "Tesla K80" : d == &gpus[1] ? "Tesla P100-PCIE-16GB" : "NVIDIA A100-SXM4-40GB MIG 1g.5gb");
}

int nvmlDeviceGetUUID(void *d, char *text, unsigned n) { FAILS; return put(text, n, d == &gpus[1] ? "GPU-5a1c" : "GPU-77"); }

int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *m) {
  FAILS;
  m[0] = (d == &instance ? 4864ull : 16280ull) << 20;
  m[2] = 1000ull << 20;
  m[1] = m[0] - m[2];
  return OK;
}

int nvmlDeviceGetPowerUsage(void *d, unsigned *mw) { FAILS; *mw = 182000; return OK; }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *c) { FAILS; *c = 71; return OK; }
int nvmlDeviceGetUtilizationRates(void *d, unsigned *u) { FAILS; u[0] = 93; u[1] = 40; return OK; }
int nvmlDeviceGetClockInfo(void *d, int type, unsigned *mhz) { FAILS; *mhz = type == 1 ? 1328 : 715; return OK; }

#ifndef OLD
int nvmlSystemGetCudaDriverVersion_v2(int *v) { FAILS; *v = 12040; return OK; }
int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor) { FAILS; *major = 6; *minor = 0; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(void *d, unsigned long long *mj) { FAILS; *mj = 5000500; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(void *d, unsigned long long *r) { FAILS; *r = 1 | 0x04 | 0x40; return OK; }
int nvmlDeviceGetMigMode(void *d, unsigned *current, unsigned *pending) {
  FAILS;
  *current = *pending = on("FAKE_MIG");
  return OK;
}
#endif

int cudaRuntimeGetVersion(int *v) { *v = 12090; return OK; }
int cudaDriverGetVersion(int *v) { *v = 12040; return OK; }
int cudaDeviceGetPCIBusId(char *text, int n, int index) { return index ? 101 : put(text, n, "0000:81:00.0"); }
int cudaDeviceGetAttribute(int *v, int attribute, int index) {
  if (index) return 101;
  *v = attribute == 75 ? 6 : 0;
  return OK;
}

int cuDeviceGet(int *device, int index) { *device = index; return index ? 101 : OK; }
int cuDeviceGetName(char *text, int n, int device) { return put(text, n, "Tesla P100-PCIE-16GB"); }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 16276ull << 20; return OK; }
int cuDeviceGetUuid_v2(unsigned char *bytes, int device) {
  for (int i = 0; i < 16; i++) bytes[i] = i;
  return OK;
}

size_t cudnnGetVersion(void) { return 91002; }
