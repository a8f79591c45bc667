// SPDX-License-Identifier: BSD-3-Clause
#include "harness/oracle/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engines/status.h"

namespace fencepost {
namespace {

using Outcome = HistoryOp::Outcome;

constexpr size_t kValueExcerptBytes = 16;
constexpr size_t kKeyExcerptBytes = 64;

std::string Printable(std::string_view text, size_t excerpt_bytes) {
  std::string printable;
  for (const char c : text.substr(0, excerpt_bytes)) {
    const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
    printable += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
  }
  if (text.size() > excerpt_bytes) printable += "...";
  return printable;
}

std::string ShowKey(std::string_view key) { return Printable(key, kKeyExcerptBytes); }

std::string ShowValue(const std::optional<std::string>& value) {
  if (!value) return "absent";
  return fmt::format("\"{}\" ({} bytes)", Printable(*value, kValueExcerptBytes), value->size());
}

std::string_view OpName(const IndexedOp& op) {
  if (op.is_read_all()) return "read of everything";
  if (!op.is_write()) return "read";
  if (op.changes.size() > 1) return "batch";
  return op.changes[0].value == kAbsent ? "delete" : "put";
}

std::string ShowOp(const IndexedOp& op) {
  return fmt::format("operation {} ({})", op.source->id, OpName(op));
}

std::optional<std::string> Found(const StoreContents& contents, std::string_view key) {
  const auto at = contents.find(std::string(key));
  if (at == contents.end()) return std::nullopt;
  return at->second;
}

// What a write does to a key; nullopt: nothing.
std::optional<ValueId> ValueFor(const IndexedOp& op, uint32_t key) {
  if (!op.is_write()) return std::nullopt;
  for (const Change& change : op.changes) {
    if (change.key == key) return change.value;
  }
  return std::nullopt;
}

// Works out violations of one component. Keys are numbers within it.
class Diagnosis {
 public:
  explicit Diagnosis(const Finding& finding)
      : f_(finding), ops_(finding.component.ops), target_(finding.target.values) {}

  std::string_view Name(uint32_t key) const { return f_.index.keys()[f_.component.keys[key]]; }

  Violation Make(ViolationKind kind, uint32_t key, const std::set<ValueId>& allowed,
                 std::vector<const IndexedOp*> at_fault, std::string_view why) const {
    Violation v;
    v.kind = kind;
    v.key = Name(key);
    for (const ValueId value : allowed) v.allowed.push_back(f_.index.Value(value));
    v.found = Found(f_.contents, v.key);
    std::stable_sort(at_fault.begin(), at_fault.end(), [](const IndexedOp* a, const IndexedOp* b) {
      return a->source->begin > b->source->begin;
    });
    for (const IndexedOp* op : at_fault) v.operations.push_back(op->source->id);
    v.message = fmt::format("key {}: {}: {}", ShowKey(v.key), ViolationKindName(kind), why);
    return v;
  }

  // The last write of `value` to `key` that began before the crash, and was not refused before it.
  const IndexedOp* LastWriter(uint32_t key, ValueId value) const {
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
      if (ValueFor(*op, key) == value && MayHaveHappened(*op)) return &*op;
    }
    return nullptr;
  }

  bool Began(const IndexedOp& op) const { return op.source->begin < f_.position; }
  bool Ended(const IndexedOp& op) const { return op.source->end < f_.position; }
  bool MayHaveHappened(const IndexedOp& op) const {
    return Began(op) && !(op.source->outcome == Outcome::kRefused && Ended(op));
  }
  bool Acknowledged(const IndexedOp& op) const {
    return op.is_write() && !op.optional && Ended(op);
  }

  bool Written(uint32_t key) const {
    return target_[key] == kAbsent || f_.component.initial[key] == target_[key] ||
           LastWriter(key, target_[key]) != nullptr;
  }

  // Absent, older, or back, where `due` is what it should have been.
  static ViolationKind KindOf(ValueId found, const std::set<ValueId>& due) {
    if (found == kAbsent) return ViolationKind::kLost;
    if (due == std::set<ValueId>{kAbsent}) return ViolationKind::kResurrected;
    return ViolationKind::kStale;
  }

