// SPDX-License-Identifier: BSD-3-Clause
// The rules of the file models once more, for tests: by brute force, from the list of events.
//
// What a crash after the first n events can leave is found anew for each n: which effects are
// guaranteed is a search over the events, and the trees are those of all subsets of the others,
// less those in which a survivor lacks what it needs. Files are strings, a tree is a list of names.
// It shares nothing with the model but the events, not even the table of file systems.
#ifndef FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_REFERENCE_H_
#define FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_REFERENCE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/iotrace/io_event.h"

namespace fencepost::reference {

using K = IoEvent::Kind;

struct Rules {
  bool journal = false, data_first = false, stale = false, atomic_append = false;
  bool file_sync_names = false, replace_waits = false, truncate_waits = false, cut_frees = false;
  uint64_t sector = 2, block = 4;
  bool tear = true;
};

inline Rules RulesOf(const std::string& name) {
  Rules r;
  const bool ext4 = name == "ext4-ordered" || name == "ext4-writeback";
  r.journal = ext4 || name == "xfs";
  r.data_first = name == "ext4-ordered" || name == "xfs" || name == "btrfs";
  r.stale = name == "ext4-writeback";
  r.atomic_append = name == "append-atomic";
  r.file_sync_names = r.cut_frees = r.journal || name == "btrfs";
  r.replace_waits = ext4;
  r.truncate_waits = name == "xfs";
  if (name == "btrfs") r.sector = 4;
  return r;
}

// What the program sees.
struct Disk {
  std::map<InodeId, std::string> files;
  std::set<InodeId> directories = {kRootInode};
  std::map<std::pair<InodeId, std::string>, InodeId> names;

  bool IsDirectory(InodeId i) const { return directories.contains(i); }
  InodeId ParentOf(InodeId directory) const {
    for (const auto& [entry, inode] : names) {
      if (inode == directory) return entry.first;
    }
    return kRootInode;
  }

  void DoNames(const IoEvent& e) {
    if (e.kind == K::kRemove || e.kind == K::kRename) names.erase({e.directory, e.name});
    if (e.kind == K::kCreate || e.kind == K::kLink) names[{e.directory, e.name}] = e.inode;
    if (e.kind == K::kExchange) names[{e.directory, e.name}] = e.replaced;
    if (e.kind == K::kRename || e.kind == K::kExchange)
      names[{e.to_directory, e.to_name}] = e.inode;
  }

  void Do(const IoEvent& e) {
    if (e.kind == K::kCreate && e.type == InodeType::kDirectory) directories.insert(e.inode);
    if (e.kind == K::kCreate && e.type == InodeType::kFile) files[e.inode];
    if (e.kind <= K::kExchange) return DoNames(e);
    if (e.kind > K::kInsertHole) return;
    std::string& f = files.at(e.inode);
    if (e.kind == K::kWrite) {
      if (f.size() < e.offset + e.data.size()) f.resize(e.offset + e.data.size());
      f.replace(e.offset, e.data.size(), e.data);
    } else if (e.kind == K::kTruncate) {
      f.resize(e.length);
    } else if (e.kind == K::kAllocate) {
      f.resize(std::max<size_t>(f.size(), e.offset + e.length));
    } else if (e.kind == K::kZero) {
      for (uint64_t i = e.offset; i < e.offset + e.length && i < f.size(); ++i) f[i] = '\0';
    } else if (e.kind == K::kCollapse) {
      f.erase(e.offset, e.length);
    } else {
      f.insert(e.offset, e.length, '\0');
    }
  }

  // As TreeText does.
  std::string Text() const {
    std::map<InodeId, std::string> seen;
    std::string text;
    TextOf(kRootInode, "", &seen, &text);
    return text.empty() ? "-" : text;
  }

