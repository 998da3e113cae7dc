#define _GNU_SOURCE
#include "cudatest.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

nanos now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void wait_until(nanos t) {
  if (t <= now()) return;
  struct timespec until = {t / 1000000000, t % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
  }
}

// insert puts a time into the list at a position, joined with neighbours it touches.
static void insert(Engine *e, int at, nanos from, nanos to) {
  if (at > 0 && e->busy[at - 1].to == from) {
    e->busy[at - 1].to = to;
    if (at < e->count && e->busy[at].from == to) {
      e->busy[at - 1].to = e->busy[at].to;
      memmove(&e->busy[at], &e->busy[at + 1], (--e->count - at) * sizeof e->busy[0]);
    }
    return;
  }
  if (at < e->count && e->busy[at].from == to) {
    e->busy[at].from = from;
    return;
  }
  memmove(&e->busy[at + 1], &e->busy[at], (e->count++ - at) * sizeof e->busy[0]);
  e->busy[at].from = from;
  e->busy[at].to = to;
}

// remember adds a reserved time to the slices that it touches.
static void remember(Engine *e, nanos from, nanos to) {
  if (to > from + (nanos)SLICE * SLICES / 2) to = from + (nanos)SLICE * SLICES / 2;
  while (from < to) {
    nanos number = from / SLICE, end = (number + 1) * SLICE < to ? (number + 1) * SLICE : to;
    int at = (int)(number % SLICES);
    if (e->use[at].number != (int32_t)number) e->use[at].busy = 0;
    e->use[at].number = (int32_t)number;
    e->use[at].busy += (int32_t)(end - from);
    from = end;
  }
}

double busy_share(Engine *e) {
  nanos sum = 0, last = now() / SLICE - 1, slices = 1000000000 / SLICE;
  pthread_mutex_lock(&lock);
  for (nanos number = last; number > last - slices && number > 0; number--) {
    int at = (int)(number % SLICES);
    if (e->use[at].number == (int32_t)number) sum += e->use[at].busy;
  }
  pthread_mutex_unlock(&lock);
  return (double)sum / (double)(slices * SLICE);
}

void reserve(Stream *s, Engine *e, nanos duration) {
  pthread_mutex_lock(&lock);
  nanos t = now(), start = s->end > t ? s->end : t;
  int past = 0;
  while (past < e->count && e->busy[past].to < t) past++;
  memmove(&e->busy[0], &e->busy[past], (e->count - past) * sizeof e->busy[0]);
  e->count -= past;
  if (duration > 0) {
    // The first gap that is long enough: work that is ready does not wait for work
    // of another stream that is not.
    int at = 0;
    for (; at < e->count; at++) {
      if (start + duration <= e->busy[at].from) break;
      if (e->busy[at].to > start) start = e->busy[at].to;
    }
    if (e->count == sizeof e->busy / sizeof e->busy[0]) {
      at = e->count - 1;
      if (e->busy[at].to > start) start = e->busy[at].to;
      e->busy[at].to = start + duration;
    } else {
      insert(e, at, start, start + duration);
    }
    e->total += duration;
    remember(e, start, start + duration);
  }
  s->end = start + duration;
  pthread_mutex_unlock(&lock);
}
