/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Superblocks in, superblocks with calls out.

   A store's call comes after it, so that it reads the bytes where they are now, whatever their
   width; it is guarded by one inlined comparison, so a store to other memory costs five
   instructions. Loads have no calls but with --loads=yes. Flushes that VEX does not know end a
   superblock undecoded: it is mended to flush and go on. CPUID is made to offer CLWB and
   CLFLUSHOPT. */
#include <pub_tool_libcproc.h>
#include <pub_tool_machine.h>

#include "faultinject/pmemcheck/hand_over.h"
#include "faultinject/pmemcheck/tool.h"

ULong hull_begin, hull_bytes;
ULong waiting_for_fence;
Bool instructions_seen;
UInt superblock;

/* -- sites */

#define SITE_HEADS 16384
static struct site* site_heads[SITE_HEADS];
static UInt site_count;

/* A superblock may be translated again: the same instruction is the same site. */
static struct site* get_site(Addr ip, UInt bytes, UShort flags, UShort instruction) {
  struct site** head = &site_heads[(ip ^ ip >> 14) % SITE_HEADS];
  struct site* site;
  for (site = *head; site != NULL; site = site->next) {
    if (site->ip == ip && site->bytes == bytes && site->flags == flags &&
        site->instruction == instruction) {
      return site;
    }
  }
  site = VG_(calloc)("pmc.site", 1, sizeof(*site));
  site->ip = ip;
  site->bytes = bytes;
  site->flags = flags;
  site->instruction = instruction;
  site->next = *head;
  *head = site;
  ++site_count;
  return site;
}

void sites_clear(void) {
  for (UInt i = 0; i < SITE_HEADS; ++i) {
    for (struct site* site = site_heads[i]; site != NULL; site = site->next) {
      site->stores = site->stored_bytes = site->flushes = site->fences = 0;
    }
  }
}

static Int compare_sites(const void* a, const void* b) {
  const struct site* left = *(struct site* const*)a;
  const struct site* right = *(struct site* const*)b;
  return left->ip < right->ip ? -1 : left->ip > right->ip;
}

void sites_visit(void (*visit)(const struct site* site)) {
  struct site** sorted;
  UInt count = 0;
  if (site_count == 0) return;
  sorted = VG_(malloc)("pmc.sites", site_count * sizeof(*sorted));
  for (UInt i = 0; i < SITE_HEADS; ++i) {
    for (struct site* site = site_heads[i]; site != NULL; site = site->next) sorted[count++] = site;
  }
  VG_(ssort)(sorted, count, sizeof(*sorted), compare_sites);
  for (UInt i = 0; i < count; ++i) visit(sorted[i]);
  VG_(free)(sorted);
}

/* -- loads, with --loads=yes */

static struct pmc_loads loads;

void loads_init(void) {
  if (options.loads) pmc_loads_init(&loads, (ULong)options.loads_cache);
}

Bool loads_take(struct pmc_load_counts* counts, UInt flags, ULong* missed, SizeT room) {
  if (!options.loads) return False;
  *counts = pmc_loads_take(&loads, flags, (uint64_t*)missed, room);
  return True;
}

static void on_load(Addr address, ULong bytes) {
  if (is_persistent(address)) pmc_loads_load(&loads, address, bytes);
}

static void note_store(Addr address, const struct site* site) {
  if (!options.loads) return;
  pmc_loads_store(&loads, address, site->bytes, (site->flags & SITE_NON_TEMPORAL) != 0);
}

/* -- what the inserted calls run */

static void on_store(VexGuestAMD64State* guest, Addr address, struct site* site) {
  if (!is_persistent(address) &&
      pmc_ranges_coverage(&mappings, address, address + site->bytes) == PMC_OUTSIDE) {
    return;
  }
  const ThreadId tid = VG_(get_running_tid)();
  if ((site->flags & SITE_NON_TEMPORAL) != 0 && options.isa_rec) instructions_seen = True;
  ++site->stores;
  site->stored_bytes += site->bytes;
  note_store(address, site);
  event_store(tid, address, site->bytes, site->flags, context_of_guest(tid, guest, site->ip));
  maybe_hand_over(tid, guest);
}

