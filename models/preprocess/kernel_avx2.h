// The two resize passes with AVX2; a part of kernel.c.

#define TARGET TARGET_AVX2

TARGET INLINE __m256i joined_avx2(__m256i low, __m256i high) {
  return _mm256_srai_epi32(
      _mm256_add_epi32(low, _mm256_slli_epi32(high, BS_SPLIT)), BS_BITS);
}

// Of every tap the vector of pixels is widened once, then multiplied by the low
// and by the high part of its weight.
// taps is ax->taps; where it is a constant the compiler unrolls the loop.
TARGET INLINE void horizontal_of_avx2(const uint8_t *const src[4],
                                       uint8_t *const dst[4], const bs_axis *ax,
                                       const int32_t taps) {
  // Four pixels become, per 128-bit half, r r g g b b x x of two of them,
  // widened to 16 bits: what madd wants beside a pair of weights.
  const __m256i pairs = _mm256_setr_epi8(
      0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1,
      8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
  const __m256i spread = _mm256_setr_epi8(
      0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
      4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
  const __m256i half =
      _mm256_setr_epi32(BS_HALF, BS_HALF, BS_HALF, BS_HALF, 0, 0, 0, 0);
  const __m256i zero = _mm256_setzero_si256();
  const int16_t *w = ax->weights;
  const int32_t *first = ax->first, n = ax->n;
  const uint8_t *s0 = src[0], *s1 = src[1], *s2 = src[2], *s3 = src[3];
  uint8_t *d0 = dst[0], *d1 = dst[1], *d2 = dst[2], *d3 = dst[3];
  for (int32_t i = 0; i < n; i++, w += 2 * taps) {
    const size_t at = (size_t)first[i] * 4;
    const uint8_t *p0 = s0 + at, *p1 = s1 + at, *p2 = s2 + at, *p3 = s3 + at;
    __m256i l0 = half, l1 = half, l2 = half, l3 = half;
    __m256i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t t = 0; t < taps; t += 4) {
      int64_t four;
      memcpy(&four, w + t, 8);
      const __m256i high = _mm256_shuffle_epi8(_mm256_set1_epi64x(four), spread);
      memcpy(&four, w + taps + t, 8);
      const __m256i low = _mm256_shuffle_epi8(_mm256_set1_epi64x(four), spread);
#define TAP(l, h, p)                                                           \
  do {                                                                         \
    const __m128i four = _mm_loadu_si128((const __m128i *)(p + t * 4));        \
    const __m256i v =                                                          \
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(four), pairs);         \
    l = _mm256_add_epi32(l, _mm256_madd_epi16(v, low));                                                        \
    h = _mm256_add_epi32(h, _mm256_madd_epi16(v, high));                                                       \
  } while (0)
      TAP(l0, h0, p0);
      TAP(l1, h1, p1);
      TAP(l2, h2, p2);
      TAP(l3, h3, p3);
#undef TAP
    }
    // Half 0 holds rows 0 and 2, half 1 rows 1 and 3.
#define FOLD(a, b)                                                             \
  _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),                      \
                   _mm256_permute2x128_si256(a, b, 0x31))
    __m256i bytes = _mm256_packs_epi32(joined_avx2(FOLD(l0, l1), FOLD(h0, h1)),
                                       joined_avx2(FOLD(l2, l3), FOLD(h2, h3)));
#undef FOLD
    bytes = _mm256_packus_epi16(bytes, bytes);
    const __m128i even = _mm256_castsi256_si128(bytes);
    const __m128i odd = _mm256_extracti128_si256(bytes, 1);
    const int32_t px0 = _mm_cvtsi128_si32(even), px2 = _mm_extract_epi32(even, 1);
    const int32_t px1 = _mm_cvtsi128_si32(odd), px3 = _mm_extract_epi32(odd, 1);
    memcpy(d0 + i * 4, &px0, 4);
    memcpy(d1 + i * 4, &px1, 4);
    memcpy(d2 + i * 4, &px2, 4);
    memcpy(d3 + i * 4, &px3, 4);
  }
}

TARGET static void horizontal_avx2(const uint8_t *const src[4],
                                    uint8_t *const dst[4], const bs_axis *ax) {
  switch (ax->taps) {
  case 4:
    horizontal_of_avx2(src, dst, ax, 4);
    break;
  case 8:
    horizontal_of_avx2(src, dst, ax, 8);
    break;
  case 12:
    horizontal_of_avx2(src, dst, ax, 12);
    break;
  case 16:
    horizontal_of_avx2(src, dst, ax, 16);
    break;
  case 24:
    horizontal_of_avx2(src, dst, ax, 24);
    break;
  default:
    horizontal_of_avx2(src, dst, ax, ax->taps);
  }
}

TARGET static void vertical_avx2(const rows *src, const bs_axis *ax, int32_t y,
                                  uint8_t *dst, size_t n) {
  const __m256i half = _mm256_set1_epi32(BS_HALF), zero = _mm256_setzero_si256();
  const int16_t *w = ax->weights + (size_t)y * ax->taps * 2;
  const int32_t taps = used_taps(w, ax->taps);
  for (size_t x = 0; x < n; x += 32) {
    __m256i l0 = half, l1 = half, l2 = half, l3 = half;
    __m256i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t t = 0; t < taps; t += 2) {
      int32_t two;
      memcpy(&two, w + t, 4);
      const __m256i high = _mm256_set1_epi32(two);
      memcpy(&two, w + ax->taps + t, 4);
      const __m256i low = _mm256_set1_epi32(two);
      const __m256i p = _mm256_loadu_si256(
          (const __m256i *)(row_at(src, ax->first[y] + t) + x));
      const __m256i q = _mm256_loadu_si256(
          (const __m256i *)(row_at(src, ax->first[y] + t + 1) + x));
      const __m256i near = _mm256_unpacklo_epi8(p, q);
      const __m256i far = _mm256_unpackhi_epi8(p, q);
#define TAP(l, h, pairs)                                                       \
  do {                                                                         \
    const __m256i v = pairs;                                                   \
    l = _mm256_add_epi32(l, _mm256_madd_epi16(v, low));                                                        \
    h = _mm256_add_epi32(h, _mm256_madd_epi16(v, high));                                                       \
  } while (0)
      TAP(l0, h0, _mm256_unpacklo_epi8(near, zero));
      TAP(l1, h1, _mm256_unpackhi_epi8(near, zero));
      TAP(l2, h2, _mm256_unpacklo_epi8(far, zero));
      TAP(l3, h3, _mm256_unpackhi_epi8(far, zero));
#undef TAP
    }
    _mm256_storeu_si256(
        (__m256i *)(dst + x),
        _mm256_packus_epi16(
            _mm256_packs_epi32(joined_avx2(l0, h0), joined_avx2(l1, h1)),
            _mm256_packs_epi32(joined_avx2(l2, h2), joined_avx2(l3, h3))));
  }
}

#undef TARGET
