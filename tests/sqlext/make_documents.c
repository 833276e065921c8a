/* SPDX-License-Identifier: MIT
 * Makes a store of documents for the tests, without the readers that usually bring them.
 * Usage: make_documents [-p bytes a part] STORE < INPUT
 * INPUT is a line `kind TAB run TAB path TAB size TAB spans` for each document, followed by its
 * bytes. An empty run is NULL. `spans` is 1 if its records were spans: they get made-up origins. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sqlext/document_fixture.h"

static void must(int truth, const char *what) {
  if (truth) return;
  fprintf(stderr, "make_documents: expected %s\n", what);
  exit(1);
}

static void read_document(char *header, size_t part_size) {
  char *fields[5] = {header};
  for (int i = 1; i < 5; i++) {
    must((fields[i] = strchr(fields[i - 1], '\t')) != NULL, "a header of five fields");
    *fields[i]++ = '\0';
  }
  const size_t size = strtoul(fields[3], NULL, 10);
  char *text = calloc(1, size + 1);
  must(text && fread(text, 1, size, stdin) == size, "the bytes of a document");
  document_fixture_add(fields[0], fields[1][0] ? fields[1] : NULL, fields[2], text, size, part_size,
                       atoi(fields[4]));
  free(text);
}

int main(int argc, char **argv) {
  size_t part_size = (size_t)1 << 20;
  char *line = NULL;
  size_t capacity = 0;
  int option, documents = 0;

  while ((option = getopt(argc, argv, "p:")) != -1) {
    if (option == 'p') part_size = strtoul(optarg, NULL, 10);
  }
  if (optind + 1 != argc || part_size == 0) {
    fprintf(stderr, "usage: make_documents [-p bytes] STORE < documents\n");
    return 2;
  }
  document_fixture_open(argv[optind]);
  for (ssize_t length; (length = getline(&line, &capacity, stdin)) > 0; documents++) {
    if (line[length - 1] == '\n') line[length - 1] = '\0';
    read_document(line, part_size);
  }
  must(documents > 0, "documents");
  document_fixture_close();
  free(line);
  return 0;
}
