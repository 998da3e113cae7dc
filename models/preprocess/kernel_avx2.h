// The two resize passes with AVX2; a part of kernel.c.

#define TARGET TARGET_AVX2

TARGET INLINE __m256i joined_avx2(__m256i low, __m256i high) {
  return _mm256_srai_epi32(
      _mm256_add_epi32(low, _mm256_slli_epi32(high, BS_SPLIT)), BS_BITS);
}

#define BOTH(load, p, q)                                                       \
  _mm256_inserti128_si256(_mm256_castsi128_si256(load((const __m128i *)(p))),  \
                          load((const __m128i *)(q)), 1)

// two_rows_avx2 makes two outputs of each of the rows p and q, whose taps begin at
// bytes a and b: the first outputs in one half of the vector, the second ones in the
// other, as words that are still to be clipped. The pixels of a tap are widened once,
// then multiplied by the low and by the high part of its weight. More rows at once
// would need more registers than there are.
TARGET INLINE __m256i two_rows_avx2(const uint8_t *p, const uint8_t *q, size_t a,
                                    size_t b, const int16_t *w,
                                    const int32_t taps) {
  // The first two of four pixels, and the last two, become r r g g b b x x of
  // 16 bits, which madd multiplies by a pair of weights.
  const __m256i first_two = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1));
  const __m256i last_two = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1));
  __m256i l0 = _mm256_set1_epi32(BS_HALF), l1 = l0;
  __m256i h0 = _mm256_setzero_si256(), h1 = h0;
  for (int32_t t = 0; t < taps; t += 4) {
    const __m256i high = BOTH(_mm_loadl_epi64, w + t, w + 2 * taps + t);
    const __m256i low = BOTH(_mm_loadl_epi64, w + taps + t, w + 3 * taps + t);
    const __m256i high0 = _mm256_shuffle_epi32(high, 0x00);
    const __m256i high2 = _mm256_shuffle_epi32(high, 0x55);
    const __m256i low0 = _mm256_shuffle_epi32(low, 0x00);
    const __m256i low2 = _mm256_shuffle_epi32(low, 0x55);
#define TAPS(l, h, row)                                                        \
  do {                                                                         \
    const __m256i four =                                                       \
        BOTH(_mm_loadu_si128, (row) + a + t * 4, (row) + b + t * 4);           \
    const __m256i v = _mm256_shuffle_epi8(four, first_two);                    \
    const __m256i u = _mm256_shuffle_epi8(four, last_two);                     \
    l = _mm256_add_epi32(l, _mm256_madd_epi16(v, low0));                       \
    h = _mm256_add_epi32(h, _mm256_madd_epi16(v, high0));                      \
    l = _mm256_add_epi32(l, _mm256_madd_epi16(u, low2));                       \
    h = _mm256_add_epi32(h, _mm256_madd_epi16(u, high2));                      \
  } while (0)
    TAPS(l0, h0, p);
    TAPS(l1, h1, q);
#undef TAPS
  }
  return _mm256_packs_epi32(joined_avx2(l0, h0), joined_avx2(l1, h1));
}

// store_two_avx2 stores two outputs of four rows: of each output one half of the vector.
TARGET INLINE void store_two_avx2(__m256i v, uint8_t *d0, uint8_t *d1, uint8_t *d2,
                                  uint8_t *d3) {
  const __m256i bytes = _mm256_permutevar8x32_epi32(
      v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const __m128i near = _mm256_castsi256_si128(bytes);
  const __m128i far = _mm256_extracti128_si256(bytes, 1);
  _mm_storel_epi64((__m128i *)d0, near);
  _mm_storeh_pd((double *)d1, _mm_castsi128_pd(near));
  _mm_storel_epi64((__m128i *)d2, far);
  _mm_storeh_pd((double *)d3, _mm_castsi128_pd(far));
}

// words_avx2 returns two outputs of two rows, as words that alternate between the rows.
TARGET INLINE __m256i words_avx2(__m256i l0, __m256i h0, __m256i l1, __m256i h1,
                                 const int32_t clips) {
  const __m256i upper = _mm256_srai_epi32(
      _mm256_add_epi32(l1, _mm256_slli_epi32(h1, BS_SPLIT)), BS_BITS - 16);
  const __m256i words = _mm256_blend_epi16(joined_avx2(l0, h0), upper, 0xaa);
  if (!clips)
    return words;
  return _mm256_max_epi16(_mm256_min_epi16(words, _mm256_set1_epi16(255)),
                          _mm256_setzero_si256());
}

// store_words_avx2 stores both outputs, of pixel bytes. What is too much of the second is
// overwritten by the next one.
TARGET INLINE void store_words_avx2(__m256i v, uint8_t *to, const size_t pixel) {
  if (pixel == 16) {
    _mm256_storeu_si256((__m256i *)to, v);
    return;
  }
  _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(v));
  _mm_storeu_si128((__m128i *)(to + pixel), _mm256_extracti128_si256(v, 1));
}

