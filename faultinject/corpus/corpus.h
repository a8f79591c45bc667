/* SPDX-License-Identifier: BSD-3-Clause */
/* For the programs of the corpus: what they are told, and how they say no.
 *
 *     PROGRAM make IMAGE          an empty store
 *     PROGRAM run IMAGE [BUG]     operations 1 to OPERATIONS on it, correct or with one planted bug
 *     PROGRAM check IMAGE         recovers; exit code 1, and why, if the store is not consistent
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

enum { OPERATIONS = 4 };

static inline void no(const char* format, ...) __attribute__((format(printf, 1, 2), noreturn));
static inline void no(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
  exit(1);
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

#endif /* FENCEPOST_FAULTINJECT_CORPUS_CORPUS_H_ */