 private:
  void TextOf(InodeId directory, const std::string& prefix, std::map<InodeId, std::string>* seen,
              std::string* text) const {
    for (const auto& [entry, inode] : names) {
      if (entry.first != directory) continue;
      const std::string path = prefix + entry.second;
      *text += text->empty() ? path : ' ' + path;
      if (seen->contains(inode)) {
        *text += '=' + seen->at(inode);
        continue;
      }
      (*seen)[inode] = path;
      if (IsDirectory(inode)) {
        *text += '/';
        TextOf(inode, path + '/', seen, text);
        continue;
      }
      *text += '=';
      for (const char c : files.at(inode)) *text += c == '\0' ? '.' : c == '\xA5' ? '?' : c;
    }
  }
};

struct Effect {
  enum Kind { kSector, kGrow, kSet, kName, kShift };
  size_t event = 0;
  Kind kind = kSector;
  InodeId inode = kNoInode;
  std::vector<uint64_t> sectors = {};
  uint64_t from = 0, to = 0;  // sizes
  std::vector<size_t> failed_syncs = {};
  bool durable = false;

  bool IsMetadata() const { return kind >= kSet; }
  bool Cuts() const { return kind == kSet && to < from; }
  bool FailedBefore(size_t at) const {
    return std::any_of(failed_syncs.begin(), failed_syncs.end(), [&](size_t k) { return k < at; });
  }
};

class Crash {
 public:
  Crash(const Rules& rules, const Disk& start, const std::vector<IoEvent>& events)
      : rules_(rules), events_(events), disks_{start} {
    for (size_t i = 0; i < events.size(); ++i) {
      Disk next = disks_.back();
      next.Do(events[i]);
      disks_.push_back(std::move(next));
      AddEffects(i);
      if (events[i].kind == K::kSyncEnd) SyncAt(i);
    }
  }

  size_t undecided() const {
    return static_cast<size_t>(std::count_if(effects_.begin(), effects_.end(),
                                             [](const Effect& e) { return !e.durable; }));
  }
  const std::vector<Effect>& effects() const { return effects_; }
  size_t states() const { return states_; }  // after Trees()

  // REQUIRES: few undecided.
  std::set<std::string> Trees() {
    std::vector<size_t> open;
    for (size_t i = 0; i < effects_.size(); ++i) {
      if (!effects_[i].durable) open.push_back(i);
    }
    std::vector<std::vector<size_t>> needs(effects_.size());
    for (const size_t b : open) {
      for (const size_t a : open) {
        if (a < b && Needs(b, a)) needs[b].push_back(a);
      }
    }
    std::set<std::string> trees;
    states_ = 0;
    for (uint64_t mask = 0; mask < uint64_t{1} << open.size(); ++mask) {
      std::vector<bool> alive(effects_.size(), true);
      for (size_t i = 0; i < open.size(); ++i) alive[open[i]] = (mask >> i & 1) != 0;
      const bool allowed = std::all_of(open.begin(), open.end(), [&](size_t b) {
        return !alive[b] ||
               std::all_of(needs[b].begin(), needs[b].end(), [&](size_t a) { return alive[a]; });
      });
      if (!allowed) continue;
      ++states_;
      trees.insert(Tree(alive));
    }
    return trees;
  }

