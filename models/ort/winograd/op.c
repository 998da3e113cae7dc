#define _POSIX_C_SOURCE 200809L  // strdup

#include "op.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "winograd.h"

typedef void Status;

enum {
#define X(name, position) ORT_##name = position,
  ORT_FUNCTIONS(X)
#undef X
};

#define FN(api, name, result, ...) \
  ((result(*)(__VA_ARGS__))(((void *const *)(api))[ORT_##name]))

#define TRY(call) \
  do { \
    Status *status_ = (call); \
    if (status_) return status_; \
  } while (0)

// OrtCustomOp of ONNX Runtime's C API up to the version below, the first in which
// operators can return errors.
enum { OP_VERSION = 16 };

typedef struct custom_op {
  uint32_t version;
  void *(*CreateKernel)(const struct custom_op *, const void *api, const void *info);
  const char *(*GetName)(const struct custom_op *);
  const char *(*GetExecutionProviderType)(const struct custom_op *);
  int (*GetInputType)(const struct custom_op *, size_t index);
  size_t (*GetInputTypeCount)(const struct custom_op *);
  int (*GetOutputType)(const struct custom_op *, size_t index);
  size_t (*GetOutputTypeCount)(const struct custom_op *);
  void (*KernelCompute)(void *kernel, void *context);
  void (*KernelDestroy)(void *kernel);
  int (*GetInputCharacteristic)(const struct custom_op *, size_t index);
  int (*GetOutputCharacteristic)(const struct custom_op *, size_t index);
  int (*GetInputMemoryType)(const struct custom_op *, size_t index);
  int (*GetVariadicInputMinArity)(const struct custom_op *);
  int (*GetVariadicInputHomogeneity)(const struct custom_op *);
  int (*GetVariadicOutputMinArity)(const struct custom_op *);
  int (*GetVariadicOutputHomogeneity)(const struct custom_op *);
  Status *(*CreateKernelV2)(const struct custom_op *, const void *api, const void *info, void **kernel);
  Status *(*KernelComputeV2)(void *kernel, void *context);
} custom_op;

// scratch is the header of memory that one run at a time uses. The memory follows
// it.
typedef struct scratch {
  struct scratch *next;
  size_t size;
} scratch;

enum { ALIGNMENT = 64 };

typedef struct {
  ops *set;
  wino *kernel;
  ops_convolution is;
} layer;

struct ops {
  custom_op op;  // must be first: ONNX Runtime passes it back as ops
  const void *api;
  void *domain;
  layer **layers;
  int count;
  pthread_mutex_t lock;
  scratch *spare;   // as many as there were concurrent runs
  size_t largest;   // size that was requested
};

// take returns scratch memory of at least size bytes, or NULL if there is no memory.
static scratch *take(ops *s, size_t size) {
  pthread_mutex_lock(&s->lock);
  if (size > s->largest) s->largest = size;
  size = s->largest;
  scratch *m = s->spare;
  if (m) s->spare = m->next;
  pthread_mutex_unlock(&s->lock);
  if (m && m->size >= size) return m;
  free(m);
  size_t whole = ALIGNMENT + (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  m = aligned_alloc(ALIGNMENT, whole);
  if (m) m->size = size;
  return m;
}

static void give(ops *s, scratch *m) {
  pthread_mutex_lock(&s->lock);
  m->next = s->spare;
  s->spare = m;
  pthread_mutex_unlock(&s->lock);
}

static Status *fail(const ops *s, const char *message) {
  enum { ORT_FAIL = 1 };
  return FN(s->api, CreateStatus, Status *, int, const char *)(ORT_FAIL, message);
}

static const char *name(const custom_op *op) { return OPS_NAME; }
static const char *provider(const custom_op *op) { return NULL; }
static int type(const custom_op *op, size_t index) { return 1; }  // float
static size_t one(const custom_op *op) { return 1; }
static int zero(const custom_op *op) { return 0; }
static int required(const custom_op *op, size_t index) { return 0; }
static int memory(const custom_op *op, size_t index) { return 0; }
static void destroy(void *kernel) {}

static Status *create(const custom_op *op, const void *api, const void *info, void **kernel) {
  ops *s = (ops *)op;
  int64_t index = -1;
  TRY(FN(api, KernelInfoGetAttribute_int64, Status *, const void *, const char *, int64_t *)(info, "index", &index));
  if (index < 0 || index >= s->count) return fail(s, "no convolution has this index");
  *kernel = s->layers[index];
  return NULL;
}

static Status *shape(const ops *s, const void *value, int64_t dims[4]) {
  void *info = NULL;
  size_t rank = 0;
  TRY(FN(s->api, GetTensorTypeAndShape, Status *, const void *, void **)(value, &info));
  Status *status = FN(s->api, GetDimensionsCount, Status *, const void *, size_t *)(info, &rank);
  if (!status) {
    status = rank == 4 ? FN(s->api, GetDimensions, Status *, const void *, int64_t *, size_t)(info, dims, 4)
                       : fail(s, "a convolution's input is not of rank 4");
  }
  FN(s->api, ReleaseTensorTypeAndShapeInfo, void, void *)(info);
  return status;
}

static Status *compute(void *kernel, void *context) {
  const layer *l = kernel;
  ops *s = l->set;
  const void *input = NULL;
  void *output = NULL;
  float *x = NULL, *y = NULL;
  int64_t in[4];
  TRY(FN(s->api, KernelContext_GetInput, Status *, const void *, size_t, const void **)(context, 0, &input));
  TRY(shape(s, input, in));
  const ops_convolution *c = &l->is;
  int64_t out[4] = {in[0], c->filters, in[2] + c->pads[0] + c->pads[2] - c->kernel[0] + 1,
                    in[3] + c->pads[1] + c->pads[3] - c->kernel[1] + 1};
  if (in[1] != c->channels || out[2] < 1 || out[3] < 1) return fail(s, "a convolution's input has another shape");
  TRY(FN(s->api, KernelContext_GetOutput, Status *, void *, size_t, const int64_t *, size_t, void **)(context, 0, out, 4, &output));
  TRY(FN(s->api, GetTensorMutableData, Status *, const void *, void **)(input, (void **)&x));
  TRY(FN(s->api, GetTensorMutableData, Status *, const void *, void **)(output, (void **)&y));
  scratch *m = take(s, wino_scratch(l->kernel));
  if (!m) return fail(s, "failed to allocate memory for a convolution");
  wino_run(l->kernel, x, (int)in[0], (int)in[2], (int)in[3], c->pads, y, (char *)m + ALIGNMENT);
  give(s, m);
  return NULL;
}

ops *ops_new(const void *api) {
  ops *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->api = api;
  pthread_mutex_init(&s->lock, NULL);
  s->op = (custom_op){
      .version = OP_VERSION,
      .GetName = name,
      .GetExecutionProviderType = provider,
      .GetInputType = type,
      .GetInputTypeCount = one,
      .GetOutputType = type,
      .GetOutputTypeCount = one,
      .KernelDestroy = destroy,
      .GetInputCharacteristic = required,
      .GetOutputCharacteristic = required,
      .GetInputMemoryType = memory,
      .GetVariadicInputMinArity = zero,
      .GetVariadicInputHomogeneity = zero,
      .GetVariadicOutputMinArity = zero,
      .GetVariadicOutputHomogeneity = zero,
      .CreateKernelV2 = create,
      .KernelComputeV2 = compute,
  };
  return s;
}

int ops_add(ops *s, const ops_convolution *c, const float *weights, const float *bias) {
  layer **grown = realloc(s->layers, (s->count + 1) * sizeof *grown);
  if (!grown) return -1;
  s->layers = grown;
  layer *l = malloc(sizeof *l);
  if (!l) return -1;
  *l = (layer){s, wino_new(weights, bias, c->channels, c->filters, c->kernel[0], c->kernel[1], c->relu, 0), *c};
  if (!l->kernel) {
    free(l);
    return -1;
  }
  s->layers[s->count] = l;
  return s->count++;
}

int ops_count(const ops *s) { return s->count; }

static char *report(const void *api, Status *status) {
  if (!status) return NULL;
  char *message = strdup(FN(api, GetErrorMessage, const char *, const Status *)(status));
  FN(api, ReleaseStatus, void, Status *)(status);
  return message;
}

static Status *add_domain(ops *s, void *session_options) {
  if (!s->domain) {
    TRY(FN(s->api, CreateCustomOpDomain, Status *, const char *, void **)(OPS_DOMAIN, &s->domain));
    TRY(FN(s->api, CustomOpDomain_Add, Status *, void *, const custom_op *)(s->domain, &s->op));
  }
  return FN(s->api, AddCustomOpDomain, Status *, void *, void *)(session_options, s->domain);
}

char *ops_register(ops *s, void *session_options) { return report(s->api, add_domain(s, session_options)); }

void ops_free(ops *s) {
  if (s->domain) FN(s->api, ReleaseCustomOpDomain, void, void *)(s->domain);
  for (int i = 0; i < s->count; i++) {
    wino_free(s->layers[i]->kernel);
    free(s->layers[i]);
  }
  free(s->layers);
  for (scratch *m = s->spare, *next; m; m = next) {
    next = m->next;
    free(m);
  }
  pthread_mutex_destroy(&s->lock);
  free(s);
}
