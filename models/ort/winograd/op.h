#ifndef BATCHSCORE_WINOGRAD_OP_H
#define BATCHSCORE_WINOGRAD_OP_H

#include <stddef.h>
#include <stdint.h>

// Positions in ONNX Runtime's OrtApi, as in ../capi.h; TestPositions compares
// them with the header.
#define ORT_FUNCTIONS(X) \
  X(CreateStatus, 0) \
  X(GetErrorMessage, 2) \
  X(CreateCustomOpDomain, 26) \
  X(CustomOpDomain_Add, 27) \
  X(AddCustomOpDomain, 28) \
  X(GetTensorMutableData, 51) \
  X(GetDimensionsCount, 61) \
  X(GetDimensions, 62) \
  X(GetTensorTypeAndShape, 65) \
  X(KernelInfoGetAttribute_int64, 86) \
  X(KernelContext_GetInput, 90) \
  X(KernelContext_GetOutput, 91) \
  X(ReleaseStatus, 93) \
  X(ReleaseTensorTypeAndShapeInfo, 99) \
  X(ReleaseCustomOpDomain, 101)

// ops is the convolutions of one session, as an operator of ONNX Runtime.
typedef struct ops ops;

// The operator's names. It has one input, one output and the attribute "index",
// which is a result of ops_add.
#define OPS_DOMAIN "batchscore"
#define OPS_NAME "Winograd"

typedef struct {
  int channels, filters;
  int kernel[2];  // height, width
  int pads[4];    // top, left, bottom, right
  int relu;
} ops_convolution;

// ops_new returns NULL if there is no memory.
ops *ops_new(const void *api);
// ops_add adds a convolution with weights [filters][channels][height][width], which
// it transforms, and returns its index, or -1 if there is no memory.
int ops_add(ops *, const ops_convolution *, const float *weights, const float *bias);
int ops_count(const ops *);
// ops_register adds the operator to session options. It returns NULL, or a message
// that the caller frees.
char *ops_register(ops *, void *session_options);
// ops_free must be called after the end of the session.
void ops_free(ops *);

#endif
