// The decode helper's own part: it starts before Go does, loads the library, gives up what
// it does not need, and answers requests until the other end of the pipe is closed.
#define _GNU_SOURCE
#include "native.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define BS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BS_SANITIZED 1
#endif
#endif
#ifndef BS_SANITIZED
#define BS_SANITIZED 0
#endif

enum { BS_SLACK = 64 << 20 }; // stacks of threads, and what the allocator keeps
enum { BS_STACK = 256 << 10 }; // that decoders use, and more

static const struct bs_library *const libraries[] = {&bs_heif, &bs_avif, &bs_jxl, &bs_jp2};

int bs_find(void *library, const char *const *names, void **const *functions, char *text) {
  for (size_t i = 0; names[i] != NULL; i++) {
    if ((*functions[i] = dlsym(library, names[i])) == NULL) {
      snprintf(text, BS_TEXT, "it has no function %s", names[i]);
      return 0;
    }
  }
  return 1;
}

enum bs_status bs_fail(struct bs_picture *picture, enum bs_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(picture->reason, BS_TEXT, format, args);
  va_end(args);
  return status;
}

static int all(int fd, void *buffer, size_t n, int sends) {
  for (char *p = buffer; n > 0;) {
    ssize_t did = sends ? write(fd, p, n) : read(fd, p, n);
    if (did < 0 && errno == EINTR)
      continue;
    if (did <= 0)
      return 0;
    p += did;
    n -= (size_t)did;
  }
  return 1;
}

static void answer(struct bs_reply *reply) {
  if (!all(BS_REPLIES, reply, sizeof *reply, 1))
    _exit(0); // nobody listens
}

// data returns how many bytes of private memory the process has mapped for writing, which
// RLIMIT_DATA counts.
static uint64_t data(int statm) {
  char text[128];
  ssize_t n = pread(statm, text, sizeof text - 1, 0);
  unsigned long long pages = 0;
  if (n > 0) {
    text[n] = 0;
    sscanf(text, "%*u %*u %*u %*u %*u %llu", &pages);
  }
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

// limit bounds what the next image may take. A process that can take no more memory gets
// none, and one that runs longer gets SIGXCPU, which ends it.
static void limit(int statm, const struct bs_request *r) {
  struct rusage used;
  struct rlimit cpu;
  if (getrlimit(RLIMIT_CPU, &cpu) == 0 && getrusage(RUSAGE_SELF, &used) == 0) {
    cpu.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1 + r->seconds;
    if (cpu.rlim_max != RLIM_INFINITY && cpu.rlim_cur > cpu.rlim_max)
      cpu.rlim_cur = cpu.rlim_max;
    setrlimit(RLIMIT_CPU, &cpu);
  }
  struct rlimit memory;
  if (!BS_SANITIZED && getrlimit(RLIMIT_DATA, &memory) == 0) { // a sanitizer's own memory would count
    memory.rlim_cur = data(statm) + r->memory + BS_SLACK;
    if (memory.rlim_max != RLIM_INFINITY && memory.rlim_cur > memory.rlim_max)
      memory.rlim_cur = memory.rlim_max;
    setrlimit(RLIMIT_DATA, &memory);
  }
}

// give_up drops what a decoder does not need. No signal of a terminal or a scheduler ends a
// helper: the process that started it closes the pipe when it ends.
static void give_up(void) {
  static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
    signal(ignored[i], SIG_IGN);
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_FSIZE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); // no dump of memory, whatever handles them
}

// watch ends the process when the one that started it has ended, which closes the pipe.
static void *watch(void *unused) {
  struct pollfd requests = {.fd = BS_REQUESTS};
  for (;;)
    if (ppoll(&requests, 1, NULL, NULL) > 0)
      _exit(0);
  return unused;
}

static void start_watch(void) {
  pthread_attr_t small;
  pthread_t thread;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 256 << 10);
  pthread_create(&thread, &small, watch, NULL); // without it the process ends after its image
}

// clear_stack clears what the image before has left on the stack. Threads get new stacks, see
// helper.go.
__attribute__((noinline)) static void clear_stack(void) {
  char left[BS_STACK];
  memset(left, 0, sizeof left);
  __asm__ volatile("" : : "r"(left) : "memory");
}

static void *load(const char *files, char *text) {
  char *list = strdup(files);
  void *library = NULL;
  for (char *rest = list, *file; library == NULL && (file = strsep(&rest, ";")) != NULL;)
    library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char *why = dlerror();
    snprintf(text, BS_TEXT, "%s", why ? why : files);
  }
  free(list);
  return library;
}

// helper is the whole life of a helper for a library, which is in one of some files.
static void helper(const char *name, const char *files) {
  struct bs_reply reply = {.status = BS_MISSING};
  const struct bs_library *l = NULL;
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
    if (strcmp(libraries[i]->name, name) == 0)
      l = libraries[i];
  if (l == NULL)
    _exit(2);
  give_up();
  // Memory that a decoder has not written must not be that of an image before.
  mallopt(M_PERTURB, 0xff);
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  void *library = load(files, reply.text);
  if (library != NULL && l->open(library, reply.text))
    reply.status = BS_OK;
  if (reply.status == BS_OK) {
    reply.sealed = (uint32_t)bs_seal();
    start_watch(); // sealed too
  }
  answer(&reply);
  if (reply.status != BS_OK)
    _exit(0);
  uint8_t *shared = NULL;
  size_t mapped = 0;
  for (struct bs_request r; all(BS_REQUESTS, &r, sizeof r, 0);) {
    memset(&reply, 0, sizeof reply);
    if (r.length != mapped) {
      if (mapped > 0)
        munmap(shared, mapped);
      mapped = 0;
      shared = mmap(NULL, r.length, PROT_READ | PROT_WRITE, MAP_SHARED, BS_SHARED, 0);
      if (shared == MAP_FAILED)
        _exit(3);
      mapped = r.length;
    }
    if (r.source > r.pixels || r.pixels > r.length || (uint64_t)r.width * r.height > (r.length - r.pixels) / 4)
      _exit(4);
    limit(statm, &r);
    clear_stack();
    struct bs_picture p = {shared, r.source, shared + r.pixels, r.width, r.height, reply.text};
    reply.status = l->decode(&p);
    malloc_trim(0);
    answer(&reply);
  }
  _exit(0);
}

// start makes this program a helper if it was started as one. It runs before main, so that
// a helper has no threads and no memory of Go's.
__attribute__((constructor)) static void start(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "decode-helper") == 0 && getenv("BATCHSCORE_DECODE_HELPER") != NULL)
    helper(argv[2], argv[3]);
}
