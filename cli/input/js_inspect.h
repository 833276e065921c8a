/** @file js_inspect.h  Values as Node.js prints them (util.inspect), brought into JSON: keys
 * without quotes, strings in any of three quotes and in pieces, `undefined`, names of classes,
 * maps. */
#ifndef TK_CLI_INPUT_JS_INSPECT_H
#define TK_CLI_INPUT_JS_INSPECT_H

#include "cli/input/batch_builder.h"

/** Where text stopped being such a value. */
struct tk_js_fault {
  const char *expected; /**< NULL: nothing is wrong */
  const char *at;
};

/** Appends the value that is all of `text` as JSON to the builder's `residual` stack. What Node.js
 * left out of it, such as `[Object]`, is a string of what stands there; `undefined` is null. False:
 * the text is no such value. */
bool tk_js_inspect_to_json(struct tk_batch_builder *builder, struct tk_text text,
                           struct tk_js_fault *fault);

#endif
