#include "cudatest.h"

#include <stdlib.h>

enum { MAX_STREAMS = 256 };

// The streams that exist, and each device's own, which needs no creating.
static Stream *streams[MAX_STREAMS];
static Stream own[MAX_DEVICES];
static int last;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

Stream *new_stream(void) {
  Stream *s = calloc(1, sizeof *s);
  if (!s) abort();
  s->index = current();
  s->device = config()->visible[s->index];
  pthread_mutex_lock(&lock);
  s->id = ++last;
  int i = 0;
  while (i < MAX_STREAMS && streams[i]) i++;
  if (i == MAX_STREAMS) abort();
  streams[i] = s;
  pthread_mutex_unlock(&lock);
  return s;
}

void free_stream(Stream *s) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MAX_STREAMS; i++) {
    if (streams[i] != s) continue;
    streams[i] = NULL;
    free(s);
  }
  pthread_mutex_unlock(&lock);
}

// 0, 1 and 2 are the default, the legacy and the thread's default stream: one stream
// here, with the number 0.
Stream *stream_of(void *handle) {
  if ((uintptr_t)handle > 2) return handle;
  Stream *s = &own[current()];
  s->index = current();
  s->device = config()->visible[s->index];
  return s;
}

nanos drained(int device) {
  pthread_mutex_lock(&lock);
  nanos end = own[device].end;
  for (int i = 0; i < MAX_STREAMS; i++)
    if (streams[i] && streams[i]->index == device && streams[i]->end > end) end = streams[i]->end;
  pthread_mutex_unlock(&lock);
  return end;
}
