#define _GNU_SOURCE
#include "decode.h"
#include "api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct api {
  int (*GetProperties)(nvi_properties *);
  int (*InstanceCreate)(void **, const nvi_instance *);
  int (*ExtensionCreate)(void *, void **, nvi_extension *);
  int (*DecoderCreate)(void *, void **, const nvi_execution *, const char *);
  int (*CodeStreamCreateFromHostMem)(void *, void **, const uint8_t *, size_t,
                                     const void *);
  int (*CodeStreamGetImageInfo)(void *, nvi_image *);
  int (*ImageCreate)(void *, void **, const nvi_image *);
  int (*DecoderDecode)(void *, void *const *, void *const *, int,
                       const nvi_decode *, void **);
  int (*FutureWaitForAll)(void *);
  int (*FutureGetProcessingStatus)(void *, uint32_t *, size_t *);
  int (*FutureDestroy)(void *);
};

struct bs_nv_back_end {
  struct api nv;
  void *instance;
  nvi_messenger messenger; // the library may keep pointers to both
  nvi_extension extension;
};

// The library's last error message. Its threads write it.
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;
static char said[BS_NV_ERROR_SIZE];

static int on_message(int32_t severity, int32_t category,
                      const nvi_message *data, void *user) {
  (void)severity, (void)category, (void)user;
  pthread_mutex_lock(&said_lock);
  snprintf(said, sizeof said, "%s", data->message ? data->message : "");
  said[strcspn(said, "\r\n")] = 0;
  pthread_mutex_unlock(&said_lock);
  return 1;
}

// explain writes what failed, its status and the library's last message to error.
static void explain(char *error, const char *what, unsigned status) {
  pthread_mutex_lock(&said_lock);
  snprintf(error, BS_NV_ERROR_SIZE, "%s: status %u%s%.300s", what, status,
           said[0] ? ": " : "", said);
  said[0] = 0;
  pthread_mutex_unlock(&said_lock);
}

int bs_nv_can_open(const char *name) {
  return dlopen(name, RTLD_NOW | RTLD_LOCAL) != NULL;
}

int bs_nv_jpeg_version(const char *name, int version[3]) {
  void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  int (*property)(int, int *);
  if (lib == NULL || (*(void **)&property = dlsym(lib, "nvjpegGetProperty")) == NULL)
    return -1;
  for (int i = 0; i < 3; i++) {
    if (property(i, &version[i]) != 0)
      return -1;
  }
  return 0;
}

