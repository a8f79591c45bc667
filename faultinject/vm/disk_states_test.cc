// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/disk_states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "faultinject/vm/write_log_test_util.h"

namespace fencepost {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSectors = 4;  // of the disk

Result<DiskStates> StatesOf(const LogText& text) {
  ASSIGN_OR_RETURN(WriteLog log, OpenText(text.Text()));
  return DiskStates::Make(std::move(log), kSectors * kTestSector);
}

// A letter a sector, '.' for zeros; '?' for one that is torn.
std::string Letters(std::span<const char> contents) {
  std::string letters;
  for (size_t at = 0; at < contents.size(); at += kTestSector) {
    const std::string sector(contents.data() + at, kTestSector);
    const bool whole = sector.find_first_not_of(sector[0]) == std::string::npos;
    letters += !whole ? '?' : sector[0] == '\0' ? '.' : sector[0];
  }
  return letters;
}

std::string Shown(DiskStates* states, const DiskImage& image) {
  std::string letters;
  states->Show(image, [&](const DiskContents& contents) { letters = Letters(contents.bytes); });
  return letters;
}

// Every image at a point that so many draws give.
std::set<std::string> Drawn(DiskStates* states, size_t point, int draws = 1000) {
  std::set<std::string> all;
  states->Seek(point);
  for (int i = 0; i < draws; ++i) {
    const uint64_t number = static_cast<uint64_t>(i) * states->points() + point;
    all.insert(Shown(states, states->Draw(7, number)));
  }
  return all;
}

// What a disk may hold before entry `end`, from the words of the contract: of each sector what was
// durable, or what any later write has put there.
std::set<std::string> Allowed(const WriteLog& log, uint64_t end) {
  std::map<uint64_t, std::string> choices;
  for (uint64_t sector = 0; sector < kSectors; ++sector) {
    std::string& letters = choices[sector];
    letters = ".";
    for (uint64_t i = 0; i < end; ++i) {
      const WriteLogEntry& entry = log.entries()[i];
      if (entry.Is(kLogFlush)) letters = letters.substr(letters.size() - 1);
      if (sector < entry.sector || sector - entry.sector >= entry.sectors) continue;
      const char letter = entry.writes() ? entry.data[(sector - entry.sector) * kTestSector] : '.';
      if (entry.Is(kLogFua)) letters.clear();
      letters += letter;
    }
  }
  std::set<std::string> all = {""};
  for (const auto& [sector, letters] : choices) {
    std::set<std::string> longer;
    for (const std::string& begun : all) {
      for (const char letter : letters) longer.insert(begun + letter);
    }
    all = longer;
  }
  return all;
}

TEST(DiskStates, BetweenFlushesEverySubsetOfSectorsIsPossible) {
  LogText text;
  text.Write(0, "ab").Flush().Line(kSectors, 1).Write(0, "cd").Write(2, "e").Flush();
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  // Before the write behind the mark, before the flush, and at the end.
  ASSERT_EQ(states->points(), 3u);
  EXPECT_EQ(Drawn(&*states, 0), std::set<std::string>({"ab.."}));
  EXPECT_EQ(Drawn(&*states, 1), std::set<std::string>({"ab..", "cb..", "ad..", "cd..", "abe.",
                                                       "cbe.", "ade.", "cde."}));
  EXPECT_EQ(Drawn(&*states, 2), std::set<std::string>({"cde."}));
}

TEST(DiskStates, AWriteWithFuaIsThereAndWhatItReplacedIsNot) {
  LogText text;
  text.Line(kSectors, 1).Write(0, "ab").Write(1, "C", kLogFua).Write(1, "d").Flush();
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  EXPECT_EQ(Drawn(&*states, 1), std::set<std::string>({".C..", "aC..", ".d..", "ad.."}));
}

TEST(DiskStates, AFlushComesBeforeWhatItsOwnRequestWrites) {
  LogText text;
  text.Line(kSectors, 1).Write(0, "a").Write(1, "b", kLogFlush).Flush();
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  ASSERT_EQ(states->points(), 4u);
  EXPECT_EQ(Drawn(&*states, 2), std::set<std::string>({"a...", "ab.."}));
}

TEST(DiskStates, WhatWasDiscardedMayBeZeros) {
  LogText text;
  text.Write(0, "abcd").Flush().Line(kSectors, 1).Discard(1, 2).Flush();
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  EXPECT_EQ(Drawn(&*states, 1), std::set<std::string>({"abcd", "a..d", "a.cd", "ab.d"}));
}

TEST(DiskStates, ACrashPointKnowsHowMuchOfTheHistoryThereWas) {
  LogText text;
  text.Write(0, "z").Flush();                                      // before the run
  text.Line(kSectors, 1).Write(0, "a").Flush().Line(kSectors, 2);  // one change, answered
  text.Line(kSectors, 3).Line(kSectors, 4);                        // a read
  text.Line(kSectors, 5).Write(1, "b").Write(2, "c").Line(kSectors, 6);
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  std::vector<uint64_t> lines;
  for (size_t i = 0; i < states->points(); ++i) lines.push_back(states->lines_before(i));
  EXPECT_EQ(lines, std::vector<uint64_t>({1, 1, 5, 6}));
  EXPECT_EQ(states->lines(), 6u);
}

TEST(DiskStates, MarksOutOfOrderOrDamagedAreRefused) {
  EXPECT_THAT(StatesOf(LogText().Line(kSectors, 2)).message(), HasSubstr("line 2 follows"));
  EXPECT_THAT(StatesOf(LogText().Line(kSectors, 1).Line(kSectors, 1)).message(),
              HasSubstr("line 1 follows that of line 1"));
  EXPECT_THAT(StatesOf(LogText().Line(kSectors, 1).Write(kSectors, "x")).message(),
              HasSubstr("damaged"));
  EXPECT_THAT(StatesOf(LogText().Write(0, "x").Flush()).message(), HasSubstr("no mark"));
  EXPECT_THAT(StatesOf(LogText().Line(kSectors, 1).Write(kSectors - 1, "xy")).message(),
              HasSubstr("reaches into the marks"));
}

TEST(DiskStates, WhatComesBeforeTheFirstMarkOrBehindTheLastOneIsNoPartOfTheRun) {
  LogText text;
  text.Write(kSectors, "w").Line(kSectors, 1).Write(0, "a").Flush().Line(kSectors, 2);
  text.Line(kSectors, 0).Write(0, "b").Flush();
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  EXPECT_EQ(states->lines(), 2u);
  EXPECT_EQ(Drawn(&*states, states->points() - 1), std::set<std::string>({"a..."}));
}

TEST(DiskStates, WhatNeverTearsSurvivesTogether) {
  LogText text;
  text.Line(kSectors, 1).Write(1, "abc").Flush();
  Result<WriteLog> log = OpenText(text.Text());
  ASSERT_TRUE(log.ok());
  Result<DiskStates> states =
      DiskStates::Make(*std::move(log), kSectors * kTestSector, 2 * kTestSector);
  ASSERT_TRUE(states.ok()) << states.message();
  // A part that begins in the middle of what never tears is whole by itself.
  EXPECT_EQ(Drawn(&*states, 1), std::set<std::string>({"....", ".a..", "..bc", ".abc"}));
}

TEST(DiskStates, OnlyPagesInUseHoldAnything) {
  constexpr uint64_t kPages = 4, kMany = kPages * DiskContents::kPageBytes / kTestSector;
  LogText text;
  text.Write(7, "ab").Flush().Line(kMany, 1).Write(30, "c").Discard(20, 2);
  Result<WriteLog> log = OpenText(text.Text());
  ASSERT_TRUE(log.ok());
  Result<DiskStates> states = DiskStates::Make(*std::move(log), kMany * kTestSector);
  ASSERT_TRUE(states.ok()) << states.message();
  states->Seek(0);
  states->Show(states->Draw(1, 0), [&](const DiskContents& contents) {
    EXPECT_EQ(contents.bytes.size(), kMany * kTestSector);
    EXPECT_EQ(contents.in_use, std::vector<bool>({true, true, false, true}));
  });
}

TEST(DiskStates, AMarkIsReadAsItWasWritten) {
  for (const uint64_t line : {uint64_t{1}, uint64_t{4711}, UINT64_MAX}) {
    std::string sector = DiskMark(line);
    sector.resize(kTestSector, '\0');
    const Result<uint64_t> read = ParseDiskMark(sector);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, line);
  }
  for (const std::string& bad :
       {std::string(), std::string(kTestSector, '\0'), std::string("fencepost line 12"),
        std::string("fencepost line x\n")}) {
    EXPECT_FALSE(ParseDiskMark(bad).ok()) << bad;
  }
}

