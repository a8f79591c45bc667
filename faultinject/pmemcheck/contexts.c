/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Call stacks, interned.

   Valgrind's unwinder takes a microsecond or two for a stack of twelve frames; a store to
   persistent memory comes every few hundred instructions. Where a frame ends relative to the stack
   pointer is nearly always the same at one instruction, so that is remembered, and a stack is then
   walked by reading return addresses. The walk is given up for Valgrind's own where an instruction
   was seen with frames of two sizes, where what should be a return address was never one, where the
   stack is new, and every 256th time, to check it.

   Threads: one at a time, as all of Valgrind. */
#include <pub_tool_debuginfo.h>
#include <pub_tool_execontext.h>
#include <pub_tool_machine.h>
#include <pub_tool_options.h>
#include <pub_tool_stacktrace.h>

#include "faultinject/pmemcheck/tool.h"

#define MAX_FRAMES 64
#define CHECK_PERIOD 256

enum frame_kind {
  FRAME_UNKNOWN,
  FRAME_FIXED,  /* `bytes` from the stack pointer */
  FRAME_BY_RBP, /* 16 bytes from the frame pointer; innermost frames only */
  FRAME_VARIES,
  FRAME_LAST
};

struct frame {
  Addr ip; /* 0: free */
  UInt bytes;
  UInt described; /* the caller's generation in which it was last described */
  enum frame_kind kind;
};

struct context {
  UInt next; /* of the same hash; 0: none */
  UInt hash;
  UInt count;
  UInt first; /* index in `addresses` */
};

static struct frame* frames;
static UInt frame_slots, frame_count;

static struct context* contexts; /* contexts[0] is unused */
static UInt context_count, context_capacity;
static UInt* heads;
static UInt head_count;
static Addr* addresses;
static UInt address_count, address_capacity;
static UInt fast_walks;

static UInt hash_address(Addr ip) { return (UInt)((ip * 0x9e3779b97f4a7c15ULL) >> 32); }

static struct frame* frame_slot(Addr ip) {
  UInt at = hash_address(ip) & (frame_slots - 1);
  while (frames[at].ip != ip && frames[at].ip != 0) at = (at + 1) & (frame_slots - 1);
  return &frames[at];
}

static struct frame* get_frame(Addr ip) {
  struct frame* frame;
  if (2 * frame_count >= frame_slots) {
    struct frame* old = frames;
    const UInt old_slots = frame_slots;
    frame_slots = old_slots == 0 ? 4096 : 2 * old_slots;
    frames = VG_(calloc)("pmc.frames", frame_slots, sizeof(*frames));
    for (UInt i = 0; i < old_slots; ++i) {
      if (old[i].ip != 0) *frame_slot(old[i].ip) = old[i];
    }
    if (old != NULL) VG_(free)(old);
  }
  frame = frame_slot(ip);
  if (frame->ip == 0) {
    frame->ip = ip;
    frame->kind = FRAME_UNKNOWN;
    ++frame_count;
  }
  return frame;
}

static void grow_heads(void) {
  head_count = head_count == 0 ? 4096 : 2 * head_count;
  if (heads != NULL) VG_(free)(heads);
  heads = VG_(calloc)("pmc.heads", head_count, sizeof(*heads));
  for (UInt i = 1; i <= context_count; ++i) {
    contexts[i].next = heads[contexts[i].hash & (head_count - 1)];
    heads[contexts[i].hash & (head_count - 1)] = i;
  }
}

static UInt hash_stack(const Addr* ips, UInt count) {
  UInt hash = count;
  for (UInt i = 0; i < count; ++i) {
    hash = (hash ^ hash_address(ips[i])) * 0x01000193u + (hash >> 15);
  }
  return hash;
}

/* 0: never seen. */
static UInt find_context(const Addr* ips, UInt count, UInt hash) {
  UInt at = head_count == 0 ? 0 : heads[hash & (head_count - 1)];
  for (; at != 0; at = contexts[at].next) {
    const struct context* known = &contexts[at];
    if (known->hash == hash && known->count == count &&
        VG_(memcmp)(addresses + known->first, ips, count * sizeof(*ips)) == 0) {
      break;
    }
  }
  return at;
}

static UInt intern(const Addr* ips, UInt count) {
  const UInt hash = hash_stack(ips, count);
  UInt at = find_context(ips, count, hash);
  if (at != 0) return at;
  if (context_count >= head_count) grow_heads();
  if (context_count + 1 >= context_capacity) {
    context_capacity = context_capacity == 0 ? 1024 : 2 * context_capacity;
    contexts = VG_(realloc)("pmc.contexts", contexts, context_capacity * sizeof(*contexts));
  }
  if (address_count + count > address_capacity) {
    address_capacity = address_capacity == 0 ? 16384 : 2 * address_capacity;
    addresses = VG_(realloc)("pmc.addresses", addresses, address_capacity * sizeof(*addresses));
  }
  at = ++context_count;
  contexts[at] = (struct context){
      .next = heads[hash & (head_count - 1)], .hash = hash, .count = count, .first = address_count};
  heads[hash & (head_count - 1)] = at;
  VG_(memcpy)(addresses + address_count, ips, count * sizeof(*ips));
  address_count += count;
  return at;
}

