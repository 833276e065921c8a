/* Spans made by hand, in few words. Everything lands in the arena of the batch. Tests have no use
 * for a batch they cannot make, so running out of memory ends the program. */
#ifndef TK_TESTS_SPAN_BUILDER_H
#define TK_TESTS_SPAN_BUILDER_H

#include "tracekeep/span.h"

/** An empty batch with room for `capacity` spans and `issue_capacity` issues. */
struct tk_batch *build_batch(uint32_t capacity, uint32_t issue_capacity);

/** Adds a plain span: ids are numbers, 0 as parent means a root. It ends 10 after it starts. */
struct tk_span *build_span(struct tk_batch *batch, uint64_t trace, uint64_t id, uint64_t parent,
                           uint64_t start);

/** Adds a copy of what one pointer deep is `from` (the same attributes, the same resource). */
struct tk_span *build_copy(struct tk_batch *batch, const struct tk_span *from);

/** Adds an issue of this rule at this line. */
struct tk_issue *build_issue(struct tk_batch *batch, const char *rule, uint64_t line);

/** A copy of a C string, or of printf's result. */
struct tk_text build_text(struct tk_batch *batch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** `size` printable bytes that do not repeat, and a NUL behind them. */
struct tk_text build_long_text(struct tk_batch *batch, uint32_t size, uint64_t seed);

struct tk_value value_text(struct tk_text text);
struct tk_value value_bytes(struct tk_text bytes);
struct tk_value value_int(int64_t integer);
struct tk_value value_bool(int truth);
struct tk_value value_double(double real);
struct tk_value value_empty(void);
struct tk_value value_array(struct tk_batch *batch, const struct tk_value *items, uint32_t count);
struct tk_value value_kvlist(struct tk_batch *batch, const struct tk_attribute *members,
                             uint32_t count);

/** Appends one attribute; any number of them may follow each other on the same list. */
void build_attribute(struct tk_batch *batch, struct tk_attributes *attributes, const char *key,
                     struct tk_value value);

struct tk_resource *build_resource(struct tk_batch *batch, const char *service);
struct tk_scope *build_scope(struct tk_batch *batch, const char *name);
struct tk_event *build_events(struct tk_batch *batch, struct tk_span *span, uint32_t count);
struct tk_link *build_links(struct tk_batch *batch, struct tk_span *span, uint32_t count);

/** Big-endian, so that ids sort as their numbers do. */
void write_id(uint8_t *bytes, size_t size, uint64_t number);

/** A small generator of numbers that look random: the same for the same seed. */
uint64_t next_random(uint64_t *state);

#endif