/* A locked operation: a fence, and then its store if it made one. */
static void on_locked(VexGuestAMD64State* guest, Addr address, struct site* site, ULong stored) {
  const ThreadId tid = VG_(get_running_tid)();
  const Bool persistent = is_persistent(address);
  UInt context;
  if (!persistent && waiting_for_fence == 0) return;
  context = context_of_guest(tid, guest, site->ip);
  ++site->fences;
  event_fence(tid, FENCE_LOCKED, context);
  maybe_hand_over(tid, guest);
  if (!persistent || !stored) return;
  ++site->stores;
  note_store(address, site);
  site->stored_bytes += site->bytes;
  event_store(tid, address, site->bytes, site->flags, context);
}

static void on_flush(VexGuestAMD64State* guest, Addr address, struct site* site) {
  static const enum pmc_flush_kind kKinds[] = {[PMC_INSN_CLFLUSH] = PMC_CLFLUSH,
                                               [PMC_INSN_CLFLUSHOPT] = PMC_CLFLUSHOPT,
                                               [PMC_INSN_CLWB] = PMC_CLWB};
  const ThreadId tid = VG_(get_running_tid)();
  const Addr line = address / PMC_LINE_BYTES * PMC_LINE_BYTES;
  if (!is_persistent(address) &&
      pmc_ranges_coverage(&mappings, line, line + PMC_LINE_BYTES) == PMC_OUTSIDE) {
    return;
  }
  instructions_seen = True;
  ++site->flushes;
  event_flush(tid, line, PMC_LINE_BYTES, kKinds[site->instruction],
              context_of_guest(tid, guest, site->ip));
  maybe_hand_over(tid, guest);
}

static void on_fence(VexGuestAMD64State* guest, struct site* site) {
  const ThreadId tid = VG_(get_running_tid)();
  if (mappings.count == 0) return;
  ++site->fences;
  event_fence(tid, site->instruction == PMC_INSN_SFENCE ? FENCE_SFENCE : FENCE_MFENCE,
              context_of_guest(tid, guest, site->ip));
  maybe_hand_over(tid, guest);
}

/* -- IR */

struct block {
  IRSB* out;
  Addr ip; /* of the instruction whose statements are being copied */
  struct pmc_decoded decoded;
  IRTemp cpuid_leaf, cpuid_subleaf;
};

static IRExpr* constant(ULong value) { return IRExpr_Const(IRConst_U64(value)); }
static IRExpr* pointer(const void* address) { return constant((ULong)(Addr)address); }

static IRExpr* assign(struct block* block, IRType type, IRExpr* value) {
  const IRTemp temp = newIRTemp(block->out->tyenv, type);
  addStmtToIRSB(block->out, IRStmt_WrTmp(temp, value));
  return IRExpr_RdTmp(temp);
}

static IRExpr* load_word(struct block* block, const void* address) {
  return assign(block, Ity_I64, IRExpr_Load(Iend_LE, Ity_I64, pointer(address)));
}

static IRExpr* both(struct block* block, IRExpr* a, IRExpr* b) {
  if (a == NULL) return b;
  if (b == NULL) return a;
  a = assign(block, Ity_I64, IRExpr_Unop(Iop_1Uto64, a));
  b = assign(block, Ity_I64, IRExpr_Unop(Iop_1Uto64, b));
  return assign(block, Ity_I1,
                IRExpr_Unop(Iop_64to1, assign(block, Ity_I64, IRExpr_Binop(Iop_And64, a, b))));
}

static IRExpr* in_hull(struct block* block, IRExpr* address) {
  IRExpr* offset =
      assign(block, Ity_I64, IRExpr_Binop(Iop_Sub64, address, load_word(block, &hull_begin)));
  return assign(block, Ity_I1, IRExpr_Binop(Iop_CmpLT64U, offset, load_word(block, &hull_bytes)));
}

/* A call that reads the guest's registers for the stack's sake. (What --sched-seed writes is the
   host's part of the state, which no superblock holds in a register.) */
