// libcudnn: handles, and the graph API, through which ONNX Runtime convolves.
#include "cudnn.h"
#include "cudatest.h"

#include <stdio.h>
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

size_t cudnnGetVersion(void) { return (size_t)config()->cudnn; }

size_t cudnnGetMaxDeviceVersion(void) { return (size_t)config()->cudnn; }

size_t cudnnGetCudartVersion(void) { return CUDATEST_LINE * 1000; }

const char *cudnnGetErrorString(int status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH: return "CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH";
    case CUDNN_STATUS_INTERNAL_ERROR: return "CUDNN_STATUS_INTERNAL_ERROR";
    case CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED: return "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "CUDNN_UNKNOWN_STATUS";
  }
}

void cudnnGetLastErrorString(char *message, size_t size) { snprintf(message, size, "stand-in for cuDNN"); }

// From 9.11 cuDNN runs on a T4 and newer only.
static bool too_old(const Device *d) { return config()->cudnn >= 91100 && 10 * d->major + d->minor < 75; }

int cudnnCreate(Handle **handle) {
  ENTER();
  if (config()->count == 0) return CUDNN_STATUS_INTERNAL_ERROR;
  Stream *s = stream_of(NULL);
  if (too_old(s->device)) return CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH;
  *handle = malloc(sizeof **handle);
  (*handle)->stream = s;
  note("handle", "\"library\":\"cudnn\",\"device\":%d", s->index);
  return CUDNN_STATUS_SUCCESS;
}

int cudnnDestroy(Handle *handle) {
  free(handle);
  return CUDNN_STATUS_SUCCESS;
}

int cudnnSetStream(Handle *handle, void *stream) {
  ENTER();
  handle->stream = stream_of(stream);
  return CUDNN_STATUS_SUCCESS;
}

int cudnnGetStream(Handle *handle, void **stream) {
  *stream = handle->stream->id ? handle->stream : NULL;
  return CUDNN_STATUS_SUCCESS;
}

// ---- descriptors ----

typedef struct Attribute {
  int name;
  int64_t count;
  void *values;
  struct Attribute *next;
} Attribute;

// What a convolution is, as far as a plan depends on it.
typedef struct {
  int type;  // of its input
  int64_t x[8], w[8];
  int dimensions;
  bool channels_last;
  bool convolution;
} Shape;

typedef struct {
  int kind;
  Attribute *attributes;
  Shape shape;        // of a graph and what is derived from it
  bool tensor_cores;  // of an engine and what is derived from it
} Descriptor;

static size_t size_of(int type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return 8;
    case CUDNN_TYPE_FRACTION: return 16;
    default: return 4;
  }
}

static Attribute *get(Descriptor *d, int name) {
  Attribute *a = d ? d->attributes : NULL;
  while (a && a->name != name) a = a->next;
  return a;
}

// get_descriptor returns the first descriptor that an attribute names.
static Descriptor *get_descriptor(Descriptor *d, int name) {
  Attribute *a = get(d, name);
  return a && a->count > 0 ? *(Descriptor **)a->values : NULL;
}

int cudnnBackendCreateDescriptor(int kind, Descriptor **d) {
  ENTER();
  *d = calloc(1, sizeof **d);
  (*d)->kind = kind;
  return CUDNN_STATUS_SUCCESS;
}

int cudnnBackendDestroyDescriptor(Descriptor *d) {
  while (d && d->attributes) {
    Attribute *a = d->attributes;
    d->attributes = a->next;
    free(a->values);
    free(a);
  }
  free(d);
  return CUDNN_STATUS_SUCCESS;
}

int cudnnBackendSetAttribute(Descriptor *d, int name, int type, int64_t count, const void *values) {
  ENTER();
  Attribute *a = get(d, name);
  if (!a) {
    a = calloc(1, sizeof *a);
    a->name = name;
    a->next = d->attributes;
    d->attributes = a;
  }
  size_t size = (size_t)count * size_of(type);
  free(a->values);
  a->values = malloc(size + 1);
  if (size) memcpy(a->values, values, size);
  a->count = count;
  return CUDNN_STATUS_SUCCESS;
}

