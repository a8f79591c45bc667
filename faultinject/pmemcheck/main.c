/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmemcheck: persistent-memory checks and traces, as a Valgrind tool.

   Limits:
     - x86-64 Linux; what Valgrind cannot run (AVX-512, MOVDIR64B) ends the program.
     - One interleaving a run, sequentially consistent: Valgrind runs one thread at a time.
     - A mapping above Valgrind's address space (63 GiB and more at once) fails as under any tool.
     - Stores to removed parts of a mapping are traced and not reported on.

   The interface is that of the pmemcheck which PMDK's libraries announce themselves to; README.md
   says where this tool reads otherwise, and why. */
#include <pub_tool_libcproc.h>
#include <pub_tool_options.h>

#include "faultinject/pmemcheck/hand_over.h"
#include "faultinject/pmemcheck/store_log.h"
#include "faultinject/pmemcheck/tool.h"
#include "faultinject/pmemcheck/trace.h"

/* Whether VEX describes each instruction that it cannot decode: flushes are among them. */
extern Bool VG_(clo_sigill_diag);

struct options options = {.print_summary = True,
                          .isa_rec = True,
                          .error_summary = True,
                          .log_stack_depth = 1,
                          .loads_cache = 1 << 20,
                          .list_max = 1000,
                          .offer_clwb = True};

Bool option_accept(const HChar* argument) {
  const HChar* text;
  if (VG_BOOL_CLO(argument, "--mult-stores", options.mult_stores)) return True;
  if (VG_BINT_CLO(argument, "--indiff", options.indiff, 0, 0x7fffffff)) return True;
  if (VG_BOOL_CLO(argument, "--log-stores", options.log_stores)) return True;
  if (VG_BOOL_CLO(argument, "--log-stores-stacktraces", options.log_stacks)) return True;
  if (VG_BINT_CLO(argument, "--log-stores-stacktraces-depth", options.log_stack_depth, 1, 64))
    return True;
  if (VG_BOOL_CLO(argument, "--print-summary", options.print_summary)) return True;
  if (VG_BOOL_CLO(argument, "--flush-check", options.flush_check)) return True;
  if (VG_BOOL_CLO(argument, "--flush-align", options.flush_align)) return True;
  if (VG_BOOL_CLO(argument, "--tx-only", options.tx_only)) return True;
  if (VG_BOOL_CLO(argument, "--isa-rec", options.isa_rec)) return True;
  if (VG_BOOL_CLO(argument, "--error-summary", options.error_summary)) return True;
  if (VG_BOOL_CLO(argument, "--expect-fence-after-clflush", options.fence_after_clflush))
    return True;
  if (VG_BOOL_CLO(argument, "--compat", options.compat)) return True;
  if (VG_BOOL_CLO(argument, "--loads", options.loads)) return True;
  if (VG_BINT_CLO(argument, "--loads-cache", options.loads_cache, PMC_LINE_BYTES, 1 << 30))
    return True;
  if (VG_BINT_CLO(argument, "--list-max", options.list_max, 0, PMC_FINDINGS_KEPT)) return True;
  if (VG_BINT_CLO(argument, "--sched-seed", options.sched_seed, 0, 0x7fffffff)) return True;
  if (VG_STR_CLO(argument, "--report-file", options.report_path)) return True;
  if (VG_STR_CLO(argument, "--trace-file", options.trace_path)) return True;
  if (VG_STR_CLO(argument, "--cpuid", text)) {
    if (VG_(strcmp)(text, "clwb") != 0 && VG_(strcmp)(text, "plain") != 0) {
      VG_(fmsg_bad_option)(argument, "must be clwb or plain\n");
    }
    options.offer_clwb = VG_(strcmp)(text, "clwb") == 0;
    return True;
  }
  if (VG_STR_CLO(argument, "--pmem", text)) {
    const Int room = sizeof(options.pmem_globs) / sizeof(options.pmem_globs[0]);
    if (options.pmem_glob_count == room) VG_(fmsg_bad_option)(argument, "at most %d\n", room);
    options.pmem_globs[options.pmem_glob_count++] = text;
    return True;
  }
  return False;
}

void option_usage(void) {
  VG_(printf)
  ("    --pmem=<glob>                  shared mappings of files like this are persistent memory;\n"
   "                                   may be repeated [none: client requests only]\n"
   "    --cpuid=clwb|plain             offer CLWB and CLFLUSHOPT to the program [clwb]\n"
   "    --report-file=<file>           write the report as JSON too; %%p is the process [none]\n"
   "    --trace-file=<file>            write a binary trace; %%p is the process [none]\n"
   "    --sched-seed=<n>               hand over between threads at seeded events; wants\n"
   "                                   --fair-sched=yes [0: Valgrind's own order]\n"
   "    --loads=no|yes                 count loads of persistent memory, and the lines of it that "
   "a\n"
   "                                   simulated cache does not hold [no]\n"
   "    --loads-cache=<bytes>          what that cache holds [1048576]\n"
   "    --mult-stores=no|yes           report stores overwritten before they were durable [no]\n"
   "    --indiff=<superblocks>         but not those overwritten within so many [0]\n"
   "    --flush-check=no|yes           report redundant and unnecessary flushes [no]\n"
   "    --flush-align=no|yes           requested flushes cover whole lines [no]\n"
   "    --tx-only=no|yes               report stores outside of every transaction [no]\n"
   "    --isa-rec=no|yes               recognise flush and fence instructions [yes]\n"
   "    --expect-fence-after-clflush=no|yes  a CLFLUSH is durable after a fence only [no]\n"
   "    --log-stores=no|yes            write pmemcheck's store log [no]\n"
   "    --log-stores-stacktraces=no|yes      with call stacks [no]\n"
   "    --log-stores-stacktraces-depth=<n>   of so many frames [1]\n"
   "    --print-summary=no|yes         print the report [yes]\n"
   "    --error-summary=no|yes         print the sum of errors [yes]\n"
   "    --list-max=<n>                 findings of a kind that are listed [1000]\n"
   "    --compat=no|yes                read as the original tool does; see its README [no]\n");
}

void option_debug_usage(void) { VG_(printf)("    (none)\n"); }

static void post_init(void) {
  VG_(clo_sigill_diag) = False;
  events_init();
  loads_init();
  store_log_start();
  processes_init();
  hand_over_init();
  trace_open();
}

static void finish(Int exit_code) {
  (void)exit_code;
  end_of_program();
  /* The core would count the errors a second time, and those that are listed only. */
  if (VG_(clo_verbosity) == 1) VG_(clo_verbosity) = 0;
}

static void pre_init(void) {
  VG_(details_name)("pmemcheck");
  VG_(details_version)("1.0");
  VG_(details_description)("a persistent-memory checker (Fencepost)");
  VG_(details_copyright_author)("Copyright (C) 2026, and GNU GPL'd, by the Fencepost authors.");
  VG_(details_bug_reports_to)("the Fencepost project");
  VG_(details_avg_translation_sizeB)(400);
  VG_(basic_tool_funcs)(post_init, instrument, finish);
  VG_(needs_command_line_options)(option_accept, option_usage, option_debug_usage);
  errors_register();
  VG_(needs_client_requests)(handle_request);
  VG_(needs_syscall_wrapper)(before_syscall, after_syscall);
  VG_(track_post_mem_write)(after_core_write);
  VG_(track_pre_thread_first_insn)(hand_over_thread_begin);
  VG_(track_pre_thread_ll_exit)(event_thread_exit);
}

VG_DETERMINE_INTERFACE_VERSION(pre_init)
