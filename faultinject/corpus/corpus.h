/* SPDX-License-Identifier: BSD-3-Clause */
/* For the programs of the corpus: what they are told, and how they say no.
 *
 *     PROGRAM make IMAGE          an empty store
 *     PROGRAM run IMAGE [BUG]     operations 1 to OPERATIONS on it, correct or with one planted bug
 *     PROGRAM check IMAGE         recovers; exit code 1, and why, if the store is not consistent
 *
 * The same, as a library, has `int corpus_check(const char* image)`, which ends the process if the
 * store is not consistent: a store that is refused is not closed either.
 *
 * Operation k always does the same, so after k operations there is one right state. A check is told
 * by FENCEPOST_ACKNOWLEDGED and FENCEPOST_UNDER_WAY how many must be there, and may be.
 * A line of source whose store or call a bug makes guilty ends with "LOST: bug".
 */
#ifndef FENCEPOST_FAULTINJECT_CORPUS_CORPUS_H_
#define FENCEPOST_FAULTINJECT_CORPUS_CORPUS_H_

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/pmemcheck.h>

enum { OPERATIONS = 4 };

static inline void no(const char* format, ...) __attribute__((format(printf, 1, 2), noreturn));
static inline void no(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\n");
  _exit(1);
}

/* What cannot be helped here: no verdict on the store. */
static inline void die(const char* what) {
  perror(what);
  exit(3);
}

/* Operations are sequential: "1-7", or nothing. Outside of an exploration all have ended. */
static inline uint64_t acknowledged(void) {
  const char* text = getenv("FENCEPOST_ACKNOWLEDGED");
  const char* dash;
  if (text == NULL) return OPERATIONS;
  dash = strchr(text, '-');
  return strtoull(dash == NULL ? text : dash + 1, NULL, 10);
}
static inline uint64_t at_most(void) {
  const char* text = getenv("FENCEPOST_UNDER_WAY");
  return acknowledged() + (text != NULL && *text != '\0' ? 1 : 0);
}

/* For fencepost's trace, and by name for what reads a store log. */
#define BEGIN_OPERATION(number)               \
  do {                                        \
    VALGRIND_PMC_OPERATION_BEGIN(number);     \
    VALGRIND_PMC_EMIT_LOG("operation.BEGIN"); \
  } while (0)
#define END_OPERATION(number)               \
  do {                                      \
    VALGRIND_PMC_EMIT_LOG("operation.END"); \
    VALGRIND_PMC_OPERATION_END(number);     \
  } while (0)

struct command {
  const char* image;
  const char* bug; /* "" for none */
};
static inline int has_bug(const struct command* command, const char* bug) {
  return strcmp(command->bug, bug) == 0;
}

/* `bugs` ends with NULL. */
static inline int corpus_main(int count, char** words, const char* const* bugs,
                              void (*make)(const struct command*),
                              void (*run)(const struct command*),
                              void (*check)(const struct command*)) {
  struct command command;
  if (count >= 3) {
    command.image = words[2];
    command.bug = count > 3 ? words[3] : "";
    while (count > 3 && *bugs != NULL && strcmp(*bugs, words[3]) != 0) ++bugs;
    if (strcmp(words[1], "run") == 0 && count <= 4 && (count == 3 || *bugs != NULL)) {
      run(&command);
      return 0;
    }
    if (strcmp(words[1], "make") == 0 && count == 3) {
      make(&command);
      return 0;
    }
    if (strcmp(words[1], "check") == 0 && count == 3) {
      check(&command);
      return 0;
    }
  }
  fprintf(stderr, "usage: %s make|check IMAGE, or run IMAGE [BUG]\n", words[0]);
  return 2;
}

/* What a program has at its end. */
#define CORPUS_MAIN(bugs, make, run, check)     \
  int corpus_check(const char* image);          \
  int corpus_check(const char* image) {         \
    const struct command command = {image, ""}; \
    check(&command);                            \
    return 0;                                   \
  }                                             \
  int main(int count, char** words) { return corpus_main(count, words, bugs, make, run, check); }

#endif /* FENCEPOST_FAULTINJECT_CORPUS_CORPUS_H_ */
