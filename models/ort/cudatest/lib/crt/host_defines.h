// What NVIDIA's headers need of the compiler's header crt/host_defines.h, which is
// in a package of its own. Plain C has no functions for devices.
#ifndef CUDATEST_HOST_DEFINES_H
#define CUDATEST_HOST_DEFINES_H

#define __host__
#define __device__
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __cudart_builtin__
#define __builtin_align__(n) __align__(n)
#define __align__(n) __attribute__((aligned(n)))
#define __no_return__ __attribute__((noreturn))
#define __noinline__ __attribute__((noinline))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __inline_hint__
#define CUDARTAPI
#define CUDAAPI
#define CUDARTAPI_CDECL

#endif
