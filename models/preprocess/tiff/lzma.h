#ifndef BS_LZMA_H
#define BS_LZMA_H

#include <stdint.h>

typedef uint16_t bs_probability;

// As Go's lengthModel.
typedef struct {
  bs_probability choice, choice2;
  bs_probability low[16][8], mid[16][8];
  bs_probability high[256];
} bs_length_model;

// As Go's lzmaModel.
typedef struct {
  int64_t lc, lp, pb;
  bs_probability literal[0x300 << 4];
  bs_probability match[12 << 4], long_repeat[12 << 4];
  bs_probability repeat[12], repeat0[12], repeat1[12], repeat2[12];
  bs_probability slot[4][64];
  bs_probability special[128];
  bs_probability align[16];
  bs_length_model length, repeat_length;
  int64_t state;
  uint32_t distance, distance1, distance2, distance3;
} bs_lzma_model;

// As Go's rangeDecoder.
typedef struct {
  uint64_t code, width;
  int64_t at;
} bs_range_decoder;

// bs_lzma_expand is (*lzmaModel).expand: src has n bytes, and out has room for most, of which len
// are there. It returns how many are there at the end, and ~that where Go's returns false.
int64_t bs_lzma_expand(bs_lzma_model *model, bs_range_decoder *decoder, const uint8_t *src, int64_t n, uint8_t *out, int64_t len,
                       int64_t stop, int64_t most, int64_t begins, uint32_t offset);

#endif
