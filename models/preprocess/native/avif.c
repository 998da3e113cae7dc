// libavif. The layout of two of its structures differs between its releases, so only those
// releases are used of which it is known.
#include "native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// From avif.h.
enum { BILINEAR = 4, FORMAT_RGBA = 1, RESULT_OK = 0 };

// layout is where fields are, in units of 4 bytes.
struct layout {
  const char *version; // a prefix
  int strict, image;   // of avifDecoder: strictFlags, image
  int rgb_pixels;      // of avifRGBImage; rowBytes follows
};

// avifRGBImage begins with width, height, depth and format in all of them.
static const struct layout layouts[] = {
    {"0.9.", 8, 10, 8},
    {"0.11.", 10, 12, 10},
    {"1.", 10, 12, 12},
};

static const struct layout *layout;

static struct {
  const char *(*version)(void);
  void (*codec_versions)(char *);
  const char *(*result_text)(int);
  void *(*decoder_create)(void);
  void (*decoder_destroy)(void *);
  int (*set_memory)(void *, const uint8_t *, size_t);
  int (*parse)(void *);
  int (*next)(void *);
  void (*rgb_defaults)(void *, const void *);
  int (*to_rgb)(const void *, void *);
  unsigned (*libyuv)(void);
} avif;

#define F(field) (void **)&avif.field
static const char *const names[] = {
    "avifVersion", "avifCodecVersions", "avifResultToString", "avifDecoderCreate", "avifDecoderDestroy",
    "avifDecoderSetIOMemory", "avifDecoderParse", "avifDecoderNextImage", "avifRGBImageSetDefaults",
    "avifImageYUVToRGB", "avifLibYUVVersion", NULL};
static void **const functions[] = {
    F(version), F(codec_versions), F(result_text), F(decoder_create), F(decoder_destroy),
    F(set_memory), F(parse), F(next), F(rgb_defaults), F(to_rgb), F(libyuv)};

static int open_avif(void *library, char *text) {
  if (!bs_find(library, names, functions, text))
    return 0;
  const char *version = avif.version();
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
    if (strncmp(version, layouts[i].version, strlen(layouts[i].version)) == 0)
      layout = &layouts[i];
  if (layout == NULL) {
    snprintf(text, BS_TEXT, "its version %s is not 0.9, 0.11 or 1", version);
    return 0;
  }
  char codecs[256] = ""; // as the function wants it
  avif.codec_versions(codecs);
  snprintf(text, BS_TEXT, "libavif %s, libyuv %u, %s", version, avif.libyuv(), codecs);
  return 1;
}

static enum bs_status fail(struct bs_picture *p, int result) {
  static const char *const kinds[] = {"Truncated data", "Not implemented", "No codec available", "Invalid ftyp"};
  const char *text = avif.result_text(result);
  if (text == NULL)
    text = "no reason given";
  enum bs_status status = BS_CORRUPT;
  if (strcmp(text, kinds[0]) == 0)
    status = BS_TRUNCATED;
  else if (strcmp(text, kinds[1]) == 0 || strcmp(text, kinds[2]) == 0 || strcmp(text, kinds[3]) == 0)
    status = BS_UNSUPPORTED;
  return bs_fail(p, status, "libavif: %s", text);
}

static enum bs_status decode(struct bs_picture *p) {
  uint32_t *decoder = avif.decoder_create();
  if (decoder == NULL)
    return bs_fail(p, BS_CORRUPT, "libavif: out of memory");
  enum bs_status status = BS_OK;
  decoder[layout->strict] = 4; // AVIF_STRICT_ALPHA_ISPE_REQUIRED, the one that Pillow keeps
  int result;
  if ((result = avif.set_memory(decoder, p->source, p->length)) != RESULT_OK || (result = avif.parse(decoder)) != RESULT_OK ||
      (result = avif.next(decoder)) != RESULT_OK) {
    status = fail(p, result);
    goto done;
  }
  uint32_t *image;
  memcpy(&image, decoder + layout->image, sizeof image);
  if (image[0] != p->width || image[1] != p->height) {
    status = bs_fail(p, BS_CORRUPT, "%ux%u pixels, and its header says %ux%u", image[0], image[1], p->width, p->height);
    goto done;
  }
  _Alignas(8) uint32_t rgb[32] = {0}; // more than any avifRGBImage
  uint32_t stride = 4 * p->width;
  avif.rgb_defaults(rgb, image);
  rgb[2] = 8; // bits
  rgb[3] = FORMAT_RGBA;
  if (image[2] > 8)
    rgb[4] = BILINEAR; // of chroma: by default some releases repeat that of more bits
  memcpy(rgb + layout->rgb_pixels, &p->pixels, sizeof p->pixels);
  rgb[layout->rgb_pixels + 2] = stride;
  if ((result = avif.to_rgb(image, rgb)) != RESULT_OK)
    status = fail(p, result);
done:
  avif.decoder_destroy(decoder);
  return status;
}

const struct bs_library bs_avif = {"libavif", open_avif, decode};
