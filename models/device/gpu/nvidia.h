// What is used of NVIDIA's libraries. Every function is looked up by name when it is
// called, so that an older driver lacks single answers only, and this program neither
// links nor needs any of the libraries.
#ifndef BATCHSCORE_NVIDIA_H
#define BATCHSCORE_NVIDIA_H

#include <stddef.h>

// The text that a function fills in.
enum { NV_TEXT = 128 };

// What a number is a code of, besides 0 for success: there is no such function.
enum { NV_ABSENT = -1 };

// nv_load loads a library; NULL if it cannot. why, of NV_TEXT bytes, is then the reason.
void *nv_load(const char *path, char *why);

// nv_loaded returns a library that this process has loaded already, else NULL.
void *nv_loaded(const char *name);

// The functions of NVML, of the library nvml. They return its code, or NV_ABSENT.
int nv_init(void *nvml);
int nv_driver(void *nvml, char *text);
int nv_cuda_driver(void *nvml, int *version);
int nv_by_bus(void *nvml, const char *bus, void **device);
int nv_by_uuid(void *nvml, const char *uuid, void **device);
int nv_name(void *nvml, void *device, char *text);
int nv_uuid(void *nvml, void *device, char *text);
int nv_capability(void *nvml, void *device, int *major, int *minor);
int nv_memory(void *nvml, void *device, unsigned long long *total, unsigned long long *used);
int nv_mig(void *nvml, void *device, unsigned *current);
int nv_busy(void *nvml, void *device, unsigned *percent);
int nv_clock(void *nvml, void *device, unsigned *mhz);
int nv_power(void *nvml, void *device, unsigned *milliwatts);
int nv_energy(void *nvml, void *device, unsigned long long *millijoules);
int nv_celsius(void *nvml, void *device, unsigned *celsius);
int nv_throttle(void *nvml, void *device, unsigned long long *reasons);

// The functions of the CUDA runtime.
int nv_runtime_version(void *cudart, int *version);
int nv_runtime_driver_version(void *cudart, int *version);
int nv_bus(void *cudart, int index, char *text);
int nv_attribute(void *cudart, int index, int attribute, int *value);

// The functions of the driver's CUDA library. bytes are 16.
int nv_cuda_uuid(void *cuda, int index, unsigned char *bytes);
int nv_cuda_name(void *cuda, int index, char *text);
int nv_cuda_memory(void *cuda, int index, size_t *bytes);

// nv_cudnn_version returns the version of cuDNN, 0 if it does not say.
size_t nv_cudnn_version(void *cudnn);

#endif
