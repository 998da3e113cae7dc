// The kernels of OpenCV's resizes of bytes; a part of kernel.c. They compute in whole
// numbers, so that every copy gives the same bits. A first pass makes 32-bit sums of
// bytes, and a second one makes bytes of those.

typedef int32_t v4i __attribute__((vector_size(16)));
typedef uint8_t v4b __attribute__((vector_size(4)));

// FIXED_TAPS is the most taps of a BS_FIXED. Its rows between the passes are a ring of
// as many.
#define FIXED_TAPS 8

INLINE v4i four_bytes(const uint8_t *p) {
  v4b b;
  memcpy(&b, p, 4);
  return __builtin_convertvector(b, v4i);
}

// LERP_SUM is OpenCV's sum of two taps of the second pass: it loses bits of each.
#define LERP_SUM(w0, s0, w1, s1)                                               \
  (((((w0) * ((s0) >> 4)) >> 16) + (((w1) * ((s1) >> 4)) >> 16) + 2) >> 2)

// A sum of 4 or 8 products of the second pass may need more than 32 bits, so that its
// values are added up in two parts, of which PARTS_SUM is the whole, rounded.
#define PART_BITS 10
#define HIGH_PART(s) ((s) >> PART_BITS)
#define LOW_PART(s) ((s) & ((1 << PART_BITS) - 1))
#define PARTS_SUM(high, low)                                                   \
  (((high) + (((low) + (1 << 21)) >> PART_BITS)) >> (22 - PART_BITS))

// ACROSS_BYTES makes the sums of a row of the source.
#define ACROSS_BYTES(name, attributes)                                         \
  attributes static void name(const bs_axis *ax, const uint8_t *row,           \
                              int32_t *sums) {                                 \
    const int32_t taps = ax->taps, *at = ax->index, *w = ax->fixed;            \
    for (int32_t i = 0; i < ax->n; i++, at += taps, w += taps) {               \
      v4i sum = four_bytes(row + (size_t)at[0] * 4) * w[0];                    \
      for (int32_t t = 1; t < taps; t++)                                       \
        sum += four_bytes(row + (size_t)at[t] * 4) * w[t];                     \
      memcpy(sums + (size_t)i * 4, &sum, sizeof sum);                          \
    }                                                                          \
  }

// SUMS makes so many bytes from x.
#define SUMS(count)                                                            \
  do {                                                                         \
    int32_t high[count] = {0}, low[count] = {0};                               \
    for (int32_t t = 0; t < taps; t++)                                         \
      for (int c = 0; c < (count); c++) {                                      \
        high[c] += HIGH_PART(rows[t][x + c]) * w[t];                           \
        low[c] += LOW_PART(rows[t][x + c]) * w[t];                             \
      }                                                                        \
    for (int c = 0; c < (count); c++)                                          \
      out[x + c] = clip8(PARTS_SUM(high[c], low[c]));                          \
  } while (0)

// DOWN_SUMS makes n bytes of the rows of sums of output y.
#define DOWN_SUMS(name, attributes)                                            \
  attributes static void name(const bs_axis *ax, int32_t y,                    \
                              const int32_t *const rows[FIXED_TAPS],           \
                              uint8_t *out, size_t n) {                        \
    const int32_t taps = ax->taps, *w = ax->fixed + (size_t)y * taps;          \
    if (taps == 2) {                                                           \
      const int32_t *a = rows[0], *b = rows[1], wa = w[0], wb = w[1];          \
      for (size_t x = 0; x < n; x++)                                           \
        out[x] = clip8(LERP_SUM(wa, a[x], wb, b[x]));                          \
      return;                                                                  \
    }                                                                          \
    size_t x = 0;                                                              \
    for (; x + 16 <= n; x += 16)                                               \
      SUMS(16);                                                                \
    for (; x < n; x += 4)                                                      \
      SUMS(4);                                                                 \
  }

// DOWN_BYTES makes n sums of the rows of the source of output y.
#define DOWN_BYTES(name, attributes)                                           \
  attributes static void name(const bs_axis *ax, int32_t y,                    \
                              const uint8_t *pixels, size_t pitch,             \
                              int32_t *sums, size_t n) {                       \
    const int32_t taps = ax->taps;                                             \
    const int32_t *at = ax->index + (size_t)y * taps;                          \
    const int32_t *w = ax->fixed + (size_t)y * taps;                           \
    for (int32_t t = 0; t < taps; t++) {                                       \
      const uint8_t *row = pixels + (size_t)at[t] * pitch;                     \
      if (t == 0)                                                              \
        for (size_t x = 0; x < n; x++)                                         \
          sums[x] = row[x] * w[0];                                             \
      else                                                                     \
        for (size_t x = 0; x < n; x++)                                         \
          sums[x] += row[x] * w[t];                                            \
    }                                                                          \
  }

// ACROSS_SUMS makes the bytes of a row of sums.
#define ACROSS_SUMS(name, attributes)                                          \
  attributes static void name(const bs_axis *ax, const int32_t *sums,          \
                              uint8_t *out) {                                  \
    const int32_t taps = ax->taps, *at = ax->index, *w = ax->fixed;            \
    for (int32_t i = 0; i < ax->n; i++, at += taps, w += taps) {               \
      v4i high = {0}, low = {0}, s, u;                                         \
      if (taps == 2) {                                                         \
        memcpy(&s, sums + (size_t)at[0] * 4, sizeof s);                        \
        memcpy(&u, sums + (size_t)at[1] * 4, sizeof u);                        \
        s = LERP_SUM(w[0], s, w[1], u);                                        \
      } else {                                                                 \
        for (int32_t t = 0; t < taps; t++) {                                   \
          memcpy(&s, sums + (size_t)at[t] * 4, sizeof s);                      \
          high += HIGH_PART(s) * w[t];                                         \
          low += LOW_PART(s) * w[t];                                           \
        }                                                                      \
        s = PARTS_SUM(high, low);                                              \
      }                                                                        \
      for (int c = 0; c < 4; c++)                                              \
        out[(size_t)i * 4 + c] = clip8(s[c]);                                  \
    }                                                                          \
  }

#define FIXED(set, attributes)                                                 \
  ACROSS_BYTES(across_bytes_##set, attributes)                                 \
  DOWN_SUMS(down_sums_##set, attributes)                                       \
  DOWN_BYTES(down_bytes_##set, attributes)                                     \
  ACROSS_SUMS(across_sums_##set, attributes)
