// SPDX-License-Identifier: GPL-2.0-or-later
#include "faultinject/pmemcheck/lines.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

#include "faultinject/pmemcheck/alloc.h"

namespace {

constexpr uint64_t kBase = 0x10000000000;

class Lines : public testing::Test {
 protected:
  Lines() { pmc_lines_init(&lines_, &findings_); }
  ~Lines() override {
    pmc_lines_free(&lines_);
    for (pmc_finding* kept : findings_.kept) pmc_free(kept);
  }

  void Store(uint32_t thread, uint64_t offset, uint64_t bytes = 8, uint32_t context = 1) {
    pmc_lines_store(&lines_, thread, kBase + offset, bytes, context, superblock_, PMC_CACHED);
  }
  void StoreNt(uint32_t thread, uint64_t offset, uint64_t bytes = 8, uint32_t context = 1) {
    pmc_lines_store(&lines_, thread, kBase + offset, bytes, context, superblock_, PMC_NON_TEMPORAL);
  }
  size_t Flush(uint32_t thread, uint64_t offset, uint64_t bytes = 64,
               pmc_flush_kind kind = PMC_CLWB) {
    return pmc_lines_flush(&lines_, thread, kBase + offset, bytes, kind, 99);
  }
  size_t Fence(uint32_t thread) { return pmc_lines_fence(&lines_, thread); }

  uint64_t Count(pmc_finding_kind kind) const { return findings_.count[kind]; }
  const pmc_finding& Finding(pmc_finding_kind kind, size_t i = 0) const {
    return findings_.kept[kind][i];
  }
  // What is not durable now.
  uint64_t Left() {
    pmc_findings_clear(&findings_, PMC_NOT_PERSISTED);
    pmc_findings_clear(&findings_, PMC_FOREIGN_FENCE);
    pmc_lines_report_left(&lines_);
    return Count(PMC_NOT_PERSISTED);
  }

  uint32_t superblock_ = 0;
  pmc_findings findings_{};
  pmc_lines lines_;
};

TEST_F(Lines, AStoreIsDurableOnceFlushedAndFenced) {
  Store(1, 0);
  EXPECT_EQ(Left(), 1u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED).state, PMC_DIRTY);
  EXPECT_EQ(Flush(1, 0), 1u);
  EXPECT_EQ(Left(), 1u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED).state, PMC_FLUSHED);
  EXPECT_EQ(Fence(1), 1u);
  EXPECT_EQ(Left(), 0u);
}

TEST_F(Lines, AFenceWithoutFlushDoesNothing) {
  Store(1, 0);
  EXPECT_EQ(Fence(1), 0u);
  EXPECT_EQ(Left(), 1u);
}

TEST_F(Lines, AFlushDoesNotCoverWhatComesAfterIt) {
  Flush(1, 0);
  Store(1, 0);
  Fence(1);
  EXPECT_EQ(Left(), 1u);
}

TEST_F(Lines, AnotherThreadsFenceDrainsNothing) {
  Store(1, 0);
  Flush(1, 0);
  EXPECT_EQ(Fence(2), 0u);
  EXPECT_EQ(Left(), 1u);
  EXPECT_EQ(Count(PMC_FOREIGN_FENCE), 1u);
  EXPECT_EQ(Fence(1), 1u);
  EXPECT_EQ(Left(), 0u);
  EXPECT_EQ(Count(PMC_FOREIGN_FENCE), 0u);
}

TEST_F(Lines, AFenceOfAllDrainsWhatEachThreadHasFlushedAndNoMore) {
  Store(1, 0);
  Flush(1, 0);
  Store(2, 64);
  Flush(2, 64);
  Store(3, 128);
  EXPECT_EQ(pmc_lines_fence_all(&lines_), 2u);
  ASSERT_EQ(Left(), 1u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED).address, kBase + 128);
  EXPECT_EQ(lines_.waiting, 0u);
}

TEST_F(Lines, ARequestedFlushCoversWholeLinesUnlessToldOtherwise) {
  Store(1, 0, 64);
  EXPECT_EQ(Flush(1, 8, 8, PMC_REQUESTED_FLUSH), 1u);
  Fence(1);
  EXPECT_EQ(Left(), 0u);

  lines_.requests_flush_bytes = 1;
  Store(1, 0, 64);
  Store(1, 64, 16);
  EXPECT_EQ(Flush(1, 8, 8, PMC_REQUESTED_FLUSH), 1u);    // inside one store
  EXPECT_EQ(Flush(1, 60, 12, PMC_REQUESTED_FLUSH), 2u);  // the end of one, the begin of the next
  Fence(1);
  ASSERT_EQ(Left(), 3u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 0).bytes, 8u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 1).address, kBase + 16);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 1).bytes, 44u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 2).address, kBase + 72);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 2).bytes, 8u);
  EXPECT_EQ(Flush(1, 20, 1), 2u);  // an instruction's: the line
  Fence(1);
  EXPECT_EQ(Left(), 1u);
}

TEST_F(Lines, AnUnfencedFlushAloneIsNoForeignFence) {
  Fence(2);
  Store(1, 0);
  Flush(1, 0);
  EXPECT_EQ(Left(), 1u);
  EXPECT_EQ(Count(PMC_FOREIGN_FENCE), 0u);
}

