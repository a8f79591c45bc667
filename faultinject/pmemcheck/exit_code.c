/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the process ends with, where it is neither the program's own exit code nor Valgrind's.

   The core ends by itself on an option that it does not know, with 1, which a program may end with
   too; and a tool has no say in the last exit code. Both go through functions of the core that the
   linker (--wrap) leads through here. */
#include <pub_tool_options.h>
#include <stdarg.h>

#include "faultinject/pmemcheck/tool.h"
#include "faultinject/pmemcheck/trace.h"

enum { USAGE = 2 };

/* The core's, and what the core's callers get instead. */
void __real_vgPlain_exit(Int status) __attribute__((noreturn));
void __real_vgPlain_client_exit(Int status) __attribute__((noreturn));
void __wrap_vgPlain_exit(Int status) __attribute__((noreturn));
void __wrap_vgPlain_client_exit(Int status) __attribute__((noreturn));
void __wrap_vgPlain_fmsg_bad_option(const HChar* option, const HChar* format, ...)
    __attribute__((noreturn, format(__printf__, 2, 3)));
void __wrap_vgPlain_fmsg_unknown_option(const HChar* option) __attribute__((noreturn));

extern Int VG_(clo_error_exitcode);

static Bool program_runs;
static ULong more_errors; /* than Valgrind has counted */

void exit_code_program_runs(void) { program_runs = True; }
void exit_code_count_errors(ULong errors) { more_errors += errors; }

void __wrap_vgPlain_exit(Int status) {
  __real_vgPlain_exit(status == 1 && !program_runs ? USAGE : status);
}

void __wrap_vgPlain_client_exit(Int status) {
  if (more_errors != 0 && VG_(clo_error_exitcode) > 0) status = VG_(clo_error_exitcode);
  if (output_is_cut) status = USAGE;
  __real_vgPlain_client_exit(status);
}

void __wrap_vgPlain_fmsg_bad_option(const HChar* option, const HChar* format, ...) {
  HChar why[512];
  va_list arguments;
  va_start(arguments, format);
  VG_(vsnprintf)(why, sizeof(why), format, arguments);
  va_end(arguments);
  for (HChar* at = why; *at != '\0'; ++at) {
    if (*at == '\n') *at = at[1] == '\0' ? '\0' : ' ';
  }
  VG_(fmsg)("bad option %s%s%s\n", option, why[0] == '\0' ? "" : ": ", why);
  VG_(exit)(USAGE);
}

void __wrap_vgPlain_fmsg_unknown_option(const HChar* option) {
  VG_(fmsg)("unknown option %s\n", option);
  VG_(exit)(USAGE);
}
