// Rows of pixels from the planes of a JPEG, with AVX2; a part of kernel.c. They are the
// bytes that libjpeg-turbo makes: chroma is interpolated as h2v2_fancy_upsample does in
// jdsample.c, and becomes colours as ycc_rgb_convert does in jdcolor.c. Only the rows that
// are resized next are made, so that they stay in the cache.

#define TARGET TARGET_AVX2

// Sums are kept from this index on: the first has one before it.
#define SUMS_AT 16

// chroma_width returns the columns of a plane of chroma.
INLINE int32_t chroma_width(const bs_job *job) { return (job->width + 1) / 2; }

// ycc_sums_avx2 interpolates columns begin to end of row r of the picture between two rows of
// chroma, times 4: pairs of Cb and Cr, with the columns at the edges repeated outside.
TARGET static void ycc_sums_avx2(const bs_job *job, int32_t r, int32_t begin, int32_t end,
                                 int16_t *sums) {
  const int32_t last = (job->height + 1) / 2 - 1, wide = chroma_width(job);
  const int32_t near = r / 2;
  int32_t far = r & 1 ? near + 1 : near - 1;
  far = far < 0 ? 0 : far > last ? last : far;
  const uint8_t *b = job->planes[1], *bn = b + near * job->pitches[1];
  const uint8_t *bf = b + far * job->pitches[1];
  const uint8_t *c = job->planes[2], *cn = c + near * job->pitches[1];
  const uint8_t *cf = c + far * job->pitches[1];
  for (int32_t x = begin; x < end; x += 16) {
#define LOAD(p) _mm_loadu_si128((const __m128i *)((p) + x))
    const __m128i b0 = LOAD(bn), c0 = LOAD(cn), b1 = LOAD(bf), c1 = LOAD(cf);
#undef LOAD
#define SUM(unpack, at)                                                        \
  do {                                                                         \
    const __m256i n = _mm256_cvtepu8_epi16(unpack(b0, c0));                    \
    const __m256i f = _mm256_cvtepu8_epi16(unpack(b1, c1));                    \
    _mm256_storeu_si256(                                                       \
        (__m256i *)(sums + 2 * x + (at)),                                      \
        _mm256_add_epi16(_mm256_add_epi16(n, n), _mm256_add_epi16(n, f)));     \
  } while (0)
    SUM(_mm_unpacklo_epi8, 0);
    SUM(_mm_unpackhi_epi8, 16);
#undef SUM
  }
  if (begin == 0)
    memcpy(sums - 2, sums, 4);
  if (end >= wide)
    memcpy(sums + 2 * wide, sums + 2 * wide - 2, 4);
}

