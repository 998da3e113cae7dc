// The kernels in float; a part of kernel.c. They are macros, of which the compiler
// vectorises one copy for each instruction set.

typedef float v4f __attribute__((vector_size(16)));
typedef float v8f __attribute__((vector_size(32)));

INLINE void load_generic(const uint8_t *p, v8f *out) {
  for (int i = 0; i < 8; i++)
    (*out)[i] = (float)p[i];
}

// NORMAL is a value as the model wants it. Most models need no division: value / 1
// is value.
#define NORMAL(v, scale, mean, std, divide)                                    \
  ((divide) ? ((v) * (scale) - (mean)) / (std) : (v) * (scale) - (mean))

INLINE int divides(const bs_job *job) {
  return job->std[0] != 1 || job->std[1] != 1 || job->std[2] != 1;
}

// PLANES packs a row into three planes.
#define PLANES(name, type, attributes)                                         \
  attributes static void name(const bs_job *job, const type *row, float *dst,  \
                              size_t plane, int32_t n) {                       \
    const int divide = divides(job);                                           \
    const int channels = job->grey ? 1 : 3;                                    \
    for (int c = 0; c < channels; c++) {                                       \
      const int from = job->bgr ? 2 - c : c;                                   \
      const float scale = job->scale, mean = job->mean[from];                  \
      const float std = job->std[from];                                        \
      float *out = dst + plane * (size_t)c;                                    \
      for (int32_t x = 0; x < n; x++)                                          \
        out[x] = NORMAL((float)row[x * 4 + from], scale, mean, std, divide);   \
    }                                                                          \
  }

// VALUES makes n values of the bytes of whole pixels, in the same order. Means and
// deviations repeat every three vectors.
#define VALUES(name, floats, load, attributes)                                 \
  attributes static void name(const bs_job *job, const uint8_t *bytes,         \
                              float *dst, int32_t n) {                         \
    enum { LANES = sizeof(floats) / sizeof(float) };                           \
    const int divide = divides(job);                                           \
    const float scale = job->scale;                                            \
    floats mean[3], std[3];                                                    \
    for (int i = 0; i < 3 * LANES; i++) {                                      \
      const int from = job->bgr ? 2 - i % 3 : i % 3;                           \
      mean[i / LANES][i % LANES] = job->mean[from];                            \
      std[i / LANES][i % LANES] = job->std[from];                              \
    }                                                                          \
    int32_t x = 0;                                                             \
    for (; x + 3 * LANES <= n; x += 3 * LANES)                                 \
      for (int i = 0; i < 3; i++) {                                            \
        floats v;                                                              \
        load(bytes + x + i * LANES, &v);                                       \
        v = NORMAL(v, scale, mean[i], std[i], divide);                         \
        memcpy(dst + x + i * LANES, &v, sizeof v);                             \
      }                                                                        \
    for (; x < n; x++) {                                                       \
      const int from = job->bgr ? 2 - x % 3 : x % 3;                           \
      dst[x] = NORMAL((float)bytes[x], scale, job->mean[from],                 \
                      job->std[from], divide);                                 \
    }                                                                          \
  }

// PIXELS_OF_F32 packs a row of floats, pixel by pixel. All pixels but the last are
// stored with a fourth float, which the next pixel overwrites.
#define PIXELS_OF_F32(name, attributes)                                        \
  attributes static void name(const bs_job *job, const float *row, float *dst, \
                              int32_t n) {                                     \
    const int divide = divides(job), r = job->bgr ? 2 : 0, b = 2 - r;          \
    const v4f mean = {job->mean[r], job->mean[1], job->mean[b], 0};            \
    const v4f std = {job->std[r], job->std[1], job->std[b], 1};                \
    const float scale = job->scale;                                            \
    for (int32_t x = 0; x < n; x++) {                                          \
      v4f v;                                                                   \
      memcpy(&v, row + (size_t)x * 4, sizeof v);                               \
      if (job->bgr)                                                            \
        v = (v4f){v[2], v[1], v[0], v[3]};                                     \
      v = NORMAL(v, scale, mean, std, divide);                                 \
      memcpy(dst + (size_t)x * 3, &v, x + 1 < n ? 16 : 12);                    \
    }                                                                          \
  }

INLINE v4f pixel_generic(const uint8_t *p) {
  return (v4f){(float)p[0], (float)p[1], (float)p[2], (float)p[3]};
}