static void call(struct block* block, const HChar* name, void* function, IRExpr** arguments,
                 IRExpr* guard) {
  IRDirty* dirty = unsafeIRDirty_0_N(0, name, VG_(fnptr_to_fnentry)(function), arguments);
  dirty->nFxState = 2;
  VG_(memset)(&dirty->fxState, 0, sizeof(dirty->fxState));
  dirty->fxState[0].fx = Ifx_Read;
  dirty->fxState[0].offset = offsetof(VexGuestAMD64State, guest_RSP);
  dirty->fxState[0].size = 8;
  dirty->fxState[1].fx = Ifx_Read;
  dirty->fxState[1].offset = offsetof(VexGuestAMD64State, guest_RBP);
  dirty->fxState[1].size = 8;
  if (guard != NULL) dirty->guard = guard;
  addStmtToIRSB(block->out, IRStmt_Dirty(dirty));
}

static void add_store(struct block* block, IRExpr* address, UInt bytes, UShort flags,
                      IRExpr* guard) {
  if (block->decoded.instruction == PMC_INSN_NT_STORE) flags |= SITE_NON_TEMPORAL;
  if (block->decoded.instruction == PMC_INSN_NT_MASKED) flags |= SITE_NON_TEMPORAL | SITE_MASKED;
  if (block->decoded.instruction == PMC_INSN_REP_STRING) flags |= SITE_REP;
  call(block, "on_store", &on_store,
       mkIRExprVec_3(IRExpr_GSPTR(), address, pointer(get_site(block->ip, bytes, flags, 0))),
       both(block, guard, in_hull(block, address)));
}

static void add_load(struct block* block, IRExpr* address, UInt bytes, IRExpr* guard) {
  IRDirty* dirty;
  if (!options.loads) return;
  dirty = unsafeIRDirty_0_N(0, "on_load", VG_(fnptr_to_fnentry)(&on_load),
                            mkIRExprVec_2(address, constant(bytes)));
  dirty->guard = both(block, guard, in_hull(block, address));
  addStmtToIRSB(block->out, IRStmt_Dirty(dirty));
}

static void add_guarded_load(struct block* block, const IRLoadG* load) {
  IRType wide, narrow;
  typeOfIRLoadGOp(load->cvt, &wide, &narrow);
  add_load(block, load->addr, (UInt)sizeofIRType(narrow), load->guard);
}

/* Whether the CAS found what it expected. */
static IRExpr* cas_succeeded(struct block* block, IRType type, IRTemp old, IRExpr* expected) {
  IROp op = Iop_CmpEQ64;
  switch (type) {
    case Ity_I8:
      op = Iop_CasCmpEQ8;
      break;
    case Ity_I16:
      op = Iop_CasCmpEQ16;
      break;
    case Ity_I32:
      op = Iop_CasCmpEQ32;
      break;
    default:
      op = Iop_CasCmpEQ64;
      break;
  }
  return assign(block, Ity_I1, IRExpr_Binop(op, IRExpr_RdTmp(old), expected));
}

static void add_locked(struct block* block, const IRCAS* cas) {
  const IRType type = typeOfIRExpr(block->out->tyenv, cas->dataLo);
  const Bool is_double = cas->dataHi != NULL;
  const UInt bytes = (UInt)sizeofIRType(type) * (is_double ? 2 : 1);
  IRExpr* stored = cas_succeeded(block, type, cas->oldLo, cas->expdLo);
  IRExpr* waiting = assign(
      block, Ity_I1, IRExpr_Binop(Iop_CmpNE64, load_word(block, &waiting_for_fence), constant(0)));
  IRExpr* here = in_hull(block, cas->addr);
  IRExpr* either;
  if (is_double) {
    stored = both(block, stored, cas_succeeded(block, type, cas->oldHi, cas->expdHi));
  }
  stored = assign(block, Ity_I64, IRExpr_Unop(Iop_1Uto64, stored));
  waiting = assign(block, Ity_I64, IRExpr_Unop(Iop_1Uto64, waiting));
  here = assign(block, Ity_I64, IRExpr_Unop(Iop_1Uto64, here));
  either = assign(block, Ity_I64, IRExpr_Binop(Iop_Or64, waiting, here));
  call(block, "on_locked", &on_locked,
       mkIRExprVec_4(IRExpr_GSPTR(), cas->addr, pointer(get_site(block->ip, bytes, SITE_LOCKED, 0)),
                     stored),
       assign(block, Ity_I1, IRExpr_Unop(Iop_64to1, either)));
}

