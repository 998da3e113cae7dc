// Four libraries in one file; a macro chooses. See package standin.
#define _GNU_SOURCE
#include "api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef DRIVER
static unsigned context_flags;
int cuInit(unsigned flags) { return (int)flags; }
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return 0;
}
int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) {
  context_flags = flags;
  return device < 0;
}
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
  *flags = context_flags;
  *active = 0;
  return device < 0;
}
#endif

#ifdef NVJPEG
int nvjpegGetProperty(int which, int *value) {
  *value = (int[]){12, 4, 0}[which];
  return 0;
}
#endif

#ifdef EXTENSION
int nvimgcodecExtensionModuleEntry(nvi_extension *desc) {
  desc->id = "standin";
  return 0;
}
#endif

#ifdef LIBRARY
enum { FAILS_ONCE = 113, FAILS_ALWAYS = 114, UNSUPPORTED = 115, LOST = 116 };

static const nvi_messenger *messenger;
static atomic_int failed;

typedef struct {
  const uint8_t *src;
  size_t n;
} stream;

typedef struct future {
  uint32_t status[64];
  size_t n;
  int lost;
  struct future *next; // in kept
} future;

static _Atomic(future *) kept; // those that are lost, which nobody destroys

// flags returns those of a device's context, 0 without a driver.
static unsigned flags(int device) {
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  int (*get)(int, unsigned *, int *) = NULL;
  if (driver != NULL)
    *(void **)&get = dlsym(driver, "cuDevicePrimaryCtxGetState");
  unsigned is = 0;
  int active;
  if (get == NULL || get(device, &is, &active) != 0)
    return 0;
  return is;
}

// later overwrites the pixels of an image after a while.
static void *later(void *arg) {
  nvi_image *im = arg;
  const nvi_plane *p = &im->planes[0];
  nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  for (uint32_t y = 0; y < p->height; y++)
    memset((uint8_t *)im->buffer + y * p->stride, 77, 3 * (size_t)p->width);
  free(im);
  return NULL;
}

int nvimgcodecGetProperties(nvi_properties *p) {
  p->version = 900;
  return 0;
}
int nvimgcodecInstanceCreate(void **instance, const nvi_instance *create) {
  messenger = create->messenger_desc;
  *instance = &failed;
  return create->extensions; // only one extension may be loaded
}
int nvimgcodecExtensionCreate(void *instance, void **e, nvi_extension *desc) {
  *e = desc;
  return strcmp(desc->id, "standin");
}
int nvimgcodecDecoderCreate(void *instance, void **decoder,
                            const nvi_execution *e, const char *options) {
  *decoder = &failed;
  FILE *log = fopen(getenv("NVIMGCODEC_STANDIN_LOG"), "a");
  if (log == NULL)
    return 8;
  fprintf(log,
          "device %d, %d back ends, kind %d, options %s, %d threads, context "
          "flags %u\n",
          e->device, e->n_backends, e->backends[0].kind, options, e->threads,
          flags(e->device));
  return fclose(log);
}
int nvimgcodecCodeStreamCreateFromHostMem(void *instance, void **s,
                                          const uint8_t *src, size_t n,
                                          const void *view) {
  if (*s == NULL)
    *s = malloc(sizeof(stream));
  *(stream *)*s = (stream){src, n};
  return 0;
}
int nvimgcodecCodeStreamGetImageInfo(void *s, nvi_image *info) {
  const uint8_t *p = ((stream *)s)->src, *end = p + ((stream *)s)->n;
  for (p += 2; p + 9 < end; p += 2 + (p[2] << 8 | p[3])) {
    if (p[1] >= 0xc0 && p[1] <= 0xc2) {
      info->planes[0].height = (uint32_t)(p[5] << 8 | p[6]);
      info->planes[0].width = (uint32_t)(p[7] << 8 | p[8]);
      return 0;
    }
  }
  return 3;
}
int nvimgcodecImageCreate(void *instance, void **image, const nvi_image *info) {
  if (*image == NULL)
    *image = malloc(sizeof *info);
  *(nvi_image *)*image = *info;
  return 0;
}
static uint32_t decode(const nvi_image *im) {
  const nvi_plane *p = &im->planes[0];
  int once = 0;
  switch (p->width) {
  case UNSUPPORTED:
    return 0x83;
  case FAILS_ONCE:
    if (!atomic_compare_exchange_strong(&failed, &once, 1))
      break;
    // fall through
  case FAILS_ALWAYS: {
    nvi_message m = {.message = "CUDA error: out of memory\nin a stand-in"};
    messenger->callback(NVI_SEVERITY_ERROR, 1, &m, messenger->user);
    return NVI_FAIL;
  }
  }
  for (uint32_t y = 0; y < p->height; y++) {
    uint8_t *row = (uint8_t *)im->buffer + y * p->stride;
    for (uint32_t x = 0; x < p->width; x++) {
      row[3 * x] = (uint8_t)(4 * x);
      row[3 * x + 1] = (uint8_t)(8 * y);
      row[3 * x + 2] = 128;
    }
  }
  return NVI_OK;
}
int nvimgcodecDecoderDecode(void *decoder, void *const *streams,
                            void *const *images, int n,
                            const nvi_decode *params, void **out) {
  future *f = calloc(1, sizeof *f);
  f->n = (size_t)n;
  for (int i = 0; i < n; i++) {
    const nvi_image *im = images[i];
    if (im->planes[0].width == LOST) {
      nvi_image *copy = malloc(sizeof *copy);
      pthread_t thread;
      *copy = *im;
      if (!f->lost)
        f->next = atomic_exchange(&kept, f);
      f->lost = 1;
      if (pthread_create(&thread, NULL, later, copy) != 0)
        abort();
      pthread_detach(thread);
    } else {
      f->status[i] = decode(im);
    }
  }
  *out = f;
  return 0;
}
int nvimgcodecFutureWaitForAll(void *f) { return ((future *)f)->lost ? 8 : 0; }
int nvimgcodecFutureGetProcessingStatus(void *f, uint32_t *status, size_t *n) {
  *n = ((future *)f)->n;
  memcpy(status, ((future *)f)->status, *n * sizeof *status);
  return 0;
}
int nvimgcodecFutureDestroy(void *f) {
  if (((future *)f)->lost)
    abort(); // its threads are at work
  free(f);
  return 0;
}
#endif