// wide_avx2 is for filters without pairs.
TARGET static void wide_avx2(const uint8_t *const src[4], uint8_t *const dst[4],
                             const bs_axis *ax) {
  const int32_t taps = ax->taps;
  const int16_t *w = ax->weights;
  const int32_t *first = ax->first, n = ax->n;
  const uint8_t *s0 = src[0], *s1 = src[1], *s2 = src[2], *s3 = src[3];
  uint8_t *d0 = dst[0], *d1 = dst[1], *d2 = dst[2], *d3 = dst[3];
  for (int32_t i = 0; i < n; i += 2, w += 4 * taps) {
    const size_t a = (size_t)first[i] * 4, b = (size_t)first[i + 1] * 4;
    store_two_avx2(_mm256_packus_epi16(two_rows_avx2(s0, s1, a, b, w, taps),
                                       two_rows_avx2(s2, s3, a, b, w, taps)),
                   d0 + i * 4, d1 + i * 4, d2 + i * 4, d3 + i * 4);
  }
}

// across_avx2 is for filters with pairs; taps is ax->taps. The four rows share the loads of
// the weights, and two outputs take the two halves of each vector. Where pixel is 0, the
// outputs are the pixels of four rows. Otherwise they go to the first two rows of dst: see
// pair_rows.
TARGET INLINE void across_avx2(const uint8_t *const src[4], uint8_t *const dst[4],
                               const bs_axis *ax, const int32_t taps,
                               const size_t pixel) {
  const __m256i first_two = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1));
  const __m256i last_two = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1));
  const __m256i *w = (const __m256i *)ax->pairs;
  const int32_t *first = ax->first, n = ax->n, clips = ax->clips;
  const uint8_t *s0 = src[0], *s1 = src[1], *s2 = src[2], *s3 = src[3];
  uint8_t *d0 = dst[0], *d1 = dst[1], *d2 = dst[2], *d3 = dst[3];
  for (int32_t i = 0; i < n; i += 2) {
    const size_t a = (size_t)first[i] * 4, b = (size_t)first[i + 1] * 4;
    __m256i l0 = _mm256_set1_epi32(BS_HALF), l1 = l0, l2 = l0, l3 = l0;
    __m256i h0 = _mm256_setzero_si256(), h1 = h0, h2 = h0, h3 = h0;
    int32_t t = 0;
#define TAPS(l, h, four, two, low, high)                                       \
  do {                                                                         \
    const __m256i v = _mm256_shuffle_epi8(four, two);                          \
    l = _mm256_add_epi32(l, _mm256_madd_epi16(v, low));                        \
    h = _mm256_add_epi32(h, _mm256_madd_epi16(v, high));                       \
  } while (0)
    for (; t + 4 <= taps; t += 4, w += 4) {
      const __m256i low0 = _mm256_loadu_si256(w), high0 = _mm256_loadu_si256(w + 1);
      const __m256i low2 = _mm256_loadu_si256(w + 2), high2 = _mm256_loadu_si256(w + 3);
#define FOUR(l, h, row)                                                        \
  do {                                                                         \
    const __m256i four =                                                       \
        BOTH(_mm_loadu_si128, (row) + a + t * 4, (row) + b + t * 4);           \
    TAPS(l, h, four, first_two, low0, high0);                                  \
    TAPS(l, h, four, last_two, low2, high2);                                   \
    IN_ORDER(l);                                                               \
    IN_ORDER(h);                                                               \
  } while (0)
      FOUR(l0, h0, s0);
      FOUR(l1, h1, s1);
      FOUR(l2, h2, s2);
      FOUR(l3, h3, s3);
#undef FOUR
    }
    if (t < taps) {
      const __m256i low0 = _mm256_loadu_si256(w), high0 = _mm256_loadu_si256(w + 1);
      w += 2;
#define TWO(l, h, row)                                                         \
  do {                                                                         \
    const __m256i two =                                                        \
        BOTH(_mm_loadu_si128, (row) + a + t * 4, (row) + b + t * 4);           \
    TAPS(l, h, two, first_two, low0, high0);                                   \
  } while (0)
      TWO(l0, h0, s0);
      TWO(l1, h1, s1);
      TWO(l2, h2, s2);
      TWO(l3, h3, s3);
#undef TWO
    }
#undef TAPS
    if (pixel == 0) {
      store_two_avx2(
          _mm256_packus_epi16(
              _mm256_packs_epi32(joined_avx2(l0, h0), joined_avx2(l1, h1)),
              _mm256_packs_epi32(joined_avx2(l2, h2), joined_avx2(l3, h3))),
          d0 + i * 4, d1 + i * 4, d2 + i * 4, d3 + i * 4);
      continue;
    }
    store_words_avx2(words_avx2(l0, h0, l1, h1, clips), d0, pixel);
    store_words_avx2(words_avx2(l2, h2, l3, h3, clips), d1, pixel);
    d0 += 2 * pixel;
    d1 += 2 * pixel;
  }
}

