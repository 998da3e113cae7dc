// The decode helper: this program again, as a process that decodes images with one native
// library and may do nothing else.
#ifndef BATCHSCORE_NATIVE_H
#define BATCHSCORE_NATIVE_H

#include <stddef.h>
#include <stdint.h>

// The file descriptors of a helper. A library that prints something prints it nowhere.
enum { BS_REQUESTS = 0, BS_SHARED = 3, BS_REPLIES = 4 };

enum { BS_TEXT = 232 };

// The outcome of one image, or of loading the library.
enum bs_status { BS_OK, BS_CORRUPT, BS_TRUNCATED, BS_UNSUPPORTED, BS_TOO_LARGE, BS_MISSING };

// A bs_request asks for one image. The shared memory has length bytes: the encoded image
// from 0, and room for the pixels at offset pixels, rows of 4 * width bytes without gaps.
struct bs_request {
  uint64_t length, source, pixels;
  uint64_t memory;  // bytes that the library may take besides
  uint32_t seconds; // of processor time
  uint32_t width, height;
  uint32_t reserved;
};

// A bs_reply answers a request. The first one, without a request, says whether the library
// was loaded: its text is then its name and version, and otherwise why it was not.
struct bs_reply {
  uint32_t status;
  uint32_t sealed; // of the first reply: whether the system calls of the process are limited
  char text[BS_TEXT];
};

// A bs_picture is one image that a library decodes.
struct bs_picture {
  const uint8_t *source;
  size_t length;
  uint8_t *pixels; // red, green, blue and alpha, rows of 4 * width bytes
  uint32_t width, height;
  char *reason; // of BS_TEXT bytes
};

// A bs_library is one that a helper can load.
struct bs_library {
  const char *name; // as the helper's argument
  // open finds the functions in a loaded library and describes it. It returns 0 if the
  // library is not one that this program knows.
  int (*open)(void *library, char *text);
  enum bs_status (*decode)(struct bs_picture *picture);
};

extern const struct bs_library bs_heif, bs_avif, bs_jxl, bs_jp2;

// bs_find finds functions by name, each into the pointer of the same index. It returns 0
// and the first missing name in text if one is missing.
int bs_find(void *library, const char *const *names, void **const *functions, char *text);

// bs_fail puts a reason into a picture and returns the status.
enum bs_status bs_fail(struct bs_picture *picture, enum bs_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// bs_seal limits the system calls of this process to those that decoding takes. It returns
// whether the kernel did so.
int bs_seal(void);

#endif
