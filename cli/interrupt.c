/* SPDX-License-Identifier: MIT
 * Remembers the first signal. System calls that wait are not restarted, so that reading from a
 * silent pipe ends too. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t was_interrupted;

static void remember(int signal_number) {
  (void)signal_number;
  was_interrupted = 1;
}

void tk_interrupt_install(void) {
  struct sigaction action = {.sa_handler = remember, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool tk_interrupted(void) {
  return was_interrupted != 0;
}