  // The found value is none of `allowed`. `due` are those that do not come of a write under way.
  Violation NotAllowed(uint32_t key, const std::set<ValueId>& allowed, const std::set<ValueId>& due,
                       std::string_view before) const {
    if (!Written(key)) {
      Violation v = NeverWritten(f_.index, f_.component.keys[key], f_.contents, f_.position);
      for (const ValueId value : allowed) v.allowed.push_back(f_.index.Value(value));
      return v;
    }
    std::vector<const IndexedOp*> at_fault;
    const ViolationKind kind = KindOf(target_[key], due);
    const IndexedOp* culprit = LastDue(key, due);
    std::string why = "it was there at first";
    if (culprit && Acknowledged(*culprit)) {
      why = fmt::format("{} was acknowledged before {}", ShowOp(*culprit), before);
    } else if (const IndexedOp* reader = LastReader(key, due); reader) {
      why = fmt::format("{} saw {}", ShowOp(*reader), ShowValue(f_.index.Value(*due.begin())));
      at_fault.push_back(reader);
    }
    if (culprit) at_fault.push_back(culprit);
    why += target_[key] == kAbsent ? "; absent"
                                   : "; found " + ShowValue(Found(f_.contents, Name(key)));
    if (target_[key] != kAbsent) {
      if (const IndexedOp* writer = LastWriter(key, target_[key]); writer && writer != culprit) {
        why += " of " + ShowOp(*writer);
        at_fault.push_back(writer);
      }
    }
    if (const IndexedOp* batch = HalfApplied(key, culprit); batch) {
      return Make(ViolationKind::kTornBatch, key, allowed, at_fault, why);
    }
    return Make(kind, key, allowed, at_fault, why);
  }

  // A batch of which `key` has nothing while another key has the value that only this batch wrote.
  const IndexedOp* HalfApplied(uint32_t key, const IndexedOp* batch) const {
    if (!batch || ValueFor(*batch, key) == target_[key]) return nullptr;
    return HasEvidence(*batch) ? batch : nullptr;
  }

  // Whether a value was found that nothing but this write can explain.
  bool HasEvidence(const IndexedOp& op) const {
    return std::any_of(op.changes.begin(), op.changes.end(), [&](const Change& change) {
      if (target_[change.key] != change.value) return false;
      if (f_.component.initial[change.key] == change.value) return false;
      return std::none_of(ops_.begin(), ops_.end(), [&](const IndexedOp& other) {
        return &other != &op && ValueFor(other, change.key) == change.value &&
               MayHaveHappened(other);
      });
    });
  }

  // A batch that left its mark on one key, while another key has a value from before it.
  std::optional<Violation> Torn(const Frontier& from) const {
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
      if (!op->is_write() || op->changes.size() < 2 || !MayHaveHappened(*op)) continue;
      if (!HasEvidence(*op)) continue;
      for (const Change& change : op->changes) {
        if (target_[change.key] == change.value || WrittenAfter(*op, change.key)) continue;
        return Make(ViolationKind::kTornBatch, change.key, from.PossibleValues(change.key), {&*op},
                    fmt::format("{} took effect on other keys; here {}", ShowOp(*op),
                                ShowValue(Found(f_.contents, Name(change.key)))));
      }
    }
    return std::nullopt;
  }

  // Whether the value found may come of a write that did not end before `op` began.
  bool WrittenAfter(const IndexedOp& op, uint32_t key) const {
    return std::any_of(ops_.begin(), ops_.end(), [&](const IndexedOp& other) {
      return &other != &op && ValueFor(other, key) == target_[key] && MayHaveHappened(other) &&
             !(other.source->end < op.source->begin && !other.optional);
    });
  }

  // A write that is lost although one that began after its end is there.
  std::optional<Violation> Hole(uint64_t synced) const {
    for (auto late = ops_.rbegin(); late != ops_.rend(); ++late) {
      if (!late->is_write() || !MayHaveHappened(*late) || !HasEvidence(*late)) continue;
      for (auto early = late + 1; early != ops_.rend(); ++early) {
        if (!early->is_write() || early->optional || early->source->end >= late->source->begin) {
          continue;
        }
        for (const Change& change : early->changes) {
          if (target_[change.key] == change.value || WrittenAfter(*early, change.key)) continue;
          const std::string_view mark = Name(late->changes[0].key);
          return Make(ViolationKind::kHole, change.key, ValuesSince(change.key, synced),
                      {&*late, &*early},
                      fmt::format("{} is lost while {} on key {}, which began later, survived; {}",
                                  ShowOp(*early), ShowOp(*late), ShowKey(mark),
                                  ShowValue(Found(f_.contents, Name(change.key)))));
        }
      }
    }
    return std::nullopt;
  }

