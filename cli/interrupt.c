/* SPDX-License-Identifier: MIT
 * Remembers the first signal. Whichever thread gets it hands it to the main one, whose read may be
 * waiting: standard input is replaced by nothing at all, so that a silent pipe ends as well. */
#include "cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t was_interrupted;
static pthread_t main_thread;
static int nothing = -1;

static void remember(int signal_number) {
  int saved = errno;
  if (!pthread_equal(pthread_self(), main_thread)) {
    pthread_kill(main_thread, signal_number);
  } else if (was_interrupted) {
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  } else {
    was_interrupted = 1;
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  }
  errno = saved;
}

void tk_interrupt_install(void) {
  struct sigaction action = {.sa_handler = remember}; /* no SA_RESTART: waiting reads return */
  main_thread = pthread_self();
  nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool tk_interrupted(void) {
  return was_interrupted != 0;
}
