// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/mini_transaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engines/filestore/page_delta.h"

namespace fencepost::filestore {
namespace {

// Up to so many pages a linear search beats a hash table.
constexpr size_t kLinearShadows = 16;
constexpr size_t kMaxSparePages = 64;

}  // namespace

Status MiniTransaction::Begin() {
  for (Shadow& shadow : shadows_) {
    if (spare_.size() < kMaxSparePages) spare_.push_back(std::move(shadow.page));
  }
  shadows_.clear();
  if (!index_.empty()) index_.clear();
  chains_.clear();
  chain_pages_ = 0;
  Page* meta = nullptr;
  return Modify(kMetaPage, &meta);
}

MiniTransaction::Shadow* MiniTransaction::FindShadow(PageNo number) {
  if (shadows_.size() <= kLinearShadows) {
    for (Shadow& shadow : shadows_) {
      if (shadow.number == number && !shadow.dropped) return &shadow;
    }
    return nullptr;
  }
  const auto found = index_.find(number);
  if (found == index_.end() || shadows_[found->second].dropped) return nullptr;
  return &shadows_[found->second];
}

MiniTransaction::Shadow* MiniTransaction::AddShadow(PageNo number, bool fresh) {
  std::unique_ptr<Page> page;
  if (spare_.empty()) {
    page = std::make_unique_for_overwrite<Page>();
  } else {
    page = std::move(spare_.back());
    spare_.pop_back();
  }
  shadows_.push_back({number, std::move(page), fresh, false});
  if (shadows_.size() == kLinearShadows + 1) {
    for (size_t i = 0; i < shadows_.size(); ++i) index_[shadows_[i].number] = i;
  } else if (shadows_.size() > kLinearShadows) {
    index_[number] = shadows_.size() - 1;
  }
  return &shadows_.back();
}

Status MiniTransaction::Read(PageNo number, const Page** page) {
  if (const Shadow* shadow = FindShadow(number); shadow != nullptr) {
    *page = shadow->page.get();
    return Status::Ok();
  }
  RETURN_IF_ERROR(pool_->Fetch(number, &ref_));
  *page = &*ref_;
  return Status::Ok();
}

Status MiniTransaction::Modify(PageNo number, Page** page) {
  if (Shadow* shadow = FindShadow(number); shadow != nullptr) {
    *page = shadow->page.get();
    return Status::Ok();
  }
  RETURN_IF_ERROR(pool_->Fetch(number, &ref_));
  Shadow* shadow = AddShadow(number, false);
  std::memcpy(shadow->page->bytes(), ref_->bytes(), kPageBytes);
  ref_.Release();
  *page = shadow->page.get();
  return Status::Ok();
}

Status MiniTransaction::TakePage(PageNo* number) {
  if (meta().free_head == kNoPage) {
    if (meta().page_count == UINT32_MAX - 1) {
      return Status::Full("filestore: the data file has as many pages as it can have");
    }
    *number = meta().page_count++;
    return Status::Ok();
  }
  *number = meta().free_head;
  const Page* free = nullptr;
  RETURN_IF_ERROR(Read(*number, &free));
  if (free->header.type != PageType::kFree && free->header.type != PageType::kOverflow) {
    return Status::Corrupt(fmt::format("filestore: page {} of the free list is in use", *number));
  }
  meta().free_head = free->header.next;
  --meta().free_count;
  ref_.Release();
  return Status::Ok();
}

Status MiniTransaction::Allocate(PageType type, unsigned level, Page** page) {
  PageNo number = kNoPage;
  RETURN_IF_ERROR(TakePage(&number));
  Shadow* shadow = FindShadow(number);
  if (shadow == nullptr) shadow = AddShadow(number, true);
  shadow->fresh = true;
  InitPage(*shadow->page, number, type, level);
  *page = shadow->page.get();
  return Status::Ok();
}

Status MiniTransaction::Free(PageNo number) {
  Page* page = nullptr;
  RETURN_IF_ERROR(Modify(number, &page));
  page->header.type = PageType::kFree;
  page->header.next = meta().free_head;
  meta().free_head = number;
  ++meta().free_count;
  return Status::Ok();
}

Status MiniTransaction::AllocateChain(std::string_view value, Chain* chain) {
  PendingChain pending;
  pending.value = value;
  const size_t count = static_cast<size_t>(OverflowPages(value.size()));
  pending.pages.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    PageNo number = kNoPage;
    RETURN_IF_ERROR(TakePage(&number));
    if (Shadow* shadow = FindShadow(number); shadow != nullptr) shadow->dropped = true;
    pending.pages.push_back(number);
  }
  *chain = {pending.pages.front(), pending.pages.back()};
  chain_pages_ += count;
  chains_.push_back(std::move(pending));
  return Status::Ok();
}

Status MiniTransaction::FreeChain(Chain chain, uint64_t value_bytes) {
  Page* last = nullptr;
  RETURN_IF_ERROR(Modify(chain.last, &last));
  if (last->header.type != PageType::kOverflow) {
    return Status::Corrupt(
        fmt::format("filestore: page {} should end an overflow chain", chain.last));
  }
  last->header.next = meta().free_head;
  meta().free_head = chain.first;
  meta().free_count += static_cast<PageNo>(OverflowPages(value_bytes));
  return Status::Ok();
}

uint64_t MiniTransaction::MaxRecordBytes() const {
  return (shadows_.size() + chain_pages_) * kMaxEntryBytes;
}

void MiniTransaction::FillChainPage(const PendingChain& chain, size_t i, Page* page) {
  const std::string_view part = chain.value.substr(i * kPayloadBytes, kPayloadBytes);
  InitPage(*page, chain.pages[i], PageType::kOverflow, 0);
  page->header.next = i + 1 < chain.pages.size() ? chain.pages[i + 1] : kNoPage;
  page->header.aux = static_cast<uint32_t>(part.size());
  std::memcpy(page->payload, part.data(), part.size());
}

Status MiniTransaction::Encode(Lsn epoch_start, std::string* record) {
  const auto chain_page = chains_.empty() ? nullptr : std::make_unique_for_overwrite<Page>();
  for (const PendingChain& chain : chains_) {
    for (size_t i = 0; i < chain.pages.size(); ++i) {
      FillChainPage(chain, i, chain_page.get());
      EncodeFullImage(*chain_page, record);
    }
  }
  for (const Shadow& shadow : shadows_) {
    if (shadow.dropped) continue;
    bool full = shadow.fresh;
    if (!full) {
      RETURN_IF_ERROR(pool_->Fetch(shadow.number, &ref_));
      full = ref_->header.lsn <= epoch_start;
    }
    if (full) {
      EncodeFullImage(*shadow.page, record);
    } else {
      EncodeDelta(*ref_, *shadow.page, record);
    }
  }
  ref_.Release();
  return Status::Ok();
}

Status MiniTransaction::Install(Lsn lsn) {
  ref_.Release();
  const auto chain_page = chains_.empty() ? nullptr : std::make_unique_for_overwrite<Page>();
  for (const PendingChain& chain : chains_) {
    for (size_t i = 0; i < chain.pages.size(); ++i) {
      FillChainPage(chain, i, chain_page.get());
      RETURN_IF_ERROR(pool_->Install(*chain_page, lsn));
    }
  }
  for (const Shadow& shadow : shadows_) {
    if (!shadow.dropped) RETURN_IF_ERROR(pool_->Install(*shadow.page, lsn));
  }
  return Status::Ok();
}

}  // namespace fencepost::filestore
