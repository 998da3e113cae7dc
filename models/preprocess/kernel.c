// Resize and pack. Every kernel exists in plain C and, where it is faster, also
// with AVX2 and with AVX-512. All give the same bits.
//
// Pixels are RGBX bytes, so that a vector load needs no gathering; the fourth
// byte goes through the resize and is dropped by the pack.
#include "kernel.h"

#include <string.h>

// Every operation rounds, on every machine. GCC's -std=c11 implies this.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define BS_X86 1
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2")))
#define TARGET_AVX512                                                          \
  __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vnni")))
#endif

// IN_ORDER keeps the compiler from adding to the vector v in another order, for which it
// would run out of registers.
#define IN_ORDER(v) __asm__("" : "+x"(v))

#define INLINE static inline __attribute__((always_inline))

// Rows are padded to whole vectors.
INLINE size_t padded(size_t n) { return (n + 63) & ~(size_t)63; }

INLINE uint8_t clip8(int32_t v) { return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v; }

// A rows is an array of source rows, or a ring of them: row r has the index
// (r - base) & mask. Rows after last are read as last.
typedef struct {
  const uint8_t *data;
  size_t pitch;
  int32_t base, mask, last;
} rows;

INLINE const uint8_t *row_at(const rows *s, int32_t r) {
  if (r > s->last)
    r = s->last;
  return s->data + (size_t)((r - s->base) & s->mask) * s->pitch;
}

// A pair_ring is a ring of pairs of rows, of which each value is a word, next to that of the
// other row. Pair p has the index p % pairs.
typedef struct {
  uint8_t *data;
  size_t pitch;
  int32_t pairs;
} pair_ring;

INLINE uint8_t *pair_at(const pair_ring *s, int32_t p) {
  return s->data + (size_t)(p % s->pairs) * s->pitch;
}

#define BS_HALF (1 << (BS_BITS - 1))

// weight returns the weight of tap t of one output.
INLINE int32_t weight(const int16_t *w, int32_t taps, int32_t t) {
  return w[t] * (1 << BS_SPLIT) + w[taps + t];
}

// used_taps returns the number of taps without the pairs at the end whose weights
// are zero.
INLINE int32_t used_taps(const int16_t *w, int32_t taps) {
  int32_t n = taps;
  while (n > 2 && weight(w, taps, n - 1) == 0 && weight(w, taps, n - 2) == 0)
    n -= 2;
  return n;
}

// HORIZONTAL and VERTICAL define a pass that calls "of" with the usual numbers of
// taps as constants, so that the compiler unrolls the loop over them.
#define HORIZONTAL(name, of, attributes)                                       \
  attributes static void name(const uint8_t *const src[4],                     \
                              uint8_t *const dst[4], const bs_axis *ax) {      \
    switch (ax->taps) {                                                        \
    case 4: of(src, dst, ax, 4); break;                                        \
    case 8: of(src, dst, ax, 8); break;                                        \
    case 12: of(src, dst, ax, 12); break;                                      \
    case 16: of(src, dst, ax, 16); break;                                      \
    case 24: of(src, dst, ax, 24); break;                                      \
    default: of(src, dst, ax, ax->taps);                                       \
    }                                                                          \
  }

// PAIRED is HORIZONTAL for filters with pairs.
#define PAIRED(name, of, attributes)                                           \
  attributes static void name(const uint8_t *const src[4],                     \
                              uint8_t *const dst[4], const bs_axis *ax) {      \
    switch (ax->taps) {                                                        \
    case 2: of(src, dst, ax, 2); break;                                        \
    case 4: of(src, dst, ax, 4); break;                                        \
    case 6: of(src, dst, ax, 6); break;                                        \
    case 8: of(src, dst, ax, 8); break;                                        \
    case 10: of(src, dst, ax, 10); break;                                      \
    case 12: of(src, dst, ax, 12); break;                                      \
    case 16: of(src, dst, ax, 16); break;                                      \
    default: of(src, dst, ax, ax->taps);                                       \
    }                                                                          \
  }

#define VERTICAL(name, of, attributes)                                         \
  attributes static void name(const rows *src, const bs_axis *ax, int32_t y,   \
                              uint8_t *dst, size_t n) {                        \
    const int32_t taps =                                                       \
        used_taps(ax->weights + (size_t)y * ax->taps * 2, ax->taps);           \
    switch (taps) {                                                            \
    case 2: of(src, ax, y, dst, n, 2); break;                                  \
    case 4: of(src, ax, y, dst, n, 4); break;                                  \
    case 6: of(src, ax, y, dst, n, 6); break;                                  \
    case 8: of(src, ax, y, dst, n, 8); break;                                  \
    default: of(src, ax, y, dst, n, taps);                                     \
    }                                                                          \
  }

