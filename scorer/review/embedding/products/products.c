// Every sum has 8 parts: part k is the sum of the products k, k+8, k+16 and so on, in this order.
// Each product and each sum is rounded to 64 bits; fused operations, which round once, are not
// used, except where products are exact. total adds the parts in one order.
#include "products.h"

#include <stddef.h>

// GCC's -std=c11 implies this.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define BS_X86 1
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2,fma")))
#define TARGET_AVX512 __attribute__((target("avx2,fma,avx512f,avx512vl")))
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE double total(const double s[8]) {
  double low = (s[0] + s[4]) + (s[2] + s[6]);
  double high = (s[1] + s[5]) + (s[3] + s[7]);
  return low + high;
}

INLINE double product_plain(const double *by, const float *row, int64_t dims) {
  double s[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= dims; i += 8)
    for (int k = 0; k < 8; k++)
      s[k] += by[i + k] * (double)row[i + k];
  for (int k = 0; i < dims; i++, k++)
    s[k] += by[i] * (double)row[i];
  return total(s);
}

INLINE double floats_plain(const float *a, const float *b, int64_t dims) {
  double s[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= dims; i += 8)
    for (int k = 0; k < 8; k++)
      s[k] += (double)a[i + k] * (double)b[i + k];
  for (int k = 0; i < dims; i++, k++)
    s[k] += (double)a[i] * (double)b[i];
  return total(s);
}

static void products_plain(const double *by, int64_t queries, const float *rows, int64_t n, int64_t dims, double *out) {
  for (int64_t r = 0; r < n; r++)
    for (int64_t q = 0; q < queries; q++)
      out[r * queries + q] = product_plain(by + q * dims, rows + r * dims, dims);
}

static void three_plain(const float *a, const float *b, int64_t dims, double out[3]) {
  out[0] = floats_plain(a, a, dims);
  out[1] = floats_plain(a, b, dims);
  out[2] = floats_plain(b, b, dims);
}

#ifdef BS_X86

// Parts 0 to 3 are in one register and 4 to 7 in another. What is left at the end, fewer than 8
// numbers, is loaded with zeros behind it.
typedef struct {
  __m256d low, high;
} parts;

