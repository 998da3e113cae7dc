// The kernels that resize an image and pack it into a row of the tensor.
#ifndef BATCHSCORE_KERNEL_H
#define BATCHSCORE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

// Bytes after the last pixel of a source image that the kernels may read: they
// load whole vectors, and give the bytes they do not need a weight of zero.
#define BS_TAIL 128

// Weights are fixed point with BS_BITS fraction bits, as Pillow's. They are stored
// in two parts of 16 bits, high << BS_SPLIT | low, or in three signed digits of 8
// bits, for 1, 1 << 8 and 1 << 16.
#define BS_BITS 22
#define BS_SPLIT 11

// Filters of more taps have no pairs: the tables would not fit into the caches.
#define BS_PAIRED 32

// How a bs_axis is filled: BS_FILTER with taps and weights, BS_LERP with second
// and frac, BS_AREA with taps and cover, BS_FIXED with taps, index and fixed.
enum { BS_FILTER, BS_LERP, BS_AREA, BS_FIXED };

// bs_axis says how one axis of the source becomes one axis of the window that
// is kept. The tables of a BS_FILTER have n rounded up to a multiple of 4 outputs:
// the weights of those after n are zero.
typedef struct {
  int32_t n;       // outputs
  int32_t taps;    // weights per output; of a BS_FILTER, a multiple of 4, or of 2 if
                   // it has pairs; of a BS_FIXED, 2, 4 or 8
  int32_t *first;  // [n] first source index, not decreasing
  int32_t *second; // [n] source index at a frac of 1
  int16_t *weights; // [n][2][taps], the high parts and then the low ones
  int8_t *digits; // [n/4][taps/4][3][4 outputs][4 taps], the lowest digits first;
                  // of the columns, for BS_AVX512
  int16_t *pairs; // [n/2][taps/2][2][2 outputs][4 channels][2 taps], the low parts and
                  // then the high ones; of the columns, for BS_AVX2, or NULL
  int16_t *flat; // [n/8][taps/2][3][8 outputs][2 taps], an index in the 16 bytes that begin
                 // at first of every fourth output, then the low parts and the high ones;
                 // where there are pairs and the taps of four outputs are in 16 bytes, or NULL
  int32_t clips;    // sums of pixels may be below 0 or above 255: of pairs
  float *frac;      // [n] 0 to 1
  float *cover;     // [n][taps], of sum 1; no tap lies outside the source
  int32_t *index;   // [n][taps] source indices, neighbours or the same
  int32_t *fixed;   // [n][taps] weights of 11 fraction bits
} bs_axis;

// bs_job describes the work on one image, without its destination.
typedef struct {
  uint8_t *pixels; // RGBX source, with BS_TAIL bytes after it
  const uint8_t *planes[3]; // in place of pixels where ycc is 1: Y, Cb and Cr
  int64_t pitches[2];       // of Y, and of the other two
  int32_t ycc;
  uint8_t *work;   // scratch of bs_work_size bytes
  int64_t pitch;   // bytes from one source row to the next
  int32_t width;   // of the source
  int32_t height;
  bs_axis h; // source columns to window columns
  bs_axis v; // source rows to window rows
  int32_t method;    // of both axes
  int32_t nearest;   // of a BS_LERP: every frac is 0
  int32_t half_even; // a BS_AREA rounds halves to even, not up
  int32_t transpose; // swap the window's axes after its flips
  int32_t flip_x;
  int32_t flip_y;
  int32_t f32;
  int32_t fractions; // pixels keep fractions until they are packed
  int32_t chw;
  int32_t bgr;
  int32_t grey;   // red alone becomes the one channel
  int32_t out_w;  // of the tensor
  int32_t out_h;
  int32_t at_x;   // where the upright window is in the tensor
  int32_t at_y;
  float scale;
  float mean[3];
  float std[3];
  int32_t most; // the best instructions that may be used
} bs_job;

size_t bs_work_size(const bs_job *job);

// bs_takes_planes reports whether job->ycc may be 1: the source is a JPEG's planes, those of
// chroma with one sample for 2 x 2 pixels, with BS_TAIL bytes after each.
int bs_takes_planes(const bs_job *job);

// bs_render resizes job->pixels and packs the result into dst.
void bs_render(const bs_job *job, void *dst);

// bs_fill makes the whole tensor row of one pixel; of 0 if zero is not 0.
void bs_fill(const bs_job *job, const float pixel[3], int zero, void *dst);

// bs_mirror writes the mirror image of a tensor row.
void bs_mirror(const bs_job *job, const void *row, void *dst);

// bs_blend blends RGBA pixels over a colour. Their fourth bytes become 255.
void bs_blend(uint8_t *pixels, int64_t pitch, int32_t width, int32_t height,
              const uint8_t over[3]);

// bs_grey makes red, green and blue of pixels the sum of these with the given weights,
// after adding half of 1 << bits and shifting by bits.
void bs_grey(uint8_t *pixels, int64_t pitch, int32_t width, int32_t height,
             const uint32_t weights[3], int32_t bits);

// Instructions that bs_render may use.
enum { BS_GENERIC, BS_AVX2, BS_AVX512 };

// bs_kernels returns the best of them that this machine has.
int bs_kernels(void);

#endif
