// What runs over the rows of an image, with the kernels that it is given; a part of kernel.c.

// A sink takes the window's rows in order. It packs them at once, or keeps them
// until they can be turned upright.
typedef struct {
  const bs_job *job;
  const kernels *k;
  uint8_t *rows;
  void *dst;
} sink;

INLINE uint8_t *sink_row(const sink *s, int32_t y) {
  return upright(s->job) ? s->rows : s->rows + row_size(s->job) * (size_t)y;
}

INLINE void sink_done(const sink *s, int32_t y) {
  if (upright(s->job))
    pack_row(s->job, s->k, s->rows, s->dst, y, s->job->h.n);
}

// source_rows finds four rows of the source, of which the last may be the same, or makes
// them of planes, where they are read.
static void source_rows(const bs_job *job, const kernels *k, int32_t r,
                        const uint8_t *from[4]) {
  const int32_t last = job->height - 1;
  if (!job->ycc) {
    for (int i = 0; i < 4; i++)
      from[i] = job->pixels + (r + i < last ? r + i : last) * job->pitch;
    return;
  }
  const bs_axis *h = &job->h;
  const int32_t begin = h->first[0] / 32 * 16;
  int32_t end = (h->first[h->n - 1] + h->taps + 1) / 2;
  if (end > (job->width + 1) / 2)
    end = (job->width + 1) / 2;
  const size_t pitch = ycc_pitch(job);
  uint8_t *made = job->work + mid_size(job) - made_size(job);
  int16_t *sums = (int16_t *)(made + 4 * pitch);
  for (int i = 0; i < 4; i++) {
    from[i] = r + i <= last ? made + pitch * (size_t)i : from[i - 1];
    if (r + i <= last)
      k->ycc_row(job, r + i, begin, end, sums, made + pitch * (size_t)i, flat(job));
  }
}

// resize_rows does the horizontal pass first, as Pillow does. It stays just ahead of
// the vertical pass, so that the rows between them stay in the cache.
static void resize_rows(const bs_job *job, const sink *out) {
  const size_t pitch = padded((size_t)job->h.n * 4);
  rows mid = {job->work, pitch, job->v.first[0], (int32_t)ring_rows(job) - 1,
              job->height - 1};
  int32_t next = mid.base; // first row that the horizontal pass has not done
  for (int32_t y = 0; y < job->v.n; y++) {
    int32_t end = job->v.first[y] + job->v.taps;
    if (end > job->height)
      end = job->height;
    for (; next < end; next += 4) {
      const uint8_t *from[4];
      uint8_t *to[4];
      source_rows(job, out->k, next, from);
      for (int i = 0; i < 4; i++)
        to[i] = (uint8_t *)row_at(&mid, next + i <= mid.last ? next + i : mid.last);
      out->k->horizontal(from, to, &job->h);
    }
    out->k->vertical(&mid, &job->v, y, sink_row(out, y), pitch);
    sink_done(out, y);
  }
}

// pair_rows is resize_rows with the rows between the passes in pairs, so that the vertical
// pass need not widen and interleave them for each output.
static void pair_rows(const bs_job *job, const sink *out) {
  const int three = three_bytes(job);
  const size_t n = (size_t)job->h.n * (three ? 3 : 4);
  // Rows of bytes go to the tensor at once, where what is too much of one falls on the next.
  const int direct = three && !job->f32 && job->h.n == job->out_w && n >= 32;
  const pair_ring ring = {job->work, pair_size(job), ring_pairs(job)};
  const int32_t base = job->v.first[0];
  int32_t next = base; // first row that the horizontal pass has not done
  const size_t plane = flat(job), wide = ((size_t)job->h.n + 7) & ~(size_t)7;
  // A row in planes is where the rows of the source were, which are made again.
  uint8_t *made = job->work + mid_size(job) - made_size(job);
  for (int32_t y = 0; y < job->v.n; y++) {
    int32_t end = job->v.first[y] + job->v.taps;
    if (end > job->height)
      end = job->height;
    for (; next < end; next += 4) {
      const uint8_t *from[4];
      source_rows(job, out->k, next, from);
      const int32_t pair = (next - base) / 2;
      uint8_t *to[4] = {pair_at(&ring, pair), pair_at(&ring, pair + 1)};
      if (plane != 0)
        out->k->flat_across(from, to, &job->h, plane);
      else
        (three ? out->k->three_across : out->k->four_across)(from, to, &job->h);
    }
    const size_t at = ((size_t)(job->at_y + y) * job->out_w + job->at_x) * 3;
    uint8_t *row = sink_row(out, y);
    if (direct && y + 1 < job->v.n)
      row = (uint8_t *)out->dst + at;
    if (plane != 0) {
      out->k->down_pairs(&ring, &job->v, y, made, 3 * wide);
      out->k->join(made, wide, row, (size_t)job->h.n, three);
    } else {
      out->k->down_pairs(&ring, &job->v, y, row, n);
    }
    if (!three)
      sink_done(out, y);
    else if (job->f32)
      out->k->values(job, row, (float *)out->dst + at, (int32_t)n);
    else if (row == out->rows)
      memcpy((uint8_t *)out->dst + at, row, n);
  }
}

