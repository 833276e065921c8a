/* SPDX-License-Identifier: MIT
 * Counts what went wrong by rule, and prints the summary of an ingest. */
#include "cli/ingest_summary.h"

#include <stdio.h>
#include <string.h>

#include "cli/messages.h"
#include "cli/output/quantity.h"
#include "cli/output/text_buffer.h"

enum { ISSUES_SHOWN = 10, MESSAGE_WIDTH = 300 };

static void count_issue(struct tk_ingest_summary *summary, const char *rule) {
  uint32_t at = 0;
  while (at < summary->rule_count && strcmp(summary->rules[at].rule, rule) != 0) at++;
  if (at == TK_SUMMARY_RULES) return;
  if (at == summary->rule_count) summary->rules[summary->rule_count++].rule = rule;
  summary->rules[at].count++;
}

static void show_issue(const char *file, const struct tk_issue *issue) {
  static const char *const severities[] = {"info", "warn", "error"};
  const char *severity = issue->severity <= TK_SEVERITY_ERROR ? severities[issue->severity] : "?";
  char place[32];
  snprintf(place, sizeof place, "%s%llu", issue->line ? "" : "byte ",
           (unsigned long long)(issue->line ? issue->line : issue->offset));
  int size = issue->message.size < MESSAGE_WIDTH ? (int)issue->message.size : MESSAGE_WIDTH;
  tk_complain("%s:%s: %s: %.*s [%s]", file, place, severity, size, issue->message.data,
              issue->rule);
}

void tk_ingest_summary_add_counts(struct tk_ingest_summary *summary,
                                  const struct tk_ingest_counts *counts) {
  struct tk_ingest_counts *sum = &summary->counts;
  sum->records += counts->records;
  sum->spans_new += counts->spans_new;
  sum->spans_duplicate += counts->spans_duplicate;
  sum->spans_conflicting += counts->spans_conflicting;
  sum->rejected += counts->rejected;
  sum->issues += counts->issues;
  sum->bytes_in += counts->bytes_in;
  sum->bytes_stored += counts->bytes_stored;
  sum->segments_written += counts->segments_written;
  sum->documents_new += counts->documents_new;
  sum->documents_duplicate += counts->documents_duplicate;
  sum->document_records += counts->document_records;
}

void tk_ingest_summary_add_issues(struct tk_ingest_summary *summary, const char *file,
                                  const struct tk_batch *batch) {
  for (uint32_t i = 0; i < batch->issue_count; i++) {
    const struct tk_issue *issue = &batch->issues[i];
    count_issue(summary, issue->rule);
    if (issue->severity == TK_SEVERITY_INFO) continue; /* of style; in the summary by rule */
    if (summary->issues_shown == ISSUES_SHOWN) {
      tk_complain("more problems follow; all are in the table validation_issues");
    } else if (summary->issues_shown < ISSUES_SHOWN) {
      show_issue(file, issue);
    }
    summary->issues_shown++;
  }
}

/* ---- text ---- */

static const char *plural(uint64_t count) {
  return count == 1 ? "" : "s";
}

static void print_files(const struct tk_ingest_summary *summary) {
  printf("files    %llu", (unsigned long long)summary->files);
  if (summary->files_skipped > 0) {
    printf(", of which %llu held nothing new", (unsigned long long)summary->files_skipped);
  }
  if (summary->files_failed > 0) {
    printf(", of which %llu could not be read", (unsigned long long)summary->files_failed);
  }
  printf("\n");
}

static void print_spans(const struct tk_ingest_counts *counts) {
  char text[TK_FORMAT_SIZE];
  tk_format_number(counts->records, text);
  printf("records  %s", text);
  if (counts->rejected > 0) {
    printf(", %llu rejected", (unsigned long long)counts->rejected);
  }
  tk_format_number(counts->spans_new, text);
  printf("\nspans    %s new", text);
  tk_format_number(counts->spans_duplicate, text);
  printf(", %s stored already", text);
  if (counts->spans_conflicting > 0) {
    tk_format_number(counts->spans_conflicting, text);
    printf(", %s conflicting (the first one is kept)", text);
  }
  printf("\n");
}