  std::set<ValueId> ValuesSince(uint32_t key, uint64_t synced) const {
    std::set<ValueId> values;
    for (const IndexedOp& op : ops_) {
      const std::optional<ValueId> value = ValueFor(op, key);
      const bool late = op.source->end >= synced || op.optional;
      if (value && late && MayHaveHappened(op)) values.insert(*value);
    }
    return values;
  }

  Violation Unexplained(const Frontier& frontier) const {
    if (const std::optional<uint32_t> number = frontier.dead_op()) {
      const IndexedOp& op = ops_[*number];
      const uint32_t key = op.changes.empty() ? FirstUnwritten(op) : op.changes[0].key;
      const std::string saw =
          op.is_write() || op.is_read_all()
              ? std::string()
              : ", which found " + ShowValue(f_.index.Value(op.changes[0].value));
      return Make(ViolationKind::kContradiction, key, {}, {&op},
                  fmt::format("no order of the operations explains {}{}", ShowOp(op), saw));
    }
    if (frontier.dead()) {
      return Make(ViolationKind::kContradiction, 0, {}, {},
                  "no order of the operations explains what was read after an earlier crash");
    }
    // Each value is possible, all of them together are not.
    uint32_t key = 0;
    while (key + 1 < target_.size() && frontier.HeldNow(key).contains(target_[key])) ++key;
    std::vector<const IndexedOp*> under_way;
    for (const uint32_t write : frontier.writes_under_way()) under_way.push_back(&ops_[write]);
    return Make(ViolationKind::kContradiction, key, frontier.PossibleValues(key), under_way,
                fmt::format("no order of the operations explains all that was found; here {}",
                            ShowValue(Found(f_.contents, Name(key)))));
  }

 private:
  // The last write that an answer obliges to have happened and that left one of `due`; else any.
  const IndexedOp* LastDue(uint32_t key, const std::set<ValueId>& due) const {
    const IndexedOp* any = nullptr;
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
      const std::optional<ValueId> value = ValueFor(*op, key);
      if (!value || !due.contains(*value) || !MayHaveHappened(*op)) continue;
      if (Acknowledged(*op)) return &*op;
      if (!any) any = &*op;
    }
    return any;
  }

  const IndexedOp* LastReader(uint32_t key, const std::set<ValueId>& due) const {
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
      if (op->is_write() || !Ended(*op)) continue;
      if (op->is_read_all() ? due.contains(op->contents[key])
                            : op->changes[0].key == key && due.contains(op->changes[0].value)) {
        return &*op;
      }
    }
    return nullptr;
  }

  // Of a read of everything: a key at which it saw what was never written, or the first.
  uint32_t FirstUnwritten(const IndexedOp& read_all) const {
    for (uint32_t key = 0; key < read_all.contents.size(); ++key) {
      const ValueId saw = read_all.contents[key];
      if (saw != kAbsent && !f_.index.AskedBefore(f_.component.keys[key], saw, f_.position)) {
        return key;
      }
    }
    return 0;
  }

  const Finding& f_;
  const std::vector<IndexedOp>& ops_;
  const std::vector<ValueId>& target_;
};

// Appends a violation for each key whose value is not possible for it alone.
bool ExplainKeys(const Finding& finding, const Frontier& due, uint64_t since,
                 std::string_view before, std::vector<Violation>* violations) {
  const Diagnosis diagnosis(finding);
  const size_t count = violations->size();
  for (uint32_t key = 0; key < finding.target.values.size(); ++key) {
    std::set<ValueId> allowed = due.PossibleValues(key);
    if (since < finding.position) allowed.merge(diagnosis.ValuesSince(key, since));
    if (allowed.contains(finding.target.values[key])) continue;
    violations->push_back(diagnosis.NotAllowed(key, allowed, due.HeldNow(key), before));
  }
  return violations->size() > count;
}

}  // namespace