 private:
  void AddEffects(size_t i) {
    const IoEvent& e = events_[i];
    const Disk &before = disks_[i], &after = disks_[i + 1];
    if (e.kind <= K::kExchange) {
      effects_.push_back({i, Effect::kName, e.inode});
      return;
    }
    if (e.kind > K::kInsertHole) return;
    const uint64_t from = before.files.at(e.inode).size(), to = after.files.at(e.inode).size();
    if (e.kind == K::kCollapse || e.kind == K::kInsertHole) {
      if (e.length > 0) effects_.push_back({i, Effect::kShift, e.inode});
      return;
    }
    if (e.kind == K::kTruncate || e.kind == K::kAllocate) {
      if (from != to) effects_.push_back({i, Effect::kSet, e.inode, {}, from, to});
      return;
    }
    Effect growth{i, Effect::kGrow, e.inode, {}, from, to};
    std::vector<uint64_t> own;
    for (uint64_t s = 0; s < 64; ++s) {
      const uint64_t length = e.kind == K::kWrite ? e.data.size() : e.length;
      const uint64_t end = e.kind == K::kWrite ? to : std::min(to, e.offset + e.length);
      const bool touched = e.offset < (s + 1) * rules_.sector &&
                           s * rules_.sector < std::min(end, e.offset + length);
      if (!touched) continue;
      if (e.kind == K::kZero && Sector(i, e.inode, s) == Sector(i + 1, e.inode, s)) continue;
      const bool atomic = rules_.atomic_append && to > from && (s + 1) * rules_.sector > from;
      (atomic ? growth.sectors : own).push_back(s);
    }
    if (rules_.tear || e.kind == K::kZero) {
      for (const uint64_t s : own) effects_.push_back({i, Effect::kSector, e.inode, {s}});
    } else if (!own.empty()) {
      effects_.push_back({i, Effect::kSector, e.inode, own});
    }
    if (to > from) effects_.push_back(growth);
  }

  std::string Sector(size_t disk, InodeId inode, uint64_t s) const {
    std::string all = disks_[disk].files.at(inode);
    all.resize(std::max<size_t>(all.size(), (s + 1) * rules_.sector));
    return all.substr(s * rules_.sector, rules_.sector);
  }

  static bool Has(const Effect& e, uint64_t sector) {
    return std::find(e.sectors.begin(), e.sectors.end(), sector) != e.sectors.end();
  }

  // Whether b survives only with a, which came before; as of the events so far.
  bool Needs(size_t bi, size_t ai) const {
    const Effect &b = effects_[bi], &a = effects_[ai];
    if (b.kind == Effect::kName && a.kind == Effect::kName) {
      return rules_.journal || NameNeedsName(b, a);
    }
    if (rules_.journal && a.IsMetadata() && b.kind != Effect::kSector) return true;
    if (b.kind == Effect::kName) {
      const IoEvent& e = events_[b.event];
      return rules_.replace_waits && a.kind == Effect::kGrow && a.inode == b.inode &&
             e.kind == K::kRename && e.replaced != kNoInode;
    }
    return a.kind != Effect::kName && a.inode == b.inode && ContentNeeds(bi, ai);
  }

  bool ContentNeeds(size_t bi, size_t ai) const {
    const Effect &b = effects_[bi], &a = effects_[ai];
    // Once a sync of `a` has failed, nothing from before waits for it, but for its own sectors.
    if (b.kind != Effect::kSector && a.kind != Effect::kSet && !a.failed_syncs.empty() &&
        a.failed_syncs.back() > b.event) {
      return false;
    }
    if (a.kind == Effect::kShift || b.kind == Effect::kShift) return true;
    for (const uint64_t s : b.sectors) {
      if (Has(a, s) && NoneBetween(ai, bi, [&](const Effect& c) { return Has(c, s); })) return true;
      if (rules_.cut_frees && a.Cuts() && FreedFrom(a) <= s * rules_.sector) return true;
    }
    if (b.kind == Effect::kSector) return false;
    if (a.kind == Effect::kSet) return true;
    if (b.kind == Effect::kSet) return a.kind == Effect::kSector && SetWaits(bi, ai);
    if (a.kind == Effect::kGrow) {
      return !a.FailedBefore(b.event) && NoneBetween(ai, bi, [&](const Effect& c) {
        return c.kind == Effect::kGrow && !c.FailedBefore(b.event);
      });
    }
    return rules_.data_first && a.event == b.event &&
           (a.sectors.back() + 1) * rules_.sector > b.from;
  }

  uint64_t FreedFrom(const Effect& cut) const {
    uint64_t at = 0;
    while (at < cut.to) at += rules_.block;
    return at;
  }

