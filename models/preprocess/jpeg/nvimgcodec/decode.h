// A decoder of nvImageCodec, loaded at run time.
#ifndef BATCHSCORE_NVIMGCODEC_DECODE_H
#define BATCHSCORE_NVIMGCODEC_DECODE_H

#include <stddef.h>
#include <stdint.h>

enum { BS_NV_BATCH = 16, BS_NV_ERROR_SIZE = 512 };

// What became of an image. BS_NV_NOT means that the back end does not decode such a
// JPEG, BS_NV_FAILED that it could not, BS_NV_IN_USE that it may still be at work on it.
enum { BS_NV_OK, BS_NV_NOT, BS_NV_FAILED, BS_NV_IN_USE };

typedef struct bs_nv bs_nv;

typedef struct {
  const uint8_t *src;
  size_t n;
  uint8_t *rgb; // width x height pixels of 3 bytes, in rows of pitch bytes
  size_t pitch;
  int32_t width, height;
  int32_t outcome;
} bs_nv_image;

// A back end is the library with one extension, which alone decodes.
typedef struct bs_nv_back_end bs_nv_back_end;

// bs_nv_version loads a library and sets version to its release. It returns 0, or -1 and
// the reason in error.
int bs_nv_version(const char *library, uint32_t *version, char *error);

// bs_nv_load loads a back end, which lasts as long as the process, and sets version as
// the library writes it: 1000 * major + 100 * minor + patch. NULL leaves the reason in
// error, of BS_NV_ERROR_SIZE bytes.
bs_nv_back_end *bs_nv_load(const char *library, const char *extension,
                           uint32_t *version, char *error);

// bs_nv_new returns a decoder: on a GPU, or on the CPU if device is below zero. It
// lasts as long as the process. NULL leaves the reason in error.
bs_nv *bs_nv_new(const bs_nv_back_end *b, int device, int threads, char *error);

// bs_nv_decode decodes up to BS_NV_BATCH JPEGs. One thread at a time may use a decoder.
// After a BS_NV_FAILED, error has a reason. After a BS_NV_IN_USE too: it is the outcome of
// all images that were given to the library, whose memory must then stay as it is for as
// long as the process lasts, and the decoder may not be used.
void bs_nv_decode(bs_nv *nv, bs_nv_image *images, int n, char *error);

// bs_nv_widen makes RGBX of RGB in place: each row of width pixels begins as 3 bytes a
// pixel at its byte `width`, and ends as 4 bytes a pixel at its byte 0.
void bs_nv_widen(uint8_t *pixels, size_t pitch, int width, int height);

// bs_nv_can_open reports whether the dynamic linker finds a library.
int bs_nv_can_open(const char *name);

// bs_nv_jpeg_version finds the version of the nvJPEG library name: major, minor and
// patch. It returns 0, or -1 if there is no such library.
int bs_nv_jpeg_version(const char *name, int version[3]);

#endif
