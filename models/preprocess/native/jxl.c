// libjxl, of which only functions and structures are used that are the same from 0.7 on.
#include "native.h"

#include <stdio.h>
#include <stdlib.h>

// From jxl/decode.h, jxl/types.h and jxl/codestream_header.h.
enum { SUCCESS = 0, FAILED = 1, NEED_MORE_INPUT = 2, NEED_OUT_BUFFER = 5, BASIC_INFO = 0x40, FULL_IMAGE = 0x1000 };
enum { TYPE_UINT8 = 2, NATIVE_ENDIAN = 0 };

struct pixel_format {
  uint32_t channels;
  int type, endianness;
  size_t align;
};

struct basic_info {
  int have_container;
  uint32_t width, height; // upright
  uint32_t more[128];     // more than any release writes
};

static struct {
  uint32_t (*version)(void);
  void *(*create)(const void *);
  void (*destroy)(void *);
  int (*subscribe)(void *, int);
  int (*set_input)(void *, const uint8_t *, size_t);
  void (*close_input)(void *);
  int (*process)(void *);
  int (*get_info)(const void *, struct basic_info *);
  int (*buffer_size)(const void *, const struct pixel_format *, size_t *);
  int (*set_buffer)(void *, const struct pixel_format *, void *, size_t);
} jxl;

#define F(field) (void **)&jxl.field
static const char *const names[] = {
    "JxlDecoderVersion", "JxlDecoderCreate", "JxlDecoderDestroy", "JxlDecoderSubscribeEvents", "JxlDecoderSetInput",
    "JxlDecoderCloseInput", "JxlDecoderProcessInput", "JxlDecoderGetBasicInfo", "JxlDecoderImageOutBufferSize",
    "JxlDecoderSetImageOutBuffer", NULL};
static void **const functions[] = {
    F(version), F(create), F(destroy), F(subscribe), F(set_input),
    F(close_input), F(process), F(get_info), F(buffer_size), F(set_buffer)};

static int open_jxl(void *library, char *text) {
  if (!bs_find(library, names, functions, text))
    return 0;
  uint32_t v = jxl.version();
  if (v < 7000 || v >= 12000) {
    snprintf(text, BS_TEXT, "its version %u.%u.%u is not one from 0.7 to 0.11", v / 1000000, v / 1000 % 1000, v % 1000);
    return 0;
  }
  snprintf(text, BS_TEXT, "libjxl %u.%u.%u", v / 1000000, v / 1000 % 1000, v % 1000);
  return 1;
}

static enum bs_status decode(struct bs_picture *p) {
  static const struct pixel_format format = {4, TYPE_UINT8, NATIVE_ENDIAN, 0};
  void *decoder = jxl.create(NULL);
  if (decoder == NULL)
    return bs_fail(p, BS_CORRUPT, "libjxl: out of memory");
  enum bs_status status = BS_OK;
  struct basic_info info;
  size_t size = 4 * (size_t)p->width * p->height, wanted = 0;
  if (jxl.subscribe(decoder, BASIC_INFO | FULL_IMAGE) != SUCCESS || jxl.set_input(decoder, p->source, p->length) != SUCCESS) {
    status = bs_fail(p, BS_CORRUPT, "libjxl: it cannot begin");
    goto done;
  }
  jxl.close_input(decoder);
  for (;;) {
    switch (jxl.process(decoder)) {
    case BASIC_INFO:
      if (jxl.get_info(decoder, &info) != SUCCESS) {
        status = bs_fail(p, BS_CORRUPT, "libjxl: no header");
        goto done;
      }
      if (info.width != p->width || info.height != p->height) {
        status = bs_fail(p, BS_CORRUPT, "%ux%u pixels, and its header says %ux%u", info.width, info.height, p->width, p->height);
        goto done;
      }
      break;
    case NEED_OUT_BUFFER:
      if (jxl.buffer_size(decoder, &format, &wanted) != SUCCESS || wanted != size ||
          jxl.set_buffer(decoder, &format, p->pixels, size) != SUCCESS) {
        status = bs_fail(p, BS_CORRUPT, "libjxl: it gives no pixels of 8 bits");
        goto done;
      }
      break;
    case FULL_IMAGE: // the first frame
      goto done;
    case NEED_MORE_INPUT:
      status = bs_fail(p, BS_TRUNCATED, "libjxl: it ends before its picture does");
      goto done;
    case SUCCESS:
      status = bs_fail(p, BS_CORRUPT, "libjxl: no picture in it");
      goto done;
    default:
      status = bs_fail(p, BS_CORRUPT, "libjxl: it cannot be decoded");
      goto done;
    }
  }
done:
  jxl.destroy(decoder);
  return status;
}

const struct bs_library bs_jxl = {"libjxl", open_jxl, decode};
