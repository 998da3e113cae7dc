#define _GNU_SOURCE
#include "cudatest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Config c;

static const char *env(const char *name, const char *otherwise) {
  const char *v = getenv(name);
  return v && *v ? v : otherwise;
}

static nanos micros(const char *name) { return (nanos)(atof(env(name, "0")) * 1e3); }

// field copies text up to the separator, and returns what follows it.
static const char *field(const char *s, char separator, char *to, size_t size) {
  size_t n = strcspn(s, (char[]){separator, ';', 0});
  snprintf(to, size, "%.*s", (int)n, s);
  s += n;
  return *s == separator ? s + 1 : s;
}

// add reads one device, name:uuid:capability:MB[:bus], and returns what follows.
static const char *add(const char *s) {
  Device *d = &c.all[c.all_count];
  char capability[16], mb[32];
  s = field(s, ':', d->name, sizeof d->name);
  s = field(s, ':', d->uuid, sizeof d->uuid);
  s = field(s, ':', capability, sizeof capability);
  s = field(s, ':', mb, sizeof mb);
  s = field(s, ';', d->bus, sizeof d->bus);
  sscanf(capability, "%d.%d", &d->major, &d->minor);
  d->memory = (size_t)atoll(mb) << 20;
  d->physical = c.all_count;
  if (!*d->bus) snprintf(d->bus, sizeof d->bus, "00000000:%02x:00.0", c.all_count + 1);
  c.all_count++;
  return *s == ';' ? s + 1 : s;
}

// add_mig reads one MIG device, GPU:uuid:MB, and returns what follows.
static const char *add_mig(const char *s, int gpus) {
  char gpu[16], mb[32];
  Device *d = &c.all[c.all_count];
  s = field(s, ':', gpu, sizeof gpu);
  int of = atoi(gpu);
  if (of >= 0 && of < gpus) {
    *d = c.all[of];
    memcpy(d->parent, c.all[of].uuid, sizeof d->parent);
  }
  s = field(s, ':', d->uuid, sizeof d->uuid);
  s = field(s, ';', mb, sizeof mb);
  d->memory = (size_t)atoll(mb) << 20;
  c.all_count++;
  return *s == ';' ? s + 1 : s;
}

static bool is_mig(const Device *d) { return *d->parent; }

static bool has_mig(const Device *gpu) {
  for (int i = 0; i < c.all_count; i++)
    if (is_mig(&c.all[i]) && c.all[i].physical == gpu->physical) return true;
  return false;
}

// Faster GPUs come first in CUDA's own order; a machine's order is that of the bus.
static int faster(const void *a, const void *b) {
  const Device *x = *(Device *const *)a, *y = *(Device *const *)b;
  int by = 10 * y->major + y->minor - 10 * x->major - x->minor;
  return by ? by : x->physical - y->physical;
}

// first_part returns the first MIG device of a GPU that is divided, or else the GPU.
static Device *first_part(Device *gpu) {
  for (int i = 0; i < c.all_count; i++)
    if (is_mig(&c.all[i]) && c.all[i].physical == gpu->physical) return &c.all[i];
  return gpu;
}

// older writes the older name of a MIG device: that of its GPU, and the numbers of its
// instances, from 1 and 0.
static void older(const Device *part, char *to, size_t size) {
  int instance = 0;
  for (const Device *d = c.all; d <= part; d++) instance += is_mig(d) && d->physical == part->physical;
  snprintf(to, size, "MIG-%s/%d/0", part->parent, instance);
}

// named returns the device whose name begins with this text, if there is one only.
static Device *named(const char *text, size_t n) {
  Device *found = NULL;
  for (int i = 0; i < c.all_count; i++) {
    Device *d = &c.all[i];
    char name[96] = "";
    if (is_mig(d)) older(d, name, sizeof name);
    if (strncmp(d->uuid, text, n) && strncmp(name, text, n)) continue;
    if (found) return NULL;
    found = d;
  }
  return found;
}

