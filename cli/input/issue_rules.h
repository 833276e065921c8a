/** @file issue_rules.h  The rules a reader can find broken: one row each, X(enum suffix, name,
 * severity, how many a batch holds in full before the rest is only counted).
 *
 * Faults of style, which every span of a file tends to share, are recorded once per batch. */
#ifndef TK_CLI_INPUT_ISSUE_RULES_H
#define TK_CLI_INPUT_ISSUE_RULES_H

#define TK_ISSUE_RULES(X)                                      \
  X(TRACE_ID_MISSING, "id.trace.missing", WARN, 20)            \
  X(TRACE_ID_ZERO, "id.trace.zero", WARN, 20)                  \
  X(TRACE_ID_LENGTH, "id.trace.length", WARN, 20)              \
  X(TRACE_ID_TEXT, "id.trace.text", INFO, 1)                   \
  X(SPAN_ID_MISSING, "id.span.missing", WARN, 20)              \
  X(SPAN_ID_ZERO, "id.span.zero", WARN, 20)                    \
  X(SPAN_ID_LENGTH, "id.span.length", WARN, 20)                \
  X(PARENT_ID_LENGTH, "id.parent.length", WARN, 20)            \
  X(LINK_ID_MISSING, "id.link.missing", WARN, 20)              \
  X(ID_BASE64, "id.base64", INFO, 1)                           \
  X(ID_HEX_AS_BASE64, "id.hex_as_base64", INFO, 1)             \
  X(ID_SHORT64, "id.short64", INFO, 1)                         \
  X(ID_UPPERCASE, "id.uppercase", INFO, 1)                     \
  X(JSON_SYNTAX, "json.syntax", ERROR, 20)                     \
  X(JSON_TYPE, "json.type", WARN, 20)                          \
  X(JSON_RANGE, "json.range", WARN, 20)                        \
  X(JSON_ENUM_NAME, "json.enum_name", INFO, 1)                 \
  X(JSON_ENUM_UNKNOWN, "json.enum_unknown", WARN, 20)          \
  X(JSON_SNAKE_CASE, "json.snake_case", INFO, 1)               \
  X(JSON_LEGACY_KEY, "json.legacy_key", INFO, 1)               \
  X(JSON_FLOAT_TIME, "json.float_time", INFO, 1)               \
  X(JSON_UNKNOWN_FIELD, "json.unknown_field", INFO, 5)         \
  X(PROTOBUF_SYNTAX, "protobuf.syntax", ERROR, 20)             \
  X(PROTOBUF_UNKNOWN_FIELD, "protobuf.unknown_field", INFO, 5) \
  X(PROTOBUF_LEGACY_FIELD, "protobuf.legacy_field", INFO, 1)   \
  X(UTF8_INVALID, "utf8.invalid", WARN, 20)                    \
  X(RECORD_TRUNCATED, "record.truncated", ERROR, 20)           \
  X(RECORD_NOT_TRACE, "record.not_trace", INFO, 5)             \
  X(RECORD_UNKNOWN, "record.unknown", ERROR, 20)               \
  X(RECORD_TOO_LONG, "record.too_long", ERROR, 20)             \
  X(SAMPLING_CONFIG, "sampling.config", ERROR, 20)             \
  X(RECORD_COMPRESSION, "record.compression", ERROR, 20)       \
  X(TIME_START_ZERO, "time.start_zero", WARN, 20)              \
  X(TIME_END_ZERO, "time.end_zero", WARN, 20)                  \
  X(TIME_END_BEFORE_START, "time.end_before_start", ERROR, 20) \
  X(TIME_UNIT, "time.unit", WARN, 20)                          \
  X(PROCESS_MISSING, "jaeger.process.missing", WARN, 20)       \
  X(ATTR_DUPLICATE_KEY, "attr.duplicate_key", WARN, 20)        \
  X(ATTR_EMPTY_KEY, "attr.empty_key", WARN, 20)

enum tk_rule {
#define TK_RULE_ENUM(suffix, name, severity, limit) TK_RULE_##suffix,
  TK_ISSUE_RULES(TK_RULE_ENUM)
#undef TK_RULE_ENUM
      TK_RULE_COUNT
};

#endif
