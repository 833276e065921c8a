/** @file status.h  How every function of tracekeep reports success and failure. */
#ifndef TRACEKEEP_STATUS_H
#define TRACEKEEP_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/** Zero is success, everything else negative. A function names the codes it can return. */
enum tk_status {
  TK_OK = 0,
  TK_NOMEM = -1,       /**< an allocation failed */
  TK_IO = -2,          /**< the operating system or SQLite could not read, write or sync */
  TK_CORRUPT = -3,     /**< stored bytes are not what was written */
  TK_INVALID = -4,     /**< the caller's input or arguments make no sense */
  TK_UNSUPPORTED = -5, /**< well-formed, but newer than this build or switched off in it */
  TK_BUSY = -6         /**< another connection holds the lock; try again */
};

/** Text of a failure, in the caller's memory: setting it never allocates, so it works out of
 * memory. */
struct tk_error {
  char message[512];
};

#if defined(__GNUC__)
#define TK_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TK_PRINTF(text, first)
#endif

/** Writes `error->message` (cut to fit, never in the middle of a UTF-8 sequence) and returns
 * `status`, so that a failure is one statement: `return tk_fail(error, TK_INVALID, "...");`.
 * `error` may be NULL. */
enum tk_status tk_fail(struct tk_error *error, enum tk_status status, const char *format, ...)
    TK_PRINTF(3, 4);

/** As tk_fail with TK_CORRUPT: the one place through which every detected corruption passes, so
 * that one breakpoint catches any of them. */
enum tk_status tk_corrupt(struct tk_error *error, const char *format, ...) TK_PRINTF(2, 3);

/** TK_NOMEM with its text. */
enum tk_status tk_nomem(struct tk_error *error);

/** A constant such as "corrupt". Never NULL. */
const char *tk_status_name(enum tk_status status);

#ifdef __cplusplus
}
#endif
#endif