static int64_t dimensions(Descriptor *tensor, int64_t to[8]) {
  Attribute *a = get(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS);
  int64_t n = a ? a->count : 0;
  if (n > 8) n = 8;
  if (n) memcpy(to, a->values, n * 8);
  return n;
}

// describe finds the convolution in a graph of operations.
static void describe(Descriptor *graph) {
  Attribute *ops = get(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
  for (int64_t i = 0; ops && i < ops->count; i++) {
    Descriptor *op = ((Descriptor **)ops->values)[i];
    if (op->kind != CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) continue;
    Descriptor *x = get_descriptor(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X);
    Shape *s = &graph->shape;
    s->convolution = true;
    s->dimensions = (int)dimensions(x, s->x);
    dimensions(get_descriptor(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W), s->w);
    Attribute *type = get(x, CUDNN_ATTR_TENSOR_DATA_TYPE);
    if (type) s->type = *(int *)type->values;
    Attribute *strides = get(x, CUDNN_ATTR_TENSOR_STRIDES);
    s->channels_last = strides && strides->count > 1 && ((int64_t *)strides->values)[1] == 1;
  }
}

static const char *list(const int64_t *v, int n, char *to, size_t size) {
  size_t at = 0;
  to[0] = 0;
  for (int i = 0; i < n && at < size; i++) at += (size_t)snprintf(to + at, size - at, "%s%lld", i ? "," : "", (long long)v[i]);
  return to;
}

static const char *type_name(int type) { return type == CUDNN_DATA_HALF ? "float16" : type == CUDNN_DATA_FLOAT ? "float32" : "other"; }

static int build(Descriptor *plan) {
  int code = fault("cudnnPlan");
  if (code) return code;
  Descriptor *engine = get_descriptor(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (!engine) return CUDNN_STATUS_BAD_PARAM;
  plan->shape = engine->shape;
  plan->tensor_cores = engine->tensor_cores;
  wait_until(now() + config()->plan);
  char x[160], w[160];
  Shape *s = &plan->shape;
  note("plan", "\"device\":%d,\"type\":\"%s\",\"x\":[%s],\"w\":[%s],\"channels_last\":%s,\"tensor_cores\":%s", current(), type_name(s->type),
       list(s->x, s->dimensions, x, sizeof x), list(s->w, s->dimensions, w, sizeof w), s->channels_last ? "true" : "false",
       plan->tensor_cores ? "true" : "false");
  return CUDNN_STATUS_SUCCESS;
}

int cudnnBackendFinalize(Descriptor *d) {
  ENTER();
  Descriptor *graph;
  switch (d->kind) {
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: describe(d); break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      graph = get_descriptor(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      if (graph) d->shape = graph->shape;
      break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: return build(d);
  }
  return CUDNN_STATUS_SUCCESS;
}

// has_tensor_cores says so for the engine that a type of numbers would use: float16
// since Volta, float32 (as TF32) since Ampere.
static bool has_tensor_cores(int type) {
  return config()->visible[current()]->major >= (type == CUDNN_DATA_HALF ? 7 : 8);
}

// results fills the engine configurations that the caller has made: one that uses
// tensor cores, where there are any, and after it one that does not.
static int64_t results(Descriptor *heuristic, int64_t room, Descriptor **to) {
  int64_t n = has_tensor_cores(heuristic->shape.type) ? 2 : 1;
  for (int64_t i = 0; to && i < n && i < room; i++) {
    to[i]->shape = heuristic->shape;
    to[i]->tensor_cores = n == 2 && i == 0;
  }
  return n;
}

int cudnnBackendGetAttribute(Descriptor *d, int name, int type, int64_t room, int64_t *count, void *values) {
  ENTER();
  int64_t n = 0;
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: n = results(d, room, values); break;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      n = 1;
      if (values && room > 0) {
        (*(Descriptor **)values)->shape = d->shape;
        (*(Descriptor **)values)->tensor_cores = d->tensor_cores;
      }
      break;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      n = d->tensor_cores;
      if (values && room > 0 && n) *(int *)values = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
      break;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      n = 1;
      if (values) *(int64_t *)values = d->tensor_cores;
      break;
    case CUDNN_ATTR_ENGINECFG_SHARED_MEMORY_USED:
      n = 1;
      if (values) *(int32_t *)values = 0;
      break;
    case CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE:
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      n = 1;
      if (values) *(int64_t *)values = 0;
      break;
    default: {
      Attribute *a = get(d, name);
      if (a) {
        n = a->count;
        if (values) memcpy(values, a->values, (size_t)(n < room ? n : room) * size_of(type));
      }
    }
  }
  if (count) *count = n;
  return CUDNN_STATUS_SUCCESS;
}

int cudnnBackendExecute(Handle *handle, Descriptor *plan, Descriptor *pack) {
  ENTER();
  (void)pack;
  Config *c = config();
  nanos duration = c->conv;
  int64_t images = plan->shape.x[0];
  size_t numbers = 1;
  for (int i = 1; i < plan->shape.dimensions; i++) numbers *= (size_t)plan->shape.x[i];
  bool first = batch_starts(handle->stream, (int)images, numbers);
  if (first) duration += c->batch;
  duration = duration * images / 32;
  launched(handle->stream, "cudnn:convolution", duration);
  if (first) batch_started(handle->stream->end - duration);
  return CUDNN_STATUS_SUCCESS;
}

// ---- the older API: work that is counted, and descriptors that hold nothing ----

#define WORK(name) \
  int name(Handle *handle) { \
    ENTER(); \
    launched(handle->stream, "cudnn:" #name, config()->launch); \
    return CUDNN_STATUS_SUCCESS; \
  }
WORK(cudnnActivationForward)
WORK(cudnnAddTensor)
WORK(cudnnBatchNormalizationForwardInference)
WORK(cudnnConvolutionBiasActivationForward)
WORK(cudnnConvolutionForward)
WORK(cudnnLRNCrossChannelForward)
WORK(cudnnPoolingForward)
WORK(cudnnReduceTensor)
WORK(cudnnSoftmaxForward)

#define DESCRIPTOR(name) \
  int cudnnCreate##name##Descriptor(Descriptor **d) { return cudnnBackendCreateDescriptor(-1, d); } \
  int cudnnDestroy##name##Descriptor(Descriptor *d) { return cudnnBackendDestroyDescriptor(d); }
DESCRIPTOR(Activation)
DESCRIPTOR(Convolution)
DESCRIPTOR(Dropout)
DESCRIPTOR(Filter)
DESCRIPTOR(LRN)
DESCRIPTOR(Pooling)
DESCRIPTOR(RNN)
DESCRIPTOR(RNNData)
DESCRIPTOR(ReduceTensor)
DESCRIPTOR(Tensor)

#define SET(name) \
  int name(void) { return CUDNN_STATUS_SUCCESS; }
SET(cudnnDeriveBNTensorDescriptor)
SET(cudnnSetActivationDescriptor)
SET(cudnnSetConvolutionGroupCount)
SET(cudnnSetConvolutionMathType)
SET(cudnnSetConvolutionNdDescriptor)
SET(cudnnSetFilterNdDescriptor)
SET(cudnnSetLRNDescriptor)
SET(cudnnSetPoolingNdDescriptor)
SET(cudnnSetReduceTensorDescriptor)
SET(cudnnSetTensorNdDescriptor)

int cudnnGetReductionWorkspaceSize(Handle *handle, void *reduce, void *a, void *c, size_t *size) {
  (void)handle, (void)reduce, (void)a, (void)c;
  *size = 0;
  return CUDNN_STATUS_SUCCESS;
}

int cudnnGetReductionIndicesSize(Handle *handle, void *reduce, void *a, void *c, size_t *size) {
  return cudnnGetReductionWorkspaceSize(handle, reduce, a, c, size);
}
