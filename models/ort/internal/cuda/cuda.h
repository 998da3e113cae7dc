#ifndef BATCHSCORE_CUDA_H
#define BATCHSCORE_CUDA_H

#include <stddef.h>

// Functions that can fail return NULL, or a message that the caller frees.

// Functions of CUDA's run-time library.
typedef struct {
  int (*set_device)(int);
  int (*create_stream)(void **, unsigned);
  int (*destroy_stream)(void *);
  int (*synchronize)(void *);
  int (*copy)(void *, const void *, size_t, int, void *);
  int (*synchronize_device)(void);
  int (*memory)(size_t *, size_t *);
  const char *(*describe)(int);
} cuda_runtime;

// cuda_open finds the functions in the libraries with which a provider of ONNX Runtime
// was loaded. They may be called for as long as that is loaded.
char *cuda_open(const char *provider, cuda_runtime *runtime);

char *cuda_create_stream(const cuda_runtime *runtime, int device, void **stream);
char *cuda_destroy_stream(const cuda_runtime *runtime, int device, void *stream);

// cuda_copy_in copies from page-locked memory to a device, and waits for that copy only.
char *cuda_copy_in(const cuda_runtime *runtime, int device, void *stream, void *to, const void *from, size_t size);

// cuda_wait waits for everything that a device does.
char *cuda_wait(const cuda_runtime *runtime, int device);

// cuda_memory says how much memory of a device is free, and how much it has, in bytes.
char *cuda_memory(const cuda_runtime *runtime, int device, size_t *free, size_t *total);

// cuda_block makes threads that wait for a device sleep instead of polling. It must be
// called before the process uses the device.
char *cuda_block(int device);

// cuda_blocks says whether they sleep.
char *cuda_blocks(int device, int *blocks);

#endif
