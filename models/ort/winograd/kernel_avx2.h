// The kernels for AVX2: vectors of 8 floats, 16 registers.
// It repeats the structure of kernel_avx512.h because the two sets differ in their types
// and intrinsics, which C can only spell out.

#define TARGET __attribute__((target("avx2,fma")))
#define F(name) name##_avx2
#define VEC __m256
#define LANES 8
// 6 x 2 sums leave registers for two weights and an input.
#define ROWS 6
#define EVERY_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)

#define v_set(x) _mm256_set1_ps(x)
#define v_load(p) _mm256_loadu_ps(p)
#define v_store(p, v) _mm256_storeu_ps(p, v)
#define v_add(a, b) _mm256_add_ps(a, b)
#define v_sub(a, b) _mm256_sub_ps(a, b)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)

// A mask of the lanes lo <= lane < hi.
TARGET static inline __m256i lanes_avx2(int lo, int hi) {
  const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(lo), i),
                             _mm256_cmpgt_epi32(_mm256_set1_epi32(hi), i));
}

// Loads the lanes lo <= lane < hi; the others are 0 and their memory is not read.
TARGET static inline __m256 v_load_part_avx2(const float *row, ptrdiff_t x, int lo,
                                             int hi) {
  return _mm256_maskload_ps(row + x, lanes_avx2(lo, hi));
}
#define v_load_part v_load_part_avx2

TARGET static inline void v_store_part_avx2(float *to, int n, __m256 v) {
  _mm256_maskstore_ps(to, lanes_avx2(0, n), v);
}
#define v_store_part v_store_part_avx2

// turn transposes 8 rows of 8 floats.
TARGET static inline void turn_avx2(const float *from, size_t from_pitch, float *to,
                                    size_t to_pitch) {
  __m256 a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    a[i] = _mm256_loadu_ps(from + (size_t)i * from_pitch);
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      const __m256d p = _mm256_castps_pd(b[i + j]), q = _mm256_castps_pd(b[i + j + 2]);
      a[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(p, q));
      a[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(p, q));
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps(to + (size_t)i * to_pitch,
                     _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
    _mm256_storeu_ps(to + (size_t)(i + 4) * to_pitch,
                     _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
  }
}

#include "kernel_body.h"
#include "kernel_end.h"