  bool SetWaits(size_t bi, size_t ai) const {
    if (!rules_.truncate_waits || effects_[ai].sectors[0] * rules_.sector >= effects_[bi].to) {
      return false;
    }
    for (size_t g = ai + 1; g < bi; ++g) {
      if (effects_[g].kind == Effect::kGrow && Needs(g, ai) &&
          effects_[g].event == effects_[ai].event) {
        return true;
      }
    }
    return false;
  }

  template <typename Is>
  bool NoneBetween(size_t ai, size_t bi, const Is& is) const {
    for (size_t c = ai + 1; c < bi; ++c) {
      if (effects_[c].inode == effects_[ai].inode && effects_[c].kind != Effect::kName &&
          is(effects_[c])) {
        return false;
      }
    }
    return true;
  }

  static std::set<std::pair<InodeId, std::string>> EntriesOf(const IoEvent& e) {
    std::set<std::pair<InodeId, std::string>> entries = {{e.directory, e.name}};
    if (e.to_directory != kNoInode) entries.insert({e.to_directory, e.to_name});
    return entries;
  }

  // Whether the event gives the directory its place.
  static bool Places(const IoEvent& e, InodeId directory) {
    if (e.kind == K::kExchange && e.replaced == directory) return true;
    return e.inode == directory &&
           (e.kind == K::kCreate || e.kind == K::kRename || e.kind == K::kExchange);
  }

  bool NameNeedsName(const Effect& b, const Effect& a) const {
    const IoEvent &eb = events_[b.event], &ea = events_[a.event];
    for (const auto& entry : EntriesOf(eb)) {
      if (EntriesOf(ea).contains(entry)) return true;
    }
    const Disk& before = disks_[b.event];
    if (eb.kind == K::kRename || eb.kind == K::kExchange) {
      for (InodeId d = eb.to_directory; d != kRootInode; d = before.ParentOf(d)) {
        if (Places(ea, d)) return true;
      }
    }
    if (eb.kind == K::kExchange) {
      for (InodeId d = eb.directory; d != kRootInode; d = before.ParentOf(d)) {
        if (Places(ea, d)) return true;
      }
    }
    const InodeId gone = eb.kind == K::kRemove ? eb.inode : eb.replaced;
    if (eb.kind != K::kExchange && gone != kNoInode && before.IsDirectory(gone)) {
      return ea.directory == gone || ea.to_directory == gone;
    }
    return false;
  }

  bool IsCovered(const Effect& a, const IoEvent& sync) const {
    using S = IoEvent::Scope;
    if (a.event >= sync.begin || !a.failed_syncs.empty() || sync.scope == S::kNone) return false;
    if (sync.scope == S::kAll) return true;
    const IoEvent& e = events_[a.event];
    if (a.kind == Effect::kName) {
      if (disks_[0].IsDirectory(sync.inode) || disks_.back().IsDirectory(sync.inode)) {
        if (e.directory == sync.inode || e.to_directory == sync.inode) return true;
      }
      const bool own = e.inode == sync.inode || e.replaced == sync.inode;
      return rules_.file_sync_names && own && (sync.scope == S::kFile || e.kind == K::kCreate);
    }
    if (a.inode != sync.inode) return false;
    return sync.scope != S::kRange || InRange(a, sync);
  }

  bool InRange(const Effect& a, const IoEvent& sync) const {
    if (a.kind == Effect::kShift) return true;
    for (uint64_t at = sync.offset; at < sync.offset + sync.length; ++at) {
      if (Has(a, at / rules_.sector)) return true;
      if (a.kind != Effect::kSector && a.from <= at && at < a.to) return true;
    }
    return false;
  }