static const Int kRegisterOffsets[16] = {
    offsetof(VexGuestAMD64State, guest_RAX), offsetof(VexGuestAMD64State, guest_RCX),
    offsetof(VexGuestAMD64State, guest_RDX), offsetof(VexGuestAMD64State, guest_RBX),
    offsetof(VexGuestAMD64State, guest_RSP), offsetof(VexGuestAMD64State, guest_RBP),
    offsetof(VexGuestAMD64State, guest_RSI), offsetof(VexGuestAMD64State, guest_RDI),
    offsetof(VexGuestAMD64State, guest_R8),  offsetof(VexGuestAMD64State, guest_R9),
    offsetof(VexGuestAMD64State, guest_R10), offsetof(VexGuestAMD64State, guest_R11),
    offsetof(VexGuestAMD64State, guest_R12), offsetof(VexGuestAMD64State, guest_R13),
    offsetof(VexGuestAMD64State, guest_R14), offsetof(VexGuestAMD64State, guest_R15)};

static IRExpr* get_register(struct block* block, Int offset) {
  return assign(block, Ity_I64, IRExpr_Get(offset, Ity_I64));
}

static IRExpr* add(struct block* block, IRExpr* a, IRExpr* b) {
  return assign(block, Ity_I64, IRExpr_Binop(Iop_Add64, a, b));
}

/* The address of the operand of the flush at `ip`. */
static IRExpr* operand_address(struct block* block, Addr ip, const struct pmc_decoded* decoded) {
  const struct pmc_operand* operand = &decoded->operand;
  ULong displacement = (ULong)operand->displacement;
  IRExpr* address;
  if (operand->rip_relative) displacement += ip + decoded->length;
  address = assign(block, Ity_I64, constant(displacement));
  if (operand->base != PMC_NO_REGISTER) {
    address = add(block, address, get_register(block, kRegisterOffsets[operand->base]));
  }
  if (operand->index != PMC_NO_REGISTER) {
    IRExpr* index = get_register(block, kRegisterOffsets[operand->index]);
    const UChar shift = (UChar)__builtin_ctz(operand->scale);
    index = assign(block, Ity_I64, IRExpr_Binop(Iop_Shl64, index, IRExpr_Const(IRConst_U8(shift))));
    address = add(block, address, index);
  }
  if (operand->address32) {
    address = assign(block, Ity_I64, IRExpr_Binop(Iop_And64, address, constant(0xffffffff)));
  }
  if (operand->segment == 4) {
    address =
        add(block, address, get_register(block, offsetof(VexGuestAMD64State, guest_FS_CONST)));
  } else if (operand->segment == 5) {
    address =
        add(block, address, get_register(block, offsetof(VexGuestAMD64State, guest_GS_CONST)));
  }
  return address;
}

/* VEX keeps the program counter exact at accesses to memory; flushes and fences are none to it. */
static void put_ip(struct block* block, Addr ip) {
  addStmtToIRSB(block->out, IRStmt_Put(offsetof(VexGuestAMD64State, guest_RIP), constant(ip)));
}

static void add_flush(struct block* block, Addr ip, const struct pmc_decoded* decoded) {
  if (!options.isa_rec) return;
  put_ip(block, ip);
  call(block, "on_flush", &on_flush,
       mkIRExprVec_3(IRExpr_GSPTR(), operand_address(block, ip, decoded),
                     pointer(get_site(ip, 0, 0, (UShort)decoded->instruction))),
       NULL);
}