// horizontal makes four rows at a time, which share the loads of the weights.
static void horizontal_generic(const uint8_t *const src[4], uint8_t *const dst[4],
                               const bs_axis *ax) {
  for (int r = 0; r < 4; r++)
    for (int32_t i = 0; i < ax->n; i++) {
      const uint8_t *p = src[r] + (size_t)ax->first[i] * 4;
      const int16_t *w = ax->weights + (size_t)i * ax->taps * 2;
      int32_t acc[4] = {BS_HALF, BS_HALF, BS_HALF, BS_HALF};
      for (int32_t t = 0; t < ax->taps; t++) {
        const int32_t k = weight(w, ax->taps, t);
        for (int c = 0; c < 4; c++)
          acc[c] += p[t * 4 + c] * k;
      }
      for (int c = 0; c < 4; c++)
        dst[r][i * 4 + c] = clip8(acc[c] >> BS_BITS);
    }
}

// vertical makes one row; n is a multiple of 64.
static void vertical_generic(const rows *src, const bs_axis *ax, int32_t y,
                             uint8_t *dst, size_t n) {
  const int16_t *w = ax->weights + (size_t)y * ax->taps * 2;
  for (size_t x = 0; x < n; x += 32) {
    int32_t acc[32];
    for (int c = 0; c < 32; c++)
      acc[c] = BS_HALF;
    for (int32_t t = 0; t < ax->taps; t++) {
      const int32_t k = weight(w, ax->taps, t);
      if (k == 0)
        continue;
      const uint8_t *p = row_at(src, ax->first[y] + t) + x;
      for (int c = 0; c < 32; c++)
        acc[c] += p[c] * k;
    }
    for (int c = 0; c < 32; c++)
      dst[x + c] = clip8(acc[c] >> BS_BITS);
  }
}

static void pack_u8_generic(const uint8_t *row, uint8_t *dst, int32_t n, int bgr) {
  int r = bgr ? 2 : 0;
  for (int32_t x = 0; x < n; x++) {
    dst[x * 3] = row[x * 4 + r];
    dst[x * 3 + 1] = row[x * 4 + 1];
    dst[x * 3 + 2] = row[x * 4 + 2 - r];
  }
}

#include "kernel_float.h"

PLANES(planes_of_u8_generic, uint8_t, )
PLANES(planes_of_f32_generic, float, )
VALUES(values_generic, v8f, load_generic, )
PIXELS_OF_F32(pixels_of_f32_generic, )
LERP_ROW(lerp_generic, pixel_generic, bytes_generic, )
AREA_ROW(area_generic, v8f, load_generic, bytes_generic, )

#include "kernel_fixed.h"

FIXED(generic, )

#ifdef BS_X86

PLANES(planes_of_u8_avx2, uint8_t, TARGET_AVX2)
PLANES(planes_of_f32_avx2, float, TARGET_AVX2)
PIXELS_OF_F32(pixels_of_f32_avx2, TARGET_AVX2)

TARGET_AVX2 INLINE v4f pixel_avx2(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return (v4f)_mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
}

TARGET_AVX2 INLINE void bytes_avx2(v4f v, uint8_t *out) {
  __m128i i = _mm_cvttps_epi32((__m128)v + _mm_set1_ps(0.5f));
  i = _mm_packus_epi32(i, i);
  const int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(i, i));
  memcpy(out, &four, 4);
}

LERP_ROW(lerp_rest_avx2, pixel_avx2, bytes_avx2, TARGET_AVX2)

