// This decodes as lzma.go does, bit for bit, damaged data included. Registers have 64 bits as there.
#include "lzma.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// MOST_READ is more than the bytes that a literal or match takes, which has at most 48 bits.
#define MOST_READ 64

typedef struct {
  uint64_t code, width;
  const uint8_t *at;
} range;

// more makes at least 25 bits of width.
INLINE void more(range *r) {
  if (r->width < 1 << 24) {
    r->width <<= 8;
    r->code = r->code << 8 | *r->at++;
  }
}

// zero takes a bit, and returns whether it is 0.
INLINE int zero(range *r, bs_probability *p) {
  more(r);
  uint64_t v = *p, bound = (r->width >> 11) * v;
  if (r->code < bound) {
    r->width = bound;
    *p = (bs_probability)(v + ((2048 - v) >> 5));
    return 1;
  }
  r->width -= bound;
  r->code -= bound;
  *p = (bs_probability)(v - (v >> 5));
  return 0;
}

// step takes a bit of probability *p, which is v, and makes *one what belongs to the bit: zero or
// one. Two such pairs are chosen from. There are no branches, as the bits cannot be predicted.
INLINE void step(range *r, bs_probability *p, uint64_t v, uint64_t zero, uint64_t *one, uint64_t zero2, uint64_t *one2) {
  uint64_t bound = (r->width >> 11) * v, rest = r->width - bound;
  uint64_t raised = v + ((2048 - v) >> 5), lowered = v - (v >> 5);
#ifdef __x86_64__
  // Compilers make branches or masks of conditions.
  uint64_t code = r->code, old = code;
  __asm__("subq %[bound], %[code]\n\t"
          "cmovsq %[old], %[code]\n\t"
          "cmovsq %[bound], %[rest]\n\t"
          "cmovsq %[zero], %[one]\n\t"
          "cmovsq %[zero2], %[one2]\n\t"
          "cmovsq %[raised], %[lowered]"
          : [code] "+&r"(code), [rest] "+&r"(rest), [one] "+&r"(*one), [one2] "+&r"(*one2), [lowered] "+&r"(lowered)
          : [bound] "r"(bound), [old] "rm"(old), [zero] "rm"(zero), [zero2] "rm"(zero2), [raised] "rm"(raised)
          : "cc");
  r->code = code;
  r->width = rest;
#else
  uint64_t code = r->code - bound, mask = (uint64_t)((int64_t)code >> 63);
  r->code = code + (bound & mask);
  r->width = rest ^ ((rest ^ bound) & mask);
  *one ^= (*one ^ zero) & mask;
  *one2 ^= (*one2 ^ zero2) & mask;
  lowered ^= (lowered ^ raised) & mask;
#endif
  *p = (bs_probability)lowered;
}

// tree returns n bits, the highest first, whose probabilities are a tree of 1<<n. Those of both bits
// that may come are read before it is known which.
INLINE uint64_t tree(range *r, bs_probability *p, int n) {
  uint64_t m = 1, v = p[1];
#pragma GCC unroll 8
  for (int i = 0; i < n; i++) {
    more(r);
    uint64_t zero = 0, one = 0, next = 2 * m + 1;
    if (i < n - 1) {
      zero = p[2 * m];
      one = p[2 * m + 1];
    }
    step(r, &p[m], v, zero, &one, 2 * m, &next);
    v = one;
    m = next;
  }
  return m - ((uint64_t)1 << n);
}

// reverse returns n bits, the lowest first.
INLINE uint32_t reverse(range *r, bs_probability *p, int n) {
  uint64_t m = 1, value = 0;
  for (int i = 0; i < n; i++) {
    more(r);
    uint64_t next = 2 * m + 1, with = value | (uint64_t)1 << i;
    step(r, &p[m], p[m], 2 * m, &next, value, &with);
    m = next;
    value = with;
  }
  return (uint32_t)value;
}

// direct returns n bits of equal probability.
INLINE uint32_t direct(range *r, int n) {
  uint64_t v = 0;
  for (int i = 0; i < n; i++) {
    more(r);
    r->width >>= 1;
    uint64_t rest = r->code - r->width, mask = (uint64_t)((int64_t)rest >> 63);
    r->code = rest + (r->width & mask);
    v = (v << 1) + 1 + mask;
  }
  return (uint32_t)v;
}

// unlike returns a byte, whose probabilities depend on the byte like as long as the bits are the same.
INLINE uint8_t unlike(range *r, bs_probability *p, uint64_t like) {
  like <<= 1;
  uint64_t m = 1, same = 0x100, at = same + (like & same) + 1, v = p[at];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    more(r);
    // Both places that may come next are known.
    uint64_t same0 = same & ~like, same1 = same & like, then = like << 1;
    uint64_t at0 = same0 + (then & same0) + 2 * m, at1 = same1 + (then & same1) + 2 * m + 1;
    uint64_t zero = 0, one = 0;
    if (i < 7) {
      zero = p[at0];
      one = p[at1];
    }
    step(r, &p[at], v, zero, &one, at0, &at1);
    v = one;
    m = 2 * m + (at1 & 1);
    same &= like ^ ((at1 & 1) - 1);
    at = at1;
    like = then;
  }
  return (uint8_t)m;
}

