package budget

// #include <malloc.h>
// static void trim(void) {
// #ifdef __GLIBC__
// 	malloc_trim(0);
// #endif
// }
import "C"

// trim returns the free memory of the C library to the system.
func trim() { C.trim() }