TEST_F(Lines, AnotherThreadMayFlushAndFence) {
  Store(1, 0);
  Flush(2, 0);
  Fence(2);
  EXPECT_EQ(Left(), 0u);
}

TEST_F(Lines, AnOverwriteAfterTheFlushIsDirtyAgain) {
  Store(1, 0);
  Flush(1, 0);
  Store(2, 0);
  Fence(1);
  ASSERT_EQ(Left(), 1u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED).state, PMC_DIRTY);
}

TEST_F(Lines, ClflushIsDurableAtOnceWhoeverStored) {
  Store(1, 0);
  Flush(2, 0, 64, PMC_CLFLUSH);
  EXPECT_EQ(Left(), 0u);
}

TEST_F(Lines, ANonTemporalStoreNeedsItsOwnThreadsFence) {
  StoreNt(1, 0);
  EXPECT_EQ(Flush(2, 0), 0u) << "no flush holds it";
  Fence(2);
  EXPECT_EQ(Left(), 1u);
  Flush(2, 0, 64, PMC_CLFLUSH);
  EXPECT_EQ(Left(), 1u);
  Fence(1);
  EXPECT_EQ(Left(), 0u);
}

TEST_F(Lines, AMaskedStoreDoesNotCoverWhatWasThere) {
  Store(1, 4, 2, 7);
  pmc_lines_store(&lines_, 1, kBase, 16, 8, superblock_, PMC_MASKED_NT);
  ASSERT_EQ(Left(), 3u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 1).context, 7u);
  Fence(1);
  ASSERT_EQ(Left(), 1u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED).address, kBase + 4);
}

TEST_F(Lines, TheEndOfAMappingIsReportedAndForgotten) {
  Store(1, 0);
  Store(1, 4096);
  Store(1, 8192);
  pmc_lines_close(&lines_, kBase, 8192);
  EXPECT_EQ(Count(PMC_NOT_PERSISTED), 2u);
  EXPECT_EQ(lines_.line_count, 1u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 1).address, kBase + 4096);
}

TEST_F(Lines, AMovedLineIsFlushedAndFencedWhereItIs) {
  Store(1, 0);
  Store(1, 64);
  Store(1, 80, 1);
  Store(1, 88, 1);
  Flush(1, 0);
  pmc_lines_move(&lines_, kBase, kBase + (1 << 20), 4096);
  EXPECT_EQ(Left(), 4u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED).address, kBase + (1 << 20));
  EXPECT_EQ(Fence(1), 1u) << "the flush went with it";
  EXPECT_EQ(Flush(1, (1 << 20) + 64), 3u);
  Fence(1);
  EXPECT_EQ(Left(), 0u);
  EXPECT_EQ(lines_.line_count, 0u);
}

TEST_F(Lines, PartsOfAStoreAreForgottenAlone) {
  Store(1, 0, 16);
  pmc_lines_forget(&lines_, kBase + 4, 4);
  ASSERT_EQ(Left(), 2u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 0).address, kBase);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 0).bytes, 4u);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 1).address, kBase + 8);
  EXPECT_EQ(Finding(PMC_NOT_PERSISTED, 1).bytes, 8u);
}

TEST_F(Lines, OverwritesAreReportedBeyondTheirIndifference) {
  lines_.report_overwrites = 1;
  lines_.indifferent_superblocks = 10;
  Store(1, 0, 8, 5);
  superblock_ = 9;
  Store(1, 0, 8, 6);
  EXPECT_EQ(Count(PMC_OVERWRITTEN), 0u);
  superblock_ = 19;
  Store(1, 4, 8, 7);
  ASSERT_EQ(Count(PMC_OVERWRITTEN), 1u);
  EXPECT_EQ(Finding(PMC_OVERWRITTEN).context, 6u);
  EXPECT_EQ(Finding(PMC_OVERWRITTEN).by, 7u);
}

TEST_F(Lines, FlushesThatDoNothingAreTold) {
  Flush(1, 0);
  EXPECT_EQ(Count(PMC_UNNECESSARY_FLUSH), 1u);
  Store(1, 0);
  Flush(1, 0);
  EXPECT_EQ(Count(PMC_REDUNDANT_FLUSH), 0u);
  Flush(1, 0);
  EXPECT_EQ(Count(PMC_REDUNDANT_FLUSH), 1u);
  Flush(2, 0);
  EXPECT_EQ(Count(PMC_REDUNDANT_FLUSH), 1u) << "another thread's flush is for its own fence";
  Flush(1, 0, 64, PMC_REQUESTED_FLUSH);
  EXPECT_EQ(Count(PMC_REDUNDANT_FLUSH), 1u) << "a request repeats the instruction before it";
  EXPECT_EQ(Count(PMC_UNNECESSARY_FLUSH), 1u);
}