// ycc_of_avx2 makes the pixels of row r that have columns from to to of chroma, rounded up to
// 8; from is a multiple of 16. sums is scratch. Where plane is not 0, red, green and blue are
// rows of their own, so many bytes apart.
TARGET INLINE void ycc_of_avx2(const bs_job *job, int32_t r, int32_t from, int32_t to,
                               int16_t *sums, uint8_t *out, const size_t plane) {
  const int32_t wide = chroma_width(job);
  sums += SUMS_AT;
  ycc_sums_avx2(job, r, from > 0 ? from - 16 : 0, to < wide ? to + 8 : wide, sums);
  // Of the sum of 16ths of both columns, less 128: rounded down and up in turn.
  const __m256i down = _mm256_set1_epi16(8 - 128 * 16), up = _mm256_set1_epi16(7 - 128 * 16);
  // Twice Cb times 1.772 / 2, and Cr times 1.402 / 2, in fractions of 15 bits; all 256 values
  // are rounded as with the 16 bits that libjpeg has.
  const __m256i blue_red = _mm256_set1_epi32(22971 << 16 | 29033);
  // Twice Cb times -0.34414 / 2, and Cr times -0.71414 / 2, in fractions of 16 bits.
  const __m256i green = _mm256_set1_epi32((int32_t)((uint32_t)-23401 << 16 | (-11277 & 0xffff)));
  const __m256i half = _mm256_set1_epi32(1 << 15);
  const uint8_t *luma = job->planes[0] + r * job->pitches[0];
  for (int32_t x = from; x < to; x += 8) {
#define LOAD(at) _mm256_loadu_si256((const __m256i *)(sums + 2 * x + (at)))
    const __m256i one = LOAD(0), three = _mm256_add_epi16(_mm256_add_epi16(one, one), one);
    const __m256i e = _mm256_srai_epi16(
        _mm256_add_epi16(_mm256_add_epi16(three, down), LOAD(-2)), 4);
    const __m256i o = _mm256_srai_epi16(
        _mm256_add_epi16(_mm256_add_epi16(three, up), LOAD(2)), 4);
#undef LOAD
    // Of even and of odd pixels.
    const __m256i even = _mm256_add_epi16(e, e), odd = _mm256_add_epi16(o, o);
    const __m256i be = _mm256_mulhrs_epi16(even, blue_red);
    const __m256i bo = _mm256_mulhrs_epi16(odd, blue_red);
    const __m256i ge = _mm256_add_epi32(_mm256_madd_epi16(even, green), half);
    const __m256i go = _mm256_add_epi32(_mm256_madd_epi16(odd, green), half);
    const __m256i y = _mm256_cvtepu8_epi16(
        _mm_loadu_si128((const __m128i *)(luma + 2 * x)));
    const __m256i red = _mm256_add_epi16(
        y, _mm256_blend_epi16(_mm256_srli_epi32(be, 16), bo, 0xaa));
    const __m256i grn = _mm256_add_epi16(
        y, _mm256_blend_epi16(_mm256_srli_epi32(ge, 16), go, 0xaa));
    const __m256i blu = _mm256_add_epi16(
        y, _mm256_blend_epi16(be, _mm256_slli_epi32(bo, 16), 0xaa));
    const __m256i rb = _mm256_packus_epi16(red, blu);
    if (plane != 0) {
      const __m256i planes = _mm256_permute4x64_epi64(rb, 0xd8);
      const __m256i g = _mm256_permute4x64_epi64(_mm256_packus_epi16(grn, grn), 0xd8);
      uint8_t *to1 = out + (size_t)x * 2;
      _mm_storeu_si128((__m128i *)to1, _mm256_castsi256_si128(planes));
      _mm_storeu_si128((__m128i *)(to1 + plane), _mm256_castsi256_si128(g));
      _mm_storeu_si128((__m128i *)(to1 + 2 * plane), _mm256_extracti128_si256(planes, 1));
      continue;
    }
    const __m256i gx = _mm256_packus_epi16(grn, _mm256_setzero_si256());
    const __m256i rg = _mm256_unpacklo_epi8(rb, gx), bx = _mm256_unpackhi_epi8(rb, gx);
    const __m256i p = _mm256_unpacklo_epi16(rg, bx), q = _mm256_unpackhi_epi16(rg, bx);
    __m128i *to16 = (__m128i *)(out + (size_t)x * 8);
    _mm_storeu_si128(to16, _mm256_castsi256_si128(p));
    _mm_storeu_si128(to16 + 1, _mm256_castsi256_si128(q));
    _mm_storeu_si128(to16 + 2, _mm256_extracti128_si256(p, 1));
    _mm_storeu_si128(to16 + 3, _mm256_extracti128_si256(q, 1));
  }
}

TARGET static void ycc_row_avx2(const bs_job *job, int32_t r, int32_t from, int32_t to,
                                int16_t *sums, uint8_t *out, size_t plane) {
  if (plane == 0)
    ycc_of_avx2(job, r, from, to, sums, out, 0);
  else
    ycc_of_avx2(job, r, from, to, sums, out, plane);
}

// The bytes of one plane of a row between the passes, before it is in pairs.
INLINE size_t flat_width(const bs_axis *ax) { return ((size_t)ax->n + 7) & ~(size_t)7; }