// find fills nv, and returns the name of a symbol that is missing, or NULL.
static const char *find(struct api *nv, void *lib) {
#define FIND(name)                                                             \
  if ((*(void **)&nv->name = dlsym(lib, "nvimgcodec" #name)) == NULL)           \
    return "nvimgcodec" #name;
  FIND(GetProperties)
  FIND(InstanceCreate)
  FIND(ExtensionCreate)
  FIND(DecoderCreate)
  FIND(CodeStreamCreateFromHostMem)
  FIND(CodeStreamGetImageInfo)
  FIND(ImageCreate)
  FIND(DecoderDecode)
  FIND(FutureWaitForAll)
  FIND(FutureGetProcessingStatus)
  FIND(FutureDestroy)
#undef FIND
  return NULL;
}

int bs_nv_version(const char *library, uint32_t *version, char *error) {
  void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL) {
    const char *why = dlerror();
    snprintf(error, BS_NV_ERROR_SIZE, "%s", why ? why : library);
    return -1;
  }
  struct api nv;
  const char *missing = find(&nv, lib);
  if (missing != NULL) {
    snprintf(error, BS_NV_ERROR_SIZE, "%s: no symbol %s", library, missing);
    return -1;
  }
  nvi_properties p = {.type = NVI_PROPERTIES, .size = sizeof p};
  if (nv.GetProperties(&p) != 0) {
    snprintf(error, BS_NV_ERROR_SIZE, "%s does not say its version", library);
    return -1;
  }
  *version = p.version;
  return 0;
}

bs_nv_back_end *bs_nv_load(const char *library, const char *extension,
                           uint32_t *version, char *error) {
  void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  void *more = lib ? dlopen(extension, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (more == NULL) {
    const char *why = dlerror();
    snprintf(error, BS_NV_ERROR_SIZE, "%s", why ? why : library);
    return NULL;
  }
  int (*entry)(nvi_extension *);
  *(void **)&entry = dlsym(more, "nvimgcodecExtensionModuleEntry");
  struct api nv;
  const char *missing = find(&nv, lib);
  if (missing != NULL || entry == NULL) {
    snprintf(error, BS_NV_ERROR_SIZE, "%s: no symbol %s",
             missing ? library : extension,
             missing ? missing : "nvimgcodecExtensionModuleEntry");
    return NULL;
  }
  nvi_properties p = {.type = NVI_PROPERTIES, .size = sizeof p};
  if (nv.GetProperties(&p) != 0 || p.version / 1000 != NVI_MAJOR ||
      p.version % 1000 / 100 != NVI_MINOR) {
    snprintf(error, BS_NV_ERROR_SIZE,
             "%s is version %u.%u.%u, and this program knows %d.%d only",
             library, p.version / 1000, p.version % 1000 / 100, p.version % 100,
             NVI_MAJOR, NVI_MINOR);
    return NULL;
  }
  *version = p.version;
  bs_nv_back_end *b = calloc(1, sizeof *b);
  if (b == NULL) {
    snprintf(error, BS_NV_ERROR_SIZE, "out of memory");
    return NULL;
  }
  b->nv = nv;
  b->messenger =
      (nvi_messenger){.type = NVI_MESSENGER,
                      .size = sizeof b->messenger,
                      .severity = NVI_SEVERITY_ERROR | NVI_SEVERITY_FATAL,
                      .category = 0x0fffffff,
                      .callback = on_message};
  // Only this extension: the library would load all it finds, and which of their back
  // ends decodes an image might depend on how busy the others are.
  nvi_instance create = {.type = NVI_INSTANCE,
                         .size = sizeof create,
                         .builtin = 1,
                         .messenger = 1,
                         .messenger_desc = &b->messenger};
  int status = nv.InstanceCreate(&b->instance, &create);
  if (status != 0) {
    explain(error, "nvimgcodecInstanceCreate", status);
    free(b);
    return NULL;
  }
  b->extension = (nvi_extension){.type = NVI_EXTENSION, .size = sizeof b->extension};
  void *registered = NULL;
  if ((status = entry(&b->extension)) != 0 ||
      (status = nv.ExtensionCreate(b->instance, &registered, &b->extension)) != 0) {
    explain(error, extension, status);
    return NULL;
  }
  return b;
}

struct bs_nv {
  const bs_nv_back_end *back_end;
  bs_nv *next; // in all
  void *decoder;
  void *streams[BS_NV_BATCH], *images[BS_NV_BATCH]; // used again and again
};

// Handles live as long as the process. Go memory alone has their addresses, where a search
// for leaks does not look.
static _Atomic(bs_nv *) all;

bs_nv *bs_nv_new(const bs_nv_back_end *b, int device, int threads,
                 char *error) {
  bs_nv *d = calloc(1, sizeof *d);
  if (d == NULL) {
    snprintf(error, BS_NV_ERROR_SIZE, "out of memory");
    return NULL;
  }
  d->back_end = b;
  nvi_backend backend = {.type = NVI_BACKEND,
                         .size = sizeof backend,
                         .kind = device < 0 ? NVI_CPU_ONLY : NVI_HYBRID,
                         .params = {.type = NVI_BACKEND_PARAMS,
                                    .size = sizeof backend.params,
                                    .load = 1,
                                    .policy = NVI_LOAD_HINT_IGNORE}};
  nvi_execution execution = {.type = NVI_EXECUTION,
                             .size = sizeof execution,
                             .threads = threads,
                             .device = device < 0 ? NVI_DEVICE_CPU : device,
                             .n_backends = 1,
                             .backends = &backend};
  // Chroma is upsampled as libjpeg does by default.
  int status = b->nv.DecoderCreate(b->instance, &d->decoder, &execution,
                                ":fancy_upsampling=1");
  if (status != 0) {
    explain(error, "nvimgcodecDecoderCreate", status);
    free(d);
    return NULL;
  }
  d->next = atomic_exchange(&all, d);
  return d;
}

// prepare opens image i of a batch. It returns 0 if the library reads its header as
// batchscore does.
static int prepare(bs_nv *d, int i, const bs_nv_image *im) {
  const struct api *nv = &d->back_end->nv;
  void *instance = d->back_end->instance;
  nvi_image info = {.type = NVI_IMAGE, .size = sizeof info};
  if (nv->CodeStreamCreateFromHostMem(instance, &d->streams[i], im->src,
                                     im->n, NULL) != 0 ||
      nv->CodeStreamGetImageInfo(d->streams[i], &info) != 0 ||
      info.planes[0].width != (uint32_t)im->width ||
      info.planes[0].height != (uint32_t)im->height)
    return -1;
  nvi_image to = {.type = NVI_IMAGE,
                  .size = sizeof to,
                  .colour = NVI_SRGB,
                  .format = NVI_RGB,
                  .n_planes = 1,
                  .buffer = im->rgb,
                  .kind = NVI_HOST};
  to.orientation.type = NVI_ORIENTATION;
  to.orientation.size = sizeof to.orientation;
  to.planes[0] = (nvi_plane){.type = NVI_PLANE,
                             .size = sizeof to.planes[0],
                             .width = (uint32_t)im->width,
                             .height = (uint32_t)im->height,
                             .stride = im->pitch,
                             .channels = 3,
                             .sample = NVI_UINT8};
  return nv->ImageCreate(instance, &d->images[i], &to);
}

void bs_nv_decode(bs_nv *d, bs_nv_image *images, int n, char *error) {
  const struct api *nv = &d->back_end->nv;
  void *streams[BS_NV_BATCH], *outs[BS_NV_BATCH];
  int at[BS_NV_BATCH], some = 0;
  for (int i = 0; i < n; i++) {
    images[i].outcome = BS_NV_NOT;
    if (prepare(d, i, &images[i]) == 0) {
      streams[some] = d->streams[i];
      outs[some] = d->images[i];
      at[some++] = i;
    }
  }
  if (some == 0)
    return;
  nvi_decode params = {.type = NVI_DECODE, .size = sizeof params};
  void *future = NULL;
  uint32_t status[BS_NV_BATCH] = {0};
  size_t size = BS_NV_BATCH;
  const char *failed = NULL;
  int rc = nv->DecoderDecode(d->decoder, streams, outs, some, &params, &future);
  if (rc != 0)
    failed = "nvimgcodecDecoderDecode";
  else if ((rc = nv->FutureWaitForAll(future)) != 0)
    failed = "nvimgcodecFutureWaitForAll";
  if (failed != NULL) {
    // The library's threads may have begun, and nothing says when they end.
    for (int k = 0; k < some; k++)
      images[at[k]].outcome = BS_NV_IN_USE;
    explain(error, failed, (unsigned)rc);
    return;
  }
  rc = nv->FutureGetProcessingStatus(future, status, &size);
  nv->FutureDestroy(future);
  for (int k = 0; k < some; k++) {
    uint32_t s = rc == 0 ? status[k] : NVI_FAIL;
    // FAIL does not say whether the image or the machine is to blame.
    int outcome = s == NVI_OK                 ? BS_NV_OK
                  : s == NVI_FAIL || s == 0 ? BS_NV_FAILED
                                              : BS_NV_NOT;
    images[at[k]].outcome = outcome;
    if (outcome == BS_NV_FAILED)
      explain(error, "nvimgcodecDecoderDecode", rc != 0 ? (unsigned)rc : s);
  }
}

void bs_nv_widen(uint8_t *pixels, size_t pitch, int width, int height) {
  enum { AT_ONCE = 16 };
  for (int y = 0; y < height; y++) {
    uint8_t *to = pixels + pitch * (size_t)y;
    const uint8_t *from = to + width;
    int x = 0;
    // What is read lies ahead of what is written, so a block that is read as a whole
    // before any of it is written stays right.
    for (; x + AT_ONCE <= width; x += AT_ONCE) {
      uint8_t block[3 * AT_ONCE];
      memcpy(block, from + 3 * x, sizeof block);
      for (int i = 0; i < AT_ONCE; i++) {
        to[4 * (x + i)] = block[3 * i];
        to[4 * (x + i) + 1] = block[3 * i + 1];
        to[4 * (x + i) + 2] = block[3 * i + 2];
      }
    }
    for (; x < width; x++) {
      uint8_t r = from[3 * x], g = from[3 * x + 1], b = from[3 * x + 2];
      to[4 * x] = r;
      to[4 * x + 1] = g;
      to[4 * x + 2] = b;
    }
  }
}