// Logs of a few random requests, against the contract by brute force.
TEST(DiskStates, DrawnImagesAreThoseThatTheContractAllowsAndAllOfThem) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](uint64_t bound) { return uint64_t{random()} % bound; };
    LogText text;
    uint64_t line = 0;
    char letter = 'a';
    text.Line(kSectors, ++line);
    for (int i = 0; i < 10; ++i) {
      const uint64_t kind = below(8);
      if (kind == 0) {
        text.Flush();
      } else if (kind == 1) {
        text.Line(kSectors, ++line);
      } else if (kind == 2) {
        const uint64_t sector = below(kSectors);
        text.Discard(sector, 1 + below(kSectors - sector));
      } else {
        const uint64_t sector = below(kSectors);
        std::string letters(1 + below(kSectors - sector), letter++);
        text.Write(sector, letters,
                   kind == 3   ? uint64_t{kLogFua}
                   : kind == 4 ? uint64_t{kLogFlush}
                               : 0);
      }
    }
    Result<DiskStates> states = StatesOf(text);
    ASSERT_TRUE(states.ok()) << states.message();
    for (size_t point = 0; point < states->points(); ++point) {
      const std::set<std::string> allowed = Allowed(states->log(), states->entries_before(point));
      // So many that even a rare one comes.
      constexpr size_t kFew = 12;
      const int draws = allowed.size() > kFew ? 100 : 1500;
      const std::set<std::string> drawn = Drawn(&*states, point, draws);
      for (const std::string& image : drawn) {
        EXPECT_TRUE(allowed.contains(image)) << "seed " << seed << " point " << point << image;
      }
      if (allowed.size() > kFew) continue;
      EXPECT_EQ(drawn, allowed) << "seed " << seed << " point " << point;
    }
  }
}

