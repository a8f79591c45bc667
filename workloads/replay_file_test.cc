// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/replay_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include "workloads/op_trace.h"
#include "workloads/values.h"

namespace fencepost {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using enum OpKind;

class ReplayFileTest : public ::testing::Test {
 protected:
  ReplayFileTest()
      : folder_(std::filesystem::temp_directory_path() /
                ("replay-file-test-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~ReplayFileTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(std::string_view text) const {
    std::ofstream(path(), std::ios::binary) << text;
    return path();
  }
  std::filesystem::path path() const { return folder_ / "t.csv"; }

  Result<std::shared_ptr<const ReplayFile>> Read(std::string_view text,
                                                 const ReplayFile::Options& options = {}) const {
    return ReplayFile::Read(Write(text), options);
  }
  std::shared_ptr<const ReplayFile> Good(std::string_view text,
                                         const ReplayFile::Options& options = {}) const {
    return Read(text, options).value();
  }
  // What is wrong with it, without the folder.
  std::string Complaint(std::string_view text, const ReplayFile::Options& options = {}) const {
    const auto read = Read(text, options);
    EXPECT_EQ(read.status().code(), StatusCode::kInvalidArgument) << text;
    const std::string message(read.message());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    const size_t name = message.find("t.csv");
    EXPECT_NE(name, std::string::npos) << message;
    return message.substr(std::min(name, message.size()));
  }

  WorkloadSpec Spec(std::string_view text, std::vector<std::string> settings = {}) const {
    Properties properties;
    CHECK_OK(properties.Set("fencepost.trace_file=" + Write(text).string()));
    for (const std::string& setting : settings) CHECK_OK(properties.Set(setting));
    return ParseWorkload(properties).value();
  }
  std::string SpecComplaint(const std::string& setting) const {
    Properties properties;
    CHECK_OK(properties.Set("fencepost.trace_file=" + Write("get,k\n").string()));
    CHECK_OK(properties.Set(setting));
    return std::string(ParseWorkload(properties).message());
  }

  const std::filesystem::path folder_;
};

// "READ a", "INSERT b 7", ... in the order of the file.
std::vector<std::string> Operations(const ReplayFile& file) {
  std::vector<std::string> all;
  for (uint64_t i = 0; i < file.operation_count(); ++i) {
    const ReplayFile::Operation op = file.operation(i);
    std::string text(OpKindName(op.kind));
    text.append(" ").append(file.key(op.number));
    if (op.kind == kInsert || op.kind == kUpdate) text += " " + std::to_string(op.value_bytes);
    all.push_back(std::move(text));
  }
  return all;
}

TEST_F(ReplayFileTest, PresenceIsKnownAtEachOperation) {
  const auto file = Good(
      "put,a,10\nget,a\nput,a,11\ndelete,a\nget,a\nget,b\ntryget,c\ndelete,c\nput,c,0\nget,c,5\n");
  EXPECT_THAT(Operations(*file),
              ElementsAre("INSERT a 10", "READ a", "UPDATE a 11", "DELETE a", "MISS a", "READ b",
                          "MISS c", "DELETE c", "INSERT c 0", "READ c"));
  EXPECT_EQ(file->loaded_count(), 1u);
  EXPECT_EQ(file->key(0), "b");
  EXPECT_EQ(file->count(kMiss), 2u);
}

TEST_F(ReplayFileTest, LoadedKeysComeFirstAndHaveTheSizeThatTheTraceShows) {
  const auto file = Good(
      "put,new,1\nget,sized,20\nget,later\nget,never\nget,later,30\nput,never2,1\nget,overwritten\n"
      "put,overwritten,40\nget,sized,99\n",
      {.default_value_bytes = 77});
  ASSERT_EQ(file->loaded_count(), 4u);
  std::map<std::string_view, uint64_t> loads;
  for (uint64_t n = 0; n < file->loaded_count(); ++n) loads[file->key(n)] = file->load_bytes(n);
  EXPECT_THAT(loads, ElementsAre(std::pair("later", 30), std::pair("never", 77),
                                 std::pair("overwritten", 40), std::pair("sized", 20)));
  EXPECT_EQ(file->key(4), "new");
  EXPECT_EQ(file->key(5), "never2");
  EXPECT_EQ(file->min_value_bytes(), 1u);
  EXPECT_EQ(file->max_value_bytes(), 77u);
}

TEST_F(ReplayFileTest, WithNothingLoadedFirstGetsAreMisses) {
  const auto file = Good("get,a,10\nput,a,5\nget,a\n", {.load = TraceLoad::kNone});
  EXPECT_EQ(file->loaded_count(), 0u);
  EXPECT_THAT(Operations(*file), ElementsAre("MISS a", "INSERT a 5", "READ a"));
  EXPECT_EQ(file->stored_keys(), 1u);
}

TEST_F(ReplayFileTest, CommentsHeaderCrlfAndAMissingLastNewlineAreRead) {
  const auto file =
      Good("\xef\xbb\xbf# a comment, with commas\r\n\r\nop,key,size\r\nput,k,3\r\nget,k,");
  EXPECT_THAT(Operations(*file), ElementsAre("INSERT k 3", "READ k"));
  EXPECT_THAT(Complaint("get,k\nop,key,size\n"), HasSubstr("t.csv:2: op 'op'"));
}

TEST_F(ReplayFileTest, KeysAreBytesAndEscapesAreUndone) {
  const auto file = Good("get,a b\nget,%2c%25%00%ff\nget,\xc3\xa9\n");
  EXPECT_EQ(file->key(0), "a b");
  EXPECT_EQ(file->key(1), std::string_view(",%\0\xff", 4));
  EXPECT_EQ(file->key(2), "\xc3\xa9");
  EXPECT_EQ(file->key_hash(1), KeyHash(file->key(1)));
  for (uint64_t n = 0; n < 3; ++n) {
    const auto again = Good("get," + EscapeKey(file->key(n)) + "\n");
    EXPECT_EQ(again->key(0), file->key(n));
  }
  EXPECT_EQ(EscapeKey(std::string_view(",%\0\xff", 4)), "%2C%25%00%FF");
  EXPECT_EQ(Good("get,%2c\nget,%2C\n")->key_count(), 1u);
}

TEST_F(ReplayFileTest, BadLinesAreNamed) {
  EXPECT_EQ(Complaint("get,a\nset,b,1\n"), "t.csv:2: op 'set': must be get, tryget, put or delete");
  EXPECT_EQ(Complaint("GET,a\n"), "t.csv:1: op 'GET': must be get, tryget, put or delete");
  EXPECT_EQ(Complaint("\n\nget\n"), "t.csv:3: no key: a line is op,key,size");
  EXPECT_EQ(Complaint("get,,1\n"), "t.csv:1: an empty key");
  EXPECT_EQ(Complaint("put,a\n"), "t.csv:1: put needs a size");
  EXPECT_EQ(Complaint("put,a,\n"), "t.csv:1: put needs a size");
  EXPECT_EQ(Complaint("put,a,-1\n"), "t.csv:1: size '-1': must be a number of bytes");
  EXPECT_EQ(Complaint("put,a,1x\n"), "t.csv:1: size '1x': must be a number of bytes");
  EXPECT_EQ(Complaint("put,a, 1\n"), "t.csv:1: size ' 1': must be a number of bytes");
  EXPECT_THAT(Complaint("put,a,1073741824\n"), EndsWith("size '1073741824': at most 1073741823"));
  EXPECT_THAT(Complaint("put,a,99999999999999999999\n"), HasSubstr("at most 1073741823"));
  EXPECT_THAT(Complaint("put,a,1,2\n"), HasSubstr("t.csv:1: more than op,key,size"));
  EXPECT_THAT(Complaint("put,a,b,2\n"), HasSubstr("t.csv:1: more than op,key,size"));
  EXPECT_THAT(Complaint("get,%4\n"), HasSubstr("t.csv:1: key '%254': % must be followed"));
  EXPECT_THAT(Complaint("get,%zz\n"), HasSubstr("% must be followed"));
  EXPECT_THAT(Complaint("get,a\tb\n"), HasSubstr("byte 0x09 must be written %09"));
  EXPECT_THAT(Complaint("get,a\rget\n"), HasSubstr("byte 0x0d must be written %0D"));
  EXPECT_THAT(Complaint("get," + std::string(65536, 'k')), HasSubstr("a key of 65536 bytes"));
}

TEST_F(ReplayFileTest, WhatIsNoTraceIsRefusedInOneLine) {
  EXPECT_EQ(Complaint(""), "t.csv: has no operation");
  EXPECT_EQ(Complaint("# nothing\n\nop,key,size\n"), "t.csv: has no operation");
  std::string garbage;
  for (int i = 0; i < 5000; ++i) garbage.push_back(static_cast<char>(i * 7919 >> 3));
  EXPECT_THAT(Complaint(garbage), HasSubstr("t.csv:1: op "));
  EXPECT_THAT(Complaint(std::string(1 << 20, '\0')), HasSubstr("t.csv:1: a line of more than"));
  EXPECT_THAT(Complaint("get,a\n" + std::string(1 << 20, 'x')), HasSubstr("t.csv:2: "));
  EXPECT_THAT(std::string(ReplayFile::Read(folder_, {}).message()),
              HasSubstr("read: Is a directory"));
  EXPECT_THAT(std::string(ReplayFile::Read(folder_ / "absent", {}).message()),
              HasSubstr("open: No such file or directory"));
}

// Lines that lie across the ends of blocks, and tables that grow.
TEST_F(ReplayFileTest, AFileOfManyBlocksIsReadWhole) {
  std::string text;
  constexpr uint64_t kOperations = 300'000, kKeys = 50'000;
  for (uint64_t i = 0; i < kOperations; ++i) {
    text += (i % 3 == 0 ? "put,key-" : "get,key-") + std::to_string(i * 31 % kKeys) +
            (i % 3 == 0 ? "," + std::to_string(i % 1000) + "\n" : "\n");
  }
  const auto file = Good(text);
  ASSERT_EQ(file->operation_count(), kOperations);
  ASSERT_EQ(file->key_count(), kKeys);
  EXPECT_EQ(file->file_bytes(), text.size());
  for (uint64_t i = 0; i < kOperations; ++i) {
    const ReplayFile::Operation op = file->operation(i);
    ASSERT_EQ(file->key(op.number), "key-" + std::to_string(i * 31 % kKeys)) << i;
    if (i % 3 == 0) {
      ASSERT_EQ(op.value_bytes, i % 1000);
    }
  }
}

TEST_F(ReplayFileTest, TheHashIsOfTheWholeFile) {
  const auto part = Good("get,a\nget,b\nput,c,1\n", {.max_operations = 2});
  EXPECT_EQ(part->operation_count(), 2u);
  EXPECT_EQ(part->key_count(), 2u);
  EXPECT_EQ(part->file_bytes(), 20u);
  EXPECT_EQ(part->file_xxh3(), Good("get,a\nget,b\nput,c,1\n")->file_xxh3());
  EXPECT_NE(part->file_xxh3(), Good("get,a\nget,b\nput,c,2\n")->file_xxh3());
  // What is not wanted is not looked at.
  EXPECT_EQ(Good("get,a\nnonsense\n", {.max_operations = 1})->operation_count(), 1u);
}

TEST_F(ReplayFileTest, MoreMemoryThanAllowedIsRefused) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "get,key-" + std::to_string(i) + "\n";
  EXPECT_THAT(Complaint(text, {.max_bytes = uint64_t{4} << 20}),
              HasSubstr("fencepost.trace_memory_bytes"));
  EXPECT_TRUE(Read(text, {.max_bytes = uint64_t{32} << 20}).ok());
  std::string few_keys;
  for (int i = 0; i < 600'000; ++i) few_keys += "get,k\n";
  EXPECT_THAT(Complaint(few_keys, {.max_bytes = uint64_t{4} << 20}),
              HasSubstr("t.csv:262145: 262145 operations on 1 keys"));
}

// -- as a workload

std::vector<uint64_t> AllWords(const WorkloadSpec& spec, Phase phase, unsigned thread,
                               unsigned threads, size_t block) {
  const auto source = MakeTraceSource(spec, phase, thread, threads);
  std::vector<uint64_t> all, words;
  do {
    words.clear();
    source->Fill(block, &words);
    EXPECT_LE(words.size(), block);
    all.insert(all.end(), words.begin(), words.end());
  } while (!words.empty());
  return all;
}

constexpr std::string_view kMixed =
    "get,a,100\nput,b,20\nget,b\nput,a,300\ndelete,b\nget,b\nput,c,7\nget,a\nput,b,9\nget,d\n";

TEST_F(ReplayFileTest, WordsDoNotDependOnTheBlock) {
  const WorkloadSpec spec = Spec(kMixed);
  const std::vector<uint64_t> whole = AllWords(spec, Phase::kRun, 0, 1, 1000);
  EXPECT_EQ(whole.size(), 14u);  // ten operations, four of them puts
  EXPECT_EQ(AllWords(spec, Phase::kRun, 0, 1, 2), whole);
  EXPECT_EQ(AllWords(spec, Phase::kRun, 0, 1, 3), whole);
  EXPECT_EQ(OpWords(Op{whole[1]}), 2u);
}

TEST_F(ReplayFileTest, ThreadsShareTheKeysAndKeepEachOnesOrder) {
  const WorkloadSpec spec = Spec(kMixed);
  for (const Phase phase : {Phase::kLoad, Phase::kRun}) {
    const std::vector<uint64_t> alone = AllWords(spec, phase, 0, 1, 100);
    std::map<uint64_t, std::vector<uint64_t>> expected, found;
    const auto sort = [](const std::vector<uint64_t>& words, auto* by_key) {
      for (size_t i = 0; i < words.size(); i += OpWords(Op{words[i]})) {
        auto& of_key = (*by_key)[Op{words[i]}.number()];
        for (size_t w = 0; w < OpWords(Op{words[i]}); ++w) of_key.push_back(words[i + w]);
      }
    };
    sort(alone, &expected);
    uint64_t operations = 0;
    for (unsigned t = 0; t < 3; ++t) {
      const std::vector<uint64_t> words = AllWords(spec, phase, t, 3, 100);
      for (size_t i = 0; i < words.size(); i += OpWords(Op{words[i]})) {
        EXPECT_EQ(Op{words[i]}.number() % 3, t);
      }
      sort(words, &found);
      operations += ThreadOperations(spec, phase, t, 3);
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(operations, phase == Phase::kLoad ? 2u : 10u);
  }
}

TEST_F(ReplayFileTest, TheSpecHasTheFilesRecordsAndShares) {
  const WorkloadSpec spec = Spec(kMixed);
  EXPECT_EQ(spec.name, "t");
  EXPECT_EQ(spec.insert_count, 2u);
  EXPECT_EQ(spec.proportion(kRead), 0.4);
  EXPECT_EQ(spec.proportion(kMiss), 0.1);
  EXPECT_EQ(spec.proportion(kInsert), 0.3);
  EXPECT_EQ(spec.proportion(kUpdate), 0.1);
  EXPECT_EQ(spec.proportion(kDelete), 0.1);
  EXPECT_TRUE(CheckPhase(spec, Phase::kLoad).ok());
  EXPECT_TRUE(CheckPhase(spec, Phase::kRun).ok());
  EXPECT_EQ(PlannedOperations(spec, Phase::kLoad), 2u);
  EXPECT_EQ(PlannedOperations(spec, Phase::kRun), 10u);
  EXPECT_EQ(ValueMaker(spec).max_value_bytes(), 1000u);  // of d, of which no line has a size
  EXPECT_EQ(KeyOf(spec, 0), "a");
}

TEST_F(ReplayFileTest, OperationcountAndWarmupCountAlongTheFile) {
  const WorkloadSpec spec = Spec(kMixed, {"operationcount=4", "fencepost.warmup=2"});
  EXPECT_EQ(spec.replay_file->operation_count(), 6u);
  EXPECT_EQ(PlannedOperations(spec, Phase::kRun), 4u);
  uint64_t warmup = 0;
  for (unsigned t = 0; t < 2; ++t) warmup += ThreadWarmupOperations(spec, t, 2);
  EXPECT_EQ(warmup, 2u);
  const WorkloadSpec no_rest = Spec(kMixed, {"fencepost.warmup=10"});
  EXPECT_THAT(std::string(CheckPhase(no_rest, Phase::kRun).message()), HasSubstr("leaves nothing"));
}

TEST_F(ReplayFileTest, ARepeatedFileNeverEndsUnlessItHasNothingForTheThread) {
  WorkloadSpec spec = Spec("get,a\nput,a,5\n");
  spec.replay_repeats = true;
  std::vector<uint64_t> words;
  MakeTraceSource(spec, Phase::kRun, 0, 2)->Fill(100, &words);
  EXPECT_GE(words.size(), 99u);
  words.clear();
  MakeTraceSource(spec, Phase::kRun, 1, 2)->Fill(100, &words);
  EXPECT_TRUE(words.empty());
}

TEST_F(ReplayFileTest, WhatTheFileSaysItselfCannotBeSetBeside) {
  EXPECT_THAT(SpecComplaint("recordcount=5"), HasSubstr("-p: recordcount=5: fencepost.trace_file"));
  EXPECT_THAT(SpecComplaint("readproportion=1"), HasSubstr("readproportion"));
  EXPECT_THAT(SpecComplaint("fencepost.trace=live"), HasSubstr("fencepost.trace=live"));
  EXPECT_THAT(SpecComplaint("fencepost.trace_load=all"), HasSubstr("must be one of gets, none"));
  Properties no_file;
  CHECK_OK(no_file.Set("fencepost.trace_load=none"));
  EXPECT_THAT(std::string(ParseWorkload(no_file).message()), HasSubstr("is for a trace file"));
  EXPECT_EQ(SpecComplaint("readproportion=0.95"), "ok");  // the default
}

TEST_F(ReplayFileTest, AnotherFileThanTheOneMeantIsRefused) {
  const std::string hash = Good("get,k\n")->file_xxh3_text();
  EXPECT_EQ(hash.size(), 16u);
  EXPECT_EQ(SpecComplaint("fencepost.trace_xxh3=" + hash), "ok");
  EXPECT_THAT(SpecComplaint("fencepost.trace_xxh3=0123456789abcdef"),
              AllOf(HasSubstr("t.csv has " + hash), HasSubstr("another file")));
}

TEST_F(ReplayFileTest, NothingToLoadNeedsNoLoad) {
  const WorkloadSpec spec = Spec("put,a,5\nget,a\n");
  EXPECT_FALSE(NeedsLoad(spec));
  EXPECT_FALSE(CheckPhase(spec, Phase::kLoad).ok());
  EXPECT_TRUE(CheckPhase(spec, Phase::kRun).ok());
  EXPECT_TRUE(NeedsLoad(Spec("get,a\n")));
}

TEST(ValueMakerOfReplayFiles, ValuesOfEverySizeTestify) {
  std::vector<char> buffer(600'000);
  for (const size_t bytes : {0ul, 1ul, 15ul, 16ul, 17ul, 1000ul, 524'288ul, 600'000ul}) {
    const std::string_view value = ValueMaker::MakeOf(bytes, 42, 6, buffer.data());
    ASSERT_EQ(value.size(), bytes);
    if (bytes < kStampBytes) {
      EXPECT_TRUE(MatchesShort(42, 6, value));
      continue;
    }
    const ValueReading reading = ReadValue(42, value, VerifyLevel::kFull);
    EXPECT_EQ(reading.fault, ValueFault::kNone) << bytes;
    EXPECT_EQ(reading.version, 6u);
    EXPECT_EQ(ReadValue(43, value, VerifyLevel::kFull).fault, ValueFault::kForeign);
  }
}

}  // namespace
}  // namespace fencepost