TARGET_AVX2 INLINE void load_avx2(const uint8_t *p, v8f *out) {
  *out = (v8f)_mm256_cvtepi32_ps(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

VALUES(values_avx2, v8f, load_avx2, TARGET_AVX2)
AREA_ROW(area_avx2, v8f, load_avx2, bytes_avx2, TARGET_AVX2)

typedef float v16f __attribute__((vector_size(64)));

TARGET_AVX512 INLINE void load_avx512(const uint8_t *p, v16f *out) {
  *out = (v16f)_mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

VALUES(values_avx512, v16f, load_avx512, TARGET_AVX512)
AREA_ROW(area_avx512, v16f, load_avx512, bytes_avx2, TARGET_AVX512)

#include "kernel_avx2.h"
#include "kernel_ycc.h"
#include "kernel_avx512.h"

FIXED(avx2, TARGET_AVX2)

TARGET_AVX2 static void pack_u8_avx2(const uint8_t *row, uint8_t *dst, int32_t n,
                                     int bgr) {
  const __m128i rgb =
      bgr ? _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1)
          : _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  int32_t x = 0;
  // Each store is 4 bytes longer than its pixels, so there must be six left.
  for (; x + 6 <= n; x += 4)
    _mm_storeu_si128(
        (__m128i *)(dst + x * 3),
        _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(row + x * 4)), rgb));
  pack_u8_generic(row + x * 4, dst + x * 3, n - x, bgr);
}

#endif

typedef struct {
  void (*horizontal)(const uint8_t *const[4], uint8_t *const[4], const bs_axis *);
  void (*vertical)(const rows *, const bs_axis *, int32_t, uint8_t *, size_t);
  void (*lerp)(const bs_job *, int32_t, int32_t, uint8_t *);
  void (*area)(const bs_job *, int32_t, float *, uint8_t *);
  void (*pack_u8)(const uint8_t *, uint8_t *, int32_t, int);
  void (*values)(const bs_job *, const uint8_t *, float *, int32_t);
  void (*pixels_of_f32)(const bs_job *, const float *, float *, int32_t);
  void (*planes_of_u8)(const bs_job *, const uint8_t *, float *, size_t, int32_t);
  void (*planes_of_f32)(const bs_job *, const float *, float *, size_t, int32_t);
  void (*across_bytes)(const bs_axis *, const uint8_t *, int32_t *);
  void (*down_sums)(const bs_axis *, int32_t, const int32_t *const[FIXED_TAPS],
                    uint8_t *, size_t);
  void (*down_bytes)(const bs_axis *, int32_t, const uint8_t *, size_t, int32_t *,
                     size_t);
  void (*across_sums)(const bs_axis *, const int32_t *, uint8_t *);
  // Of a filter with pairs; NULL where the two passes above are used for it.
  void (*three_across)(const uint8_t *const[4], uint8_t *const[4], const bs_axis *);
  void (*four_across)(const uint8_t *const[4], uint8_t *const[4], const bs_axis *);
  void (*down_pairs)(const pair_ring *, const bs_axis *, int32_t, uint8_t *, size_t);
  void (*ycc_row)(const bs_job *, int32_t, int32_t, int32_t, int16_t *, uint8_t *,
                  size_t);
  // Of rows of three planes; see flat.
  void (*flat_across)(const uint8_t *const[4], uint8_t *const[2], const bs_axis *, size_t);
  void (*join)(const uint8_t *, size_t, uint8_t *, size_t, int);
} kernels;

static const kernels generic = {
    horizontal_generic,    vertical_generic,      lerp_generic,
    area_generic,          pack_u8_generic,       values_generic,
    pixels_of_f32_generic, planes_of_u8_generic,  planes_of_f32_generic,
    across_bytes_generic,  down_sums_generic,     down_bytes_generic,
    across_sums_generic,   NULL,                  NULL,
    NULL,                  NULL,                  NULL,
    NULL};

#ifdef BS_X86
static const kernels avx2 = {
    horizontal_avx2,    vertical_avx2,     lerp_avx2,
    area_avx2,          pack_u8_avx2,      values_avx2,
    pixels_of_f32_avx2, planes_of_u8_avx2, planes_of_f32_avx2,
    across_bytes_avx2,  down_sums_avx2,    down_bytes_avx2,
    across_sums_avx2,   three_across_avx2, four_across_avx2,
    down_pairs_avx2,    ycc_row_avx2,      flat_across_avx2,
    join_avx2};
static const kernels avx512 = {
    horizontal_avx512,  vertical_avx512,   lerp_avx512,
    area_avx512,        pack_u8_avx2,      values_avx512,
    pixels_of_f32_avx2, planes_of_u8_avx2, planes_of_f32_avx2,
    across_bytes_avx2,  down_sums_avx2,    down_bytes_avx2,
    across_sums_avx2,   NULL,              NULL,
    NULL,               ycc_row_avx2,      NULL,
    NULL};

