// The two resize passes with AVX-512; a part of kernel.c. They are those of
// kernel_avx2.h on twice as many lanes.

#define TARGET TARGET_AVX512

TARGET INLINE __m512i joined_avx512(__m512i low, __m512i high) {
  return _mm512_add_epi32(low, _mm512_slli_epi32(high, BS_SPLIT));
}

// taps is ax->taps; where it is a constant the compiler unrolls the loop.
TARGET INLINE void horizontal_of_avx512(const uint8_t *const src[4],
                                        uint8_t *const dst[4], const bs_axis *ax,
                                        const int32_t taps) {
  // Eight pixels become, per 128-bit lane, r r g g b b x x of two of them,
  // widened to 16 bits by the zeros of the odd bytes.
  const __m512i pairs = _mm512_add_epi8(
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 4, 0, 1, 0, 5, 0, 2, 0, 6, 0, 3,
                                           0, 7, 0)),
      _mm512_setr_epi64(0, 0, 0x0808080808080808, 0x0808080808080808,
                        0x1010101010101010, 0x1010101010101010,
                        0x1818181818181818, 0x1818181818181818));
  const __mmask64 even = 0x5555555555555555;
  // Lane j wants the pair of weights 2j and 2j+1 four times.
  const __m512i spread =
      _mm512_setr_epi32(0x03020100, 0x03020100, 0x03020100, 0x03020100,
                        0x07060504, 0x07060504, 0x07060504, 0x07060504,
                        0x0b0a0908, 0x0b0a0908, 0x0b0a0908, 0x0b0a0908,
                        0x0f0e0d0c, 0x0f0e0d0c, 0x0f0e0d0c, 0x0f0e0d0c);
  const __m512i half = _mm512_maskz_set1_epi32(0xf, BS_HALF);
  const __m512i zero = _mm512_setzero_si512();
  const int16_t *w = ax->weights;
  const int32_t *first = ax->first, n = ax->n;
  const uint8_t *s0 = src[0], *s1 = src[1], *s2 = src[2], *s3 = src[3];
  uint8_t *d0 = dst[0], *d1 = dst[1], *d2 = dst[2], *d3 = dst[3];
  for (int32_t i = 0; i < n; i++, w += 2 * taps) {
    const size_t at = (size_t)first[i] * 4;
    const uint8_t *p0 = s0 + at, *p1 = s1 + at, *p2 = s2 + at, *p3 = s3 + at;
    __m512i l0 = half, l1 = half, l2 = half, l3 = half;
    __m512i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t t = 0; t < taps; t += 8) {
      // The last step may have four taps only.
      const __mmask8 have = taps - t >= 8 ? 0xff : 0x0f;
      const __m512i high = _mm512_shuffle_epi8(
          _mm512_broadcast_i32x4(_mm_maskz_loadu_epi16(have, w + t)), spread);
      const __m512i low = _mm512_shuffle_epi8(
          _mm512_broadcast_i32x4(_mm_maskz_loadu_epi16(have, w + taps + t)),
          spread);
#define TAP(l, h, p)                                                           \
  do {                                                                         \
    const __m512i v = _mm512_maskz_permutexvar_epi8(                           \
        even, pairs,                                                           \
        _mm512_castsi256_si512(                                                \
            _mm256_maskz_loadu_epi32(have, (const void *)(p + t * 4))));       \
    l = _mm512_dpwssd_epi32(l, v, low);                                        \
    h = _mm512_dpwssd_epi32(h, v, high);                                       \
  } while (0)
      TAP(l0, h0, p0);
      TAP(l1, h1, p1);
      TAP(l2, h2, p2);
      TAP(l3, h3, p3);
#undef TAP
    }
    // Each lane of the sum is one row.
#define FOLD(a, b, x, y)                                                       \
  _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, x), _mm512_shuffle_i32x4(a, b, y))
    const __m512i sum =
        FOLD(FOLD(joined_avx512(l0, h0), joined_avx512(l1, h1), 0x44, 0xee),
             FOLD(joined_avx512(l2, h2), joined_avx512(l3, h3), 0x44, 0xee), 0x88,
             0xdd);
#undef FOLD
    const __m128i bytes = _mm512_cvtusepi32_epi8(
        _mm512_max_epi32(_mm512_srai_epi32(sum, BS_BITS), zero));
    const int32_t px0 = _mm_extract_epi32(bytes, 0), px1 = _mm_extract_epi32(bytes, 1);
    const int32_t px2 = _mm_extract_epi32(bytes, 2), px3 = _mm_extract_epi32(bytes, 3);
    memcpy(d0 + i * 4, &px0, 4);
    memcpy(d1 + i * 4, &px1, 4);
    memcpy(d2 + i * 4, &px2, 4);
    memcpy(d3 + i * 4, &px3, 4);
  }
}

TARGET static void horizontal_avx512(const uint8_t *const src[4],
                                     uint8_t *const dst[4], const bs_axis *ax) {
  switch (ax->taps) {
  case 4:
    horizontal_of_avx512(src, dst, ax, 4);
    break;
  case 8:
    horizontal_of_avx512(src, dst, ax, 8);
    break;
  case 12:
    horizontal_of_avx512(src, dst, ax, 12);
    break;
  case 16:
    horizontal_of_avx512(src, dst, ax, 16);
    break;
  case 24:
    horizontal_of_avx512(src, dst, ax, 24);
    break;
  default:
    horizontal_of_avx512(src, dst, ax, ax->taps);
  }
}

TARGET static void vertical_avx512(const rows *src, const bs_axis *ax, int32_t y,
                                   uint8_t *dst, size_t n) {
  const __m512i half = _mm512_set1_epi32(BS_HALF), zero = _mm512_setzero_si512();
  const int16_t *w = ax->weights + (size_t)y * ax->taps * 2;
  const int32_t taps = used_taps(w, ax->taps);
  for (size_t x = 0; x < n; x += 64) {
    __m512i l0 = half, l1 = half, l2 = half, l3 = half;
    __m512i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t t = 0; t < taps; t += 2) {
      int32_t two;
      memcpy(&two, w + t, 4);
      const __m512i high = _mm512_set1_epi32(two);
      memcpy(&two, w + ax->taps + t, 4);
      const __m512i low = _mm512_set1_epi32(two);
      const __m512i p = _mm512_loadu_si512(row_at(src, ax->first[y] + t) + x);
      const __m512i q = _mm512_loadu_si512(row_at(src, ax->first[y] + t + 1) + x);
      const __m512i near = _mm512_unpacklo_epi8(p, q);
      const __m512i far = _mm512_unpackhi_epi8(p, q);
#define TAP(l, h, pairs)                                                       \
  do {                                                                         \
    const __m512i v = pairs;                                                   \
    l = _mm512_dpwssd_epi32(l, v, low);                                        \
    h = _mm512_dpwssd_epi32(h, v, high);                                       \
  } while (0)
      TAP(l0, h0, _mm512_unpacklo_epi8(near, zero));
      TAP(l1, h1, _mm512_unpackhi_epi8(near, zero));
      TAP(l2, h2, _mm512_unpacklo_epi8(far, zero));
      TAP(l3, h3, _mm512_unpackhi_epi8(far, zero));
#undef TAP
    }
#define BITS(l, h) _mm512_srai_epi32(joined_avx512(l, h), BS_BITS)
    _mm512_storeu_si512(
        dst + x,
        _mm512_packus_epi16(_mm512_packs_epi32(BITS(l0, h0), BITS(l1, h1)),
                            _mm512_packs_epi32(BITS(l2, h2), BITS(l3, h3))));
#undef BITS
  }
}

#undef TARGET
