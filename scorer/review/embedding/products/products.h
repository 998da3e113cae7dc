// Sums of products in 64 bits, with the same bits on every processor.
#ifndef BATCHSCORE_PRODUCTS_H
#define BATCHSCORE_PRODUCTS_H

#include <stdint.h>

// Vector instructions. Those that the processor does not have must not be asked for.
enum { BS_PLAIN, BS_AVX2, BS_AVX512 };

// bs_best returns the best ones that the processor has.
int32_t bs_best(void);

// bs_products fills out [n][queries] with the sums of products of each row of rows [n][dims] and
// each of by [queries][dims].
void bs_products(int32_t isa, const double *by, int64_t queries, const float *rows, int64_t n, int64_t dims, double *out);

// bs_three fills out with the sums of a * a, a * b and b * b.
void bs_three(int32_t isa, const float *a, const float *b, int64_t dims, double out[3]);

// bs_squares fills out [n] with the sums of the squares of each row of rows [n][dims].
void bs_squares(int32_t isa, const float *rows, int64_t n, int64_t dims, double *out);

#endif
