/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --report-file: the report as JSON, for programs, with what each source line did. */
#include <pub_tool_debuginfo.h>
#include <pub_tool_libcproc.h>
#include <pub_tool_options.h>
#include <pub_tool_vki.h>

#include "faultinject/pmemcheck/tool.h"
#include "faultinject/pmemcheck/trace.h"

static VgFile* out;
static Bool first;

/* Bytes of the character that begins here; 0 if it is no UTF-8. */
static UInt character_bytes(const UChar* text) {
  const UInt count = text[0] < 0x80   ? 1
                     : text[0] < 0xc2 ? 0
                     : text[0] < 0xe0 ? 2
                     : text[0] < 0xf0 ? 3
                     : text[0] < 0xf5 ? 4
                                      : 0;
  for (UInt i = 1; i < count; ++i) {
    if ((text[i] & 0xc0) != 0x80) return 0;
  }
  /* Written longer than need be, a surrogate, or beyond the last character there is. */
  if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] >= 0xa0)) return 0;
  if ((text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] >= 0x90)) return 0;
  return count;
}

/* Names of functions and files are not always ASCII, and a file's need not be text at all: a byte
   that is none becomes U+FFFD. */
static void print_text(const HChar* text) {
  VG_(fprintf)(out, "\"");
  while (*text != '\0') {
    const UChar byte = (UChar)*text;
    const UInt bytes = character_bytes((const UChar*)text);
    if (bytes == 0) {
      VG_(fprintf)(out, "\\ufffd");
    } else if (byte == '"' || byte == '\\') {
      VG_(fprintf)(out, "\\%c", byte);
    } else if (byte < 0x20) {
      VG_(fprintf)(out, "\\u%04x", byte);
    } else {
      for (UInt i = 0; i < bytes; ++i) VG_(fprintf)(out, "%c", text[i]);
    }
    text += bytes == 0 ? 1 : bytes;
  }
  VG_(fprintf)(out, "\"");
}

static void print_place(Addr ip) {
  const DiEpoch epoch = VG_(current_DiEpoch)();
  const HChar *text, *folder;
  UInt line = 0;
  VG_(fprintf)(out, "\"ip\":\"%#lx\"", ip);
  if (VG_(get_fnname)(epoch, ip, &text)) {
    VG_(fprintf)(out, ",\"function\":");
    print_text(text);
  }
  if (VG_(get_filename_linenum)(epoch, ip, &text, &folder, &line)) {
    HChar path[VKI_PATH_MAX];
    VG_(snprintf)(path, sizeof(path), "%s%s%s", folder, folder[0] == '\0' ? "" : "/", text);
    VG_(fprintf)(out, ",\"line\":%u,\"file\":", line);
    print_text(path);
  }
  if (VG_(get_objname)(epoch, ip, &text)) {
    VG_(fprintf)(out, ",\"object\":");
    print_text(text);
  }
}

static void print_stack(const HChar* name, UInt context) {
  const Addr* ips;
  const UInt count = context_frames(context, &ips);
  VG_(fprintf)(out, ",\"%s\":[", name);
  for (UInt i = 0; i < count; ++i) {
    VG_(fprintf)(out, "%s{", i == 0 ? "" : ",");
    print_place(ips[i]);
    VG_(fprintf)(out, "}");
  }
  VG_(fprintf)(out, "]");
}

static void print_kind(enum pmc_finding_kind kind) {
  VG_(fprintf)
  (out, "%s\n  \"%s\":{\"count\":%llu,\"bytes\":%llu,\"listed\":[", first ? "" : ",",
   finding_name(kind), (ULong)findings.count[kind], (ULong)findings.bytes[kind]);
  first = False;
  for (size_t i = 0; i < findings.kept_count[kind] && i < (size_t)options.list_max; ++i) {
    const struct pmc_finding* finding = &findings.kept[kind][i];
    VG_(fprintf)
    (out, "%s\n   {\"address\":\"%#llx\",\"bytes\":%llu,\"state\":\"%s\"", i == 0 ? "" : ",",
     (ULong)finding->address, (ULong)finding->bytes,
     finding->state == PMC_FLUSHED ? "FLUSHED" : "DIRTY");
    print_stack("stack", finding->context);
    if (finding->by != 0) print_stack("by", finding->by);
    VG_(fprintf)(out, "}");
  }
  VG_(fprintf)(out, "]}");
}

static void print_site(const struct site* site) {
  if (site->stores == 0 && site->flushes == 0 && site->fences == 0) return;
  VG_(fprintf)
  (out, "%s\n  {\"stores\":%llu,\"bytes\":%llu,\"flushes\":%llu,\"fences\":%llu,", first ? "" : ",",
   site->stores, site->stored_bytes, site->flushes, site->fences);
  first = False;
  print_place(site->ip);
  VG_(fprintf)(out, "}");
}

static Bool is_the_parents; /* a report of this process would overwrite it */

void report_after_fork(void) {
  is_the_parents = options.report_path != NULL && VG_(strstr)(options.report_path, "%p") == NULL;
}

void report_write_json(void) {
  HChar* path;
  if (options.report_path == NULL || is_the_parents) return;
  path = VG_(expand_file_name)("--report-file", options.report_path);
  out = VG_(fopen)(path, VKI_O_CREAT | VKI_O_WRONLY | VKI_O_TRUNC, 0666);
  if (out == NULL) {
    VG_(umsg)("pmemcheck: %s: the report cannot be written\n", path);
    output_is_cut = True;
    return;
  }
  VG_(fprintf)
  (out, "{\"schema\":\"fencepost.pmemcheck/1\",\"pid\":%d,\n \"findings\":{", VG_(getpid)());
  first = True;
  for (Int kind = 0; kind < PMC_FINDING_KINDS; ++kind) print_kind((enum pmc_finding_kind)kind);
  VG_(fprintf)
  (out, "},\n \"active_transactions\":%lu,\n \"sites\":[", (UWord)pmc_tx_active(&transactions));
  first = True;
  sites_visit(print_site);
  VG_(fprintf)(out, "]}\n");
  VG_(fclose)(out);
}