TEST_F(Lines, MoreThreadsThanFlushersLoseNoStore) {
  for (uint32_t thread = 1; thread <= PMC_FLUSHERS + 1; ++thread) {
    Store(thread, thread * 64);
    Flush(thread, thread * 64);
  }
  EXPECT_EQ(lines_.lost_flushes, 1u);
  for (uint32_t thread = 1; thread <= PMC_FLUSHERS + 1; ++thread) Fence(thread);
  EXPECT_EQ(Left(), 1u) << "the flush that was not counted leaves its store dirty";
}

TEST_F(Lines, AFlushOfAGigabyteVisitsWhatThereIs) {
  for (uint64_t i = 0; i < 100; ++i) Store(1, i << 24);
  EXPECT_EQ(Flush(1, 0, uint64_t{1} << 30), 64u);
  EXPECT_EQ(Fence(1), 64u);
  EXPECT_EQ(Left(), 36u);
}

TEST_F(Lines, MemoryIsGivenBack) {
  for (uint64_t i = 0; i < 10000; ++i) {
    Store(1, i * 64);
    Flush(1, i * 64);
    Fence(1);
  }
  EXPECT_EQ(lines_.line_count, 0u);
  EXPECT_EQ(lines_.page_count, 0u);
  EXPECT_EQ(lines_.waiting, 0u);
}

// Byte by byte, as plainly as it can be said.
struct Byte {
  uint32_t context = 0;
  std::set<uint32_t> flushers;
  bool non_temporal = false;
};

class Model {
 public:
  void Store(uint32_t thread, uint64_t offset, uint64_t bytes, uint32_t context, bool nt) {
    for (uint64_t i = offset; i < offset + bytes; ++i) {
      bytes_[i] = {context, nt ? std::set<uint32_t>{thread} : std::set<uint32_t>{}, nt};
    }
  }
  void Flush(uint32_t thread, uint64_t offset, uint64_t bytes, bool clflush) {
    const uint64_t from = offset / 64 * 64, to = (offset + bytes + 63) / 64 * 64;
    for (auto it = bytes_.lower_bound(from); it != bytes_.end() && it->first < to;) {
      if (it->second.non_temporal) {
        ++it;
      } else if (clflush) {
        it = bytes_.erase(it);
      } else {
        (it++)->second.flushers.insert(thread);
      }
    }
  }
  void Fence(uint32_t thread) {
    std::erase_if(bytes_,
                  [&](const auto& entry) { return entry.second.flushers.contains(thread); });
  }
  void Forget(uint64_t offset, uint64_t bytes) {
    bytes_.erase(bytes_.lower_bound(offset), bytes_.lower_bound(offset + bytes));
  }
  // Address to context and state.
  std::map<uint64_t, std::pair<uint32_t, pmc_state>> Left() const {
    std::map<uint64_t, std::pair<uint32_t, pmc_state>> left;
    for (const auto& [offset, byte] : bytes_) {
      left[offset] = {byte.context, byte.flushers.empty() ? PMC_DIRTY : PMC_FLUSHED};
    }
    return left;
  }

 private:
  std::map<uint64_t, Byte> bytes_;
};

TEST_F(Lines, AreWhatAModelOfBytesSays) {
  constexpr uint64_t kSpan = 3 * 4096;  // pages come and go
  std::mt19937_64 random(7);
  Model model;
  for (uint32_t step = 1; step <= 8000; ++step) {
    const uint32_t thread = 1 + static_cast<uint32_t>(random() % 4);
    // Mostly close together, so that stores meet.
    const uint64_t offset = random() % 8 == 0 ? random() % kSpan : random() % 300;
    const uint64_t bytes = random() % 50 == 0 ? 1 + random() % 5000 : 1 + random() % 32;
    switch (random() % 16) {
      case 0:
      case 1:
        Fence(thread);
        model.Fence(thread);
        break;
      case 2:
      case 3:
      case 4:
        Flush(thread, offset, bytes);
        model.Flush(thread, offset, bytes, false);
        break;
      case 5:
        Flush(thread, offset, 1, PMC_CLFLUSH);
        model.Flush(thread, offset, 1, true);
        break;
      case 6:
        pmc_lines_forget(&lines_, kBase + offset, bytes);
        model.Forget(offset, bytes);
        break;
      case 7:
        StoreNt(thread, offset, bytes, step);
        model.Store(thread, offset, bytes, step, true);
        break;
      default:
        Store(thread, offset, bytes, step);
        model.Store(thread, offset, bytes, step, false);
    }
    if (step % 20 != 0) continue;
    const uint64_t count = Left();
    ASSERT_LT(count, uint64_t{PMC_FINDINGS_KEPT});
    std::map<uint64_t, std::pair<uint32_t, pmc_state>> left;
    uint64_t previous = 0;
    for (size_t i = 0; i < count; ++i) {
      const pmc_finding& finding = Finding(PMC_NOT_PERSISTED, i);
      ASSERT_GT(finding.address, previous) << "in order";
      previous = finding.address;
      for (uint64_t b = 0; b < finding.bytes; ++b) {
        const bool is_new =
            left.insert({finding.address + b - kBase, {finding.context, finding.state}}).second;
        ASSERT_TRUE(is_new);
      }
    }
    ASSERT_EQ(left, model.Left()) << "step " << step;
  }
}

}  // namespace
