// What is done with the colours of pixels before they are resized.
#include "kernel.h"

void bs_blend(uint8_t *pixels, int64_t pitch, int32_t width, int32_t height,
              const uint8_t over[3]) {
  const uint32_t r = over[0], g = over[1], b = over[2];
  for (int32_t y = 0; y < height; y++) {
    uint8_t *p = pixels + y * pitch;
    for (int32_t x = 0; x < width; x++, p += 4) {
      // Pillow's division by 255, rounded to the nearest.
      const uint32_t alpha = p[3], rest = 255 - alpha;
#define BLEND(channel, colour)                                                 \
  do {                                                                         \
    const uint32_t v = (channel) * alpha + (colour) * rest + 128;              \
    (channel) = (uint8_t)((v + (v >> 8)) >> 8);                                \
  } while (0)
      BLEND(p[0], r);
      BLEND(p[1], g);
      BLEND(p[2], b);
#undef BLEND
      p[3] = 255;
    }
  }
}

void bs_grey(uint8_t *pixels, int64_t pitch, int32_t width, int32_t height,
             const uint32_t weights[3], int32_t bits) {
  const uint32_t r = weights[0], g = weights[1], b = weights[2];
  const uint32_t half = 1u << (bits - 1);
  for (int32_t y = 0; y < height; y++) {
    uint8_t *p = pixels + y * pitch;
    for (int32_t x = 0; x < width; x++, p += 4)
      p[0] = p[1] = p[2] = (uint8_t)((p[0] * r + p[1] * g + p[2] * b + half) >> bits);
  }
}
