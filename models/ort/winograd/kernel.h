// Definitions that winograd.c shares with the kernels of each instruction set.
#ifndef BATCHSCORE_WINOGRAD_KERNEL_H
#define BATCHSCORE_WINOGRAD_KERNEL_H

#include <stddef.h>

enum { MAX_PAIRS = 4, MAX_POINTS = 2 * MAX_PAIRS + 2, MAX_OUTPUTS = 4, MAX_TAPS = 7 };

// An axis computes `outputs` adjacent outputs of `taps` taps from `points` =
// outputs + taps - 1 inputs with `points` multiplications. The points are 0, pairs
// of p and -p, and infinity.
//
// With M(x) = x (x^2 - p0^2) (x^2 - p1^2) ..., the rows of the input transform are
// the polynomials M(x) / (x - point), and M itself for infinity. The rows of the
// output transform are the powers of the points (Toom-Cook, transposed).
typedef struct {
  int taps, outputs, points, pairs;
  float p[MAX_PAIRS];
  float all[MAX_PAIRS + 1];            // M(x) / x, by powers of x^2
  float rest[MAX_PAIRS][MAX_PAIRS];    // M(x) / x / (x^2 - p^2)
  float power[MAX_PAIRS][MAX_OUTPUTS]; // p^i
} axis;

// The polynomials above for two to four pairs of points, by the points' squares.
#define ALL_2(A, B) {(A) * (B), -((A) + (B)), 1}
#define ALL_3(A, B, C)                                                         \
  {-(A) * (B) * (C), (A) * (B) + (A) * (C) + (B) * (C), -((A) + (B) + (C)), 1}
#define ALL_4(A, B, C, D)                                                      \
  {(A) * (B) * (C) * (D),                                                      \
   -((A) * (B) * (C) + (A) * (B) * (D) + (A) * (C) * (D) + (B) * (C) * (D)),   \
   (A) * (B) + (A) * (C) + (A) * (D) + (B) * (C) + (B) * (D) + (C) * (D),      \
   -((A) + (B) + (C) + (D)), 1}
#define SQUARE(x) ((x) * (x))
#define POWERS(p) {1, p, (p) * (p), (p) * (p) * (p)}

#define TWO_PAIRS(a, b)                                                        \
  {a, b}, ALL_2(SQUARE(a), SQUARE(b)), {{-SQUARE(b), 1}, {-SQUARE(a), 1}},     \
      {POWERS(a), POWERS(b)}
#define THREE_PAIRS(a, b, c)                                                   \
  {a, b, c}, ALL_3(SQUARE(a), SQUARE(b), SQUARE(c)),                           \
      {ALL_2(SQUARE(b), SQUARE(c)), ALL_2(SQUARE(a), SQUARE(c)),               \
       ALL_2(SQUARE(a), SQUARE(b))},                                           \
      {POWERS(a), POWERS(b), POWERS(c)}
#define FOUR_PAIRS(a, b, c, d)                                                 \
  {a, b, c, d}, ALL_4(SQUARE(a), SQUARE(b), SQUARE(c), SQUARE(d)),             \
      {ALL_3(SQUARE(b), SQUARE(c), SQUARE(d)),                                 \
       ALL_3(SQUARE(a), SQUARE(c), SQUARE(d)),                                 \
       ALL_3(SQUARE(a), SQUARE(b), SQUARE(d)),                                 \
       ALL_3(SQUARE(a), SQUARE(b), SQUARE(c))},                                \
      {POWERS(a), POWERS(b), POWERS(c), POWERS(d)}

// Named after their outputs and taps. Among small fractions, these points have
// nearly the lowest errors. More outputs would save more multiplications but have
// larger errors.
static const axis f11 = {.taps = 1, .outputs = 1, .points = 1};
static const axis f43 = {3, 4, 6, 2, TWO_PAIRS(0.75f, 1.5f)};
static const axis f45 = {5, 4, 8, 3, THREE_PAIRS(0.5f, 1.0f, 2.0f)};
static const axis f47 = {7, 4, 10, 4, FOUR_PAIRS(0.375f, 0.75f, 1.375f, 2.5f)};

typedef struct wino wino;

// A tile is the outputs of both axes together. Tiles do not overlap, but their
// inputs do. A segment is a run of tiles in one row of tiles of one image.
typedef struct {
  const float *x;  // of the image
  float *y;        // of the image
  int row, column; // of the first tile
  int tiles;
  size_t place;    // of the first tile in the block
} segment;

// The sizes of an image and of its result, and the zeros above and left of it.
typedef struct {
  int h, w, oh, ow, top, left;
} plane;

// The kernels of one instruction set and one pair of axes.
typedef struct {
  int lanes; // floats of a vector
  int rows;  // the most rows that multiply accepts
  // input transforms the vector of channels that starts at c into v.
  void (*input)(const wino *, const plane *, const segment *, int c, float *v,
                float *work);
  // output transforms the vector of filters that starts at k, from m into y.
  void (*output)(const wino *, const plane *, const segment *, int k,
                 const float *m, float *work);
  // multiply sets rows of some vectors: c[r] = sum of a[r][i] * b[i], i < depth.
  void (*multiply)(int rows, int vectors, size_t depth, const float *a, size_t lda,
                   const float *b, float *c, size_t ldc);
} kernels;

struct wino {
  const kernels *k;
  const axis *down, *along; // vertical and horizontal
  int channels, filters, relu;
  size_t depth;   // channels, rounded up to whole vectors
  size_t panel;   // filters at a time: two vectors, or one if there is only one
  size_t v_plane; // floats of the inputs of one point and one block
  size_t m_plane; // floats of the products of one point, one block and one panel
  float *bias;    // zeros if there is no bias, and beyond the filters
  float *weights; // [panel][point][channel][filters of the panel]
};

// Tiles whose products are computed together, so that each weight is loaded once for
// all of them. With about 100 channels, everything fits into an L2 cache of 1 MB.
enum { BLOCK = 56 };

// Columns of a segment that are transformed at a time; a multiple of every number of
// lanes.
enum { COLUMNS = 64 };

#endif