static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }
// VBMI is not used. A machine without it is one that lowers its clock for AVX-512.
static int has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}
#endif

int bs_kernels(void) {
#ifdef BS_X86
  return has_avx512() ? BS_AVX512 : has_avx2() ? BS_AVX2 : BS_GENERIC;
#else
  return BS_GENERIC;
#endif
}

static const kernels *pick(const bs_job *job) {
#ifdef BS_X86
  switch (job->most) {
  case BS_AVX512:
    return &avx512;
  case BS_AVX2:
    return &avx2;
  }
#endif
  (void)job;
  return &generic;
}

// pixel_size returns the bytes of a pixel of the window before packing: 4 bytes, or
// 4 floats where the policy keeps fractions.
INLINE size_t pixel_size(const bs_job *job) {
  return job->fractions ? 16 : 4;
}

INLINE int upright(const bs_job *job) {
  return !job->transpose && !job->flip_x && !job->flip_y;
}

// ring_rows returns how many rows of the horizontal pass are kept: those of one
// output and a group of four, rounded up to a power of two.
INLINE size_t ring_rows(const bs_job *job) {
  size_t n = 8;
  while (n < (size_t)job->v.taps + 4)
    n *= 2;
  return n;
}

// paired reports whether pair_rows resizes.
INLINE int paired(const bs_job *job) {
  return job->method == BS_FILTER && !job->transpose && job->most == BS_AVX2 &&
         job->h.pairs != NULL && job->v.taps <= BS_PAIRED;
}

// three_bytes reports whether the resized rows are to have pixels of three bytes, in the order
// of the tensor: then nothing is left to do for a tensor of bytes.
INLINE int three_bytes(const bs_job *job) {
  return upright(job) && !job->chw && !job->grey && !job->bgr;
}

int bs_takes_planes(const bs_job *job) {
  return paired(job) ||
         (job->method == BS_FILTER && !job->transpose && job->most == BS_AVX512);
}

// A row that is made of planes has up to 32 pixels more.
INLINE size_t ycc_pitch(const bs_job *job) {
  return padded((size_t)job->width * 4 + 32 * 4) + BS_TAIL;
}

// The sums of the chroma of such a row.
INLINE size_t ycc_sums(const bs_job *job) { return padded((size_t)job->width * 2 + 256); }

// flat returns how many bytes the red, green and blue of a row that is made of planes are
// apart, or 0 where they are pixels.
INLINE size_t flat(const bs_job *job) {
  // Below, the planes between the passes would not fit where pixels do.
  const int fits = job->h.n >= 64 && (size_t)job->h.n * 3 + BS_TAIL <= 4 * ycc_pitch(job);
  if (!job->ycc || !paired(job) || job->h.flat == NULL || !fits)
    return 0;
  return ycc_pitch(job) / 3 & ~(size_t)31;
}

// made_size returns the bytes of four rows that are made of planes, and of the sums.
INLINE size_t made_size(const bs_job *job) {
  return job->ycc ? 4 * ycc_pitch(job) + ycc_sums(job) : 0;
}

// ring_pairs returns how many pairs of rows are kept: those of one output and a group of four.
INLINE int32_t ring_pairs(const bs_job *job) { return job->v.taps / 2 + 3; }

// The last store is longer than the pixels that are left.
INLINE size_t pair_size(const bs_job *job) {
  return padded(((size_t)job->h.n + 3) / 4 * 4 * 16 + 16);
}

INLINE size_t mid_size(const bs_job *job) {
  if (job->method == BS_LERP)
    return 0;
  if (job->method == BS_FIXED && job->transpose)
    return padded((size_t)job->width * 4 * sizeof(int32_t));
  if (job->method == BS_FIXED)
    return FIXED_TAPS * padded((size_t)job->h.n * 4 * sizeof(int32_t));
  if (job->method == BS_AREA)
    return padded(((size_t)job->width * 4 + 64) * sizeof(float));
  if (job->transpose)
    return 4 * (padded((size_t)job->width * 4) + BS_TAIL);
  if (paired(job))
    return (size_t)ring_pairs(job) * pair_size(job) + made_size(job);
  return ring_rows(job) * padded((size_t)job->h.n * 4) + made_size(job);
}

INLINE size_t row_size(const bs_job *job) {
  const int32_t n = job->h.n > job->v.n ? job->h.n : job->v.n;
  return padded((size_t)n * pixel_size(job)) + BS_TAIL;
}