#define ACROSS_AVX2(name, pixel)                                               \
  TARGET INLINE void name##_of(const uint8_t *const src[4],                    \
                               uint8_t *const dst[4], const bs_axis *ax,       \
                               const int32_t taps) {                           \
    across_avx2(src, dst, ax, taps, pixel);                                    \
  }                                                                            \
  PAIRED(name, name##_of, TARGET)

ACROSS_AVX2(bytes_across_avx2, 0)
ACROSS_AVX2(three_across_avx2, 12)
ACROSS_AVX2(four_across_avx2, 16)

#undef BOTH

TARGET static void horizontal_avx2(const uint8_t *const src[4], uint8_t *const dst[4],
                                   const bs_axis *ax) {
  if (ax->pairs == NULL)
    wide_avx2(src, dst, ax);
  else
    bytes_across_avx2(src, dst, ax);
}

// down_avx2 makes n bytes, rounded up to 32, of one output row. src are its pairs of rows,
// and low and high the parts of their weights, as pairs too.
TARGET INLINE void down_avx2(const uint8_t *const *src, const int32_t *low,
                             const int32_t *high, uint8_t *dst, size_t n,
                             const int32_t pairs) {
  const __m256i half = _mm256_set1_epi32(BS_HALF), zero = _mm256_setzero_si256();
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (size_t x = 0; x < n; x += 32) {
    __m256i l0 = half, l1 = half, l2 = half, l3 = half;
    __m256i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t p = 0; p < pairs; p++) {
      const __m256i *v = (const __m256i *)(src[p] + x * 4);
      const __m256i lows = _mm256_set1_epi32(low[p]), highs = _mm256_set1_epi32(high[p]);
#define PAIR(l, h, at)                                                         \
  do {                                                                         \
    const __m256i words = _mm256_loadu_si256(v + (at));                        \
    l = _mm256_add_epi32(l, _mm256_madd_epi16(words, lows));                   \
    h = _mm256_add_epi32(h, _mm256_madd_epi16(words, highs));                  \
  } while (0)
      PAIR(l0, h0, 0);
      PAIR(l1, h1, 1);
      PAIR(l2, h2, 2);
      PAIR(l3, h3, 3);
#undef PAIR
    }
    const __m256i bytes = _mm256_packus_epi16(
        _mm256_packs_epi32(joined_avx2(l0, h0), joined_avx2(l1, h1)),
        _mm256_packs_epi32(joined_avx2(l2, h2), joined_avx2(l3, h3)));
    _mm256_storeu_si256((__m256i *)(dst + x),
                        _mm256_permutevar8x32_epi32(bytes, order));
  }
}

// down_pairs_avx2 makes row y of the window of the rows that pair_rows keeps: n bytes, rounded
// up to 32.
TARGET static void down_pairs_avx2(const pair_ring *ring, const bs_axis *ax, int32_t y,
                                   uint8_t *dst, size_t n) {
  const uint8_t *src[BS_PAIRED / 2 + 1];
  int32_t low[BS_PAIRED / 2 + 1], high[BS_PAIRED / 2 + 1];
  const int16_t *w = ax->weights + (size_t)y * ax->taps * 2;
  int32_t used = ax->taps;
  while (used > 1 && weight(w, ax->taps, used - 1) == 0)
    used--;
  const int32_t row = ax->first[y] - ax->first[0], odd = row & 1;
  const int32_t pairs = (used + odd + 1) / 2;
  for (int32_t p = 0; p < pairs; p++) {
    const int32_t t = 2 * p - odd; // the tap of the first of both rows
    const int32_t a = t < 0 ? 0 : t, b = t + 1 < used ? t + 1 : used - 1;
    const int32_t with_a = t < 0 ? 0 : -1, with_b = t + 1 < used ? -1 : 0;
    const int16_t *l = w + ax->taps;
    high[p] = (int32_t)((uint32_t)(w[a] & with_a & 0xffff) | (uint32_t)(w[b] & with_b) << 16);
    low[p] = (int32_t)((uint32_t)(l[a] & with_a & 0xffff) | (uint32_t)(l[b] & with_b) << 16);
    src[p] = pair_at(ring, row / 2 + p);
  }
  switch (pairs) {
  case 1: down_avx2(src, low, high, dst, n, 1); break;
  case 2: down_avx2(src, low, high, dst, n, 2); break;
  case 3: down_avx2(src, low, high, dst, n, 3); break;
  case 4: down_avx2(src, low, high, dst, n, 4); break;
  case 5: down_avx2(src, low, high, dst, n, 5); break;
  case 6: down_avx2(src, low, high, dst, n, 6); break;
  default: down_avx2(src, low, high, dst, n, pairs);
  }
}

