/** @file span_repair.h  What all OTLP readers do with a span whose ids or times are not as they
 * should be: repair what can be, make up what must be, report either. */
#ifndef TK_CLI_INPUT_SPAN_REPAIR_H
#define TK_CLI_INPUT_SPAN_REPAIR_H

#include "cli/input/batch_builder.h"
#include "cli/input/id_text.h"

/** How an id was read. */
struct tk_id_reading {
  struct tk_text text;  /**< as found, or as its hexadecimal digits where it was bytes */
  uint32_t form;        /**< bits of enum tk_id_form */
  struct tk_text bytes; /**< that it was; empty: it was text */
};

struct tk_span_ids {
  struct tk_id_reading trace, span, parent;
};

/** Ids as protobuf has them: bytes. Those of a wrong length are looked at as the text they may be:
 * hexadecimal digits that a JSON library took for base64 (24 and 12 bytes), text of any other kind,
 * or else as their own hexadecimal digits would be in JSON. */
struct tk_id_reading tk_read_trace_id_bytes(struct tk_batch_builder *builder, struct tk_text bytes,
                                            uint8_t id[16]);
struct tk_id_reading tk_read_span_id_bytes(struct tk_batch_builder *builder, struct tk_text bytes,
                                           uint8_t id[8]);

/** Sets what `presence` says about ids, makes up those that are missing from what the span says,
 * keeps those that are text in its residual, and looks at the times. `raw` is the span's input. The
 * ids as read are in `span`, and everything else. */
void tk_repair_span(struct tk_batch_builder *builder, struct tk_span *span,
                    const struct tk_span_ids *ids, struct tk_text raw);

/** Reports what is wrong with a link's ids, and keeps those that are text. */
void tk_repair_link(struct tk_batch_builder *builder, struct tk_link *link,
                    struct tk_id_reading trace, struct tk_id_reading span);

#endif