// v is in [0, 255], so that truncation rounds half up.
INLINE void bytes_generic(v4f v, uint8_t *out) {
  for (int c = 0; c < 4; c++)
    out[c] = (uint8_t)(v[c] + 0.5f);
}

// LERP_ROW is TensorFlow's bilinear interpolation, in float: along x in both rows,
// then along y. It makes the outputs of row y from column x to the end.
#define LERP_ROW(name, pixel, bytes, attributes)                               \
  attributes static void name(const bs_job *job, int32_t y, int32_t x,         \
                              uint8_t *out) {                                  \
    const uint8_t *top = job->pixels + job->v.first[y] * job->pitch;           \
    const uint8_t *bottom = job->pixels + job->v.second[y] * job->pitch;       \
    const float fy = job->v.frac[y];                                           \
    for (; x < job->h.n; x++) {                                                \
      const size_t l = (size_t)job->h.first[x] * 4;                            \
      const size_t r = (size_t)job->h.second[x] * 4;                           \
      const float fx = job->h.frac[x];                                         \
      const v4f tl = pixel(top + l), bl = pixel(bottom + l);                   \
      const v4f t = tl + (pixel(top + r) - tl) * fx;                           \
      const v4f b = bl + (pixel(bottom + r) - bl) * fx;                        \
      const v4f v = t + (b - t) * fy;                                          \
      if (job->fractions)                                                      \
        memcpy(out + (size_t)x * 16, &v, 16);                                  \
      else                                                                     \
        bytes(v, out + (size_t)x * 4);                                         \
    }                                                                          \
  }

// A float of this size has no bits left for a fraction, so that adding it rounds.
#define WHOLE 12582912.0f

// AREA_ROW makes weighted means, in float: along y for all columns, into mid, then
// along x. A step loads four vectors of values, which may go past the last column by
// less than BS_TAIL. floats is a vector type, and load fills one.
#define AREA_ROW(name, floats, load, bytes, attributes)                        \
  attributes static void name(const bs_job *job, int32_t y, float *mid,        \
                              uint8_t *out) {                                  \
    enum { LANES = sizeof(floats) / sizeof(float) };                           \
    const bs_axis *h = &job->h, *v = &job->v;                                  \
    const float *wv = v->cover + (size_t)y * v->taps;                          \
    const uint8_t *top = job->pixels + v->first[y] * job->pitch;               \
    const size_t end = (size_t)(h->first[h->n - 1] + h->taps) * 4;             \
    for (size_t x = (size_t)h->first[0] * 4; x < end; x += 4 * LANES) {        \
      floats a = {0}, b = {0}, c = {0}, d = {0}, f;                            \
      const uint8_t *p = top + x;                                              \
      for (int32_t t = 0; t < v->taps; t++, p += job->pitch) {                 \
        load(p, &f);                                                           \
        a += f * wv[t];                                                        \
        load(p + LANES, &f);                                                   \
        b += f * wv[t];                                                        \
        load(p + 2 * LANES, &f);                                               \
        c += f * wv[t];                                                        \
        load(p + 3 * LANES, &f);                                               \
        d += f * wv[t];                                                        \
      }                                                                        \
      memcpy(mid + x, &a, sizeof a);                                           \
      memcpy(mid + x + LANES, &b, sizeof b);                                   \
      memcpy(mid + x + 2 * LANES, &c, sizeof c);                               \
      memcpy(mid + x + 3 * LANES, &d, sizeof d);                               \
    }                                                                          \
    const float *wh = h->cover;                                                \
    const int32_t *first = h->first, n = h->n, taps = h->taps;                 \
    const int32_t half_even = job->half_even, f32 = job->fractions;            \
    for (int32_t i = 0; i < n; i++, wh += taps) {                              \
      const float *p = mid + (size_t)first[i] * 4;                             \
      v4f sum = {0};                                                           \
      for (int32_t t = 0; t < taps; t++) {                                     \
        v4f four;                                                              \
        memcpy(&four, p + t * 4, 16);                                          \
        sum += four * wh[t];                                                   \
      }                                                                        \
      if (half_even)                                                           \
        sum = (sum + WHOLE) - WHOLE;                                           \
      if (f32)                                                                 \
        memcpy(out + (size_t)i * 16, &sum, 16);                                \
      else                                                                     \
        bytes(sum, out + (size_t)i * 4);                                       \
    }                                                                          \
  }
