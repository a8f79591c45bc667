// SPDX-License-Identifier: GPL-2.0-or-later
#include "faultinject/pmemcheck/transactions.h"

#include <gtest/gtest.h>

#include "faultinject/pmemcheck/alloc.h"

namespace {

class Transactions : public testing::Test {
 protected:
  Transactions() { pmc_tx_init(&all_, &findings_); }
  ~Transactions() override {
    while (all_.active != nullptr) pmc_tx_end(&all_, all_.active->number);
    pmc_ranges_clear(&all_.ignored);
    for (pmc_finding* kept : findings_.kept) pmc_free(kept);
  }
  uint64_t Outside() const { return findings_.count[PMC_OUTSIDE_TX]; }
  uint64_t Overlaps() const { return findings_.count[PMC_TX_OVERLAP]; }

  pmc_findings findings_{};
  pmc_transactions all_;
};

TEST_F(Transactions, AStoreToWhatWasNotAddedIsFound) {
  pmc_tx_start(&all_, 1, 1);
  EXPECT_EQ(pmc_tx_add(&all_, 1, 1, 100, 50, 5), PMC_TX_OK);
  pmc_tx_store(&all_, 1, 100, 50, 9);
  EXPECT_EQ(Outside(), 0u);
  pmc_tx_store(&all_, 1, 149, 2, 9);
  EXPECT_EQ(Outside(), 1u);
  EXPECT_EQ(pmc_tx_remove(&all_, 1, 1, 100, 10), PMC_TX_OK);
  pmc_tx_store(&all_, 1, 105, 1, 9);
  EXPECT_EQ(Outside(), 2u);
}

TEST_F(Transactions, OtherThreadsAreFreeUntilTheyJoin) {
  pmc_tx_start(&all_, 10, 1);
  pmc_tx_store(&all_, 2, 100, 8, 9);
  EXPECT_EQ(Outside(), 0u);
  EXPECT_EQ(pmc_tx_add(&all_, 10, 2, 0, 8, 9), PMC_TX_NOT_MEMBER);
  EXPECT_EQ(pmc_tx_add_thread(&all_, 10, 2), PMC_TX_OK);
  EXPECT_EQ(pmc_tx_add(&all_, 10, 2, 0, 8, 9), PMC_TX_OK);
  pmc_tx_store(&all_, 2, 100, 8, 9);
  EXPECT_EQ(Outside(), 1u);
  EXPECT_EQ(pmc_tx_remove_thread(&all_, 10, 2), PMC_TX_OK);
  EXPECT_EQ(pmc_tx_remove_thread(&all_, 10, 2), PMC_TX_NOT_MEMBER);
  pmc_tx_store(&all_, 2, 100, 8, 9);
  EXPECT_EQ(Outside(), 1u);
}

TEST_F(Transactions, NestingCounts) {
  pmc_tx_start(&all_, 1, 1);
  pmc_tx_start(&all_, 1, 1);
  EXPECT_EQ(pmc_tx_end(&all_, 1), PMC_TX_OK);
  EXPECT_EQ(pmc_tx_active(&all_), 1u);
  EXPECT_EQ(pmc_tx_end(&all_, 1), PMC_TX_OK);
  EXPECT_EQ(pmc_tx_active(&all_), 0u);
  EXPECT_EQ(pmc_tx_end(&all_, 1), PMC_TX_NONE);
  EXPECT_EQ(pmc_tx_add(&all_, 1, 1, 0, 8, 9), PMC_TX_NONE);
  EXPECT_EQ(pmc_tx_add_thread(&all_, 1, 1), PMC_TX_NONE);
}

TEST_F(Transactions, RegionsOfTwoMayNotOverlap) {
  pmc_tx_start(&all_, 1, 1);
  pmc_tx_start(&all_, 2, 2);
  pmc_tx_add(&all_, 1, 1, 100, 50, 5);
  pmc_tx_add(&all_, 2, 2, 150, 50, 6);
  EXPECT_EQ(Overlaps(), 0u);
  pmc_tx_add(&all_, 2, 2, 140, 20, 6);
  ASSERT_EQ(Overlaps(), 1u);
  EXPECT_EQ(findings_.kept[PMC_TX_OVERLAP][0].address, 140u);
  EXPECT_EQ(findings_.kept[PMC_TX_OVERLAP][0].bytes, 10u);
  EXPECT_EQ(findings_.kept[PMC_TX_OVERLAP][0].by, 5u);
}

TEST_F(Transactions, OutsideOfAllIsFoundOnRequestOnly) {
  pmc_tx_store(&all_, 1, 0, 8, 9);
  EXPECT_EQ(Outside(), 0u);
  all_.report_outside = 1;
  pmc_tx_store(&all_, 1, 0, 8, 9);
  EXPECT_EQ(Outside(), 1u);
  pmc_ranges_add(&all_.ignored, 0, 64, 0);
  pmc_tx_store(&all_, 1, 0, 8, 9);
  EXPECT_EQ(Outside(), 1u);
}

}  // namespace
