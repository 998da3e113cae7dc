// OpenJPEG, of which only functions and structures are used that are the same from 2.4 on.
#include "native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// From openjpeg.h.
enum { CODEC_J2K = 0, CODEC_JP2 = 2 };
enum { SPACE_UNKNOWN = -1, SPACE_UNSPECIFIED = 0, SPACE_SRGB = 1, SPACE_GREY = 2, SPACE_SYCC = 3, SPACE_EYCC = 4, SPACE_CMYK = 5 };

struct component {
  uint32_t dx, dy, width, height, x0, y0, bits, obsolete, is_signed, resolutions, factor;
  int32_t *data;
  uint16_t alpha;
};

struct image {
  uint32_t x0, y0, x1, y1, count;
  int space;
  struct component *components;
};

enum { PARAMETERS = 1 << 16 }; // bytes, more than opj_dparameters_t of any release

static struct {
  const char *(*version)(void);
  void *(*create)(int);
  void (*destroy)(void *);
  void (*defaults)(void *);
  int (*setup)(void *, void *);
  void (*on_error)(void *, void (*)(const char *, void *), void *);
  void *(*stream)(size_t, int);
  void (*stream_destroy)(void *);
  void (*stream_data)(void *, void *, void (*)(void *));
  void (*stream_length)(void *, uint64_t);
  void (*stream_read)(void *, size_t (*)(void *, size_t, void *));
  void (*stream_skip)(void *, int64_t (*)(int64_t, void *));
  void (*stream_seek)(void *, int (*)(int64_t, void *));
  int (*header)(void *, void *, struct image **);
  int (*decode)(void *, void *, struct image *);
  void (*image_destroy)(struct image *);
  int (*strict)(void *, int); // since 2.5; NULL before
} opj;

#define F(field) (void **)&opj.field
static const char *const names[] = {
    "opj_version", "opj_create_decompress", "opj_destroy_codec", "opj_set_default_decoder_parameters", "opj_setup_decoder",
    "opj_set_error_handler", "opj_stream_create", "opj_stream_destroy", "opj_stream_set_user_data",
    "opj_stream_set_user_data_length", "opj_stream_set_read_function", "opj_stream_set_skip_function",
    "opj_stream_set_seek_function", "opj_read_header", "opj_decode", "opj_image_destroy", NULL};
static void **const functions[] = {
    F(version), F(create), F(destroy), F(defaults), F(setup), F(on_error), F(stream), F(stream_destroy), F(stream_data),
    F(stream_length), F(stream_read), F(stream_skip), F(stream_seek), F(header), F(decode), F(image_destroy)};

static int open_jp2(void *library, char *text) {
  if (!bs_find(library, names, functions, text))
    return 0;
  const char *version = opj.version();
  int minor = 0;
  if (sscanf(version, "2.%d.", &minor) != 1 || minor < 4) {
    snprintf(text, BS_TEXT, "its version %s is not 2.4 or a newer 2", version);
    return 0;
  }
  static const char *const more[] = {"opj_decoder_set_strict_mode", NULL};
  static void **const to[] = {(void **)&opj.strict};
  if (!bs_find(library, more, to, text))
    opj.strict = NULL;
  snprintf(text, BS_TEXT, "openjpeg %s", version);
  return 1;
}

// A source is the encoded image as a stream.
struct source {
  const uint8_t *bytes;
  size_t length, at;
};

static size_t read_source(void *to, size_t n, void *data) {
  struct source *s = data;
  size_t left = s->length - s->at;
  if (left == 0)
    return (size_t)-1;
  if (n > left)
    n = left;
  memcpy(to, s->bytes + s->at, n);
  s->at += n;
  return n;
}

static int64_t skip_source(int64_t n, void *data) {
  struct source *s = data;
  if (n < 0 || (uint64_t)n > s->length - s->at)
    return -1;
  s->at += (size_t)n;
  return n;
}

static int seek_source(int64_t to, void *data) {
  struct source *s = data;
  if (to < 0 || (uint64_t)to > s->length)
    return 0;
  s->at = (size_t)to;
  return 1;
}

// keep_error keeps the first error, without the end of its line.
static void keep_error(const char *text, void *data) {
  struct bs_picture *p = data;
  if (p->reason[0] == 0)
    snprintf(p->reason, BS_TEXT, "openjpeg: %.*s", (int)strcspn(text, "\r\n"), text);
}