std::string_view ViolationKindName(ViolationKind kind) {
  switch (kind) {
    case ViolationKind::kLost:
      return "lost";
    case ViolationKind::kStale:
      return "stale";
    case ViolationKind::kResurrected:
      return "resurrected";
    case ViolationKind::kPhantom:
      return "phantom";
    case ViolationKind::kTornBatch:
      return "torn batch";
    case ViolationKind::kHole:
      return "hole";
    case ViolationKind::kContradiction:
      return "contradiction";
  }
  return "unknown";
}

Violation UnknownKey(std::string_view key, std::string_view value) {
  Violation v;
  v.kind = ViolationKind::kPhantom;
  v.key = key;
  v.allowed = {std::nullopt};
  v.found = value;
  v.message = fmt::format("key {}: phantom: no operation names this key; found {}", ShowKey(key),
                          ShowValue(v.found));
  return v;
}

std::string ReplacedTooOften(std::string_view key, std::string_view value, uint64_t replaced,
                             uint64_t written) {
  return fmt::format(
      "key {}: contradiction: {} compare-and-puts have replaced {}, written {} times", ShowKey(key),
      replaced, ShowValue(std::string(value)), written);
}

Violation NeverWritten(const HistoryIndex& index, uint32_t key, const StoreContents& contents,
                       uint64_t position) {
  Violation v;
  v.kind = ViolationKind::kPhantom;
  v.key = index.keys()[key];
  v.found = Found(contents, v.key);
  const ValueId value = v.found ? index.FindValue(*v.found) : kAbsent;
  std::string why = "no operation wrote it";
  if (const HistoryOp* writer = index.FirstWriter(key, value); writer) {
    v.operations.push_back(writer->id);
    why = fmt::format("operation {} {}", writer->id,
                      writer->begin >= position ? "had not begun to write it"
                                                : "that would have written it was refused");
  }
  v.message = fmt::format("key {}: phantom: {}; found {}", ShowKey(v.key), why, ShowValue(v.found));
  return v;
}

bool ExplainChangedSinceRead(const Finding& finding, std::vector<Violation>* violations) {
  const Diagnosis diagnosis(finding);
  std::set<uint32_t> told;
  for (const Fact& fact : finding.component.facts) {
    const IndexedOp& read = finding.component.ops[fact.op];
    const ValueId found = finding.target.values[fact.found.key];
    if (!diagnosis.Ended(read) || fact.found.value == found) continue;
    if (!told.insert(fact.found.key).second) continue;
    if (!diagnosis.Written(fact.found.key)) {
      violations->push_back(NeverWritten(finding.index, finding.component.keys[fact.found.key],
                                         finding.contents, finding.position));
      continue;
    }
    const std::set<ValueId> due{fact.found.value};
    violations->push_back(diagnosis.Make(
        Diagnosis::KindOf(found, due), fact.found.key, due, {&read},
        fmt::format("{} found {} after an earlier crash; now {}", ShowOp(read),
                    ShowValue(finding.index.Value(fact.found.value)),
                    ShowValue(Found(finding.contents, diagnosis.Name(fact.found.key))))));
  }
  return !told.empty();
}

void ExplainAll(const Finding& finding, const Frontier& at_crash,
                std::vector<Violation>* violations) {
  const Diagnosis diagnosis(finding);
  if (!at_crash.dead()) {
    if (ExplainKeys(finding, at_crash, finding.position, "the crash", violations)) return;
    if (std::optional<Violation> torn = diagnosis.Torn(at_crash)) {
      return violations->push_back(*std::move(torn));
    }
  }
  violations->push_back(diagnosis.Unexplained(at_crash));
}

void ExplainPrefix(const Finding& finding, const Frontier& at_sync, const Frontier& at_crash,
                   uint64_t synced, std::vector<Violation>* violations) {
  const Diagnosis diagnosis(finding);
  if (!at_crash.dead()) {
    if (ExplainKeys(finding, at_sync, synced, "the last sync before the crash", violations)) return;
    std::optional<Violation> found = diagnosis.Torn(at_crash);
    if (!found) found = diagnosis.Hole(synced);
    if (found) return violations->push_back(*std::move(found));
  }
  violations->push_back(diagnosis.Unexplained(at_crash));
}

}  // namespace fencepost