TEST(DiskStates, EqualContentsAndOnlyTheyHaveEqualDigests) {
  LogText text;
  text.Line(kSectors, 1).Write(0, "ab").Write(1, "cb").Write(0, "a").Flush().Write(0, "ab");
  text.Line(kSectors, 2);
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  std::map<std::string, DiskDigest> digests;
  std::set<DiskDigest> distinct;
  for (uint64_t number = 0; number < 1000; ++number) {
    states->Seek(number % states->points());
    const DiskImage image = states->Draw(1, number);
    const DiskDigest digest = states->Digest(image);
    const auto [found, is_new] = digests.emplace(Shown(&*states, image), digest);
    EXPECT_EQ(found->second, digest) << found->first;
    EXPECT_EQ(distinct.insert(digest).second, is_new) << found->first;
  }
  EXPECT_GT(digests.size(), 4u);
}

TEST(DiskStates, AnImageIsTheSameWhateverWasLookedAtBefore) {
  LogText text;
  text.Line(kSectors, 1).Write(0, "ab").Flush().Write(1, "cd").Write(0, "e").Flush().Write(3, "f");
  text.Line(kSectors, 2);
  Result<DiskStates> states = StatesOf(text), again = StatesOf(text);
  ASSERT_TRUE(states.ok() && again.ok());
  std::vector<std::string> shown;
  const uint64_t images = 8 * states->points();
  for (uint64_t number = 0; number < images; ++number) {
    states->Seek(number % states->points());
    shown.push_back(Shown(&*states, states->Draw(3, number)));
  }
  for (uint64_t number = images; number-- > 0;) {
    again->Seek(number % again->points());
    EXPECT_EQ(Shown(&*again, again->Draw(3, number)), shown[number]) << number;
  }
}

TEST(DiskStates, OfSeveralWritesOfASectorTheLastThatSurvivedShows) {
  LogText text;
  text.Line(kSectors, 1).Write(0, "ab").Write(0, "cd").Write(1, "e").Flush();
  Result<DiskStates> states = StatesOf(text);
  ASSERT_TRUE(states.ok()) << states.message();
  states->Seek(1);
  const auto shown = [&](std::vector<std::vector<bool>> survived) {
    return Shown(&*states, {.number = 1, .point = 1, .survived = std::move(survived)});
  };
  EXPECT_EQ(shown({{true, true}, {true, true}, {true}}), "ce..");
  EXPECT_EQ(shown({{true, true}, {true, true}, {false}}), "cd..");
  EXPECT_EQ(shown({{true, true}, {false, true}, {false}}), "ad..");
}

TEST(DiskStates, LostAndTornWritesAreCounted) {
  const DiskImage image{
      .number = 0, .point = 0, .survived = {{true, true}, {false, false}, {true, false}, {false}}};
  EXPECT_EQ(image.lost(), 2u);
  EXPECT_EQ(image.torn(), 1u);
}

}  // namespace
}  // namespace fencepost
