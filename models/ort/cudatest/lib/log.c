#define _GNU_SOURCE
#include "cudatest.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file = -1;
static const char *only;  // the events that are logged, separated by commas; NULL for all

static void open_log(void) {
  const char *path = getenv("CUDATEST_LOG");
  if (path && *path) file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  only = getenv("CUDATEST_LOG_ONLY");
  if (only && !*only) only = NULL;
}

static bool wanted(const char *event) {
  size_t n = strlen(event);
  for (const char *s = only; s && *s;) {
    size_t length = strcspn(s, ",");
    if (length == n && !memcmp(s, event, n)) return true;
    s += length + (s[length] == ',');
  }
  return !only;
}

// A line is one write to a file opened for appending: lines of several processes do
// not mix, and what was written outlives a killed process.
void note(const char *event, const char *format, ...) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_log);
  if (file < 0 || !wanted(event)) return;
  char line[2048];
  int n = snprintf(line, sizeof line, "{\"event\":\"%s\",\"us\":%lld,\"pid\":%d,\"tid\":%d", event,
                   (long long)(now() / 1000), getpid(), gettid());
  va_list args;
  va_start(args, format);
  if (*format) line[n++] = ',';
  int more = vsnprintf(line + n, sizeof line - n - 3, format, args);
  va_end(args);
  n += more < (int)sizeof line - n - 3 ? more : (int)sizeof line - n - 4;
  line[n++] = '}';
  line[n++] = '\n';
  if (write(file, line, n) != n) file = -1;
}

int unexpected(const char *call) {
  note("unexpected", "\"call\":\"%s\"", call);
  return fault(call);
}
