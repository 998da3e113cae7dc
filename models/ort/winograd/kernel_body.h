// The kernels for the vectors that the including file defines: VEC of LANES floats,
// F(name), TARGET and the operations named v_*.

// in_axis transforms the inputs of one axis, in place.
TARGET INLINE void F(in_axis)(const axis *a, VEC *d) {
  const int pairs = a->pairs;
  if (pairs == 0)
    return;
  VEC out[MAX_POINTS];
  VEC zero = v_mul(d[0], v_set(a->all[0]));
  VEC last = v_mul(d[1], v_set(a->all[0]));
#pragma GCC unroll 4
  for (int i = 1; i < pairs; i++) {
    zero = v_fma(d[2 * i], v_set(a->all[i]), zero);
    last = v_fma(d[2 * i + 1], v_set(a->all[i]), last);
  }
  out[0] = v_add(d[2 * pairs], zero);
  out[2 * pairs + 1] = v_add(d[2 * pairs + 1], last);
#pragma GCC unroll 4
  for (int q = 0; q < pairs; q++) {
    VEC even = d[2 * pairs], odd = d[2 * pairs - 1];
#pragma GCC unroll 4
    for (int i = 0; i < pairs - 1; i++) {
      even = v_fma(d[2 * i + 2], v_set(a->rest[q][i]), even);
      odd = v_fma(d[2 * i + 1], v_set(a->rest[q][i]), odd);
    }
    out[1 + 2 * q] = v_fma(odd, v_set(a->p[q]), even);
    out[2 + 2 * q] = v_fma(odd, v_set(-a->p[q]), even);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 2 * pairs + 2; i++)
    d[i] = out[i];
}

// out_axis transforms the products of one axis into its outputs, in place.
TARGET INLINE void F(out_axis)(const axis *a, VEC *d) {
  const int pairs = a->pairs;
  if (pairs == 0)
    return;
  VEC out[MAX_OUTPUTS], sum[MAX_PAIRS], difference[MAX_PAIRS];
#pragma GCC unroll 4
  for (int q = 0; q < pairs; q++) {
    sum[q] = v_add(d[1 + 2 * q], d[2 + 2 * q]);
    difference[q] = v_sub(d[1 + 2 * q], d[2 + 2 * q]);
  }
  out[0] = d[0];
#pragma GCC unroll 4
  for (int q = 0; q < pairs; q++)
    out[0] = v_add(out[0], sum[q]);
#pragma GCC unroll 8
  for (int i = 1; i < a->outputs; i++) {
    const VEC *of = i % 2 ? difference : sum;
    VEC s = i == a->outputs - 1 ? v_fma(of[0], v_set(a->power[0][i]), d[2 * pairs + 1])
                                : v_mul(of[0], v_set(a->power[0][i]));
#pragma GCC unroll 4
    for (int q = 1; q < pairs; q++)
      s = v_fma(of[q], v_set(a->power[q][i]), s);
    out[i] = s;
  }
#pragma GCC unroll 8
  for (int i = 0; i < a->outputs; i++)
    d[i] = out[i];
}

// The columns are transformed first, while the vectors run along the rows of the
// image. Then a transposition makes the vectors run along the channels.
TARGET INLINE void F(input)(const axis *down, const axis *along, const wino *w,
                            const plane *g, const segment *s, int c, float *v,
                            float *work) {
  const int rows = down->points, columns = along->points;
  float *turned = work, *lines = work + (size_t)COLUMNS * rows * LANES;
  const int y = s->row * down->outputs - g->top;
  const int x = s->column * along->outputs - g->left;
  const int width = s->tiles * along->outputs + along->taps - 1;
  const size_t area = (size_t)g->h * g->w;
  const int channels = w->channels - c < LANES ? w->channels - c : LANES;

  for (int x0 = 0; x0 < width; x0 += LANES) {
    const int lo = -(x + x0), hi = g->w - (x + x0);
    const int whole = lo <= 0 && hi >= LANES && y >= 0 && y + rows <= g->h;
    for (int l = 0; l < channels; l++) {
      const float *from = s->x + (size_t)(c + l) * area;
      VEC d[MAX_POINTS];
      if (whole) {
        from += (size_t)y * g->w + x + x0;
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
          d[i] = v_load(from + (size_t)i * g->w);
          // The processor does not predict so many short runs.
          __builtin_prefetch(from + (size_t)i * g->w + 32);
        }
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
          d[i] = y + i < 0 || y + i >= g->h
                     ? v_set(0)
                     : v_load_part(from + (ptrdiff_t)(y + i) * g->w, x + x0, lo, hi);
      }
      F(in_axis)(down, d);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++)
        v_store(lines + ((size_t)i * LANES + l) * LANES, d[i]);
    }
    for (int l = channels; l < LANES; l++)
      for (int i = 0; i < rows; i++)
        v_store(lines + ((size_t)i * LANES + l) * LANES, v_set(0));
    for (int i = 0; i < rows; i++)
      F(turn)(lines + (size_t)i * LANES * LANES, LANES,
              turned + ((size_t)x0 * rows + i) * LANES, (size_t)rows * LANES);
  }

  v += s->place * w->depth + c;
  for (int t = 0; t < s->tiles; t++, v += w->depth)
    for (int i = 0; i < rows; i++) {
      const float *from = turned + ((size_t)t * along->outputs * rows + i) * LANES;
      VEC d[MAX_POINTS];
#pragma GCC unroll 16
      for (int j = 0; j < columns; j++)
        d[j] = v_load(from + (size_t)j * rows * LANES);
      F(in_axis)(along, d);
#pragma GCC unroll 16
      for (int j = 0; j < columns; j++)
        v_store(v + (size_t)(i * columns + j) * w->v_plane, d[j]);
    }
}

