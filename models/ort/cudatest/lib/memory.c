#define _GNU_SOURCE
#include "cudatest.h"

#include <stdlib.h>
#include <sys/mman.h>

// One allocation. Memory of a device is memory of this process that nothing has
// written to, so it costs no memory here until a copy fills it.
typedef struct Block {
  char *from;
  size_t size;
  int kind, device;
  struct Block *next;
} Block;

static Block *blocks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *allocate(int kind, int device, size_t size) {
  Device *d = kind == ON_DEVICE ? config()->visible[device] : NULL;
  size_t whole = (size + 4095) & ~(size_t)4095;
  if (whole == 0) whole = 4096;
  pthread_mutex_lock(&lock);
  bool fits = !d || d->used + whole <= d->memory;
  if (fits && d) d->used += whole;
  pthread_mutex_unlock(&lock);
  if (!fits) return NULL;
  void *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  Block *b = malloc(sizeof *b);
  if (p == MAP_FAILED || !b) abort();
  pthread_mutex_lock(&lock);
  *b = (Block){p, whole, kind, device, blocks};
  blocks = b;
  pthread_mutex_unlock(&lock);
  return p;
}

bool release(void *p) {
  pthread_mutex_lock(&lock);
  Block **at = &blocks;
  while (*at && (*at)->from != p) at = &(*at)->next;
  Block *b = *at;
  if (b) {
    *at = b->next;
    if (b->kind == ON_DEVICE) config()->visible[b->device]->used -= b->size;
  }
  pthread_mutex_unlock(&lock);
  if (!b) return false;
  munmap(b->from, b->size);
  free(b);
  return true;
}

int owner(const void *p, int *device) {
  int kind = PAGEABLE;
  *device = -1;
  pthread_mutex_lock(&lock);
  for (Block *b = blocks; b; b = b->next) {
    if ((char *)p < b->from || (char *)p >= b->from + b->size) continue;
    kind = b->kind;
    *device = b->device;
    break;
  }
  pthread_mutex_unlock(&lock);
  return kind;
}
