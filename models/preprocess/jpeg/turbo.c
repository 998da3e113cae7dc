// TurboJPEG, loaded at run time: no header and no library is needed to build.
#define _GNU_SOURCE
#include "turbo.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The part of TurboJPEG's stable ABI that is used, from turbojpeg.h 2.0.
typedef struct {
  int num;
  int denom;
} tjscalingfactor;

enum { TJPF_RGB = 0, TJPF_RGBX = 2, TJPF_CMYK = 11 };
enum {
  TJFLAG_FASTUPSAMPLE = 256,
  TJFLAG_ACCURATEDCT = 4096,
  TJFLAG_STOPONWARNING = 8192,
  TJFLAG_LIMITSCANS = 32768,
  FLAGS = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS
};
enum { TJPARAM_STOPONWARNING = 0 };

static struct turbojpeg {
  void *(*InitDecompress)(void);
  int (*Destroy)(void *);
  int (*Decompress2)(void *, const unsigned char *, unsigned long,
                     unsigned char *, int, int, int, int, int);
  char *(*GetErrorStr2)(void *);
  tjscalingfactor *(*GetScalingFactors)(int *);
  // NULL before 1.4.
  int (*DecompressToYUVPlanes)(void *, const unsigned char *, unsigned long,
                               unsigned char **, int, int *, int, int);
  int (*Set)(void *, int, int); // tj3Set; NULL before 3.0
} tj;

static char path[PATH_MAX];
static char message[512];

const char *bs_turbo_open(const char *name) {
  void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL) {
    const char *why = dlerror();
    snprintf(message, sizeof message, "%s", why ? why : name);
    return message;
  }
  struct turbojpeg found;
#define BS_SYMBOL(field)                                                       \
  if ((*(void **)&found.field = dlsym(lib, "tj" #field)) == NULL) {            \
    snprintf(message, sizeof message, "%s: no symbol tj" #field, name);        \
    dlclose(lib);                                                              \
    return message;                                                            \
  }
  BS_SYMBOL(InitDecompress)
  BS_SYMBOL(Destroy)
  BS_SYMBOL(Decompress2)
  BS_SYMBOL(GetErrorStr2)
  BS_SYMBOL(GetScalingFactors)
#undef BS_SYMBOL
  *(void **)&found.DecompressToYUVPlanes = dlsym(lib, "tjDecompressToYUVPlanes");
  *(void **)&found.Set = dlsym(lib, "tj3Set");
  tj = found;
  Dl_info info;
  if (dladdr(*(void **)&tj.Decompress2, &info) == 0 ||
      realpath(info.dli_fname, path) == NULL)
    snprintf(path, sizeof path, "%s", name);
  return NULL;
}

const char *bs_turbo_path(void) { return path; }

// Since 3.0, tjDecompress2 sets its flags only after it has read the header. Without
// the parameter, what a warning in the header does would depend on whether the handle
// was used before.
void *bs_turbo_new(void) {
  void *turbo = tj.InitDecompress();
  if (turbo != NULL && tj.Set != NULL)
    tj.Set(turbo, TJPARAM_STOPONWARNING, 1);
  return turbo;
}

void bs_turbo_free(void *turbo) { tj.Destroy(turbo); }

int bs_turbo_scales(int32_t *pairs, int max) {
  int n = 0;
  const tjscalingfactor *f = tj.GetScalingFactors(&n);
  if (f == NULL)
    return 0;
  if (n > max)
    n = max;
  for (int i = 0; i < n; i++) {
    pairs[2 * i] = f[i].num;
    pairs[2 * i + 1] = f[i].denom;
  }
  return n;
}

// from_adobe_cmyk turns inverted CMYK into RGBX in place, rounding as Pillow
// does.
static void from_adobe_cmyk(uint8_t *pixels, int width, int pitch, int height) {
  for (int y = 0; y < height; y++) {
    uint8_t *p = pixels + (size_t)y * (size_t)pitch;
    for (int x = 0; x < width; x++, p += 4) {
      int k = p[3];
      for (int c = 0; c < 3; c++) {
        int t = (255 - p[c]) * k + 128;
        p[c] = (uint8_t)(k - (((t >> 8) + t) >> 8));
      }
    }
  }
}

// With TJFLAG_STOPONWARNING the first warning ends the decode as an error does, so that
// zero means that every row was written without a warning. Without the flag,
// tjGetErrorCode cannot tell a warning from an error that follows it, and libjpeg keeps
// the text of the first warning only.
int bs_turbo_decode(void *turbo, const void *src, size_t n, uint8_t *pixels,
                    int width, int pitch, int height, int format, char *error) {
  static const int formats[] = {
      [BS_RGB] = TJPF_RGB,
      [BS_RGBX] = TJPF_RGBX,
      [BS_CMYK] = TJPF_CMYK,
      [BS_RAW] = TJPF_RGBX,
      [BS_RAW_CMYK] = TJPF_CMYK};
  int flags = FLAGS;
  if (format == BS_RAW)
    flags |= TJFLAG_FASTUPSAMPLE;
  if (tj.Decompress2(turbo, src, n, pixels, width, pitch, height,
                     formats[format], flags) != 0) {
    // Kept per thread by the library: a later call may find another image's.
    snprintf(error, BS_ERROR_SIZE, "%s", tj.GetErrorStr2(turbo));
    return BS_FAILED;
  }
  if (format == BS_CMYK)
    from_adobe_cmyk(pixels, width, pitch, height);
  return BS_OK;
}

int bs_turbo_has_planes(void) { return tj.DecompressToYUVPlanes != NULL; }

int bs_turbo_planes(void *turbo, const void *src, size_t n, uint8_t *y, uint8_t *cb,
                    uint8_t *cr, int width, int y_pitch, int c_pitch, int height,
                    char *error) {
  unsigned char *planes[3] = {y, cb, cr};
  int pitches[3] = {y_pitch, c_pitch, c_pitch};
  if (tj.DecompressToYUVPlanes(turbo, src, n, planes, width, pitches, height, FLAGS) == 0)
    return BS_OK;
  snprintf(error, BS_ERROR_SIZE, "%s", tj.GetErrorStr2(turbo));
  return BS_FAILED;
}
