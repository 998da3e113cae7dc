#include "winograd.h"
#include "kernel.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Every compiler must round in the order that is written here.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include "kernel_avx2.h"
#include "kernel_avx512.h"

int wino_usable(void) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    return WINO_NONE;
  return __builtin_cpu_supports("avx512f") ? WINO_AVX512 : WINO_AVX2;
}

#define BOTH(name) {&name##_avx2, &name##_avx512}
#else
int wino_usable(void) { return WINO_NONE; }

#define BOTH(name) {NULL, NULL}
#endif

// A method computes kernels of one size. `least` is the fewest channels and filters
// with which the saved multiplications clearly outweigh the transforms.
typedef struct {
  const axis *down, *along;
  int least;
  const kernels *k[2]; // with AVX2, with AVX-512
} method;

static const method methods[] = {
    {&f43, &f43, 24, BOTH(f43x43)},  {&f45, &f45, 16, BOTH(f45x25)},
    {&f11, &f47, 96, BOTH(f11x47)},  {&f47, &f11, 96, BOTH(f47x11)},
    {&f11, &f43, 384, BOTH(f11x43)}, {&f43, &f11, 384, BOTH(f43x11)},
};

static const method *find(int kh, int kw) {
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (methods[i].down->taps == kh && methods[i].along->taps == kw)
      return &methods[i];
  return NULL;
}

INLINE size_t up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

INLINE size_t points(const wino *w) {
  return (size_t)(w->down->points * w->along->points);
}

// In bytes; larger transformed weights are not worth their memory.
enum { MAX_WEIGHTS = 40 << 20 };

INLINE size_t tiles(int outputs, const axis *a) {
  return (size_t)((outputs + a->outputs - 1) / a->outputs);
}

int wino_gains(int kh, int kw, int channels, int filters, int height, int width) {
  const method *f = find(kh, kw);
  if (f == NULL || wino_usable() == WINO_NONE || channels < f->least ||
      filters < f->least)
    return 0;
  const double points = f->down->points * f->along->points;
  const double weights = points * channels * filters * sizeof(float);
  // In a map of one tile, too few products share each loaded weight. In a small map,
  // many outputs of the last tiles are discarded.
  const double all = (double)(tiles(height, f->down) * tiles(width, f->along));
  const double direct = (double)height * width * kh * kw;
  return weights <= MAX_WEIGHTS && all >= 4 && direct >= 1.5 * all * points;
}

// weights_axis sets the factor of each tap in each point's weights.
static void weights_axis(const axis *a, double g[MAX_POINTS][MAX_TAPS]) {
  memset(g, 0, sizeof(double) * MAX_POINTS * MAX_TAPS);
  if (a->pairs == 0) {
    g[0][0] = 1;
    return;
  }
  for (int i = 0; i < a->points - 1; i++) {
    const double sign = i % 2 ? 1 : -1, p = i == 0 ? 0 : sign * a->p[(i - 1) / 2];
    double m = 1; // M(x) / (x - p), at p
    for (int j = 0; j < a->pairs; j++) {
      const double q = a->p[j];
      m *= i > 0 && j == (i - 1) / 2 ? 2 * p * p : p * p - q * q;
    }
    double power = 1 / m;
    for (int t = 0; t < a->taps; t++, power *= p)
      g[i][t] = power;
  }
  g[a->points - 1][a->taps - 1] = 1;
}

static void transform_weights(wino *w, const float *weights) {
  const axis *down = w->down, *along = w->along;
  const size_t lanes = (size_t)w->k->lanes, area = (size_t)(down->taps * along->taps);
  double gd[MAX_POINTS][MAX_TAPS], ga[MAX_POINTS][MAX_TAPS];
  weights_axis(down, gd);
  weights_axis(along, ga);
  for (size_t k = 0; k < (size_t)w->filters; k++) {
    const size_t first = k / w->panel * w->panel;
    const size_t left = up((size_t)w->filters, lanes) - first;
    const size_t width = left < w->panel ? left : w->panel;
    float *panel = w->weights + first * points(w) * (size_t)w->channels;
    for (size_t c = 0; c < (size_t)w->channels; c++) {
      const float *from = weights + (k * (size_t)w->channels + c) * area;
      for (int i = 0; i < down->points; i++) {
        double line[MAX_TAPS] = {0};
        for (int a = 0; a < down->taps; a++)
          for (int b = 0; b < along->taps; b++)
            line[b] += gd[i][a] * (double)from[a * along->taps + b];
        for (int j = 0; j < along->points; j++) {
          double sum = 0;
          for (int b = 0; b < along->taps; b++)
            sum += ga[j][b] * line[b];
          const size_t point = (size_t)(i * along->points + j);
          panel[(point * (size_t)w->channels + c) * width + k - first] = (float)sum;
        }
      }
    }
  }
}

