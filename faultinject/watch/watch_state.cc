// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/watch_state.h"

#include <atomic>

namespace fencepost {
namespace {

constexpr uint64_t kLineBytes = 64;
constexpr uint64_t kWholeLine = ~uint64_t{0};
constexpr greg_t kTrapFlag = 0x100;

// The bits of a line's bytes that lie in a range of the file.
uint64_t BytesOfLine(uint64_t line, Range file) {
  const uint64_t begin = std::max(file.begin, line * kLineBytes) - line * kLineBytes;
  const uint64_t end = std::min(file.end, (line + 1) * kLineBytes) - line * kLineBytes;
  const uint64_t below_end = end == kLineBytes ? kWholeLine : (uint64_t{1} << end) - 1;
  return below_end & ~((uint64_t{1} << begin) - 1);
}

}  // namespace

constinit Watch* watch = nullptr;

// --- which lines and pages --------------------------------------------------------------------

const ImageMapping* Watch::MappingOf(uint64_t address) const {
  for (const ImageMapping& mapping : mappings_) {
    const auto base = reinterpret_cast<uint64_t>(mapping.base);
    if (address >= base && address - base < mapping.length) return &mapping;
  }
  return nullptr;
}

Watch::Page* Watch::PageOf(size_t image, uint64_t number) {
  if (image >= page_index_.size() || number >= page_index_[image].size()) return nullptr;
  const uint32_t index = page_index_[image][number];
  return index == 0 ? nullptr : &pages_[index - 1];
}

Watch::Page* Watch::PageAt(uint64_t address) {
  const ImageMapping* const mapping = MappingOf(address);
  if (mapping == nullptr) return nullptr;
  const uint64_t offset = InFile(*mapping, {address, address + 1}).begin;
  return PageOf(mapping->image, offset / kPageBytes);
}

Range Watch::InFile(const ImageMapping& mapping, Range memory) const {
  const auto base = reinterpret_cast<uint64_t>(mapping.base);
  const auto offset = static_cast<uint64_t>(mapping.offset);
  return {std::max(memory.begin, base) - base + offset,
          std::min(memory.end, base + mapping.length) - base + offset};
}

// visit(index of the line, its bytes in the range)
template <typename Visit>
void Watch::ForEachLine(size_t image, Range file, const Visit& visit) {
  if (file.empty()) return;
  const WatchedLine first{image, file.begin / kLineBytes, 0, 0};  // before any of that number
  for (auto at = std::lower_bound(lines_.begin(), lines_.end(), first);
       at != lines_.end() && at->image == image && at->number * kLineBytes < file.end; ++at) {
    visit(static_cast<uint32_t>(at - lines_.begin()), BytesOfLine(at->number, file));
  }
}

// --- what was read ------------------------------------------------------------------------------

void Watch::ReadLine(uint32_t line, uint64_t bytes) {
  const uint64_t news = bytes & ~decided_[line];
  if (news == 0) return;
  decided_[line] |= news;
  // Counted last: the process may be killed at any moment.
  buffer_->reads[buffer_->read_count] = {line, news};
  std::atomic_signal_fence(std::memory_order_release);
  ++buffer_->read_count;
}

void Watch::Read(size_t image, Range file) {
  ForEachLine(image, file, [&](uint32_t line, uint64_t bytes) { ReadLine(line, bytes); });
}

void Watch::ReadMemory(Range memory) {
  for (const ImageMapping& mapping : mappings_) {
    const auto base = reinterpret_cast<uint64_t>(mapping.base);
    if (memory.begin >= base + mapping.length || memory.end <= base) continue;
    Read(mapping.image, InFile(mapping, memory));
  }
}

void Watch::WriteMemory(Range memory) {
  for (const ImageMapping& mapping : mappings_) {
    const auto base = reinterpret_cast<uint64_t>(mapping.base);
    if (memory.begin >= base + mapping.length || memory.end <= base) continue;
    ForEachLine(mapping.image, InFile(mapping, memory),
                [&](uint32_t line, uint64_t bytes) { decided_[line] |= bytes; });
  }
}

bool Watch::Decided(const Page& page) const {
  return std::all_of(decided_.begin() + page.first_line,
                     decided_.begin() + page.first_line + page.lines,
                     [](uint64_t bytes) { return bytes == kWholeLine; });
}

void Watch::OpenForGood(Page* page) {
  page->open = true;
  for (const ImageMapping& mapping : mappings_) {
    const uint64_t at = page->number * kPageBytes;
    const auto offset = static_cast<uint64_t>(mapping.offset);
    if (mapping.image != page->image || at < offset || at - offset >= mapping.length) continue;
    Protect(reinterpret_cast<uint64_t>(mapping.base) + at - offset, kPageBytes, mapping.protection);
  }
}

void Watch::OpenIfDecided(Range memory) {
  ForEachPageAt(memory, [&](Page* page, uint64_t) {
    if (!page->open && Decided(*page)) OpenForGood(page);
  });
}

bool Watch::IsCrowded(const Page& page) const {
  if (page.faults % ReadWatch::kFaultsALook != 0) return false;
  double states = 1;
  for (uint32_t line = page.first_line; line < page.first_line + page.lines; ++line) {
    if (decided_[line] != kWholeLine) states *= lines_[line].contents;
  }
  return states <= ReadWatch::kFewStates || page.faults >= ReadWatch::kMostFaults;
}

void Watch::TakeAsRead(Page* page) {
  for (uint32_t line = page->first_line; line < page->first_line + page->lines; ++line) {
    if (decided_[line] != kWholeLine) buffer_->crowded[buffer_->crowded_count++] = line;
    ReadLine(line, kWholeLine);
  }
}

void Watch::TakeAllAsRead() {
  for (uint32_t line = 0; line < lines_.size(); ++line) ReadLine(line, kWholeLine);
  for (Page& page : pages_) {
    if (!page.open) OpenForGood(&page);
  }
}

// --- mappings -----------------------------------------------------------------------------------

void Watch::OnMapping(const ImageMapping& mapping) {
  const bool known =
      std::any_of(mappings_.begin(), mappings_.end(),
                  [&](const ImageMapping& other) { return other.base == mapping.base; });
  if (!known) mappings_.push_back(mapping);
  if (!on_) return;
  const auto base = reinterpret_cast<uint64_t>(mapping.base);
  const auto offset = static_cast<uint64_t>(mapping.offset);
  for (const Page& page : pages_) {
    const uint64_t at = page.number * kPageBytes;
    if (page.open || page.image != mapping.image || at < offset || at - offset >= mapping.length) {
      continue;
    }
    Protect(base + at - offset, kPageBytes, PROT_NONE);
  }
}

// --- faults -------------------------------------------------------------------------------------

bool Watch::OnFault(uint64_t address, ucontext_t* context) {
  Page* const page = on_ ? PageAt(address) : nullptr;
  if (page == nullptr || page->open) return false;
  // Open, and it faults all the same: the mapping does not allow it.
  const uint64_t page_address = address / kPageBytes * kPageBytes;
  if (std::find(stepped_.begin(), stepped_.begin() + stepped_count_, page_address) !=
      stepped_.begin() + stepped_count_) {
    return false;
  }
  ++buffer_->faults;
  ++page->faults;
  if (stepped_count_ == 0 && emulator_ != nullptr && emulator_->Run(context, this) > 0) {
    if (!page->open && IsCrowded(*page)) {
      TakeAsRead(page);
      OpenForGood(page);
    }
    return true;
  }
  const InstructionAccesses accesses(*context);
  const auto covers = [address](const MemoryAccess& access) {
    return address >= access.address && address - access.address < access.bytes;
  };
  if (accesses.instruction_bytes() != 0 && accesses.known() && accesses.accesses().empty()) {
    // It moves a line, and reads nothing.
  } else if (!accesses.known() ||
             std::none_of(accesses.accesses().begin(), accesses.accesses().end(), covers)) {
    TakeAllAsRead();
    return true;
  }
  if (accesses.is_repeated_string()) {
    DoString(accesses, context);
    return true;
  }
  for (const MemoryAccess& access : accesses.accesses()) {
    if (access.reads) ReadMemory({access.address, access.address + access.bytes});
  }
  for (const MemoryAccess& access : accesses.accesses()) {
    if (access.writes) WriteMemory({access.address, access.address + access.bytes});
  }
  if (IsCrowded(*page)) TakeAsRead(page);
  const auto step_over = [&](Range memory) {
    OpenIfDecided(memory);
    ForEachPageAt(memory, [&](Page* touched, uint64_t at) {
      if (touched->open) return;
      const ImageMapping* const mapping = MappingOf(at);
      Protect(at, kPageBytes, mapping->protection);
      if (stepped_count_ < kMostSteppedPages) stepped_[stepped_count_++] = at;
    });
  };
  step_over({address, address + 1});
  for (const MemoryAccess& access : accesses.accesses()) {
    step_over({access.address, access.address + access.bytes});
  }
  if (stepped_count_ == kMostSteppedPages) {
    TakeAllAsRead();
    stepped_count_ = 0;
  }
  if (stepped_count_ > 0) context->uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
  return true;
}

// Accesses of watched pages go to the mapping that is never protected.
uint64_t Watch::Reach(const MemoryAccess& access, bool may_write) {
  const Range memory{access.address, access.address + access.bytes};
  bool is_watched = false;
  ForEachPageAt(memory, [&](const Page* page, uint64_t) { is_watched |= !page->open; });
  if (!is_watched) return access.address;
  const ImageMapping* const mapping = MappingOf(access.address);
  const int needed = may_write ? PROT_READ | PROT_WRITE : PROT_READ;
  if (mapping == nullptr || (mapping->protection & needed) != needed) return 0;
  const auto base = reinterpret_cast<uint64_t>(mapping->base);
  const std::span<uint8_t> whole = whole_[mapping->image];
  const Range file = InFile(*mapping, memory);
  if (memory.end - base > mapping->length || file.end > whole.size()) return 0;
  if (access.reads) Read(mapping->image, file);
  if (access.writes) {
    ForEachLine(mapping->image, file,
                [&](uint32_t line, uint64_t bytes) { decided_[line] |= bytes; });
  }
  OpenIfDecided(memory);
  return reinterpret_cast<uint64_t>(whole.data()) + file.begin;
}

bool Watch::OnStep(ucontext_t* context) {
  if (stepped_count_ == 0) return false;
  for (size_t i = 0; i < stepped_count_; ++i) {
    const Page* const page = PageAt(stepped_[i]);
    if (page != nullptr && !page->open) Protect(stepped_[i], kPageBytes, PROT_NONE);
  }
  stepped_count_ = 0;
  context->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
  return true;
}

// All elements at once, one after the other as the processor does it.
void Watch::DoString(const InstructionAccesses& accesses, ucontext_t* context) {
  const RepeatedString& string = accesses.repeated_string();
  auto& registers = context->uc_mcontext.gregs;
  const uint64_t bytes = string.element_bytes * string.count;
  const auto to = static_cast<uint64_t>(registers[REG_RDI]);
  const auto from = static_cast<uint64_t>(registers[REG_RSI]);
  const Range source = string.copies ? Range{from, from + bytes} : Range{to, to};
  const Range target{to, to + bytes};
  if (string.copies) ReadMemory(source);
  WriteMemory(target);
  const auto run = [&]() -> int64_t {
    const auto value = static_cast<uint64_t>(registers[REG_RAX]);
    for (uint64_t at = 0; at < bytes; at += string.element_bytes) {
      const void* const element = string.copies ? reinterpret_cast<const void*>(from + at) : &value;
      std::memcpy(reinterpret_cast<void*>(to + at), element, string.element_bytes);
    }
    return 0;
  };
  WithOpen(target, [&]() -> int64_t { return string.copies ? WithOpen(source, run) : run(); });
  registers[REG_RDI] += static_cast<greg_t>(bytes);
  if (string.copies) registers[REG_RSI] += static_cast<greg_t>(bytes);
  registers[REG_RCX] = 0;
  registers[REG_RIP] += static_cast<greg_t>(accesses.instruction_bytes());
}

// --- beginning and end --------------------------------------------------------------------------

void Watch::Begin(WatchBuffer* buffer) {
  buffer_ = buffer;
  lines_ = {buffer->lines, buffer->line_count};
  decided_.clear();
  for (const WatchedLine& line : lines_) decided_.push_back(~line.bytes);
  pages_.clear();
  page_index_.clear();
  for (uint32_t i = 0; i < lines_.size(); ++i) {
    const uint64_t number = lines_[i].number * kLineBytes / kPageBytes;
    if (pages_.empty() || pages_.back().image != lines_[i].image ||
        pages_.back().number != number) {
      pages_.push_back({.image = lines_[i].image, .number = number, .first_line = i});
      if (page_index_.size() <= lines_[i].image) page_index_.resize(lines_[i].image + 1);
      std::vector<uint32_t>& index = page_index_[lines_[i].image];
      index.resize(number + 1);
      index[number] = static_cast<uint32_t>(pages_.size());
    }
    ++pages_.back().lines;
  }
  whole_.clear();
  for (size_t image = 0; image < page_index_.size(); ++image) {
    whole_.push_back(WholeImage(image));
  }
  on_ = true;
  mappings_.clear();
  mappings_.reserve(256);
  ObserveImageMappings(this);
}

void Watch::End() {
  ObserveImageMappings(nullptr);
  for (Page& page : pages_) {
    if (!page.open) OpenForGood(&page);
  }
  on_ = false;
}

}  // namespace fencepost