TARGET INLINE void F(output)(const axis *down, const axis *along, const wino *w,
                             const plane *g, const segment *s, int k, const float *m,
                             float *work) {
  const int rows = down->points, columns = along->points;
  const int high = down->outputs, wide = along->outputs;
  const VEC bias = v_load(w->bias + k);
  const VEC floor = v_set(0);
  m += s->place * w->panel;
  for (int t = 0; t < s->tiles; t++, m += w->panel) {
    VEC half[MAX_POINTS][MAX_POINTS];
#pragma GCC unroll 16
    for (int j = 0; j < columns; j++) {
      VEC d[MAX_POINTS];
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++)
        d[i] = v_load(m + (size_t)(i * columns + j) * w->m_plane);
      F(out_axis)(down, d);
#pragma GCC unroll 16
      for (int i = 0; i < high; i++)
        half[i][j] = d[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < high; i++) {
      F(out_axis)(along, half[i]);
#pragma GCC unroll 16
      for (int j = 0; j < wide; j++) {
        VEC r = v_add(half[i][j], bias);
        if (w->relu)
          r = v_max(floor, r);
        v_store(work + ((size_t)i * COLUMNS + (size_t)t * wide + j) * LANES, r);
      }
    }
  }

  const int y = s->row * high, x = s->column * wide;
  const int filters = w->filters - k < LANES ? w->filters - k : LANES;
  const int width = g->ow - x < s->tiles * wide ? g->ow - x : s->tiles * wide;
  const size_t area = (size_t)g->oh * g->ow;
  for (int i = 0; i < high && y + i < g->oh; i++)
    for (int x0 = 0; x0 < width; x0 += LANES) {
      const float *from = work + ((size_t)i * COLUMNS + x0) * LANES;
      float *to = s->y + (size_t)k * area + (size_t)(y + i) * g->ow + x + x0;
      if (filters == LANES && width - x0 >= LANES) {
        F(turn)(from, LANES, to, area);
        continue;
      }
      float lines[LANES * LANES] __attribute__((aligned(64)));
      F(turn)(from, LANES, lines, LANES);
      for (int l = 0; l < filters; l++)
        v_store_part(to + (size_t)l * area, width - x0, v_load(lines + l * LANES));
    }
}

#define AXES(name, down, along)                                                \
  TARGET static void F(input_##name)(const wino *w, const plane *g,            \
                                     const segment *s, int c, float *v,        \
                                     float *work) {                            \
    F(input)(down, along, w, g, s, c, v, work);                                \
  }                                                                            \
  TARGET static void F(output_##name)(const wino *w, const plane *g,           \
                                      const segment *s, int k, const float *m, \
                                      float *work) {                           \
    F(output)(down, along, w, g, s, k, m, work);                               \
  }                                                                            \
  static const kernels F(name) = {LANES, ROWS, F(input_##name),                \
                                  F(output_##name), F(multiply)};

// Each sum is computed in the order of the channels, one fused operation at a time,
// no matter how many rows are computed together.
TARGET INLINE void F(micro)(const int rows, const int vectors, size_t depth,
                            const float *a, size_t lda, const float *b, float *c,
                            size_t ldc) {
  VEC sum[ROWS][2];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++)
      sum[r][j] = v_set(0);
#pragma GCC unroll 1
  for (size_t i = 0; i < depth; i++) {
    VEC right[2];
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++)
      right[j] = v_load(b + j * LANES);
    b += vectors * LANES;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      const VEC left = v_set(a[(size_t)r * lda + i]);
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++)
        sum[r][j] = v_fma(left, right[j], sum[r][j]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++)
      v_store(c + (size_t)r * ldc + j * LANES, sum[r][j]);
}

#define MICRO(n)                                                               \
  case n:                                                                      \
    if (vectors == 2)                                                          \
      F(micro)(n, 2, depth, a, lda, b, c, ldc);                                \
    else                                                                       \
      F(micro)(n, 1, depth, a, lda, b, c, ldc);                                \
    break;

TARGET static void F(multiply)(int rows, int vectors, size_t depth, const float *a,
                               size_t lda, const float *b, float *c, size_t ldc) {
  switch (rows) { EVERY_ROWS(MICRO) }
}

AXES(f43x43, &f43, &f43)
AXES(f45x25, &f45, &f45)
AXES(f11x47, &f11, &f47)
AXES(f47x11, &f47, &f11)
AXES(f11x43, &f11, &f43)
AXES(f43x11, &f43, &f11)

#undef MICRO
#undef AXES