wino *wino_new(const float *weights, const float *bias, int channels, int filters,
               int kh, int kw, int relu, int isa) {
  const int best = wino_usable();
  if (isa == 0)
    isa = best;
  const method *f = find(kh, kw);
  if (f == NULL || isa < WINO_AVX2 || isa > best || channels < 1 || filters < 1)
    return NULL;
  wino *w = calloc(1, sizeof *w);
  if (w == NULL)
    return NULL;
  w->k = f->k[isa - WINO_AVX2];
  w->down = f->down;
  w->along = f->along;
  w->channels = channels;
  w->filters = filters;
  w->relu = relu;
  const size_t lanes = (size_t)w->k->lanes, width = up((size_t)filters, lanes);
  const size_t n = points(w) * (size_t)channels * width;
  w->bias = aligned_alloc(64, up(width * sizeof(float), 64));
  w->weights = aligned_alloc(64, up(n * sizeof(float), 64));
  if (w->bias == NULL || w->weights == NULL) {
    wino_free(w);
    return NULL;
  }
  memset(w->bias, 0, width * sizeof(float));
  if (bias != NULL)
    memcpy(w->bias, bias, (size_t)filters * sizeof(float));
  w->depth = up((size_t)channels, lanes);
  w->panel = width < 2 * lanes ? lanes : 2 * lanes;
  // An odd number of cache lines, so that the points do not compete for a cache set.
  w->v_plane = up(BLOCK * w->depth, 16) | 16;
  w->m_plane = up(BLOCK * w->panel, 16) | 16;
  memset(w->weights, 0, n * sizeof(float));
  transform_weights(w, weights);
  return w;
}

void wino_free(wino *w) {
  if (w == NULL)
    return;
  free(w->bias);
  free(w->weights);
  free(w);
}

// Floats of working memory of one transform: columns, and lines to transpose.
INLINE size_t work_size(const wino *w) {
  const size_t rows = (size_t)w->down->points;
  return (COLUMNS + 16) * rows * (size_t)w->k->lanes;
}

size_t wino_scratch(const wino *w) {
  return 64 + sizeof(float) * (work_size(w) + points(w) * (w->v_plane + w->m_plane));
}

typedef struct {
  const wino *w;
  plane g;
  const float *x;
  float *y;
  size_t down, along; // tiles of an image
} job;

// next returns the longest segment of a block's tiles that starts at tile.
static segment next(const job *j, size_t tile, size_t first, size_t end) {
  const size_t column = tile % j->along, row = tile / j->along % j->down;
  const size_t image = tile / j->along / j->down;
  size_t n = (size_t)((COLUMNS - j->w->along->taps + 1) / j->w->along->outputs);
  if (n > j->along - column)
    n = j->along - column;
  if (n > end - tile)
    n = end - tile;
  return (segment){
      j->x + image * (size_t)j->w->channels * (size_t)j->g.h * (size_t)j->g.w,
      j->y + image * (size_t)j->w->filters * (size_t)j->g.oh * (size_t)j->g.ow,
      (int)row, (int)column, (int)n, tile - first,
  };
}

// multiply fills m with the products of a block's tiles and the filters of the panel
// that starts at k.
static void multiply(const wino *w, size_t tiles, size_t k, size_t panel, const float *v,
                     float *m) {
  const size_t channels = (size_t)w->channels, rows = (size_t)w->k->rows;
  const float *b = w->weights + k * points(w) * channels;
  const size_t groups = (tiles + rows - 1) / rows;
  for (size_t p = 0; p < points(w); p++, b += channels * panel)
    // The groups of rows are as equal in size as possible.
    for (size_t g = 0, row = 0; g < groups; g++) {
      const size_t end = tiles * (g + 1) / groups;
      w->k->multiply((int)(end - row), (int)(panel / (size_t)w->k->lanes), channels,
                     v + p * w->v_plane + row * w->depth, w->depth, b,
                     m + p * w->m_plane + row * w->panel, w->panel);
      row = end;
    }
}

void wino_run(const wino *w, const float *x, int n, int h, int width, const int pads[4],
              float *y, void *scratch) {
  job j = {.w = w, .x = x, .y = y};
  j.g = (plane){h, width, h + pads[0] + pads[2] - w->down->taps + 1,
                width + pads[1] + pads[3] - w->along->taps + 1, pads[0], pads[1]};
  j.down = tiles(j.g.oh, w->down);
  j.along = tiles(j.g.ow, w->along);
  float *work = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
  float *v = work + work_size(w), *m = v + points(w) * w->v_plane;

  const size_t all = (size_t)n * j.down * j.along, lanes = (size_t)w->k->lanes;
  const size_t filters = up((size_t)w->filters, lanes);
  for (size_t first = 0, end; first < all; first = end) {
    end = all - first < BLOCK ? all : first + BLOCK;
    for (size_t tile = first; tile < end;) {
      const segment s = next(&j, tile, first, end);
      for (size_t c = 0; c < w->depth; c += lanes)
        w->k->input(w, &j.g, &s, (int)c, v, work);
      tile += (size_t)s.tiles;
    }
    for (size_t k = 0; k < filters; k += w->panel) {
      const size_t panel = filters - k < w->panel ? filters - k : w->panel;
      multiply(w, end - first, k, panel, v, m);
      for (size_t tile = first; tile < end;) {
        const segment s = next(&j, tile, first, end);
        for (size_t q = 0; q < panel; q += lanes)
          w->k->output(w, &j.g, &s, (int)(k + q), m + q, work);
        tile += (size_t)s.tiles;
      }
    }
  }
}