  void SyncAt(size_t i) {
    const IoEvent& sync = events_[i];
    if (sync.failed) {
      for (Effect& a : effects_) {
        if (a.durable || a.sectors.empty()) continue;
        const bool whole =
            sync.scope == IoEvent::Scope::kFile || sync.scope == IoEvent::Scope::kData;
        const bool hit = sync.scope == IoEvent::Scope::kAll ||
                         (a.inode == sync.inode && (whole || InRange(a, sync)));
        if (hit) a.failed_syncs.push_back(i);
      }
      return;
    }
    std::set<size_t> promised;
    for (size_t a = 0; a < effects_.size(); ++a) {
      if (IsCovered(effects_[a], sync)) promised.insert(a);
    }
    if (rules_.file_sync_names) {
      for (bool more = true; more;) {
        more = false;
        for (const size_t a : std::set<size_t>(promised)) {
          if (effects_[a].kind == Effect::kName) more = PromiseAbove(a, &promised) || more;
        }
      }
    }
    for (size_t b = effects_.size(); b-- > 0;) {
      if (!promised.contains(b)) continue;
      effects_[b].durable = true;
      for (size_t a = 0; a < b; ++a) {
        if (Needs(b, a)) promised.insert(a);
      }
    }
  }

  bool PromiseAbove(size_t name, std::set<size_t>* promised) const {
    bool more = false;
    const IoEvent& e = events_[effects_[name].event];
    for (const InodeId d : {e.directory, e.to_directory}) {
      for (size_t a = name; d != kNoInode && d != kRootInode && a-- > 0;) {
        if (effects_[a].kind != Effect::kName || !Places(events_[effects_[a].event], d)) continue;
        more = promised->insert(a).second || more;
        break;
      }
    }
    return more;
  }

  std::string Tree(const std::vector<bool>& alive) const {
    Disk disk = disks_[0];
    disk.directories = disks_.back().directories;
    for (const auto& [inode, content] : disks_.back().files) disk.files.try_emplace(inode);
    struct File {
      std::string bytes;  // long enough for all that may be in it
      uint64_t size = 0;
    };
    std::map<InodeId, File> files;
    for (const auto& [inode, content] : disk.files) {
      files[inode] = {content + std::string(200 - content.size(), '\0'), content.size()};
    }
    for (size_t i = 0; i < effects_.size(); ++i) {
      if (!alive[i]) continue;
      const Effect& effect = effects_[i];
      const IoEvent& e = events_[effect.event];
      if (effect.kind == Effect::kName) {
        disk.DoNames(e);
        continue;
      }
      File& file = files.at(effect.inode);
      if (effect.kind == Effect::kShift) {
        std::string visible = file.bytes.substr(0, file.size);
        if (e.kind == K::kInsertHole) {
          visible.insert(std::min<size_t>(e.offset, visible.size()), e.length, '\0');
        } else if (e.offset < visible.size()) {
          visible.erase(e.offset, e.length);
        }
        file.size = visible.size();
        file.bytes = visible + std::string(200 - visible.size(), '\0');
        continue;
      }
      if (effect.kind != Effect::kSector) file.size = effect.to;
      if (effect.Cuts()) {
        std::fill(file.bytes.begin() + static_cast<int64_t>(effect.to), file.bytes.end(), '\0');
      }
      if (effect.kind == Effect::kGrow && rules_.stale) ShowStale(i, alive, &file.bytes);
      for (const uint64_t s : effect.sectors) {
        file.bytes.replace(s * rules_.sector, rules_.sector,
                           Sector(effect.event + 1, effect.inode, s));
      }
    }
    for (const auto& [inode, file] : files) disk.files[inode] = file.bytes.substr(0, file.size);
    return disk.Text();
  }

  void ShowStale(size_t growth, const std::vector<bool>& alive, std::string* bytes) const {
    const Effect& g = effects_[growth];
    for (size_t d = 0; d < growth; ++d) {
      if (effects_[d].event != g.event || alive[d]) continue;
      for (uint64_t at = std::max(g.from, events_[g.event].offset); at < g.to; ++at) {
        if (Has(effects_[d], at / rules_.sector)) (*bytes)[at] = '\xA5';
      }
    }
  }

  const Rules rules_;
  const std::vector<IoEvent>& events_;
  std::vector<Disk> disks_;  // [i]: after i events
  std::vector<Effect> effects_;
  size_t states_ = 0;
};

}  // namespace fencepost::reference

#endif  // FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_REFERENCE_H_