static int clamp(int v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

// to_byte returns a sample as one of 8 bits, rounded as Pillow does.
static int to_byte(const struct component *c, int32_t v) {
  int64_t w = v;
  if (c->is_signed)
    w += (int64_t)1 << (c->bits - 1);
  if (c->bits < 8)
    return clamp((int)(w << (8 - c->bits)));
  if (c->bits > 8)
    w = (w + ((int64_t)1 << (c->bits - 9))) >> (c->bits - 8);
  return w < 0 ? 0 : w > 255 ? 255 : (int)w;
}

// from_ycc turns a pixel of JPEG's YCbCr into RGB.
static void from_ycc(uint8_t *p) {
  int y = p[0], b = p[1] - 128, r = p[2] - 128;
  p[0] = (uint8_t)clamp(y + ((91881 * r + 32768) >> 16));
  p[1] = (uint8_t)clamp(y - ((22554 * b + 46802 * r + 32767) >> 16));
  p[2] = (uint8_t)clamp(y + ((116130 * b + 32768) >> 16));
}

// from_cmyk turns a pixel of CMYK into RGB, rounding as Pillow does.
static void from_cmyk(uint8_t *p) {
  int k = 255 - p[3];
  for (int c = 0; c < 3; c++) {
    int t = p[c] * k + 128;
    p[c] = (uint8_t)clamp(k - (((t >> 8) + t) >> 8));
  }
  p[3] = 255;
}

// row fills one channel of row y from a component.
static void row(uint8_t *to, const struct component *c, uint32_t width, uint32_t y) {
  uint32_t cy = y / c->dy < c->height ? y / c->dy : c->height - 1;
  const int32_t *from = c->data + (size_t)cy * c->width;
  if (c->dx == 1 && c->width == width && c->bits == 8 && !c->is_signed) {
    for (uint32_t x = 0; x < width; x++)
      to[4 * (size_t)x] = (uint8_t)clamp(from[x]);
    return;
  }
  for (uint32_t x = 0; x < width; x++) {
    uint32_t cx = x / c->dx < c->width ? x / c->dx : c->width - 1;
    to[4 * (size_t)x] = (uint8_t)to_byte(c, from[cx]);
  }
}

// plain reports whether all samples of a component are bytes, one for each pixel.
static int plain(const struct component *c, uint32_t width, uint32_t height) {
  return c->dx == 1 && c->dy == 1 && c->width == width && c->height == height && c->bits == 8 && !c->is_signed;
}

// rows_rgb fills all pixels of a picture from three plain components, without alpha.
static void rows_rgb(uint8_t *to, const struct component *c, size_t pixels) {
  const int32_t *r = c[0].data, *g = c[1].data, *b = c[2].data;
  for (size_t i = 0; i < pixels; i++, to += 4) {
    uint8_t pixel[4] = {(uint8_t)clamp(r[i]), (uint8_t)clamp(g[i]), (uint8_t)clamp(b[i]), 255};
    memcpy(to, pixel, sizeof pixel);
  }
}

static enum bs_status fill(struct bs_picture *p, struct image *im) {
  uint32_t n = im->count;
  if (im->x1 - im->x0 != p->width || im->y1 - im->y0 != p->height)
    return bs_fail(p, BS_CORRUPT, "%ux%u pixels, and its header says %ux%u", im->x1 - im->x0, im->y1 - im->y0, p->width, p->height);
  for (uint32_t i = 0; i < n; i++) {
    const struct component *c = &im->components[i];
    if (c->data == NULL || c->width < 1 || c->height < 1 || c->dx < 1 || c->dy < 1 || c->bits < 1 || c->bits > 31)
      return bs_fail(p, BS_CORRUPT, "openjpeg: component %u has no samples", i);
  }
  int grey = n < 3, ycc = 0, cmyk = 0, alpha = -1;
  switch (im->space) {
  case SPACE_SYCC:
  case SPACE_EYCC:
    ycc = n >= 3;
    break;
  case SPACE_CMYK:
    cmyk = n >= 4;
    break;
  case SPACE_GREY:
    grey = 1;
    break;
  case SPACE_SRGB:
    break;
  default: // samples of colour that are fewer than those of brightness tell
    ycc = n >= 3 && (im->components[1].dx > 1 || im->components[1].dy > 1);
  }
  if (grey && n >= 2)
    alpha = 1;
  if (!grey && !cmyk && n >= 4)
    alpha = 3;
  uint8_t *to = p->pixels;
  if (n >= 3 && !grey && !ycc && !cmyk && alpha < 0 && plain(&im->components[0], p->width, p->height) &&
      plain(&im->components[1], p->width, p->height) && plain(&im->components[2], p->width, p->height)) {
    rows_rgb(to, im->components, (size_t)p->width * p->height);
    return BS_OK;
  }
  for (uint32_t y = 0; y < p->height; y++, to += 4 * (size_t)p->width) {
    for (int c = 0; c < 3; c++)
      row(to + c, &im->components[grey ? 0 : c], p->width, y);
    if (cmyk)
      row(to + 3, &im->components[3], p->width, y);
    else if (alpha > 0)
      row(to + 3, &im->components[alpha], p->width, y);
    else
      for (uint32_t x = 0; x < p->width; x++)
        to[4 * (size_t)x + 3] = 255;
    for (uint32_t x = 0; (ycc || cmyk) && x < p->width; x++)
      ycc ? from_ycc(to + 4 * (size_t)x) : from_cmyk(to + 4 * (size_t)x);
  }
  return BS_OK;
}

static enum bs_status decode(struct bs_picture *p) {
  static _Alignas(16) char parameters[PARAMETERS];
  struct source s = {p->source, p->length, 0};
  struct image *image = NULL;
  enum bs_status status = BS_CORRUPT;
  int boxes = p->length >= 12 && memcmp(p->source + 4, "jP  ", 4) == 0;
  void *codec = opj.create(boxes ? CODEC_JP2 : CODEC_J2K), *stream = opj.stream(1 << 20, 1);
  if (codec == NULL || stream == NULL)
    goto done;
  opj.on_error(codec, keep_error, p);
  opj.stream_data(stream, &s, NULL);
  opj.stream_length(stream, p->length);
  opj.stream_read(stream, read_source);
  opj.stream_skip(stream, skip_source);
  opj.stream_seek(stream, seek_source);
  opj.defaults(parameters);
  if (!opj.setup(codec, parameters) || (opj.strict != NULL && !opj.strict(codec, 1)))
    goto done;
  if (!opj.header(stream, codec, &image) || !opj.decode(codec, stream, image))
    goto done;
  p->reason[0] = 0;
  status = fill(p, image);
done:
  if (status != BS_OK && p->reason[0] == 0)
    bs_fail(p, status, "openjpeg: it cannot be decoded");
  if (image != NULL)
    opj.image_destroy(image);
  if (stream != NULL)
    opj.stream_destroy(stream);
  if (codec != NULL)
    opj.destroy(codec);
  return status;
}

const struct bs_library bs_jp2 = {"openjpeg", open_jp2, decode};