static UInt depth(void) {
  return VG_(clo_backtrace_size) < MAX_FRAMES ? (UInt)VG_(clo_backtrace_size) : MAX_FRAMES;
}

/* What called main is nobody's business, as in Valgrind's own stacks. */
static UInt up_to_main(const Addr* ips, UInt count) {
  const DiEpoch epoch = VG_(current_DiEpoch)();
  if (VG_(clo_show_below_main)) return count;
  for (UInt i = 0; i < count; ++i) {
    if (get_frame(ips[i])->kind == FRAME_LAST) return i + 1;
    if (VG_(get_fnname_kind_from_IP)(epoch, ips[i]) == Vg_FnNameMain) return i + 1;
  }
  return count;
}

/* Valgrind's walk; learns the sizes of the frames. */
static UInt slow_walk(ThreadId tid, Addr* ips) {
  Addr sps[MAX_FRAMES], fps[MAX_FRAMES];
  const UInt wanted = depth();
  const UInt count = up_to_main(ips, VG_(get_StackTrace)(tid, ips, wanted, sps, fps, 0));
  for (UInt i = 0; i < count; ++i) {
    struct frame* frame = get_frame(ips[i]);
    if (i + 1 < count) {
      const UInt bytes = (UInt)(sps[i + 1] - sps[i]);
      const Bool by_rbp = i == 0 && sps[1] == fps[0] + 16;
      if (by_rbp && (frame->kind == FRAME_UNKNOWN || frame->kind == FRAME_BY_RBP)) {
        frame->kind = FRAME_BY_RBP;
      } else if (frame->kind == FRAME_UNKNOWN) {
        frame->kind = FRAME_FIXED;
        frame->bytes = bytes;
      } else if (frame->kind != FRAME_FIXED || frame->bytes != bytes) {
        frame->kind = FRAME_VARIES;
      }
    } else if (count < wanted) {
      frame->kind =
          frame->kind == FRAME_UNKNOWN || frame->kind == FRAME_LAST ? FRAME_LAST : FRAME_VARIES;
    }
  }
  return count;
}

/* 0: not to be trusted. */
static UInt fast_walk(ThreadId tid, Addr ip, const VexGuestAMD64State* guest, Addr* ips) {
  const UInt wanted = depth();
  const Addr top = VG_(thread_get_stack_max)(tid);
  Addr sp = guest->guest_RSP;
  UInt count = 0;
  /* A stack of the program's own (a coroutine's, a signal's) has bounds that nobody knows. */
  if (frame_slots == 0 || sp > top || top - sp >= VG_(thread_get_stack_size)(tid)) return 0;
  for (;;) {
    Addr caller;
    const struct frame* frame = frame_slot(ip);
    if (frame->ip == 0) return 0;
    ips[count++] = ip;
    if (count == wanted || frame->kind == FRAME_LAST) return count;
    if (frame->kind == FRAME_FIXED) {
      caller = sp + frame->bytes;
    } else if (frame->kind == FRAME_BY_RBP && count == 1) {
      caller = guest->guest_RBP + 16;
    } else {
      return 0;
    }
    if (caller > top || caller % sizeof(Addr) != 0 || caller < sp + sizeof(Addr)) return 0;
    sp = caller;
    ip = *(const Addr*)(sp - sizeof(Addr)) - 1; /* the last byte of the call, as Valgrind says it */
  }
}

UInt context_of_guest(ThreadId tid, const VexGuestAMD64State* guest, Addr ip) {
  Addr ips[MAX_FRAMES];
  const UInt count = fast_walk(tid, ip, guest, ips);
  /* Where the two walks differ, the slow one learns that a frame on the way has not one size. */
  if (count != 0 && ++fast_walks % CHECK_PERIOD != 0) {
    const UInt context = find_context(ips, count, hash_stack(ips, count));
    if (context != 0) return context;
  }
  return intern(ips, slow_walk(tid, ips));
}

UInt context_of_thread(ThreadId tid) {
  Addr ips[MAX_FRAMES];
  return intern(ips, slow_walk(tid, ips));
}

Bool context_describe_once(Addr ip, UInt generation) {
  struct frame* frame = get_frame(ip);
  if (frame->described == generation) return False;
  frame->described = generation;
  return True;
}

UInt context_frames(UInt context, const Addr** out) {
  tl_assert(context >= 1 && context <= context_count);
  *out = addresses + contexts[context].first;
  return contexts[context].count;
}

void context_print(UInt context, const HChar* first_prefix) {
  const Addr* ips;
  const UInt count = context_frames(context, &ips);
  for (UInt i = 0; i < count; ++i) {
    const HChar* what = VG_(describe_IP)(VG_(current_DiEpoch)(), ips[i], NULL);
    VG_(umsg)("%s%s %s\n", i == 0 ? first_prefix : "   ", i == 0 ? "   at" : "   by", what);
  }
}
