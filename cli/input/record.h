/** @file record.h  What the splitter cuts the input into, and the parsers of formats take. */
#ifndef TK_CLI_INPUT_RECORD_H
#define TK_CLI_INPUT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/input/issue_rules.h"

enum tk_record_kind {
  TK_RECORD_WHOLE,   /**< one JSON value, or several on one line */
  TK_RECORD_ELEMENT, /**< one item of the array that holds a document's substance */
  TK_RECORD_MEMBERS, /**< members of such a document that stand outside the array: "a":1,"b":2 */
  TK_RECORD_END,     /**< such a document is complete; no text */
  TK_RECORD_SPACE,   /**< of input that is kept exactly: white space behind the last record */
  TK_RECORD_FAULT    /**< input that is no record: the beginning of it */
};

struct tk_record {
  enum tk_record_kind kind;
  uint32_t size;
  const char *text;      /**< for a parser: followed by NUL and TK_JSON_PADDING bytes in all */
  uint64_t begin_offset; /**< of text[0] in the decoded input */
  uint64_t end_offset;   /**< where the next record's input begins */
  uint64_t line;         /**< of text[0] */
  bool begins_message;   /**< protobuf: the first of the ELEMENTs and MEMBERS of a message */
  bool compressed;   /**< text is not input but was decoded from it: offsets within mean nothing */
  enum tk_rule rule; /**< FAULT: what is wrong */
  const char *message; /**< FAULT: the words for it */
};

#endif
