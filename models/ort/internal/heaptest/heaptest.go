// Package heaptest measures the heap of C. It is a package of its own because test
// files cannot use cgo.
package heaptest

/*
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#if __GLIBC_PREREQ(2, 33)
#define HAS_MALLINFO2
#endif
#endif

#ifdef HAS_MALLINFO2
static size_t in_use(void) {
  const struct mallinfo2 all = mallinfo2();
  return all.uordblks + all.hblkhd;
}
#else
static size_t in_use(void) { return 0; }
#endif
*/
import "C"

// InUse returns how many bytes are allocated; 0 if the C library does not tell.
func InUse() int { return int(C.in_use()) }
