#include "cudatest.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// One entry of CUDATEST_FAIL: call=code, or call=code@n for the n-th call and all
// later ones. The code is a number, or "hang" for a call that does not return.
typedef struct {
  char call[64];
  int code, from, calls;
} Fault;

enum { HANG = INT_MIN };

static Fault faults[32];
static int count;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void read_faults(void) {
  const char *s = getenv("CUDATEST_FAIL");
  while (s && *s && count < 32) {
    Fault *f = &faults[count];
    size_t n = strcspn(s, "=;");
    if (s[n] == '=' && n < sizeof f->call) {
      memcpy(f->call, s, n);
      char *end;
      if (!strncmp(s + n + 1, "hang", 4)) {
        f->code = HANG;
        end = (char *)s + n + 5;
      } else {
        f->code = (int)strtol(s + n + 1, &end, 10);
      }
      f->from = *end == '@' ? atoi(end + 1) : 1;
      count++;
    }
    s += strcspn(s, ";");
    s += *s == ';';
  }
}

int fault(const char *call) {
  pthread_once(&once, read_faults);
  if (count == 0) return 0;
  int code = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < count; i++)
    if (!strcmp(faults[i].call, call) && ++faults[i].calls >= faults[i].from) code = faults[i].code;
  pthread_mutex_unlock(&lock);
  if (code) note("fault", "\"call\":\"%s\",\"code\":%d", call, code);
  while (code == HANG) pause();
  return code;
}
