// Which system calls a helper may make: a list, by seccomp. Every other call fails with
// EPERM, so that a library that can do without it continues.
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define BS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define BS_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef BS_ARCH

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define ALLOW(number) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), RETURN(SECCOMP_RET_ALLOW)

int bs_seal(void) {
  struct sock_filter filter[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BS_ARCH, 1, 0),
      RETURN(SECCOMP_RET_ERRNO | EPERM),
      LOAD(nr),
      ALLOW(__NR_read),
      ALLOW(__NR_write),
      ALLOW(__NR_pread64),
      ALLOW(__NR_futex),
      ALLOW(__NR_mmap),
      ALLOW(__NR_munmap),
      ALLOW(__NR_mprotect),
      ALLOW(__NR_mremap),
      ALLOW(__NR_madvise),
      ALLOW(__NR_brk),
      ALLOW(__NR_exit),
      ALLOW(__NR_exit_group),
      ALLOW(__NR_close),
      ALLOW(__NR_lseek),
      ALLOW(__NR_fstat),
      ALLOW(__NR_rt_sigaction),
      ALLOW(__NR_rt_sigprocmask),
      ALLOW(__NR_rt_sigreturn),
      ALLOW(__NR_sigaltstack),
      ALLOW(__NR_getpid),
      ALLOW(__NR_gettid),
      ALLOW(__NR_getrusage),
      ALLOW(__NR_setrlimit),
      ALLOW(__NR_getrlimit),
      ALLOW(__NR_ppoll),
      ALLOW(__NR_sched_yield),
      ALLOW(__NR_sched_getaffinity),
      ALLOW(__NR_set_robust_list),
      ALLOW(__NR_rseq),
      ALLOW(__NR_clock_gettime),
      ALLOW(__NR_clock_nanosleep),
      ALLOW(__NR_nanosleep),
      ALLOW(__NR_gettimeofday),
      ALLOW(__NR_getrandom),
      ALLOW(__NR_sysinfo),
      ALLOW(__NR_uname),
      ALLOW(__NR_restart_syscall),
      // Limits of this process only, and signals, but not the two that only others send:
      // for those, the image is not to blame.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_tgkill, 0, 7),
      LOAD(args[0]),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 0, 4),
      LOAD(args[2]),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIGKILL, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIGSTOP, 1, 0),
      RETURN(SECCOMP_RET_ALLOW),
      RETURN(SECCOMP_RET_ERRNO | EPERM),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_prlimit64, 0, 4),
      LOAD(args[0]),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
      RETURN(SECCOMP_RET_ALLOW),
      RETURN(SECCOMP_RET_ERRNO | EPERM),
      // clone3 has its flags in memory, where they cannot be looked at: the C library
      // then calls clone, which may make threads and no processes.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1),
      RETURN(SECCOMP_RET_ERRNO | ENOSYS),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 3),
      LOAD(args[0]),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
      RETURN(SECCOMP_RET_ALLOW),
      RETURN(SECCOMP_RET_ERRNO | EPERM),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

int bs_seal(void) { return 0; }

#endif
