#include "signals.h"

#include <stddef.h>

void ortc_save_handlers(ortc_handlers *saved) {
  for (int s = 1; s < ORTC_SIGNALS; s++)
    // The C library keeps some numbers to itself and refuses them.
    saved->valid[s] = sigaction(s, NULL, &saved->action[s]) == 0;
}

unsigned long long ortc_restore_handlers(const ortc_handlers *saved) {
  unsigned long long changed = 0;
  for (int s = 1; s < ORTC_SIGNALS; s++) {
    struct sigaction now;
    if (!saved->valid[s] || sigaction(s, NULL, &now) != 0) continue;
    const struct sigaction *old = &saved->action[s];
    // sa_handler and sa_sigaction share their place.
    if (now.sa_sigaction == old->sa_sigaction && now.sa_flags == old->sa_flags) continue;
    if (sigaction(s, old, NULL) == 0) changed |= 1ull << (s - 1);
  }
  return changed;
}
