// The part of nvImageCodec's C API that is used, from nvimgcodec.h 0.9. TestHeader
// compares every struct with the library's own header.
#ifndef BATCHSCORE_NVIMGCODEC_API_H
#define BATCHSCORE_NVIMGCODEC_API_H

#include <stddef.h>
#include <stdint.h>

enum { NVI_MAJOR = 0, NVI_MINOR = 9 }; // another minor version has other structs

enum { // types of structs
  NVI_PROPERTIES = 1,
  NVI_INSTANCE = 2,
  NVI_DECODE = 5,
  NVI_ORIENTATION = 7,
  NVI_IMAGE = 11,
  NVI_PLANE = 12,
  NVI_BACKEND = 17,
  NVI_EXTENSION = 27,
  NVI_MESSENGER = 25,
  NVI_BACKEND_PARAMS = 29,
  NVI_EXECUTION = 30
};

enum { NVI_CPU_ONLY = 1, NVI_HYBRID = 3 };  // kinds of back ends
enum { NVI_DEVICE_CPU = -99999 };           // device id
enum { NVI_LOAD_HINT_IGNORE = 1 };          // policy
enum { NVI_SRGB = 1, NVI_RGB = 8, NVI_UINT8 = 0x0802, NVI_HOST = 2 };
enum { NVI_SEVERITY_ERROR = 0x10000, NVI_SEVERITY_FATAL = 0x100000 };
enum { NVI_OK = 1, NVI_FAIL = 3 };          // what became of an image

#define NVI_HEAD                                                               \
  int32_t type;                                                                \
  size_t size;                                                                 \
  void *next;

typedef struct {
  NVI_HEAD
  uint32_t version, cudart;
} nvi_properties;

typedef struct {
  NVI_HEAD
  const char *message;
  uint32_t status;
  const char *codec, *codec_id;
  uint32_t codec_version;
} nvi_message;

typedef struct {
  NVI_HEAD
  uint32_t severity, category;
  int (*callback)(int32_t severity, int32_t category, const nvi_message *data,
                  void *user);
  void *user;
} nvi_messenger;

typedef struct {
  NVI_HEAD
  int builtin, extensions;
  const char *path;
  int messenger;
  const nvi_messenger *messenger_desc;
  uint32_t severity, category;
} nvi_instance;

typedef struct {
  NVI_HEAD
  void *instance;
  const char *id;
  uint32_t version, api;
  int (*create)(void *, void **, const void *);
  int (*destroy)(void *);
} nvi_extension;

typedef struct {
  NVI_HEAD
  float load;
  int32_t policy;
} nvi_backend_params;

typedef struct {
  NVI_HEAD
  int32_t kind;
  nvi_backend_params params;
} nvi_backend;

typedef struct {
  NVI_HEAD
  void *device_allocator, *pinned_allocator;
  int threads;
  void *executor;
  int device, pre_init, skip_pre_sync, n_backends;
  const nvi_backend *backends;
} nvi_execution;

typedef struct {
  NVI_HEAD
  int orient;
} nvi_decode;

typedef struct {
  NVI_HEAD
  int rotated, flip_x, flip_y;
} nvi_orientation;

typedef struct {
  NVI_HEAD
  uint32_t width, height;
  size_t stride;
  uint32_t channels;
  int32_t sample;
  uint8_t precision;
} nvi_plane;

typedef struct {
  NVI_HEAD
  char codec[256];
  int32_t colour, sampling, format;
  nvi_orientation orientation;
  uint32_t n_planes;
  nvi_plane planes[32];
  void *buffer;
  int32_t kind;
  void *stream;
} nvi_image;

#endif
