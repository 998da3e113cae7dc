// The resize and pack kernels, and the one call that turns a JPEG into a row.
#ifndef BATCHSCORE_KERNEL_H
#define BATCHSCORE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

// Bytes that may be read, never used, after the last pixel of a source image:
// the kernels load whole vectors and give the excess a weight of zero.
#define BS_TAIL 128

// Weights are fixed point with BS_BITS fraction bits, as Pillow's, in two parts
// of which each fits into 16 bits: high << BS_SPLIT | low; or in three digits of
// 8 bits and a sign, for 1, 1 << 8 and 1 << 16.
#define BS_BITS 22
#define BS_SPLIT 11

// How a bs_axis is filled: BS_FILTER with taps and weights, BS_LERP with second
// and frac, BS_AREA with taps and cover.
enum { BS_FILTER, BS_LERP, BS_AREA };

// bs_axis says how one axis of the source becomes one axis of the window that
// is kept. The tables of a BS_FILTER are for n rounded up to a multiple of 4:
// what is beyond n weighs nothing.
typedef struct {
  int32_t n;       // outputs
  int32_t taps;    // weights per output; of a BS_FILTER, a multiple of 4
  int32_t *first;  // [n] first source index, not decreasing
  int32_t *second; // [n] source index that frac leads to
  int16_t *weights; // [n][2][taps], the high parts and then the low ones
  int8_t *digits; // [n/4][taps/4][3][4 outputs][4 taps], the lowest digits first;
                  // of the columns, for BS_AVX512
  float *frac;      // [n] 0 to 1
  float *cover;     // [n][taps], of sum 1; no tap lies outside the source
} bs_axis;

// bs_job is all about one image but its bytes and its destination.
typedef struct {
  uint8_t *pixels; // RGBX source, with BS_TAIL bytes after it
  uint8_t *work;   // scratch of bs_work_size bytes
  int64_t pitch;   // bytes from one source row to the next
  int32_t width;   // of the source
  int32_t height;
  bs_axis h; // source columns to window columns
  bs_axis v; // source rows to window rows
  int32_t method;    // of both axes
  int32_t half_even; // round a BS_AREA's halves to even, not up
  int32_t transpose; // swap the window's axes after its flips
  int32_t flip_x;
  int32_t flip_y;
  int32_t cmyk; // the JPEG has four components
  int32_t f32;
  int32_t chw;
  int32_t bgr;
  float scale;
  float mean[3];
  float std[3];
  int32_t most; // use no better instructions than these
  char error[200];
} bs_job;

size_t bs_work_size(const bs_job *job);

// bs_render resizes job->pixels and packs the result into dst.
void bs_render(const bs_job *job, void *dst);

// Instructions that bs_render may use.
enum { BS_GENERIC, BS_AVX2, BS_AVX512 };

// bs_kernels is the best of them that this machine has.
int bs_kernels(void);

// bs_turbo_open loads libjpeg-turbo's TurboJPEG API from the file or soname
// name. It returns NULL, or what went wrong, valid until the next call.
const char *bs_turbo_open(const char *name);

// bs_turbo_path is the file that the loaded library came from.
const char *bs_turbo_path(void);

void *bs_turbo_new(void);
void bs_turbo_free(void *turbo);

// bs_turbo_scales copies up to max scaling factors, as numerator and
// denominator, and returns how many.
int bs_turbo_scales(int32_t *pairs, int max);

enum { BS_OK, BS_FAILED };

// bs_turbo_render decodes a JPEG to job->width x job->height pixels and renders
// it. BS_FAILED leaves the reason in job->error and renders nothing: there was an
// error, or a warning, and rows of job->pixels may be those of an image before.
int bs_turbo_render(void *turbo, bs_job *job, const void *src, size_t n,
                    void *dst);

// bs_turbo_decode only decodes, to RGB, for benchmarks.
int bs_turbo_decode(void *turbo, const void *src, size_t n, uint8_t *rgb,
                    int width, int height);

#endif