static int length(range *r, bs_length_model *l, uint64_t position) {
  if (zero(r, &l->choice))
    return (int)tree(r, l->low[position], 3) + 2;
  if (zero(r, &l->choice2))
    return (int)tree(r, l->mid[position], 3) + 10;
  return (int)tree(r, l->high, 8) + 18;
}

// far decodes the distance of a match of n bytes.
static uint32_t far(range *r, bs_lzma_model *m, int n) {
  uint32_t slot = (uint32_t)tree(r, m->slot[n - 2 < 3 ? n - 2 : 3], 6);
  if (slot < 4)
    return slot;
  int bits = (int)(slot >> 1) - 1;
  uint32_t d = (2 | (slot & 1)) << bits;
  if (slot < 14)
    return d + reverse(r, m->special + (d - slot), bits);
  d += direct(r, bits - 4) << 4;
  return d + reverse(r, m->align, 4);
}

// copy decodes a match, whose distance becomes the last one, and returns its length.
static int copy(range *r, bs_lzma_model *m, uint64_t position) {
  if (zero(r, &m->repeat[m->state])) {
    m->distance3 = m->distance2;
    m->distance2 = m->distance1;
    m->distance1 = m->distance;
    int n = length(r, &m->length, position);
    m->state = m->state < 7 ? 7 : 10;
    m->distance = far(r, m, n);
    return n;
  }
  if (zero(r, &m->repeat0[m->state])) {
    if (zero(r, &m->long_repeat[m->state << 4 | (int64_t)position])) {
      m->state = m->state < 7 ? 9 : 11;
      return 1;
    }
  } else {
    uint32_t d = m->distance1;
    if (!zero(r, &m->repeat1[m->state])) {
      d = m->distance2;
      if (!zero(r, &m->repeat2[m->state])) {
        d = m->distance3;
        m->distance3 = m->distance2;
      }
      m->distance2 = m->distance1;
    }
    m->distance1 = m->distance;
    m->distance = d;
  }
  int n = length(r, &m->repeat_length, position);
  m->state = m->state < 7 ? 8 : 11;
  return n;
}

// after is the state after a literal.
static const uint8_t after[12] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5};

int64_t bs_lzma_expand(bs_lzma_model *model, bs_range_decoder *decoder, const uint8_t *src, int64_t n, uint8_t *out, int64_t len,
                       int64_t stop, int64_t most, int64_t begins, uint32_t offset) {
  if (decoder->at > n) // as what follows the data has been read
    return ~len;
  // The last bytes are read from a copy, which continues with zeros.
  uint8_t tail[3 * MOST_READ] = {0};
  int64_t tail_at = n - MOST_READ > decoder->at ? n - MOST_READ : decoder->at;
  const uint8_t *fast_end = src + tail_at, *end = NULL;
  range r = {.code = decoder->code, .width = decoder->width, .at = src + decoder->at};
  uint32_t positions = ((uint32_t)1 << model->pb) - 1, literals = ((uint32_t)1 << model->lp) - 1;
  int64_t lc = model->lc, bad = 0;
  while (len < stop) {
    if (!end && r.at >= fast_end) {
      tail_at = r.at - src;
      memcpy(tail, r.at, (size_t)(n - tail_at));
      end = tail + (n - tail_at);
      r.at = tail;
    }
    uint32_t at = (uint32_t)len + offset;
    uint64_t position = at & positions;
    if (zero(&r, &model->match[model->state << 4 | (int64_t)position])) {
      uint32_t before = len > begins ? out[len - 1] : 0;
      bs_probability *p = model->literal + 0x300 * (((at & literals) << lc) | before >> (8 - lc));
      uint8_t v;
      if (model->state < 7) {
        v = (uint8_t)tree(&r, p, 8);
      } else {
        if ((int64_t)model->distance >= len - begins) {
          bad = 1;
          break;
        }
        v = unlike(&r, p, out[len - 1 - (int64_t)model->distance]);
      }
      out[len++] = v;
      model->state = after[model->state];
      if (end && r.at > end) {
        bad = 1;
        break;
      }
      continue;
    }
    int length = copy(&r, model, position);
    if ((end && r.at > end) || (int64_t)model->distance >= len - begins || length > most - len) {
      bad = 1;
      break;
    }
    int64_t back = (int64_t)model->distance + 1;
    uint8_t *to = out + len;
    len += length;
    if (length <= back) {
      memcpy(to, to - back, (size_t)length);
    } else {
      for (int i = 0; i < length; i++)
        to[i] = to[i - back];
    }
  }
  decoder->code = r.code;
  decoder->width = r.width;
  decoder->at = end ? tail_at + (r.at - tail) : r.at - src;
  return bad ? ~len : len;
}
