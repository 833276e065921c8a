/** @file js_console.h  The format "js-console": what the ConsoleSpanExporter of OpenTelemetry's
 * JavaScript SDK prints. See docs/formats.md. */
#ifndef TK_CLI_INPUT_JS_CONSOLE_H
#define TK_CLI_INPUT_JS_CONSOLE_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

bool tk_js_console_probe(const char *head, size_t size);
void tk_js_console_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