// flat_of_avx2 is across_avx2 for rows whose planes are so many bytes apart, of which it makes
// planes: no multiplication is for a fourth channel, and all share their weights. to are the
// two pairs of rows.
TARGET INLINE void flat_of_avx2(const uint8_t *const src[4], uint8_t *const to[2],
                                const bs_axis *ax, size_t plane, const int32_t pairs,
                                const int32_t clips) {
  const __m256i *w = (const __m256i *)ax->flat;
  const __m256i half = _mm256_set1_epi32(BS_HALF);
  const int32_t *first = ax->first, n = ax->n;
  const size_t pitch = flat_width(ax) * 4;
  for (int32_t i = 0; i < n; i += 8, w += 3 * pairs) {
    const size_t a = (size_t)first[i], b = (size_t)first[i + 4 < n ? i + 4 : n - 1];
    // No store can alias what is in local variables.
    __m256i low[4], high[4];
    for (int32_t t = 0; t < pairs; t++) {
      low[t] = _mm256_loadu_si256(w + 3 * t + 1);
      high[t] = _mm256_loadu_si256(w + 3 * t + 2);
    }
    for (int rows = 0; rows < 2; rows++) {
      const uint8_t *p = src[2 * rows], *q = src[2 * rows + 1];
      uint8_t *out = to[rows] + (size_t)i * 4;
      for (int c = 0; c < 3; c++, p += plane, q += plane, out += pitch) {
#define EIGHT(l, h, row)                                                       \
  __m256i l = half, h = _mm256_setzero_si256();                                \
  do {                                                                         \
    const __m256i bytes = _mm256_inserti128_si256(                             \
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)((row) + a))), \
        _mm_loadu_si128((const __m128i *)((row) + b)), 1);                     \
    for (int32_t t = 0; t < pairs; t++) {                                      \
      const __m256i v =                                                        \
          _mm256_shuffle_epi8(bytes, _mm256_loadu_si256(w + 3 * t));           \
      l = _mm256_add_epi32(l, _mm256_madd_epi16(v, low[t]));                   \
      h = _mm256_add_epi32(h, _mm256_madd_epi16(v, high[t]));                  \
    }                                                                          \
  } while (0)
        EIGHT(l0, h0, p);
        EIGHT(l1, h1, q);
#undef EIGHT
        _mm256_storeu_si256((__m256i *)out, words_avx2(l0, h0, l1, h1, clips));
      }
    }
  }
}

TARGET static void flat_across_avx2(const uint8_t *const src[4], uint8_t *const to[2],
                                    const bs_axis *ax, size_t plane) {
  const int32_t pairs = ax->taps / 2;
#define PAIRS(n)                                                               \
  case n:                                                                      \
    if (ax->clips)                                                             \
      flat_of_avx2(src, to, ax, plane, n, 1);                                  \
    else                                                                       \
      flat_of_avx2(src, to, ax, plane, n, 0);                                  \
    break
  switch (pairs) {
    PAIRS(1);
    PAIRS(2);
    PAIRS(3);
    PAIRS(4);
  }
#undef PAIRS
}

// join_avx2 makes n pixels of three or four bytes, rounded up to 16, of planes that are pitch
// bytes apart. It stores four bytes more.
TARGET static void join_avx2(const uint8_t *planes, size_t pitch, uint8_t *out, size_t n,
                             int three) {
  const __m128i rgb =
      _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  const size_t step = three ? 12 : 16;
  for (size_t x = 0; x < n; x += 16, out += 4 * step) {
    const __m128i r = _mm_loadu_si128((const __m128i *)(planes + x));
    const __m128i g = _mm_loadu_si128((const __m128i *)(planes + pitch + x));
    const __m128i b = _mm_loadu_si128((const __m128i *)(planes + 2 * pitch + x));
    const __m128i zero = _mm_setzero_si128();
    const __m128i rg0 = _mm_unpacklo_epi8(r, g), rg1 = _mm_unpackhi_epi8(r, g);
    const __m128i b0 = _mm_unpacklo_epi8(b, zero), b1 = _mm_unpackhi_epi8(b, zero);
    __m128i p[4] = {_mm_unpacklo_epi16(rg0, b0), _mm_unpackhi_epi16(rg0, b0),
                    _mm_unpacklo_epi16(rg1, b1), _mm_unpackhi_epi16(rg1, b1)};
    for (int i = 0; i < 4; i++)
      _mm_storeu_si128((__m128i *)(out + (size_t)i * step),
                       three ? _mm_shuffle_epi8(p[i], rgb) : p[i]);
  }
}

#undef TARGET
