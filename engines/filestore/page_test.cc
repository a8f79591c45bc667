// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/page.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>

#include "engines/filestore/crc32c.h"
#include "engines/filestore/page_delta.h"

namespace fencepost::filestore {
namespace {

TEST(Crc32c, MatchesThePublishedVectors) {
  // RFC 3720, B.4.
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(Crc32c(0, "1234"), "56789"), 0xe3069283u);
}

TEST(Page, ChecksumSeesEveryFlippedBit) {
  std::mt19937_64 random(1);
  auto page = std::make_unique<Page>();
  InitPage(*page, 7, PageType::kLeaf, 0);
  for (char& c : page->payload) c = static_cast<char>(random());
  const uint32_t checksum = PageChecksum(*page);
  for (size_t bit = 32; bit < kPageBytes * 8; ++bit) {
    page->bytes()[bit / 8] = static_cast<char>(page->bytes()[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_NE(PageChecksum(*page), checksum) << "bit " << bit;
    page->bytes()[bit / 8] = static_cast<char>(page->bytes()[bit / 8] ^ (1 << (bit % 8)));
  }
  page->header.checksum = 99;  // not part of itself
  EXPECT_EQ(PageChecksum(*page), checksum);
}

// Inserts, removes and replaces at random, as long as the page has room.
void MutateRandomly(std::mt19937_64& random, int steps, Page* page,
                    std::map<std::string, std::string>* model) {
  CellBuilder builder;
  for (int i = 0; i < steps; ++i) {
    const std::string key = fmt::format("k{}", random() % 60);
    const std::string value(random() % 200, static_cast<char>(random()));
    bool exact = false;
    unsigned slot = LowerBound(*page, key, &exact);
    ASSERT_EQ(exact, model->contains(key));
    if (exact && random() % 2 == 0) {
      RemoveCell(*page, slot);
      model->erase(key);
      continue;
    }
    const std::string_view cell = builder.Inline(key, value);
    if (exact && CellBytes(*page, slot).size() == cell.size()) {
      ReplaceCell(*page, slot, cell);
    } else {
      if (exact) {
        RemoveCell(*page, slot);
        model->erase(key);
        slot = LowerBound(*page, key, &exact);
      }
      if (!Fits(*page, cell.size())) continue;
      InsertCell(*page, slot, cell);
    }
    (*model)[key] = value;
  }
}

TEST(Page, SlottedPageBehavesLikeASortedMap) {
  std::mt19937_64 random(2);
  auto page = std::make_unique<Page>();
  InitPage(*page, 3, PageType::kLeaf, 0);
  std::map<std::string, std::string> model;
  for (int round = 0; round < 200; ++round) {
    ASSERT_NO_FATAL_FAILURE(MutateRandomly(random, 50, page.get(), &model));
    ASSERT_EQ(page->header.slots, model.size());
    unsigned slot = 0;
    size_t used = 0;
    for (const auto& [key, value] : model) {
      const Cell cell = LeafCell(*page, slot);
      ASSERT_EQ(cell.key, key);
      ASSERT_EQ(cell.value, value);
      used += InlineCellBytes(key, value) + kSlotBytes;
      ++slot;
    }
    ASSERT_EQ(UsedBytes(*page), used);
  }
}

TEST(PageDelta, TurnsOnePageIntoTheOther) {
  std::mt19937_64 random(3);
  auto before = std::make_unique<Page>();
  InitPage(*before, 3, PageType::kLeaf, 0);
  std::map<std::string, std::string> model;
  for (int round = 0; round < 500; ++round) {
    auto after = std::make_unique<Page>(*before);
    ASSERT_NO_FATAL_FAILURE(
        MutateRandomly(random, static_cast<int>(random() % 10), after.get(), &model));
    for (const bool full : {false, true}) {
      std::string record;
      if (full) {
        EncodeFullImage(*after, &record);
      } else {
        EncodeDelta(*before, *after, &record);
      }
      ASSERT_LE(record.size(), kMaxEntryBytes);
      auto page = std::make_unique<Page>(*before);
      if (full) std::memset(page->bytes(), 0x5a, kPageBytes);
      DeltaReader reader(record);
      while (reader.Next()) {
        ASSERT_EQ(reader.full(), full);
        reader.ApplyTo(page.get());
      }
      ASSERT_TRUE(reader.ok());
      ASSERT_EQ(std::string_view(page->payload, kPayloadBytes),
                std::string_view(after->payload, kPayloadBytes));
      ASSERT_EQ(page->header.slots, after->header.slots);
    }
    before = std::move(after);
  }
}

TEST(PageDelta, EqualPagesNeedNoEntry) {
  auto page = std::make_unique<Page>();
  InitPage(*page, 3, PageType::kLeaf, 0);
  std::string record;
  EncodeDelta(*page, *page, &record);
  EXPECT_TRUE(record.empty());
}

TEST(PageDelta, GarbageIsRefusedAndNeverReadPastItsEnd) {
  std::mt19937_64 random(4);
  auto page = std::make_unique<Page>();
  InitPage(*page, 3, PageType::kLeaf, 0);
  for (int round = 0; round < 20000; ++round) {
    std::string garbage(random() % 64, '\0');
    for (char& c : garbage) c = static_cast<char>(random() % 4);
    DeltaReader reader(garbage);
    while (reader.Next()) reader.ApplyTo(page.get());
  }
}

}  // namespace
}  // namespace fencepost::filestore
