/* The files that report envelopes name: where they are, and their checksums. */
#ifndef TK_CLI_ARTIFACTS_H
#define TK_CLI_ARTIFACTS_H

#include <stdbool.h>
#include <stddef.h>

struct tk_artifacts {
  char *found;  /**< JSON for tk_ingest_source_context; NULL: nothing was found, or no envelope */
  char *run_id; /**< of the envelope, or the first of several; NULL: none */
  char **paths; /**< of those files that hold something that can be ingested */
  size_t count, capacity;
  bool has_checksums; /**< an envelope names one */
};

/** Looks into the file for envelopes, and for the files they name: below the envelope's folder and
 * the next few above it, and in its own folder also under the last parts of their paths. Links that
 * lead out of these folders are not followed. What cannot be read is left for the ingest to say. */
void tk_artifacts_find(const char *path, struct tk_artifacts *artifacts);
void tk_artifacts_reset(struct tk_artifacts *artifacts);

#endif