TARGET_AVX2 INLINE double total_avx2(parts s) {
  __m256d four = _mm256_add_pd(s.low, s.high);
  __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

TARGET_AVX2 INLINE parts floats_avx2(const float *from) {
  return (parts){_mm256_cvtps_pd(_mm_loadu_ps(from)), _mm256_cvtps_pd(_mm_loadu_ps(from + 4))};
}

TARGET_AVX2 INLINE parts rest_floats(const float *from, int64_t left) {
  float some[8] = {0};
  for (int64_t k = 0; k < left; k++)
    some[k] = from[k];
  return floats_avx2(some);
}

TARGET_AVX2 INLINE parts rest_doubles(const double *from, int64_t left) {
  double some[8] = {0};
  for (int64_t k = 0; k < left; k++)
    some[k] = from[k];
  return (parts){_mm256_loadu_pd(some), _mm256_loadu_pd(some + 4)};
}

TARGET_AVX2 INLINE parts add_avx2(parts s, parts x, parts y) {
  s.low = _mm256_add_pd(s.low, _mm256_mul_pd(x.low, y.low));
  s.high = _mm256_add_pd(s.high, _mm256_mul_pd(x.high, y.high));
  return s;
}

// tile_avx2 does some queries and rows at once: both numbers are constants where it is called.
TARGET_AVX2 INLINE void tile_avx2(const double *by, int queries, const float *rows, int n, int64_t dims, double *out, int64_t pitch) {
  parts s[2][2];
  for (int r = 0; r < n; r++)
    for (int q = 0; q < queries; q++)
      s[r][q] = (parts){_mm256_setzero_pd(), _mm256_setzero_pd()};
  int64_t i = 0;
  for (; i + 8 <= dims; i += 8) {
    parts x[2];
    for (int r = 0; r < n; r++)
      x[r] = floats_avx2(rows + r * dims + i);
    for (int q = 0; q < queries; q++) {
      const double *at = by + q * dims + i;
      parts y = {_mm256_loadu_pd(at), _mm256_loadu_pd(at + 4)};
      for (int r = 0; r < n; r++)
        s[r][q] = add_avx2(s[r][q], x[r], y);
    }
  }
  if (i < dims)
    for (int r = 0; r < n; r++)
      for (int q = 0; q < queries; q++)
        s[r][q] = add_avx2(s[r][q], rest_floats(rows + r * dims + i, dims - i), rest_doubles(by + q * dims + i, dims - i));
  for (int r = 0; r < n; r++)
    for (int q = 0; q < queries; q++)
      out[r * pitch + q] = total_avx2(s[r][q]);
}

TARGET_AVX2 static void products_avx2(const double *by, int64_t queries, const float *rows, int64_t n, int64_t dims, double *out) {
  int64_t r = 0;
  for (; r + 2 <= n; r += 2) {
    int64_t q = 0;
    for (; q + 2 <= queries; q += 2)
      tile_avx2(by + q * dims, 2, rows + r * dims, 2, dims, out + r * queries + q, queries);
    for (; q < queries; q++)
      tile_avx2(by + q * dims, 1, rows + r * dims, 2, dims, out + r * queries + q, queries);
  }
  for (; r < n; r++)
    for (int64_t q = 0; q < queries; q++)
      tile_avx2(by + q * dims, 1, rows + r * dims, 1, dims, out + r * queries + q, queries);
}

// A product of two float32 is exact in 64 bits, so that a fused operation gives the same.
TARGET_AVX2 INLINE parts fuse_avx2(parts s, parts x, parts y) {
  s.low = _mm256_fmadd_pd(x.low, y.low, s.low);
  s.high = _mm256_fmadd_pd(x.high, y.high, s.high);
  return s;
}

TARGET_AVX2 static void three_avx2(const float *a, const float *b, int64_t dims, double out[3]) {
  parts aa = {_mm256_setzero_pd(), _mm256_setzero_pd()}, ab = aa, bb = aa;
  for (int64_t i = 0; i < dims; i += 8) {
    int64_t left = dims - i;
    parts x = left < 8 ? rest_floats(a + i, left) : floats_avx2(a + i);
    parts y = left < 8 ? rest_floats(b + i, left) : floats_avx2(b + i);
    aa = fuse_avx2(aa, x, x);
    ab = fuse_avx2(ab, x, y);
    bb = fuse_avx2(bb, y, y);
  }
  out[0] = total_avx2(aa);
  out[1] = total_avx2(ab);
  out[2] = total_avx2(bb);
}

TARGET_AVX2 static void squares_avx2(const float *rows, int64_t n, int64_t dims, double *out) {
  for (int64_t r = 0; r < n; r++) {
    parts s = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    for (int64_t i = 0; i < dims; i += 8) {
      int64_t left = dims - i;
      const float *at = rows + r * dims + i;
      parts x = left < 8 ? rest_floats(at, left) : floats_avx2(at);
      s = fuse_avx2(s, x, x);
    }
    out[r] = total_avx2(s);
  }
}

TARGET_AVX512 INLINE double total_avx512(__m512d s) {
  return total_avx2((parts){_mm512_castpd512_pd256(s), _mm512_extractf64x4_pd(s, 1)});
}

TARGET_AVX512 INLINE void tile_avx512(const double *by, int queries, const float *rows, int n, int64_t dims, double *out, int64_t pitch) {
  __m512d s[4][4];
  for (int r = 0; r < n; r++)
    for (int q = 0; q < queries; q++)
      s[r][q] = _mm512_setzero_pd();
  int64_t i = 0;
  for (; i + 8 <= dims; i += 8) {
    __m512d x[4];
    for (int r = 0; r < n; r++)
      x[r] = _mm512_cvtps_pd(_mm256_loadu_ps(rows + r * dims + i));
    for (int q = 0; q < queries; q++) {
      __m512d y = _mm512_loadu_pd(by + q * dims + i);
      for (int r = 0; r < n; r++)
        s[r][q] = _mm512_add_pd(s[r][q], _mm512_mul_pd(x[r], y));
    }
  }
  if (i < dims) {
    __mmask8 left = (__mmask8)((1u << (dims - i)) - 1);
    for (int r = 0; r < n; r++)
      for (int q = 0; q < queries; q++) {
        __m512d x = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(left, rows + r * dims + i));
        s[r][q] = _mm512_add_pd(s[r][q], _mm512_mul_pd(x, _mm512_maskz_loadu_pd(left, by + q * dims + i)));
      }
  }
  for (int r = 0; r < n; r++)
    for (int q = 0; q < queries; q++)
      out[r * pitch + q] = total_avx512(s[r][q]);
}

TARGET_AVX512 static void products_avx512(const double *by, int64_t queries, const float *rows, int64_t n, int64_t dims, double *out) {
  int64_t r = 0;
  for (; r + 4 <= n; r += 4) {
    int64_t q = 0;
    for (; q + 4 <= queries; q += 4)
      tile_avx512(by + q * dims, 4, rows + r * dims, 4, dims, out + r * queries + q, queries);
    for (; q < queries; q++)
      tile_avx512(by + q * dims, 1, rows + r * dims, 4, dims, out + r * queries + q, queries);
  }
  for (; r < n; r++) {
    int64_t q = 0;
    for (; q + 4 <= queries; q += 4)
      tile_avx512(by + q * dims, 4, rows + r * dims, 1, dims, out + r * queries + q, queries);
    for (; q < queries; q++)
      tile_avx512(by + q * dims, 1, rows + r * dims, 1, dims, out + r * queries + q, queries);
  }
}

#endif

int32_t bs_best(void) {
#ifdef BS_X86
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") ? BS_AVX512 : BS_AVX2;
#endif
  return BS_PLAIN;
}

void bs_products(int32_t isa, const double *by, int64_t queries, const float *rows, int64_t n, int64_t dims, double *out) {
#ifdef BS_X86
  if (isa == BS_AVX512)
    return products_avx512(by, queries, rows, n, dims, out);
  if (isa == BS_AVX2)
    return products_avx2(by, queries, rows, n, dims, out);
#endif
  products_plain(by, queries, rows, n, dims, out);
}

void bs_three(int32_t isa, const float *a, const float *b, int64_t dims, double out[3]) {
#ifdef BS_X86
  if (isa >= BS_AVX2)
    return three_avx2(a, b, dims, out);
#endif
  three_plain(a, b, dims, out);
}

void bs_squares(int32_t isa, const float *rows, int64_t n, int64_t dims, double *out) {
#ifdef BS_X86
  if (isa >= BS_AVX2)
    return squares_avx2(rows, n, dims, out);
#endif
  for (int64_t r = 0; r < n; r++)
    out[r] = floats_plain(rows + r * dims, rows + r * dims, dims);
}