// taps is used_taps. What does not change along the row is in local variables,
// which no store can alias.
TARGET INLINE void vertical_of_avx2(const rows *src, const bs_axis *ax, int32_t y,
                                    uint8_t *dst, size_t n, const int32_t taps) {
  const __m256i half = _mm256_set1_epi32(BS_HALF), zero = _mm256_setzero_si256();
  const rows from = *src;
  const int32_t first = ax->first[y];
  const int16_t *high_parts = ax->weights + (size_t)y * ax->taps * 2;
  const int16_t *low_parts = high_parts + ax->taps;
  for (size_t x = 0; x < n; x += 32) {
    __m256i l0 = half, l1 = half, l2 = half, l3 = half;
    __m256i h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (int32_t t = 0; t < taps; t += 2) {
      int32_t two;
      memcpy(&two, high_parts + t, 4);
      const __m256i high = _mm256_set1_epi32(two);
      memcpy(&two, low_parts + t, 4);
      const __m256i low = _mm256_set1_epi32(two);
      const __m256i p = _mm256_loadu_si256(
          (const __m256i *)(row_at(&from, first + t) + x));
      const __m256i q = _mm256_loadu_si256(
          (const __m256i *)(row_at(&from, first + t + 1) + x));
      const __m256i near = _mm256_unpacklo_epi8(p, q);
      const __m256i far = _mm256_unpackhi_epi8(p, q);
#define TAP(l, h, pairs)                                                       \
  do {                                                                         \
    const __m256i v = pairs;                                                   \
    l = _mm256_add_epi32(l, _mm256_madd_epi16(v, low));                        \
    h = _mm256_add_epi32(h, _mm256_madd_epi16(v, high));                       \
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

VERTICAL(vertical_avx2, vertical_of_avx2, TARGET)

// lerp_avx2 takes the four pixels of two outputs from one vector, as long as they
// are close enough to each other.
TARGET static void lerp_avx2(const bs_job *job, int32_t y, int32_t x, uint8_t *out) {
  const int32_t *first = job->h.first, *second = job->h.second;
  const uint8_t *top = job->pixels + job->v.first[y] * job->pitch;
  const uint8_t *bottom = job->pixels + job->v.second[y] * job->pitch;
  const __m256 fy = _mm256_set1_ps(job->v.frac[y]), half = _mm256_set1_ps(0.5f);
  for (; x + 2 <= job->h.n && second[x + 1] - first[x] < 8; x += 2) {
    const size_t at = (size_t)first[x] * 4;
    const __m256i pick = _mm256_castsi128_si256(
        _mm_sub_epi32(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(first + x)),
                                         _mm_loadl_epi64((const __m128i *)(second + x))),
                      _mm_set1_epi32(first[x])));
    const __m256 fx = _mm256_insertf128_ps(
        _mm256_castps128_ps256(_mm_set1_ps(job->h.frac[x])),
        _mm_set1_ps(job->h.frac[x + 1]), 1);
#define ALONG_X(value, row)                                                    \
  do {                                                                         \
    const __m128i four = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(   \
        _mm256_loadu_si256((const __m256i *)((row) + at)), pick));             \
    const __m256 l = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(four));           \
    const __m256 r = _mm256_cvtepi32_ps(                                       \
        _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(four, four)));                 \
    value = _mm256_add_ps(l, _mm256_mul_ps(_mm256_sub_ps(r, l), fx));          \
  } while (0)
    __m256 t, b;
    ALONG_X(t, top);
    ALONG_X(b, bottom);
#undef ALONG_X
    const __m256 v = _mm256_add_ps(t, _mm256_mul_ps(_mm256_sub_ps(b, t), fy));
    if (job->fractions) {
      _mm256_storeu_ps((float *)(out + (size_t)x * 16), v);
      continue;
    }
    const __m256i whole = _mm256_cvttps_epi32(_mm256_add_ps(v, half));
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(whole),
                                           _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)(out + (size_t)x * 4), _mm_packus_epi16(words, words));
  }
  lerp_rest_avx2(job, y, x, out);
}

#undef TARGET
