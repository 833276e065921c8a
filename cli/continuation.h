/* Whether a file is the one that was ingested before, grown, or another that begins with the same
 * bytes. For spans that makes no difference; of events each file is a run of its own. */
#ifndef TK_CLI_CONTINUATION_H
#define TK_CLI_CONTINUATION_H

#include <stdbool.h>

#include "tracekeep/store.h"

/** True: what was ingested so far came from another file, which is still there and still has it. */
bool tk_is_another_file(struct tk_store *store, const char *path,
                        const struct tk_progress *progress);

#endif
