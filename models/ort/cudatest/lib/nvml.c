// libnvidia-ml: what the driver knows of the machine's GPUs, whatever CUDA enumerates.
// It sees the use of a GPU by its own process only.
#include "cudatest.h"

#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int users;  // calls of nvmlInit without nvmlShutdown

#define ENTER() \
  do { \
    int code_ = fault(__func__); \
    if (code_) return (nvmlReturn_t)code_; \
    if (users == 0) return NVML_ERROR_UNINITIALIZED; \
  } while (0)

static Device *of(nvmlDevice_t handle) { return (Device *)handle; }

static bool is_mig(const Device *d) { return *d->parent; }

static int number(const char *variable, int otherwise) {
  const char *v = getenv(variable);
  return v && *v ? atoi(v) : otherwise;
}

nvmlReturn_t nvmlInit_v2(void) {
  int code = fault("nvmlInit");
  if (code) return (nvmlReturn_t)code;
  note("nvml", "\"call\":\"nvmlInit\"");
  users++;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlInit(void) { return nvmlInit_v2(); }

nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  return nvmlInit_v2();
}

nvmlReturn_t nvmlShutdown(void) {
  ENTER();
  users--;
  return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t e) {
  switch (e) {
    case NVML_SUCCESS: return "The operation was successful";
    case NVML_ERROR_UNINITIALIZED: return "NVML was not first initialized with nvmlInit()";
    case NVML_ERROR_INVALID_ARGUMENT: return "A supplied argument is invalid";
    case NVML_ERROR_NOT_SUPPORTED: return "The requested operation is not available on target device";
    case NVML_ERROR_NO_PERMISSION: return "The current user does not have permission for operation";
    case NVML_ERROR_NOT_FOUND: return "A query to find an object was unsuccessful";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "NVIDIA driver is not loaded";
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH: return "RM detects a driver/library version mismatch.";
    case NVML_ERROR_GPU_IS_LOST: return "The GPU has fallen off the bus or has otherwise become inaccessible";
    default: return "An internal driver error occurred";
  }
}

// ---- the machine ----

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned size) {
  ENTER();
  snprintf(version, size, "%s", config()->driver_name);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned size) {
  ENTER();
  snprintf(version, size, "%d.%s", config()->driver / 1000, config()->driver_name);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
  ENTER();
  *version = config()->driver;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) { return nvmlSystemGetCudaDriverVersion(version); }