static void add_fence(struct block* block) {
  const enum pmc_instruction instruction = block->decoded.instruction;
  if (!options.isa_rec) return;
  if (instruction != PMC_INSN_SFENCE && instruction != PMC_INSN_MFENCE) return;
  put_ip(block, block->ip);
  call(block, "on_fence", &on_fence,
       mkIRExprVec_2(IRExpr_GSPTR(), pointer(get_site(block->ip, 0, 0, (UShort)instruction))),
       NULL);
}

/* CPUID leaf 7, EBX: bit 23 is CLFLUSHOPT, bit 24 CLWB. */
static void offer_clwb(struct block* block) {
  const Int rbx = offsetof(VexGuestAMD64State, guest_RBX);
  IRExpr* leaf =
      assign(block, Ity_I64,
             IRExpr_Binop(Iop_And64, IRExpr_RdTmp(block->cpuid_leaf), constant(0xffffffff)));
  IRExpr* subleaf =
      assign(block, Ity_I64,
             IRExpr_Binop(Iop_And64, IRExpr_RdTmp(block->cpuid_subleaf), constant(0xffffffff)));
  IRExpr* is_leaf_7 =
      both(block, assign(block, Ity_I1, IRExpr_Binop(Iop_CmpEQ64, leaf, constant(7))),
           assign(block, Ity_I1, IRExpr_Binop(Iop_CmpEQ64, subleaf, constant(0))));
  IRExpr* bits = assign(block, Ity_I64, IRExpr_ITE(is_leaf_7, constant(3ULL << 23), constant(0)));
  IRExpr* value = assign(block, Ity_I64, IRExpr_Binop(Iop_Or64, get_register(block, rbx), bits));
  addStmtToIRSB(block->out, IRStmt_Put(rbx, value));
}

static void begin_instruction(struct block* block, const IRStmt* mark) {
  block->ip = mark->Ist.IMark.addr + mark->Ist.IMark.delta;
  block->decoded = pmc_decode((const UChar*)block->ip, mark->Ist.IMark.len);
  if (block->decoded.instruction == PMC_INSN_CPUID && options.offer_clwb) {
    block->cpuid_leaf = newIRTemp(block->out->tyenv, Ity_I64);
    block->cpuid_subleaf = newIRTemp(block->out->tyenv, Ity_I64);
    addStmtToIRSB(block->out,
                  IRStmt_WrTmp(block->cpuid_leaf, IRExpr_Get(kRegisterOffsets[0], Ity_I64)));
    addStmtToIRSB(block->out,
                  IRStmt_WrTmp(block->cpuid_subleaf, IRExpr_Get(kRegisterOffsets[1], Ity_I64)));
  }
}

static void after_statement(struct block* block, const IRStmt* statement) {
  switch (statement->tag) {
    case Ist_Store: {
      const IRType type = typeOfIRExpr(block->out->tyenv, statement->Ist.Store.data);
      add_store(block, statement->Ist.Store.addr, (UInt)sizeofIRType(type), 0, NULL);
      break;
    }
    case Ist_StoreG: {
      const IRStoreG* store = statement->Ist.StoreG.details;
      const IRType type = typeOfIRExpr(block->out->tyenv, store->data);
      add_store(block, store->addr, (UInt)sizeofIRType(type), 0, store->guard);
      break;
    }
    case Ist_CAS: {
      const IRCAS* cas = statement->Ist.CAS.details;
      const IRType type = typeOfIRExpr(block->out->tyenv, cas->dataLo);
      add_load(block, cas->addr, (UInt)sizeofIRType(type) * (cas->dataHi != NULL ? 2 : 1), NULL);
      add_locked(block, cas);
      break;
    }
    case Ist_WrTmp: {
      const IRExpr* data = statement->Ist.WrTmp.data;
      if (data->tag != Iex_Load) break;
      add_load(block, data->Iex.Load.addr, (UInt)sizeofIRType(data->Iex.Load.ty), NULL);
      break;
    }
    case Ist_LoadG:
      add_guarded_load(block, statement->Ist.LoadG.details);
      break;
    case Ist_Dirty: {
      const IRDirty* dirty = statement->Ist.Dirty.details;
      if (dirty->mFx == Ifx_Read || dirty->mFx == Ifx_Modify) {
        add_load(block, dirty->mAddr, (UInt)dirty->mSize, dirty->guard);
      }
      if (dirty->mFx == Ifx_Write || dirty->mFx == Ifx_Modify) {
        add_store(block, dirty->mAddr, (UInt)dirty->mSize, 0, dirty->guard);
      }
      if (block->decoded.instruction == PMC_INSN_CPUID && options.offer_clwb) offer_clwb(block);
      break;
    }
    case Ist_MBE:
      if (statement->Ist.MBE.event == Imbe_Fence) add_fence(block);
      break;
    default:
      break;
  }
}

