// Batches that are not complete before the next one has been launched. A program that
// prepares one batch while another is computed continues; one that waits first stops. That
// depends on no time.
#include "cudatest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static long asked;     // batches that have been launched
static Stream *newest;  // the stream of the last one
static bool stopped;

enum { PATIENCE = 60 };  // seconds after which the program counts as stopped

void batch_asked(Stream *s) {
  pthread_mutex_lock(&lock);
  newest = s;
  asked++;
  pthread_cond_broadcast(&more);
  pthread_mutex_unlock(&lock);
}

void wait_ahead(Stream *s) {
  const Config *c = config();
  if (c->ahead_to == 0) return;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += PATIENCE;
  pthread_mutex_lock(&lock);
  while (!stopped && (!s || s == newest) && c->ahead_from <= asked && asked <= c->ahead_to) {
    if (pthread_cond_timedwait(&more, &lock, &until) != ETIMEDOUT) continue;
    stopped = true;
    note("alone", "\"number\":%ld", asked);
  }
  pthread_mutex_unlock(&lock);
}
