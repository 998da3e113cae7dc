// What the parts of the stand-in share. Every part is the body of one of NVIDIA's
// libraries, or one subject that several of them need.
#ifndef CUDATEST_H
#define CUDATEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- config.c: what the environment says ----

enum { MAX_DEVICES = 64 };

// Times are nanoseconds of the monotonic clock.
typedef int64_t nanos;

enum { SLICE = 10000000, SLICES = 4096 };  // 10 ms; 41 s

// An engine does one piece of work at a time. busy holds reserved times, in order,
// which do not touch. use is how much of each slice of time is reserved, as far back
// and ahead as it reaches; a slice has its place by its number.
typedef struct {
  struct { nanos from, to; } busy[256];
  int count;
  nanos total;  // the sum of all reserved times
  struct { int32_t number, busy; } use[SLICES];
} Engine;

typedef struct {
  char name[96];
  char uuid[64];    // GPU-... or MIG-...
  char parent[64];  // of a MIG device: the UUID of its GPU
  char bus[32];     // domain:bus:device.function
  int major, minor;
  int physical;  // the number of the GPU among all GPUs of the machine
  size_t memory, used;
  bool active;  // the process has a context on it
  Engine compute, to_device, to_host;
} Device;

typedef struct {
  Device all[MAX_DEVICES];  // every GPU and MIG device of the machine, in PCI order
  int all_count;
  Device *visible[MAX_DEVICES];  // what CUDA enumerates
  int count;
  int driver;  // CUDA version of the driver, as 12040
  int cudnn;   // as 91002
  const char *driver_name;
  nanos plan, conv, batch, launch;
  long ahead_from, ahead_to;  // the numbers of the batches that wait for the next one
  nanos host;     // processor time that a launch takes
  size_t sample;  // bytes of pixels of which 8 are looked at
  double h2d_gbs;
  char output;  // h: float16 outputs, f: float32, 0: leave outputs alone
} Config;

// config reads the environment at the first call.
Config *config(void);

// ---- faults.c: errors on request ----

// fault returns the code that CUDATEST_FAIL asks the call to end with, or 0.
int fault(const char *call);

// ---- log.c: what was asked ----

// note writes one JSON object: the event, time, process and thread, and then the
// fields, which format gives without braces.
void note(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

// unexpected is the body of every function that ONNX Runtime could call and that has
// no other body: it says so in the log and reports success.
int unexpected(const char *call);

// ---- clock.c: simulated time ----

typedef struct {
  int id;
  Device *device;
  int index;     // of the device among the visible ones
  nanos end;     // when all that was asked of it will be done
} Stream;

nanos now(void);
void wait_until(nanos t);

// reserve makes the engine busy for a time, as soon as it can after the stream's
// work, and moves the stream's end.
void reserve(Stream *s, Engine *e, nanos duration);

// busy_share returns in which share of the last second the engine was reserved.
double busy_share(Engine *e);

// ---- driver.c ----

// sleeps says whether threads that wait for a device have been asked to sleep.
bool sleeps(int device);

// ---- streams.c ----

// current is the device that the calling thread has set.
int current(void);
Stream *stream_of(void *handle);
Stream *new_stream(void);
void free_stream(Stream *s);
// drained returns the time when all streams of a device will be done.
nanos drained(int device);

// ---- memory.c ----

enum { PAGEABLE, PINNED, ON_DEVICE };

// allocate returns memory of zeros, or NULL if the device has not that much left.
void *allocate(int kind, int device, size_t size);
bool release(void *p);
// owner returns the kind of memory at p, and sets *device.
int owner(const void *p, int *device);

// ---- pending.c ----

// leaves_host says that the stream copies from pinned memory, which must not change
// before its end.
void leaves_host(Stream *s, void *host, size_t size);

// reaches_host says that the stream copies to pinned memory. At its end the host gets the
// bytes of arriving, which are freed then.
void reaches_host(Stream *s, void *host, void *arriving, size_t size);

// settle ends the device's copies that are done by a time that the host has waited for.
void settle(Device *device, nanos until);

// ---- kernels.c ----

// launched counts one piece of work of a library on a stream.
void launched(Stream *s, const char *name, nanos duration);

// ---- answer.c ----

// batch_arrived says that the calling thread has copied bytes to the device, in a stream.
void batch_arrived(Stream *s, const void *bytes, size_t size);
// batch_starts says that a convolution runs, with an input of so many images, of so many
// numbers each. It reports whether that is the batch that has arrived, and notes in the
// log if it need not be there yet.
bool batch_starts(Stream *s, int images, size_t numbers);
// batch_started says when that convolution begins.
void batch_started(nanos from);
// answer writes the scores of the thread's last batch, which the stream copies to the
// host, and reports whether it did.
bool answer(Stream *s, void *to, size_t size);

// ---- ahead.c ----

// batch_asked says that the scores of a batch have been asked for in a stream: all of its
// work has been launched.
void batch_asked(Stream *s);
// wait_ahead waits for what must be launched before the work of the stream is complete, or
// that of all streams if it is NULL.
void wait_ahead(Stream *s);

// cudatest_bytes turns GPU-01234567-..., or MIG-..., into the 16 bytes that it spells.
void cudatest_bytes(const char *uuid, char to[16]);

#endif
