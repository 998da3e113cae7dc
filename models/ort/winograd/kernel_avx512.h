// The kernels for AVX-512: vectors of 16 floats, 32 registers.
// It repeats the structure of kernel_avx2.h because the two sets differ in their types
// and intrinsics, which C can only spell out.

#define TARGET __attribute__((target("avx512f,fma")))
#define F(name) name##_avx512
#define VEC __m512
#define LANES 16
// 14 x 2 sums leave registers for two weights and an input.
#define ROWS 14
#define EVERY_ROWS(X)                                                          \
  X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)

#define v_set(x) _mm512_set1_ps(x)
#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, v) _mm512_storeu_ps(p, v)
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)

// Loads the lanes lo <= lane < hi; the others are 0 and their memory is not read.
TARGET static inline __m512 v_load_part_avx512(const float *row, ptrdiff_t x, int lo,
                                               int hi) {
  const unsigned below = lo <= 0 ? 0 : lo >= 16 ? 0xffff : (1u << lo) - 1;
  const unsigned upto = hi <= 0 ? 0 : hi >= 16 ? 0xffff : (1u << hi) - 1;
  return _mm512_maskz_loadu_ps((__mmask16)(upto & ~below), row + x);
}
#define v_load_part v_load_part_avx512

TARGET static inline void v_store_part_avx512(float *to, int n, __m512 v) {
  _mm512_mask_storeu_ps(to, (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1), v);
}
#define v_store_part v_store_part_avx512

// turn transposes 16 rows of 16 floats.
TARGET static inline void turn_avx512(const float *from, size_t from_pitch, float *to,
                                      size_t to_pitch) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++)
    a[i] = _mm512_loadu_ps(from + (size_t)i * from_pitch);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      const __m512d p = _mm512_castps_pd(b[i + j]), q = _mm512_castps_pd(b[i + j + 2]);
      a[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q));
      a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512 p = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
    const __m512 q = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
    const __m512 r = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
    const __m512 s = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
    _mm512_storeu_ps(to + (size_t)i * to_pitch, _mm512_shuffle_f32x4(p, q, 0x88));
    _mm512_storeu_ps(to + (size_t)(i + 4) * to_pitch, _mm512_shuffle_f32x4(r, s, 0x88));
    _mm512_storeu_ps(to + (size_t)(i + 8) * to_pitch, _mm512_shuffle_f32x4(p, q, 0xdd));
    _mm512_storeu_ps(to + (size_t)(i + 12) * to_pitch, _mm512_shuffle_f32x4(r, s, 0xdd));
  }
}

#include "kernel_body.h"
#include "kernel_end.h"
