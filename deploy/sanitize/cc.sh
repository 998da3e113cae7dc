#!/bin/sh
# The C compiler for sanitizers. The packages ask for -O3, at which the checks of the
# kernels take minutes to compile; here the last level counts.
exec "${SANITIZE_CC:-gcc}" "$@" -O1