/* One line for each kind of instruction that nothing can be done about. */
static void say_unknown(Addr ip, enum pmc_instruction instruction) {
  const UChar* code = (const UChar*)ip;
  const HChar* what = instruction == PMC_INSN_AVX512   ? "AVX-512"
                      : instruction == PMC_INSN_MOVDIR ? "MOVDIRI/MOVDIR64B"
                                                       : "an instruction that VEX does not know";
  VG_(umsg)
  ("pmemcheck: Valgrind cannot run %s (at %#lx: %02x %02x %02x %02x %02x %02x)\n", what, ip,
   code[0], code[1], code[2], code[3], code[4], code[5]);
}

/* How the superblock ends: flushes are no jumps. */
static void end_block(struct block* block, const IRSB* in) {
  block->out->jumpkind = in->jumpkind;
  if (in->jumpkind == Ijk_InvalICache && block->decoded.instruction == PMC_INSN_CLFLUSH) {
    add_flush(block, block->ip, &block->decoded);
    block->out->jumpkind = Ijk_Boring; /* it is data that is flushed: no code has changed */
  } else if (in->jumpkind == Ijk_NoDecode && in->next->tag == Iex_Const) {
    const Addr ip = in->next->Iex.Const.con->Ico.U64;
    const struct pmc_decoded decoded = pmc_decode((const UChar*)ip, 15);
    /* CLFLUSH too: VEX does not know it with a REX.W, which changes nothing. */
    if (decoded.instruction != PMC_INSN_CLWB && decoded.instruction != PMC_INSN_CLFLUSHOPT &&
        decoded.instruction != PMC_INSN_CLFLUSH) {
      say_unknown(ip, decoded.instruction);
      return;
    }
    add_flush(block, ip, &decoded);
    block->out->next = constant(ip + decoded.length);
    block->out->jumpkind = Ijk_Boring;
  }
}

IRSB* instrument(VgCallbackClosure* closure, IRSB* in, const VexGuestLayout* layout,
                 const VexGuestExtents* extents, const VexArchInfo* host, IRType guest_word,
                 IRType host_word) {
  struct block block = {.out = deepCopyIRSBExceptStmts(in)};
  Int at = 0;
  (void)closure, (void)layout, (void)extents, (void)host;
  tl_assert(guest_word == Ity_I64 && host_word == Ity_I64);
  exit_code_program_runs();
  for (; at < in->stmts_used && in->stmts[at]->tag != Ist_IMark; ++at) {
    addStmtToIRSB(block.out, in->stmts[at]);
  }
  if (options.mult_stores) {
    IRExpr* count = assign(&block, Ity_I32, IRExpr_Load(Iend_LE, Ity_I32, pointer(&superblock)));
    count = assign(&block, Ity_I32, IRExpr_Binop(Iop_Add32, count, IRExpr_Const(IRConst_U32(1))));
    addStmtToIRSB(block.out, IRStmt_Store(Iend_LE, pointer(&superblock), count));
  }
  for (; at < in->stmts_used; ++at) {
    const IRStmt* statement = in->stmts[at];
    if (statement == NULL || statement->tag == Ist_NoOp) continue;
    if (statement->tag == Ist_IMark) begin_instruction(&block, statement);
    addStmtToIRSB(block.out, in->stmts[at]);
    after_statement(&block, statement);
  }
  end_block(&block, in);
  return block.out;
}
