// Convolutions with fewer multiplications: Winograd's minimal filtering, for
// float32 in NCHW, stride 1, dilation 1, one group.
//
// The bits of an image's result depend only on its pixels, its size and the weights.
// They do not depend on the batch, the place in it, the threads, or the vector
// instructions (AVX2 and AVX-512 give the same bits).
//
// A direct convolution differs in the last bits: the error is about 1e-6 of the
// largest output for kernels of 3, and 6e-6 for those of 5 and 7. An infinity in
// the input gives NaN around it.
//
// Supported are kernels of 3x3, 5x5, 1x7, 7x1, 1x3 and 3x1.
#ifndef BATCHSCORE_WINOGRAD_H
#define BATCHSCORE_WINOGRAD_H

#include <stddef.h>

enum { WINO_NONE, WINO_AVX2, WINO_AVX512 };

// A wino is one convolution with its transformed weights. It never changes, so any
// number of threads may run it at the same time, each with its own scratch.
typedef struct wino wino;

// wino_usable returns the best of the sets of vector instructions above that this
// processor has. It returns 0 if there is none; wino_new then returns NULL.
int wino_usable(void);

// wino_gains returns 1 if wino_run is expected to be clearly faster than a direct
// convolution with kh x kw kernels, this many input channels and filters, and this
// height and width of the output. It returns 0 for unsupported kernels.
int wino_gains(int kh, int kw, int channels, int filters, int height, int width);

// wino_new transforms weights [filters][channels][kh][kw]. bias [filters] may
// be NULL. With relu, negative results become 0. isa is WINO_AVX2, WINO_AVX512 or 0
// for the best. It returns NULL if there is no memory, or if the kernel or the
// processor is not supported.
wino *wino_new(const float *weights, const float *bias, int channels, int filters,
               int kh, int kw, int relu, int isa);
void wino_free(wino *);

// wino_scratch returns the size in bytes of the working memory of one wino_run. It
// depends on the channels only: about a megabyte for 100 of them. The memory may have
// any alignment.
size_t wino_scratch(const wino *);

// wino_run writes y [n][filters][oh][ow] from x [n][channels][h][w], where
// oh = h + top + bottom - kh + 1, and ow correspondingly; both must be positive. pads
// are the zeros around x: top, left, bottom, right. They must not be negative.
void wino_run(const wino *, const float *x, int n, int h, int w, const int pads[4],
              float *y, void *scratch);

#endif