// ---- GPUs and MIG devices ----

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count) {
  ENTER();
  *count = 0;
  for (int i = 0; i < config()->all_count; i++) *count += !is_mig(&config()->all[i]);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *handle) {
  ENTER();
  // GPUs come before MIG devices.
  if ((int)index >= config()->all_count || is_mig(&config()->all[index])) return NVML_ERROR_INVALID_ARGUMENT;
  *handle = (nvmlDevice_t)&config()->all[index];
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *handle) {
  ENTER();
  for (int i = 0; i < config()->all_count; i++) {
    if (strcmp(config()->all[i].uuid, uuid)) continue;
    *handle = (nvmlDevice_t)&config()->all[i];
    return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_FOUND;
}

// address reads a PCI address, with any number of digits of the domain.
static bool address(const char *bus, unsigned to[3]) { return sscanf(bus, "%x:%x:%x", &to[0], &to[1], &to[2]) == 3; }

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *handle) {
  ENTER();
  unsigned want[3], have[3];
  if (!address(bus, want)) return NVML_ERROR_INVALID_ARGUMENT;
  for (int i = 0; i < config()->all_count; i++) {
    if (!address(config()->all[i].bus, have) || memcmp(want, have, sizeof want)) continue;
    *handle = (nvmlDevice_t)&config()->all[i];
    return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t d, nvmlPciInfo_t *pci) {
  ENTER();
  unsigned at[3] = {0};
  memset(pci, 0, sizeof *pci);
  address(of(d)->bus, at);
  pci->domain = at[0];
  pci->bus = at[1];
  pci->device = at[2];
  snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", at[0], at[1], at[2]);
  snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", at[0], at[1], at[2]);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t d, unsigned *index) {
  ENTER();
  *index = (unsigned)of(d)->physical;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t d, unsigned *minor) {
  ENTER();
  *minor = (unsigned)of(d)->physical;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *name, unsigned size) {
  ENTER();
  snprintf(name, size, "%s", of(d)->name);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *uuid, unsigned size) {
  ENTER();
  snprintf(uuid, size, "%s", of(d)->uuid);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t d, int *major, int *minor) {
  ENTER();
  *major = of(d)->major;
  *minor = of(d)->minor;
  return NVML_SUCCESS;
}

static Device *part(const Device *gpu, unsigned index) {
  for (int i = 0; i < config()->all_count; i++) {
    Device *d = &config()->all[i];
    if (is_mig(d) && d->physical == gpu->physical && index-- == 0) return d;
  }
  return NULL;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned *mode, unsigned *pending) {
  ENTER();
  if (of(d)->major < 8) return NVML_ERROR_NOT_SUPPORTED;
  *mode = *pending = part(of(d), 0) ? NVML_DEVICE_MIG_ENABLE : NVML_DEVICE_MIG_DISABLE;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t d, unsigned *count) {
  ENTER();
  *count = of(d)->major < 8 ? 0 : 7;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t d, unsigned index, nvmlDevice_t *mig) {
  ENTER();
  Device *found = part(of(d), index);
  *mig = (nvmlDevice_t)found;
  return found ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t d, unsigned *yes) {
  ENTER();
  *yes = is_mig(of(d));
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t mig, nvmlDevice_t *gpu) {
  ENTER();
  if (!is_mig(of(mig))) return NVML_ERROR_INVALID_ARGUMENT;
  *gpu = (nvmlDevice_t)&config()->all[of(mig)->physical];
  return NVML_SUCCESS;
}

// ---- cores near a GPU ----

// The first half of the GPUs is near node 0, the other half near node 1.
static int node(const Device *d) {
  int gpus = 0;
  for (int i = 0; i < config()->all_count; i++) gpus += !is_mig(&config()->all[i]);
  return gpus > 1 && d->physical >= (gpus + 1) / 2;
}

nvmlReturn_t nvmlDeviceGetNumaNodeId(nvmlDevice_t d, unsigned *id) {
  ENTER();
  *id = (unsigned)node(of(d));
  return NVML_SUCCESS;
}

// Eight cores for each node.
nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t d, unsigned size, unsigned long *set) {
  ENTER();
  memset(set, 0, size * sizeof *set);
  if (size > 0) set[0] = 0xfful << (8 * node(of(d)));
  return NVML_SUCCESS;
}

// ---- use ----

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *memory) {
  ENTER();
  memory->total = of(d)->memory;
  memory->used = of(d)->used;
  memory->free = memory->total - memory->used;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t *memory) {
  ENTER();
  memory->total = of(d)->memory;
  memory->reserved = 0;
  memory->used = of(d)->used;
  memory->free = memory->total - memory->used;
  return NVML_SUCCESS;
}

// The share of the last second in which the GPU computed, in simulated time.
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *use) {
  ENTER();
  if (is_mig(of(d))) return NVML_ERROR_NOT_SUPPORTED;
  use->gpu = (unsigned)number("CUDATEST_UTILIZATION", (int)(100 * busy_share(&of(d)->compute) + 0.5));
  use->memory = use->gpu / 2;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned *mhz) {
  ENTER();
  (void)d;
  *mhz = type == NVML_CLOCK_MEM ? 1215 : (unsigned)number("CUDATEST_CLOCK_MHZ", 1410);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned *mhz) {
  ENTER();
  (void)d;
  *mhz = type == NVML_CLOCK_MEM ? 1215 : 1410;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, nvmlTemperatureSensors_t sensor, unsigned *degrees) {
  ENTER();
  (void)d;
  (void)sensor;
  *degrees = (unsigned)number("CUDATEST_TEMPERATURE", 45);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t d, unsigned *milliwatts) {
  ENTER();
  if (is_mig(of(d))) return NVML_ERROR_NOT_SUPPORTED;
  *milliwatts = (unsigned)number("CUDATEST_POWER_MW", 100000);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t d, unsigned *milliwatts) {
  ENTER();
  (void)d;
  *milliwatts = 400000;
  return NVML_SUCCESS;
}

// A GPU takes 50 W, and 200 W more while it computes.
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t d, unsigned long long *millijoules) {
  ENTER();
  if (is_mig(of(d)) || of(d)->major < 7) return NVML_ERROR_NOT_SUPPORTED;
  *millijoules = (unsigned long long)(now() / 1000000 * 50 + of(d)->compute.total / 1000000 * 200);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, unsigned long long *reasons) {
  ENTER();
  (void)d;
  *reasons = (unsigned long long)number("CUDATEST_THROTTLE", 0);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t d, unsigned long long *reasons) {
  return nvmlDeviceGetCurrentClocksThrottleReasons(d, reasons);
}