size_t bs_work_size(const bs_job *job) {
  size_t window = upright(job) ? 0 : row_size(job) * (size_t)(job->v.n + 3);
  return mid_size(job) + row_size(job) + window;
}

// pack_row packs row y of the upright window, of width pixels.
static void pack_row(const bs_job *job, const kernels *k, const uint8_t *row,
                     void *dst, int32_t y, int32_t width) {
  const size_t channels = job->grey ? 1 : 3;
  const size_t at = (size_t)(job->at_y + y) * job->out_w + job->at_x;
  if (!job->f32) {
    uint8_t *out = (uint8_t *)dst + at * channels;
    if (job->grey)
      for (int32_t x = 0; x < width; x++)
        out[x] = row[(size_t)x * 4];
    else
      k->pack_u8(row, out, width, job->bgr);
    return;
  }
  const int planes = job->chw || job->grey;
  const size_t plane = (size_t)job->out_w * job->out_h;
  float *out = (float *)dst + at * (planes ? 1 : 3);
  const int floats = pixel_size(job) == 16;
  if (planes && floats)
    k->planes_of_f32(job, (const float *)row, out, plane, width);
  else if (planes)
    k->planes_of_u8(job, row, out, plane, width);
  else if (floats)
    k->pixels_of_f32(job, (const float *)row, out, width);
  else
    for (int32_t x = 0; x < width; x += 256) {
      const int32_t n = width - x < 256 ? width - x : 256;
      uint8_t rgb[256 * 3];
      k->pack_u8(row + (size_t)x * 4, rgb, n, job->bgr);
      k->values(job, rgb, out + (size_t)x * 3, n * 3);
    }
}

void bs_fill(const bs_job *job, const float pixel[3], int zero, void *dst) {
  const size_t channels = job->grey ? 1 : 3;
  const size_t plane = (size_t)job->out_w * job->out_h;
  for (size_t c = 0; c < channels; c++) {
    const size_t from = job->bgr ? 2 - c : c;
    if (!job->f32) {
      uint8_t *out = (uint8_t *)dst + c;
      for (size_t i = 0; i < plane; i++)
        out[i * channels] = zero ? 0 : (uint8_t)pixel[from];
      continue;
    }
    const float v = zero ? 0
                         : NORMAL(pixel[from], job->scale, job->mean[from],
                                  job->std[from], divides(job));
    float *out = (float *)dst + (job->chw ? c * plane : c);
    const size_t step = job->chw ? 1 : channels;
    for (size_t i = 0; i < plane; i++)
      out[i * step] = v;
  }
}

// mirror reverses the pixels, of so many bytes, of lines.
INLINE void mirror(const uint8_t *row, uint8_t *dst, size_t lines, size_t width,
                   const size_t pixel) {
  for (size_t y = 0; y < lines; y++, row += width * pixel, dst += width * pixel)
    for (size_t x = 0; x < width; x++)
      memcpy(dst + x * pixel, row + (width - 1 - x) * pixel, pixel);
}

void bs_mirror(const bs_job *job, const void *row, void *dst) {
  const size_t channels = job->grey ? 1 : 3, w = (size_t)job->out_w;
  const size_t h = (size_t)job->out_h, element = job->f32 ? 4 : 1;
  if (job->chw || job->grey)
    mirror(row, dst, channels * h, w, element);
  else
    mirror(row, dst, h, w, 3 * element);
}

#include "kernel_rows.h"

void bs_render(const bs_job *job, void *dst) {
  const sink out = {job, pick(job), job->work + mid_size(job), dst};
  if (job->method == BS_FIXED && job->transpose)
    fixed_columns(job, &out);
  else if (job->method == BS_FIXED)
    fixed_rows(job, &out);
  else if (job->method != BS_FILTER)
    for (int32_t y = 0; y < job->v.n; y++) {
      if (job->method == BS_LERP && job->nearest && pixel_size(job) == 4)
        nearest_row(job, y, sink_row(&out, y));
      else if (job->method == BS_LERP)
        out.k->lerp(job, y, 0, sink_row(&out, y));
      else
        out.k->area(job, y, (float *)job->work, sink_row(&out, y));
      sink_done(&out, y);
    }
  else if (job->transpose)
    resize_columns(job, &out);
  else if (paired(job))
    pair_rows(job, &out);
  else
    resize_rows(job, &out);
  if (!upright(job))
    turn(&out);
}
