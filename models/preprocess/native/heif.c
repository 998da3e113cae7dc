// libheif, of which only functions and structures are used that are the same in all of 1.x.
#include "native.h"

#include <stdio.h>
#include <string.h>

// From heif.h.
struct heif_error {
  int code, subcode;
  const char *message;
};

enum { UNSUPPORTED_FILETYPE = 3, UNSUPPORTED_FEATURE = 4, MEMORY_ALLOCATION = 6 };
enum { END_OF_DATA = 100, SECURITY_LIMIT = 1000 };
enum { COLORSPACE_RGB = 1, CHROMA_RGB = 10, CHROMA_RGBA = 11, CHANNEL_INTERLEAVED = 10 };

// The first fields of heif_decoding_options, which say of what version the rest is.
struct heif_decoding_options {
  uint8_t version, ignore_transformations;
  void *callbacks[3];
  void *data;
  uint8_t convert_hdr_to_8bit; // version 2
  uint8_t strict_decoding;     // version 3
};

static struct {
  const char *(*get_version)(void);
  void *(*context_alloc)(void);
  void (*context_free)(void *);
  struct heif_error (*read_memory)(void *, const void *, size_t, const void *);
  struct heif_error (*get_primary)(void *, void **);
  void (*handle_release)(const void *);
  int (*has_alpha)(const void *);
  struct heif_decoding_options *(*options_alloc)(void);
  void (*options_free)(struct heif_decoding_options *);
  struct heif_error (*decode_image)(const void *, void **, int, int, const struct heif_decoding_options *);
  int (*get_width)(const void *, int);
  int (*get_height)(const void *, int);
  const uint8_t *(*get_plane)(const void *, int, int *);
  void (*image_release)(const void *);
} heif;

static struct {
  struct heif_error (*init)(void *);           // since 1.13
  void (*set_threads)(void *, int);            // since 1.13
  int (*decoders)(int, const void **, int);    // since 1.15
  const char *(*decoder_name)(const void *);
} also;

#define F(field) (void **)&heif.field
static const char *const names[] = {
    "heif_get_version", "heif_context_alloc", "heif_context_free", "heif_context_read_from_memory_without_copy",
    "heif_context_get_primary_image_handle", "heif_image_handle_release", "heif_image_handle_has_alpha_channel",
    "heif_decoding_options_alloc", "heif_decoding_options_free", "heif_decode_image", "heif_image_get_width",
    "heif_image_get_height", "heif_image_get_plane_readonly", "heif_image_release", NULL};
static void **const functions[] = {
    F(get_version), F(context_alloc), F(context_free), F(read_memory), F(get_primary), F(handle_release), F(has_alpha),
    F(options_alloc), F(options_free), F(decode_image), F(get_width), F(get_height), F(get_plane), F(image_release)};

static int open_heif(void *library, char *text) {
  if (!bs_find(library, names, functions, text))
    return 0;
  const char *version = heif.get_version();
  if (strncmp(version, "1.", 2) != 0) {
    snprintf(text, BS_TEXT, "its version %s is not 1", version);
    return 0;
  }
  static const char *const more[] = {
      "heif_init", "heif_context_set_max_decoding_threads", "heif_get_decoder_descriptors", "heif_decoder_descriptor_get_name"};
  static void **const to[] = {(void **)&also.init, (void **)&also.set_threads, (void **)&also.decoders, (void **)&also.decoder_name};
  for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
    const char *const one[] = {more[i], NULL};
    if (!bs_find(library, one, &to[i], text))
      *to[i] = NULL;
  }
  if (also.init != NULL)
    also.init(NULL); // loads its plugins
  int n = snprintf(text, BS_TEXT, "libheif %s", version);
  if (also.decoders != NULL && also.decoder_name != NULL) {
    const void *found[8];
    int count = also.decoders(1 /* HEVC */, found, 8);
    if (count == 0) {
      snprintf(text, BS_TEXT, "it has no decoder of HEVC; Debian 13 and newer: install libheif-plugin-libde265");
      return 0;
    }
    snprintf(text + n, (size_t)(BS_TEXT - n), ", %s", also.decoder_name(found[0]));
  }
  return 1;
}

static enum bs_status fail(struct bs_picture *p, struct heif_error e) {
  enum bs_status status = BS_CORRUPT;
  if (e.subcode == END_OF_DATA)
    status = BS_TRUNCATED;
  else if (e.code == UNSUPPORTED_FILETYPE || e.code == UNSUPPORTED_FEATURE)
    status = BS_UNSUPPORTED;
  else if (e.subcode == SECURITY_LIMIT)
    status = BS_TOO_LARGE;
  return bs_fail(p, status, "libheif: %s", e.message ? e.message : "no reason given");
}

static enum bs_status copy(struct bs_picture *p, const void *image, int channels) {
  int stride = 0;
  const uint8_t *from = heif.get_plane(image, CHANNEL_INTERLEAVED, &stride);
  int width = heif.get_width(image, CHANNEL_INTERLEAVED), height = heif.get_height(image, CHANNEL_INTERLEAVED);
  if (from == NULL || width < 1 || height < 1 || stride < width * channels)
    return bs_fail(p, BS_CORRUPT, "libheif gives no pixels");
  if ((uint32_t)width != p->width || (uint32_t)height != p->height)
    return bs_fail(p, BS_CORRUPT, "%dx%d pixels, and its header says %ux%u", width, height, p->width, p->height);
  uint8_t *to = p->pixels;
  for (int y = 0; y < height; y++, from += stride) {
    const uint8_t *s = from;
    if (channels == 4) {
      memcpy(to, s, 4 * (size_t)width);
      to += 4 * (size_t)width;
      continue;
    }
    for (int x = 0; x < width; x++, s += 3, to += 4) {
      to[0] = s[0];
      to[1] = s[1];
      to[2] = s[2];
      to[3] = 255;
    }
  }
  return BS_OK;
}

static enum bs_status decode(struct bs_picture *p) {
  enum bs_status status;
  void *context = heif.context_alloc(), *handle = NULL, *image = NULL;
  struct heif_decoding_options *options = NULL;
  struct heif_error e;
  if (context == NULL)
    return bs_fail(p, BS_CORRUPT, "libheif: out of memory");
  if (also.set_threads != NULL)
    also.set_threads(context, 0); // decode in this thread
  if ((e = heif.read_memory(context, p->source, p->length, NULL)).code != 0 || (e = heif.get_primary(context, &handle)).code != 0) {
    status = fail(p, e);
    goto done;
  }
  options = heif.options_alloc();
  if (options != NULL && options->version >= 2)
    options->convert_hdr_to_8bit = 1;
  int alpha = heif.has_alpha(handle);
  e = heif.decode_image(handle, &image, COLORSPACE_RGB, alpha ? CHROMA_RGBA : CHROMA_RGB, options);
  status = e.code != 0 ? fail(p, e) : copy(p, image, alpha ? 4 : 3);
done:
  if (image != NULL)
    heif.image_release(image);
  if (options != NULL)
    heif.options_free(options);
  if (handle != NULL)
    heif.handle_release(handle);
  heif.context_free(context);
  return status;
}

const struct bs_library bs_heif = {"libheif", open_heif, decode};
