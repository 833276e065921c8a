/* The reports that come with the program: the .sql files beside this header, embedded. */
#ifndef TK_CLI_REPORTS_H
#define TK_CLI_REPORTS_H

struct tk_report {
  const char *name;        /**< of the file, without .sql */
  const char *title;       /**< one line */
  const char *description; /**< lines; says which parameters there are */
  const char *sql;
};

/** By name; the last has none. */
extern const struct tk_report tk_reports[];

#endif