// resize_columns is resize_rows for a source that is stored on its side: the pass
// that is horizontal in the upright image still comes first.
static void resize_columns(const bs_job *job, const sink *out) {
  const size_t width = padded((size_t)job->width * 4), pitch = width + BS_TAIL;
  const rows src = {job->pixels, (size_t)job->pitch, 0, INT32_MAX, job->height - 1};
  for (int32_t y = 0; y < job->v.n; y += 4) {
    const uint8_t *from[4];
    uint8_t *to[4];
    for (int i = 0; i < 4; i++) {
      uint8_t *mid = job->work + pitch * (size_t)i;
      if (y + i < job->v.n)
        out->k->vertical(&src, &job->v, y + i, mid, width);
      from[i] = mid;
      to[i] = sink_row(out, y + i);
    }
    out->k->horizontal(from, to, &job->h);
  }
}

// fixed_rows makes the sums of each row of the source that an output needs, and keeps
// them in a ring.
static void fixed_rows(const bs_job *job, const sink *out) {
  const bs_axis *v = &job->v;
  const size_t n = (size_t)job->h.n * 4, pitch = padded(n * sizeof(int32_t));
  int32_t next = 0; // first row without sums
  for (int32_t y = 0; y < v->n; y++) {
    const int32_t *rows[FIXED_TAPS];
    const int32_t *at = v->index + (size_t)y * v->taps;
    int32_t last = v->first[y];
    for (int32_t t = 0; t < v->taps; t++) {
      last = at[t] > last ? at[t] : last;
      rows[t] = (int32_t *)(job->work + pitch * (size_t)(at[t] % FIXED_TAPS));
    }
    for (int32_t r = next > v->first[y] ? next : v->first[y]; r <= last; r++)
      out->k->across_bytes(&job->h, job->pixels + r * job->pitch,
                           (int32_t *)(job->work + pitch * (size_t)(r % FIXED_TAPS)));
    next = last + 1;
    out->k->down_sums(v, y, rows, sink_row(out, y), n);
    sink_done(out, y);
  }
}

// fixed_columns is fixed_rows for a source that is stored on its side.
static void fixed_columns(const bs_job *job, const sink *out) {
  int32_t *sums = (int32_t *)job->work;
  for (int32_t y = 0; y < job->v.n; y++) {
    out->k->down_bytes(&job->v, y, job->pixels, (size_t)job->pitch, sums,
                       (size_t)job->width * 4);
    out->k->across_sums(&job->h, sums, sink_row(out, y));
  }
}

// turn_line copies row y of the upright window into line. size is pixel_size, a
// constant in each inlined copy.
INLINE void turn_line(const sink *s, int32_t y, int32_t width, uint8_t *line,
                      const size_t size) {
  const bs_job *job = s->job;
  const int32_t sw = job->h.n, sh = job->v.n;
  const ptrdiff_t pitch = (ptrdiff_t)row_size(job), pixel = (ptrdiff_t)size;
  // One step along the line is one step along an axis of the stored window.
  ptrdiff_t at = job->transpose ? y * pixel : y * pitch;
  ptrdiff_t step = job->transpose ? pitch : pixel;
  if (job->transpose ? job->flip_x : job->flip_y)
    at = job->transpose ? (sw - 1 - y) * pixel : (sh - 1 - y) * pitch;
  if (job->transpose ? job->flip_y : job->flip_x) {
    at += (width - 1) * step;
    step = -step;
  }
  for (int32_t x = 0; x < width; x++, at += step)
    memcpy(line + (size_t)x * size, s->rows + at, size);
}

// turn packs the rows that the sink kept, upright.
static void turn(const sink *s) {
  const bs_job *job = s->job;
  const int32_t sw = job->h.n, sh = job->v.n;
  const int32_t width = job->transpose ? sh : sw, height = job->transpose ? sw : sh;
  uint8_t *line = s->rows + row_size(job) * (size_t)(sh + 3);
  for (int32_t y = 0; y < height; y++) {
    if (pixel_size(job) == 16)
      turn_line(s, y, width, line, 16);
    else
      turn_line(s, y, width, line, 4);
    pack_row(job, s->k, line, s->dst, y, width);
  }
}

// nearest_row is what a BS_LERP gives where every frac is 0, in bytes.
static void nearest_row(const bs_job *job, int32_t y, uint8_t *out) {
  const uint8_t *src = job->pixels + job->v.first[y] * job->pitch;
  const int32_t *first = job->h.first, n = job->h.n;
  // Steps differ by 1 at most, so all of these are 1.
  if (first[n - 1] - first[0] == n - 1) {
    memcpy(out, src + (size_t)first[0] * 4, (size_t)n * 4);
    return;
  }
  for (int32_t x = 0; x < n; x++)
    memcpy(out + (size_t)x * 4, src + (size_t)first[x] * 4, 4);
}
