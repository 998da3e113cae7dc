// The two resize passes with AVX-512; a part of kernel.c.

#define TARGET TARGET_AVX512

TARGET INLINE __m512i joined_avx512(__m512i low, __m512i high) {
  return _mm512_add_epi32(low, _mm512_slli_epi32(high, BS_SPLIT));
}

// Four outputs of one row share a vector, a quarter each. A step takes four taps of
// each, with one multiplication for each digit of their weights. taps is ax->taps.
TARGET INLINE void horizontal_of_avx512(const uint8_t *const src[4],
                                        uint8_t *const dst[4], const bs_axis *ax,
                                        const int32_t taps) {
  // Four pixels become r r r r g g g g b b b b x x x x.
  const __m512i planes = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i spread =
      _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  const __m512i half = _mm512_set1_epi32(BS_HALF), zero = _mm512_setzero_si512();
  const int8_t *w = ax->digits;
  for (int32_t i = 0; i < ax->n; i += 4) {
    const size_t a = (size_t)ax->first[i] * 4, b = (size_t)ax->first[i + 1] * 4;
    const size_t c = (size_t)ax->first[i + 2] * 4;
    const size_t d = (size_t)ax->first[i + 3] * 4;
    __m512i l0 = half, l1 = half, l2 = half, l3 = half;
    __m512i m0 = zero, m1 = zero, m2 = zero, m3 = zero;
    __m512i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t t = 0; t < taps; t += 4, w += 48) {
#define LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define WEIGHTS(p)                                                             \
  _mm512_permutexvar_epi32(spread, _mm512_castsi128_si512(LOAD(p)))
      const __m512i low = WEIGHTS(w), mid = WEIGHTS(w + 16), high = WEIGHTS(w + 32);
#undef WEIGHTS
#define TAPS(l, m, h, row)                                                     \
  do {                                                                         \
    const uint8_t *p = (row) + t * 4;                                          \
    __m512i v = _mm512_castsi128_si512(LOAD(p + a));                           \
    v = _mm512_mask_broadcast_i32x4(v, 0x00f0, LOAD(p + b));                   \
    v = _mm512_mask_broadcast_i32x4(v, 0x0f00, LOAD(p + c));                   \
    v = _mm512_mask_broadcast_i32x4(v, 0xf000, LOAD(p + d));                   \
    v = _mm512_shuffle_epi8(v, planes);                                        \
    l = _mm512_dpbusd_epi32(l, v, low);                                        \
    m = _mm512_dpbusd_epi32(m, v, mid);                                        \
    h = _mm512_dpbusd_epi32(h, v, high);                                       \
  } while (0)
      TAPS(l0, m0, h0, src[0]);
      TAPS(l1, m1, h1, src[1]);
      TAPS(l2, m2, h2, src[2]);
      TAPS(l3, m3, h3, src[3]);
#undef TAPS
#undef LOAD
    }
#define STORE(l, m, h, row)                                                    \
  do {                                                                         \
    const __m512i sum = _mm512_add_epi32(                                      \
        _mm512_add_epi32(l, _mm512_slli_epi32(m, 8)), _mm512_slli_epi32(h, 16)); \
    _mm_storeu_si128((__m128i *)((row) + i * 4),                               \
                     _mm512_cvtusepi32_epi8(_mm512_max_epi32(                  \
                         _mm512_srai_epi32(sum, BS_BITS), zero)));             \
  } while (0)
    STORE(l0, m0, h0, dst[0]);
    STORE(l1, m1, h1, dst[1]);
    STORE(l2, m2, h2, dst[2]);
    STORE(l3, m3, h3, dst[3]);
#undef STORE
  }
}

HORIZONTAL(horizontal_avx512, horizontal_of_avx512, TARGET)

// taps is used_taps. What does not change along the row is in local variables,
// which no store can alias.
TARGET INLINE void vertical_of_avx512(const rows *src, const bs_axis *ax, int32_t y,
                                      uint8_t *dst, size_t n, const int32_t taps) {
  const __m512i half = _mm512_set1_epi32(BS_HALF), zero = _mm512_setzero_si512();
  const rows from = *src;
  const int32_t first = ax->first[y];
  const int16_t *high_parts = ax->weights + (size_t)y * ax->taps * 2;
  const int16_t *low_parts = high_parts + ax->taps;
  for (size_t x = 0; x < n; x += 64) {
    __m512i l0 = half, l1 = half, l2 = half, l3 = half;
    __m512i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t t = 0; t < taps; t += 2) {
      int32_t two;
      memcpy(&two, high_parts + t, 4);
      const __m512i high = _mm512_set1_epi32(two);
      memcpy(&two, low_parts + t, 4);
      const __m512i low = _mm512_set1_epi32(two);
      const __m512i p = _mm512_loadu_si512(row_at(&from, first + t) + x);
      const __m512i q = _mm512_loadu_si512(row_at(&from, first + t + 1) + x);
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

VERTICAL(vertical_avx512, vertical_of_avx512, TARGET)

// lerp_avx512 is lerp_avx2 for four outputs at a time.
TARGET static void lerp_avx512(const bs_job *job, int32_t y, int32_t x, uint8_t *out) {
  const int32_t *first = job->h.first, *second = job->h.second;
  const uint8_t *top = job->pixels + job->v.first[y] * job->pitch;
  const uint8_t *bottom = job->pixels + job->v.second[y] * job->pitch;
  const __m512 fy = _mm512_set1_ps(job->v.frac[y]), half = _mm512_set1_ps(0.5f);
  const __m512i spread =
      _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  for (; x + 4 <= job->h.n && second[x + 3] - first[x] < 16; x += 4) {
    const size_t at = (size_t)first[x] * 4;
    const __m512i pick = _mm512_castsi256_si512(_mm256_sub_epi32(
        _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(first + x))),
            _mm_loadu_si128((const __m128i *)(second + x)), 1),
        _mm256_set1_epi32(first[x])));
    const __m512 fx = _mm512_permutexvar_ps(
        spread, _mm512_castps128_ps512(_mm_loadu_ps(job->h.frac + x)));
#define ALONG_X(value, row)                                                    \
  do {                                                                         \
    const __m256i eight = _mm512_castsi512_si256(_mm512_permutexvar_epi32(     \
        pick, _mm512_loadu_si512((row) + at)));                                \
    const __m512 l = _mm512_cvtepi32_ps(                                       \
        _mm512_cvtepu8_epi32(_mm256_castsi256_si128(eight)));                  \
    const __m512 r = _mm512_cvtepi32_ps(                                       \
        _mm512_cvtepu8_epi32(_mm256_extracti128_si256(eight, 1)));             \
    value = _mm512_add_ps(l, _mm512_mul_ps(_mm512_sub_ps(r, l), fx));          \
  } while (0)
    __m512 t, b;
    ALONG_X(t, top);
    ALONG_X(b, bottom);
#undef ALONG_X
    const __m512 v = _mm512_add_ps(t, _mm512_mul_ps(_mm512_sub_ps(b, t), fy));
    if (job->fractions)
      _mm512_storeu_ps((float *)(out + (size_t)x * 16), v);
    else
      _mm_storeu_si128(
          (__m128i *)(out + (size_t)x * 4),
          _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(_mm512_add_ps(v, half))));
  }
  lerp_avx2(job, y, x, out);
}

#undef TARGET
