// A program that uses a GPU by hand, to test the stand-in itself. It prints what it sees.
#include <cuda_runtime_api.h>
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(cudaError_t e) {
  if (!e) return;
  printf("error %d\n", e);
  exit(1);
}

static double milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

// Memory can be had until the device is full, and again when it is freed.
static void memory(void) {
  void *p[4];
  size_t left, total;
  for (int i = 0; i < 4; i++) printf("%d ", cudaMalloc(&p[i], 30 << 20));
  must(cudaMemGetInfo(&left, &total));
  printf("%zu of %zu ", left >> 20, total >> 20);
  must(cudaFree(p[0]));
  printf("%d\n", cudaMalloc(&p[0], 30 << 20));
}

// copies asks for ten copies, and for an event at their end.
static cudaEvent_t copies(void *to, void *from, size_t size, cudaStream_t stream) {
  cudaEvent_t end;
  for (int i = 0; i < 10; i++) must(cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, stream));
  must(cudaEventCreate(&end));
  must(cudaEventRecord(end, stream));
  return end;
}

// Copies of two streams in one direction follow each other, calls return at once, and
// waiting takes as long as the copies. The two directions run together.
static void streams(void) {
  enum { size = 4 << 20 };
  cudaStream_t a, b;
  void *host, *device;
  float ms;
  must(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
  must(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
  must(cudaMallocHost(&host, size));
  must(cudaMalloc(&device, size));
  double start = milliseconds();
  cudaEvent_t first = copies(device, host, size, a), second = copies(device, host, size, b);
  must(cudaEventElapsedTime(&ms, first, second));
  must(cudaStreamSynchronize(b));
  printf("%d %s ", (int)(ms + 0.5f), milliseconds() - start >= 838 ? "waited" : "did not wait");
  // A machine with other work may stop this process between the two.
  for (int tries = 0; tries < 5; tries++) {
    must(cudaDeviceSynchronize());
    first = copies(device, host, size, a), second = copies(host, device, size, b);
    must(cudaEventElapsedTime(&ms, first, second));
    if (ms < 400) break;
  }
  printf("%s\n", ms < 400 ? "together" : "one after the other");
}

// What comes from the device is there when it was waited for, and not before.
static void early(void) {
  float *host;
  void *device;
  must(cudaMallocHost((void **)&host, 4096));
  must(cudaMalloc(&device, 4096));
  host[0] = 1;
  must(cudaMemcpyAsync(host, device, 4096, cudaMemcpyDeviceToHost, NULL));
  printf("%f ", host[0]);
  must(cudaDeviceSynchronize());
  printf("%f\n", host[0]);
}

// Memory that is changed before it was copied is noticed; afterwards it may change.
static void changed(int wait) {
  char *host;
  void *device;
  must(cudaMallocHost((void **)&host, 1 << 20));
  must(cudaMalloc(&device, 1 << 20));
  must(cudaMemcpyAsync(device, host, 1 << 20, cudaMemcpyHostToDevice, NULL));
  if (wait) must(cudaStreamSynchronize(NULL));
  memset(host, 1, 1 << 20);
  must(cudaStreamSynchronize(NULL));
}

static unsigned use(unsigned gpu) {
  nvmlDevice_t device;
  nvmlUtilization_t percent = {0, 0};
  if (nvmlDeviceGetHandleByIndex_v2(gpu, &device) || nvmlDeviceGetUtilizationRates(device, &percent)) exit(1);
  return percent.gpu;
}

// A GPU is as busy as it was in the last second, whenever that is asked: not at all, all
// of a second into work that takes long, and not at all later. The other GPU is idle.
static void busy(void) {
  if (nvmlInit_v2()) exit(1);
  printf("%u ", use(0));
  must(cudaLaunchKernel(busy, (dim3){1, 1, 1}, (dim3){1, 1, 1}, NULL, 0, NULL));
  double start = milliseconds();
  unsigned most = 0, before = 100;
  while (milliseconds() < start + 60e3 && before > 0) {
    before = use(0);
    if (before > most) most = before;
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    if (most < 100) before = 100;
  }
  printf("%u %u %u\n", most, before, use(1));
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "memory")) memory();
  if (!strcmp(what, "streams")) streams();
  if (!strcmp(what, "busy")) busy();
  if (!strcmp(what, "early")) early();
  if (!strcmp(what, "changed")) changed(0);
  if (!strcmp(what, "unchanged")) changed(1);
  return 0;
}
