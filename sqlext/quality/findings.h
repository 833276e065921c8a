/* What rules find: where, and in words if somebody reads them.
 *
 *     if (tk_quality_find(findings, RULE_X, place)) {
 *       tk_quality_say(findings, "took %lld ns, expected at most %lld", ...);
 *       tk_quality_note_int(findings, "duration_ns", ...);
 *     }
 *
 * The words belong to the finding that was added last. Failure (out of memory) is sticky. */
#ifndef TK_SQLEXT_QUALITY_FINDINGS_H
#define TK_SQLEXT_QUALITY_FINDINGS_H

#include "sqlext/quality/rules.h"
#include "store/codec/byte_writer.h"

#define NO_PLACE UINT32_MAX

struct quality_place {
  uint32_t segment_index; /**< NO_PLACE: about no trace */
  uint32_t trace_index;
  uint32_t row;           /**< NO_PLACE: about no span */
  struct tk_text service; /**< data NULL: none */
};

struct quality_finding {
  enum quality_rule rule;
  struct quality_place place;
  size_t message, context; /**< where they begin in the writers */
};

/** Zero-initialise. */
struct quality_findings {
  struct quality_finding *items;
  uint32_t count, capacity;
  bool wants_texts;
  bool failed;
  bool in_context; /**< of the last finding: a member was written */
  struct tk_byte_writer messages, contexts;
};

void tk_quality_findings_clear(struct quality_findings *findings); /**< keeps the memory */
void tk_quality_findings_reset(struct quality_findings *findings);
/** To be called after the last finding, before messages and contexts are read. */
void tk_quality_findings_finish(struct quality_findings *findings);

/** Adds a finding. True: words are wanted. */
bool tk_quality_find(struct quality_findings *findings, enum quality_rule rule,
                     const struct quality_place *place);

/** Appends to the message; as printf of SQLite. */
void tk_quality_say(struct quality_findings *findings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Appends text of a span, quoted, and cut if it is long. */
void tk_quality_say_text(struct quality_findings *findings, struct tk_text text);
/** "1 span", "2 spans". */
void tk_quality_say_count(struct quality_findings *findings, uint64_t count, const char *noun);
void tk_quality_say_id(struct quality_findings *findings, const uint8_t *id, size_t size);

/** Members of the context. */
void tk_quality_note_int(struct quality_findings *findings, const char *key, int64_t value);
void tk_quality_note_unsigned(struct quality_findings *findings, const char *key, uint64_t value);
void tk_quality_note_text(struct quality_findings *findings, const char *key, struct tk_text text);
void tk_quality_note_word(struct quality_findings *findings, const char *key, const char *word);
void tk_quality_note_id(struct quality_findings *findings, const char *key, const uint8_t *id,
                        size_t size);
/** A list of words that are separated by | in `words`. */
void tk_quality_note_words(struct quality_findings *findings, const char *key, const char *words);

struct tk_text tk_quality_message(const struct quality_findings *findings, uint32_t index);
struct tk_text tk_quality_context(const struct quality_findings *findings, uint32_t index);

#endif