static void print_documents(const struct tk_ingest_counts *counts) {
  char text[TK_FORMAT_SIZE];
  if (counts->documents_new + counts->documents_duplicate + counts->document_records == 0) return;
  tk_format_number(counts->documents_new, text);
  printf("docs     %s new", text);
  tk_format_number(counts->documents_duplicate, text);
  printf(", %s stored already", text);
  if (counts->document_records > 0) {
    tk_format_number(counts->document_records, text);
    printf("; %s event%s new", text, plural(counts->document_records));
  }
  printf("\n");
}

static void print_issues(const struct tk_ingest_summary *summary) {
  for (uint32_t i = 0; i < summary->rule_count; i++) {
    printf("%-8s %llu %s\n", i == 0 ? "issues" : "", (unsigned long long)summary->rules[i].count,
           summary->rules[i].rule);
  }
}

void tk_ingest_summary_print_text(const struct tk_ingest_summary *summary, const char *store) {
  const struct tk_ingest_counts *counts = &summary->counts;
  char in[TK_FORMAT_SIZE], stored[TK_FORMAT_SIZE], rate[TK_FORMAT_SIZE];
  uint64_t spans = counts->spans_new + counts->spans_duplicate + counts->spans_conflicting;
  printf("store    %s\n", store);
  print_files(summary);
  print_spans(counts);
  print_documents(counts);
  print_issues(summary);
  tk_format_bytes(counts->bytes_in, in);
  tk_format_bytes(counts->bytes_stored, stored);
  printf("bytes    %s in, %s stored", in, stored);
  if (counts->bytes_stored > 0) {
    printf(" (%.1f times)", (double)counts->bytes_in / (double)counts->bytes_stored);
  }
  printf("\ntime     %.2fs", summary->seconds);
  if (spans > 0) {
    tk_format_count((uint64_t)((double)spans / summary->seconds), rate);
    printf(", %s span%s/s", rate, plural(spans));
  }
  printf("\n");
}

/* ---- JSON ---- */

void tk_ingest_summary_print_json(const struct tk_ingest_summary *summary, const char *store) {
  const struct tk_ingest_counts *counts = &summary->counts;
  const struct {
    const char *key;
    uint64_t number;
  } members[] = {
      {"files", summary->files},
      {"files_skipped", summary->files_skipped},
      {"files_failed", summary->files_failed},
      {"records", counts->records},
      {"rejected", counts->rejected},
      {"spans_new", counts->spans_new},
      {"spans_duplicate", counts->spans_duplicate},
      {"spans_conflicting", counts->spans_conflicting},
      {"issues", counts->issues},
      {"bytes_in", counts->bytes_in},
      {"bytes_stored", counts->bytes_stored},
      {"segments_written", counts->segments_written},
      {"documents_new", counts->documents_new},
      {"documents_duplicate", counts->documents_duplicate},
      {"events_new", counts->document_records},
  };
  struct tk_text_buffer out = {0};
  tk_text_buffer_add(&out, "{\"store\":");
  tk_text_buffer_add_json_string(&out, store, strlen(store));
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
    tk_text_buffer_add(&out, ",\"");
    tk_text_buffer_add(&out, members[i].key);
    tk_text_buffer_add(&out, "\":");
    tk_text_buffer_add_uint(&out, members[i].number);
  }
  tk_text_buffer_add(&out, ",\"issues_by_rule\":{");
  for (uint32_t i = 0; i < summary->rule_count; i++) {
    if (i > 0) tk_text_buffer_add_char(&out, ',');
    tk_text_buffer_add_json_string(&out, summary->rules[i].rule, strlen(summary->rules[i].rule));
    tk_text_buffer_add_char(&out, ':');
    tk_text_buffer_add_uint(&out, summary->rules[i].count);
  }
  tk_text_buffer_add(&out, "},\"seconds\":");
  tk_text_buffer_add_real(&out, summary->seconds);
  tk_text_buffer_add(
      &out, summary->interrupted ? ",\"interrupted\":true}\n" : ",\"interrupted\":false}\n");
  if (out.failed) tk_need_memory(NULL);
  fwrite(out.data, 1, out.size, stdout);
  tk_text_buffer_reset(&out);
}
