/* A VFS in front of the default one, whose calls can be made to fail, and which knows what of each
 * file is on the disk for sure, so that a power failure can be played. */
#ifndef TK_TESTS_FAULT_VFS_H
#define TK_TESTS_FAULT_VFS_H

#include <stdbool.h>

enum fault_call {
  FAULT_OPEN,
  FAULT_READ,
  FAULT_WRITE,
  FAULT_SYNC,
  FAULT_TRUNCATE,
  FAULT_SIZE,
  FAULT_LOCK,
  FAULT_SHM_MAP,
  FAULT_SHM_LOCK,
  FAULT_DELETE,
  FAULT_ACCESS,
  FAULT_CALLS,
  FAULT_POWER = FAULT_CALLS /**< every write, sync, truncate and delete counts; see fault_vfs_arm */
};

const char *fault_call_name(enum fault_call call);

/** Makes it the default VFS of the process. */
void fault_vfs_install(void);

/** Lets the nth such call from now fail, once or (persistent) with all that follow. FAULT_POWER
 * fails all that would change a file from the nth on; then see fault_vfs_lose_power. 0 disarms. */
void fault_vfs_arm(enum fault_call call, int nth, bool persistent);

/** How many calls have failed since it was armed. */
int fault_vfs_hits(void);

/** With all files closed: gives every file written since fault_vfs_forget the content that was
 * synced last. `torn_seed` other than 0: of each 4096 bytes changed since then, some are kept as
 * they were written. */
void fault_vfs_lose_power(unsigned torn_seed);

/** Forgets what is known about files. */
void fault_vfs_forget(void);

#endif
