// libcublas and libcublasLt: handles, and products that are counted.
#include "cudatest.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  Stream *stream;
} Handle;

#define ENTER() \
  do { \
    int code_ = fault(__func__); \
    if (code_) return code_; \
  } while (0)

enum { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_NOT_INITIALIZED = 1 };

int cublasCreate_v2(Handle **handle) {
  ENTER();
  if (config()->count == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = malloc(sizeof **handle);
  (*handle)->stream = stream_of(NULL);
  note("handle", "\"library\":\"cublas\",\"device\":%d", (*handle)->stream->index);
  return CUBLAS_STATUS_SUCCESS;
}

int cublasDestroy_v2(Handle *handle) {
  free(handle);
  return CUBLAS_STATUS_SUCCESS;
}

int cublasSetStream_v2(Handle *handle, void *stream) {
  ENTER();
  handle->stream = stream_of(stream);
  return CUBLAS_STATUS_SUCCESS;
}

int cublasSetMathMode(Handle *handle, int mode) {
  (void)handle;
  note("math_mode", "\"device\":%d,\"mode\":%d", current(), mode);
  return CUBLAS_STATUS_SUCCESS;
}

int cublasGetMathMode(Handle *handle, int *mode) {
  (void)handle;
  *mode = 0;
  return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusName(int status) { return status == 0 ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_FAILED"; }

const char *cublasGetStatusString(int status) { return status == 0 ? "success" : "failure of the stand-in for cuBLAS"; }

#define WORK(name) \
  int name(Handle *handle) { \
    ENTER(); \
    launched(handle->stream, "cublas:" #name, config()->launch); \
    return CUBLAS_STATUS_SUCCESS; \
  }
WORK(cublasGemmBatchedEx)
WORK(cublasGemmEx)
WORK(cublasGemmStridedBatchedEx)
WORK(cublasScopy_v2)
WORK(cublasSgeam)
WORK(cublasSgemmBatched)
WORK(cublasSgemmStridedBatched)
WORK(cublasSgemm_v2)
WORK(cublasSscal_v2)

// ---- cublasLt: descriptors hold nothing ----

static int create(void **d) {
  *d = calloc(1, 64);
  return CUBLAS_STATUS_SUCCESS;
}

static int destroy(void *d) {
  free(d);
  return CUBLAS_STATUS_SUCCESS;
}

#define DESCRIPTOR(name) \
  int cublasLt##name##Create(void **d) { return create(d); } \
  int cublasLt##name##Destroy(void *d) { return destroy(d); } \
  int cublasLt##name##SetAttribute(void) { return CUBLAS_STATUS_SUCCESS; }
DESCRIPTOR(MatmulDesc)
DESCRIPTOR(MatmulPreference)
DESCRIPTOR(MatrixLayout)

int cublasLtCreate(void **handle) {
  ENTER();
  return create(handle);
}

int cublasLtDestroy(void *handle) { return destroy(handle); }

// A result as cublasLt.h has it.
typedef struct {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
} Result;

int cublasLtMatmulAlgoGetHeuristic(void *handle, void *d, void *a, void *b, void *c, void *r, void *preference, int room,
                                   Result *results, int *count) {
  ENTER();
  (void)handle, (void)d, (void)a, (void)b, (void)c, (void)r, (void)preference;
  *count = room > 0;
  if (room > 0) memset(results, 0, sizeof *results);
  return CUBLAS_STATUS_SUCCESS;
}

int cublasLtMatmul(void *handle, void *d, const void *alpha, const void *a, void *al, const void *b, void *bl,
                   const void *beta, const void *c, void *cl, void *r, void *rl, const void *algorithm, void *workspace,
                   size_t size, void *stream) {
  ENTER();
  (void)handle, (void)d, (void)alpha, (void)a, (void)al, (void)b, (void)bl, (void)beta, (void)c, (void)cl, (void)r,
      (void)rl, (void)algorithm, (void)workspace, (void)size;
  launched(stream_of(stream), "cublas:cublasLtMatmul", config()->launch);
  return CUBLAS_STATUS_SUCCESS;
}
