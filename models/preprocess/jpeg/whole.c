#include "whole.h"

#include <string.h>

static int32_t extend(uint32_t v, int n) {
  return n > 0 && v < 1u << (n - 1) ? (int32_t)v - (1 << n) + 1 : (int32_t)v;
}

static void prepare(bs_codes *t) {
  memset(t->ahead, 0, sizeof t->ahead);
  int32_t code = 0, at = 0;
  for (int n = 1; n <= 16; n++) {
    int32_t count = t->spec[n - 1];
    t->symbols[n] = at - code;
    t->most[n] = count > 0 ? code + count - 1 : -1;
    for (; count > 0; count--, code++, at++) {
      int rest = BS_AHEAD - n;
      if (rest < 0)
        continue;
      uint8_t rs = t->spec[16 + at];
      int s = rs & 15;
      for (uint32_t i = 0; i < 1u << rest; i++) {
        bs_ahead *e = &t->ahead[(uint32_t)code << rest | i];
        e->rs = rs;
        if (s <= rest) {
          e->bits = (uint8_t)(n + s);
          e->value = (int16_t)extend(i >> (rest - s), s);
        } else {
          e->bits = (uint8_t)n | BS_CODE_ONLY;
        }
      }
    }
    code <<= 1;
  }
}

void bs_scan_prepare(bs_scan *s) {
  for (int i = 0; i < s->n; i++) {
    prepare(&s->comps[i].dc);
    prepare(&s->comps[i].ac);
  }
}

typedef struct {
  const uint8_t *p, *end;
  uint64_t acc; // the next n bits, from the top
  int n;
  int64_t past; // bytes of zeros that were read after the end
} reader;

static inline void fill(reader *r) {
  if (r->end - r->p >= 8) {
    uint64_t v;
    memcpy(&v, r->p, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    r->acc |= v >> r->n;
    // The bits of a byte that does not fit whole are read again.
    r->p += (63 - r->n) >> 3;
    r->n |= 56;
    return;
  }
  for (; r->n <= 56; r->n += 8) {
    if (r->p < r->end)
      r->acc |= (uint64_t)*r->p++ << (56 - r->n);
    else
      r->past++;
  }
}

static inline void skip(reader *r, int n) {
  r->acc <<= n;
  r->n -= n;
}

// next decodes a code and its value. It returns the symbol, or -1.
static inline int next(reader *r, const bs_codes *t, int32_t *value) {
  if (r->n < 32)
    fill(r);
  bs_ahead e = t->ahead[r->acc >> (64 - BS_AHEAD)];
  if (e.bits != 0 && e.bits < BS_CODE_ONLY) {
    skip(r, e.bits);
    *value = e.value;
    return e.rs;
  }
  int rs = -1;
  if (e.bits != 0) {
    skip(r, e.bits & ~BS_CODE_ONLY);
    rs = e.rs;
  } else {
    for (int n = BS_AHEAD + 1; n <= 16; n++) {
      int32_t code = (int32_t)(r->acc >> (64 - n));
      if (code <= t->most[n]) {
        skip(r, n);
        rs = t->spec[16 + t->symbols[n] + code];
        break;
      }
    }
    if (rs < 0)
      return -1;
  }
  int s = rs & 15;
  *value = s > 0 ? extend((uint32_t)(r->acc >> (64 - s)), s) : 0;
  skip(r, s);
  return rs;
}

static inline int beyond(int32_t v, int32_t most) { return v > most || -v > most; }

static inline int block(reader *r, bs_scan_component *c) {
  int32_t v;
  if (next(r, &c->dc, &v) < 0)
    return -1;
  c->last += v;
  if (beyond(c->last, c->most[0]))
    return -1;
  for (int k = 1; k < 64; k++) {
    int rs = next(r, &c->ac, &v);
    if (rs < 0)
      return -1;
    if ((rs & 15) == 0) {
      if (rs != 0xf0)
        return 0;
      k += 15;
      continue;
    }
    if ((k += rs >> 4) > 63 || beyond(v, c->most[k]))
      return -1;
  }
  return 0;
}

int64_t bs_scan_whole(bs_scan *s, const uint8_t *data, size_t n, int64_t units) {
  reader r = {.p = data, .end = data + n};
  for (int i = 0; i < s->n; i++)
    s->comps[i].last = 0;
  for (int64_t u = 0; u < units; u++) {
    for (int i = 0; i < s->n; i++) {
      for (int b = 0; b < s->comps[i].blocks; b++) {
        if (block(&r, &s->comps[i]) != 0)
          return -1;
      }
    }
    if (8 * r.past > r.n) // bits after the end were used
      return -1;
  }
  return 8 * (r.p - data + r.past) - r.n;
}