// keep_one leaves one MIG device alone, the first: CUDA enumerates no other device then.
static void keep_one(void) {
  for (int i = 0; i < c.count; i++)
    if (is_mig(c.visible[i])) {
      c.visible[0] = c.visible[i];
      c.count = 1;
    }
}

// see decides what CUDA enumerates. GPUs have numbers, and those that are divided come
// after the others. A list has numbers, as strtoul reads them, or names of one kind. It
// ends at the first entry that names nothing, and one that names a device twice is empty.
static void see(void) {
  Device *gpus[MAX_DEVICES], *numbered[MAX_DEVICES];
  int n = 0, all = 0;
  for (int i = 0; i < c.all_count; i++)
    if (!is_mig(&c.all[i])) gpus[n++] = &c.all[i];
  if (strcmp(env("CUDA_DEVICE_ORDER", ""), "PCI_BUS_ID"))
    qsort(gpus, n, sizeof gpus[0], faster);
  for (int divided = 0; divided < 2; divided++)
    for (int i = 0; i < n; i++)
      if (has_mig(gpus[i]) == divided) numbered[all++] = first_part(gpus[i]);

  const char *list = getenv("CUDA_VISIBLE_DEVICES");
  if (!list) {
    for (int i = 0; i < n; i++) c.visible[c.count++] = numbered[i];
    keep_one();
    return;
  }
  const char *kind = !strncmp(list, "GPU-", 4) ? "GPU-" : !strncmp(list, "MIG-", 4) ? "MIG-" : "";
  for (size_t length; *list; list += length + (list[length] == ',')) {
    length = strcspn(list, ",");
    Device *d = NULL;
    if (strncmp(list, kind, strlen(kind))) break;
    if (*kind) {
      d = named(list, length);
      if (d && !is_mig(d)) d = first_part(d);
    } else {
      char *end;
      long i = strtol(list, &end, 10);
      if (end > list && end <= list + length && i >= 0 && i < n) d = numbered[i];
    }
    if (!d) break;
    for (int i = 0; i < c.count; i++)
      if (c.visible[i] == d) { c.count = 0; return; }
    c.visible[c.count++] = d;
  }
  keep_one();
}

static void read_environment(void) {
  const char *s = getenv("CUDATEST_DEVICES");
  if (!s) s = "NVIDIA A100-SXM4-40GB:GPU-00000000-0000-4000-8000-000000000000:8.0:40960";
  while (*s && c.all_count < MAX_DEVICES) s = add(s);
  int gpus = c.all_count;
  s = env("CUDATEST_MIG", "");
  while (*s && c.all_count < MAX_DEVICES) s = add_mig(s, gpus);
  size_t mb = (size_t)atoll(env("CUDATEST_MEMORY_MB", "0"));
  for (int i = 0; mb && i < c.all_count; i++) c.all[i].memory = mb << 20;
  see();
  c.driver = atoi(env("CUDATEST_DRIVER", CUDATEST_LINE == 13 ? "13000" : "12080"));
  c.driver_name = env("CUDATEST_DRIVER_NAME", CUDATEST_LINE == 13 ? "580.65.06" : "570.124.06");
  c.cudnn = atoi(env("CUDATEST_CUDNN", "91002"));
  c.plan = micros("CUDATEST_PLAN_US");
  c.conv = micros("CUDATEST_CONV_US");
  c.batch = micros("CUDATEST_BATCH_US");
  c.launch = micros("CUDATEST_LAUNCH_US");
  sscanf(env("CUDATEST_AHEAD", ""), "%ld-%ld", &c.ahead_from, &c.ahead_to);
  c.host = micros("CUDATEST_HOST_US");
  c.sample = (size_t)atoll(env("CUDATEST_SAMPLE", "8"));
  if (c.sample < 8) c.sample = 8;
  c.h2d_gbs = atof(env("CUDATEST_H2D_GBS", "0"));
  const char *output = env("CUDATEST_OUTPUT", "float32");
  c.output = !strcmp(output, "float16") ? 'h' : !strcmp(output, "float32") ? 'f' : 0;
}

Config *config(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_environment);
  return &c;
}
