// Reads the coded data of sequential scans, as bits.go does, and only finds out that they
// are whole.
#ifndef BATCHSCORE_WHOLE_H
#define BATCHSCORE_WHOLE_H

#include <stddef.h>
#include <stdint.h>

enum { BS_AHEAD = 10 }; // bits that are looked up at once

// What the next BS_AHEAD bits begin with. bits is the length of a code and its value, or
// with BS_CODE_ONLY that of the code alone, or 0 for a longer code.
typedef struct {
  int16_t value;
  uint8_t rs, bits;
} bs_ahead;

enum { BS_CODE_ONLY = 0x80 };

typedef struct {
  uint8_t spec[16 + 256]; // 16 counts and the symbols
  bs_ahead ahead[1 << BS_AHEAD];
  int32_t most[17], symbols[17]; // as in bits.go's huffmanTable
} bs_codes;

typedef struct {
  int32_t blocks;   // in a unit
  int32_t most[64]; // the largest coefficients that are possible
  int32_t last;     // the first coefficient of the last block
  bs_codes dc, ac;
} bs_scan_component;

typedef struct {
  int32_t n;
  bs_scan_component comps[4];
} bs_scan;

// bs_scan_prepare completes the tables of a scan, whose specs are valid.
void bs_scan_prepare(bs_scan *s);

// bs_scan_whole reads units of the scan from n bytes without stuffing. It returns how
// many bits they are, and sets each last; or -1 if anything is wrong.
int64_t bs_scan_whole(bs_scan *s, const uint8_t *data, size_t n, int64_t units);

#endif
