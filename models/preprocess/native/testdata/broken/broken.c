// A libheif that does what the last byte of the image says, instead of decoding it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct heif_error {
  int code, subcode;
  const char *message;
};

static const struct heif_error ok = {0, 0, "ok"};
static int last, images, wide;
static uint8_t *pixels, *volatile small;

// slow is a library that is being loaded for ever, if a variable says so.
__attribute__((constructor)) static void slow(void) {
  const char *how = getenv("LIBHEIF_PLUGIN_PATH");
  while (how != NULL && strcmp(how, "/slow") == 0)
    sleep(1000);
}

enum { LEFT = 4096 };

// leave fills a part of the stack, and found counts what is left of that in a part that it has
// not written.
__attribute__((noinline)) static void *leave(void *unused) {
  volatile uint8_t left[LEFT];
  for (int i = 0; i < LEFT; i++)
    left[i] = 7;
  return unused;
}

__attribute__((noinline)) static void *found(void *n) {
  volatile uint8_t left[LEFT];
  for (int i = 0; i < LEFT; i++)
    *(int *)n += left[i] == 7;
  return n;
}

// on_stacks calls a function here and in a thread.
static void on_stacks(void *(*f)(void *), void *data) {
  pthread_t thread;
  f(data);
  if (pthread_create(&thread, NULL, f, data) == 0)
    pthread_join(thread, NULL);
}

#ifndef RELEASE
#define RELEASE "1.99.0"
#endif

const char *heif_get_version(void) { return RELEASE; }
void *heif_context_alloc(void) { return &last; }
void heif_context_free(void *context) { (void)context; }
void heif_image_handle_release(const void *handle) { (void)handle; }
int heif_image_handle_has_alpha_channel(const void *handle) { return handle == NULL; }
void *heif_decoding_options_alloc(void) { return NULL; }
void heif_decoding_options_free(void *options) { (void)options; }
int heif_image_get_width(const void *image, int channel) { return image == NULL || channel < 0 ? 0 : 60 + wide; }
int heif_image_get_height(const void *image, int channel) { return image == NULL || channel < 0 ? 0 : 40; }
void heif_image_release(const void *image) {
  (void)image;
  free(pixels);
  pixels = NULL;
}

struct heif_error heif_context_read_from_memory_without_copy(void *context, const void *source, size_t n, const void *options) {
  (void)context, (void)options;
  last = ((const uint8_t *)source)[n - 1];
  images++;
  return ok;
}

struct heif_error heif_context_get_primary_image_handle(void *context, void **handle) {
  *handle = context;
  return ok;
}

const uint8_t *heif_image_get_plane_readonly(const void *image, int channel, int *stride) {
  (void)image, (void)channel;
  *stride = 3 * (60 + wide);
  return pixels;
}

// escapes returns how many things it can do that a decoder has no need to.
static int escapes(void) {
  int n = 0;
  n += open("/etc/passwd", O_RDONLY) >= 0;
  n += socket(AF_INET, SOCK_STREAM, 0) >= 0;
  n += fork() >= 0;
  n += execl("/bin/true", "true", NULL) == 0;
  n += kill(getppid(), 0) == 0;
  n += syscall(SYS_tgkill, 1, 1, 0) == 0;
  n += raise(SIGSTOP) == 0;
  n += raise(SIGKILL) == 0;
  n += syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, NULL, NULL) == 0;
  n += getenv("BATCHSCORE_SECRET") != NULL;
  return n;
}

struct heif_error heif_decode_image(const void *handle, void **image, int space, int chroma, const void *options) {
  (void)handle, (void)space, (void)chroma, (void)options;
  static char message[80];
  wide = last == 'W';
  switch (last) {
  case 'C':
    raise(SIGSEGV);
    break;
  case 'S': // a crash that comes of what was decoded before
    if (images > 1)
      raise(SIGSEGV);
    break;
  case 'A':
    abort();
  case 'H':
    for (volatile int n = 0;; n++)
      ;
  case 'P':
    for (;;)
      sleep(1000);
  case 'X':
    exit(0);
  case 'M':
    for (size_t n = 0; n < 1 << 14; n++) {
      char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (p == MAP_FAILED)
        return (struct heif_error){6, 0, "out of memory"};
      memset(p, 1, 1 << 20);
    }
    break;
  case 'R': // memory that was freed, of a size that the C library keeps a list of
    memset(small = malloc(400), 7, 400);
    free(small);
    small = malloc(400);
    snprintf(message, sizeof message, "%d of an earlier image", small[200] == 7);
    free(small);
    return (struct heif_error){2, 0, message};
  case 'F':
    on_stacks(leave, NULL);
    break;
  case 'T': {
    int n = 0;
    on_stacks(found, &n);
    snprintf(message, sizeof message, "%d of an earlier image on stacks", n);
    return (struct heif_error){2, 0, message};
  }
  case 'O':
    for (int n = 0; n < 20000; n++)
      printf("a warning\n");
    fflush(stdout);
    break;
  case 'N': { // a reply of its own: corrupt, with a text that does not end
    char reply[240];
    memset(reply, 'x', sizeof reply);
    memcpy(reply, (uint32_t[]){1, 0}, 8);
    _exit(write(4, reply, sizeof reply) != sizeof reply);
  }
  case 'E':
    snprintf(message, sizeof message, "%d escapes", escapes());
    return (struct heif_error){2, 0, message};
  }
  // Never written to: what it holds must not depend on the images before.
  pixels = malloc(3 * 61 * 40);
  *image = &last;
  return ok;
}
