// SPDX-License-Identifier: BSD-3-Clause
#include "harness/oracle/history_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "harness/oracle/oracle_test_util.h"

namespace fencepost {
namespace {

using ::testing::HasSubstr;
using Kind = HistoryOp::Kind;
using Outcome = HistoryOp::Outcome;

class HistoryFileTest : public ::testing::Test {
 protected:
  HistoryFileTest()
      : path_(std::filesystem::path(::testing::TempDir()) /
              (std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) +
               ".history.jsonl")) {}
  ~HistoryFileTest() override { std::filesystem::remove(path_); }

  void WriteText(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  std::string Text() {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path path_;
};

TEST_F(HistoryFileTest, KeepsEveryKindOfOperationAndAnyBytes) {
  const std::string all_bytes = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
    return bytes;
  }();
  Result<HistoryWriter> writer = HistoryWriter::Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.message();
  CHECK_OK(writer->Initial({{"", all_bytes}}));
  HistoryOp batch = Batch(1, 2, {{all_bytes, ""}, {"b", std::nullopt}});
  batch.thread = 7;
  CHECK_OK(writer->Begin(batch));
  CHECK_OK(writer->End(1, Outcome::kUnknown));
  CHECK_OK(writer->Begin(Read(3, 4, all_bytes, {})));
  CHECK_OK(writer->End(3, Outcome::kDone, all_bytes));
  CHECK_OK(writer->Begin(Read(5, 6, "b", {})));
  CHECK_OK(writer->End(5, Outcome::kDone, std::nullopt));
  CHECK_OK(writer->Begin(ReadAll(7, 8, {})));
  CHECK_OK(writer->EndReadAll(7, Outcome::kDone, {{"x", all_bytes}}));
  CHECK_OK(writer->Begin(Sync(9, 10)));
  CHECK_OK(writer->End(9, Outcome::kRefused));
  HistoryOp replacing = Put(11, 12, "b", "2");
  replacing.replaces = all_bytes;
  CHECK_OK(writer->Begin(replacing));
  CHECK_OK(writer->End(11, Outcome::kDone));

  bool cut = true;
  const Result<History> history = ReadHistory(path_,
                                              {{1, {10, 20}},
                                               {3, {30, 40}},
                                               {5, {50, 60}},
                                               {7, {70, 80}},
                                               {9, {90, 100}},
                                               {11, {110, 120}}},
                                              &cut);
  ASSERT_TRUE(history.ok()) << history.message();
  EXPECT_FALSE(cut);
  EXPECT_EQ(history->initial, (StoreContents{{"", all_bytes}}));
  const std::vector<HistoryOp>& ops = history->operations;
  ASSERT_EQ(ops.size(), 6U);
  EXPECT_EQ(ops[0].kind, Kind::kWrite);
  EXPECT_EQ(ops[0].thread, 7U);
  EXPECT_EQ(ops[0].outcome, Outcome::kUnknown);
  ASSERT_EQ(ops[0].writes.size(), 2U);
  EXPECT_EQ(ops[0].writes[0].key, all_bytes);
  EXPECT_EQ(ops[0].writes[0].value, "");
  EXPECT_EQ(ops[0].writes[1].value, std::nullopt);
  EXPECT_EQ(ops[1].key, all_bytes);
  EXPECT_EQ(ops[1].found, all_bytes);
  EXPECT_EQ(ops[2].found, std::nullopt);
  EXPECT_EQ(ops[3].contents, (StoreContents{{"x", all_bytes}}));
  EXPECT_EQ(ops[0].replaces, std::nullopt);
  EXPECT_EQ(ops[5].replaces, all_bytes);
  EXPECT_EQ(ops[4].kind, Kind::kSync);
  EXPECT_EQ(ops[4].outcome, Outcome::kRefused);
  for (size_t i = 0; i < ops.size(); ++i) {
    EXPECT_EQ(ops[i].id, 2 * i + 1);
    EXPECT_EQ(ops[i].begin, 20 * i + 10);
    EXPECT_EQ(ops[i].end, 20 * i + 20);
  }
}

TEST_F(HistoryFileTest, ALineIsInTheFileBeforeTheNextCall) {
  Result<HistoryWriter> writer = HistoryWriter::Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.message();
  CHECK_OK(writer->Begin(Put(1, 2, "k", "v")));
  EXPECT_EQ(Text(),
            "{\"id\":1,\"thread\":0,\"kind\":\"write\",\"writes\":[{\"key\":\"6b\",\"value\":"
            "\"76\"}]}\n");
}

TEST_F(HistoryFileTest, LinesOfThreadsDoNotMix) {
  Result<HistoryWriter> writer = HistoryWriter::Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.message();
  constexpr uint64_t kEach = 200;
  OpSpans positions;
  for (uint64_t id = 0; id < 2 * kEach; ++id) positions[id] = {2 * id, 2 * id + 1};
  const auto run = [&](uint64_t first) {
    for (uint64_t id = first; id < first + kEach; ++id) {
      HistoryOp op = Put(id, id + 1, "k", std::string(100, 'v'));
      CHECK_OK(writer->Begin(op));
      CHECK_OK(writer->End(id, Outcome::kDone));
    }
  };
  std::thread other(run, kEach);
  run(0);
  other.join();
  const Result<History> history = ReadHistory(path_, positions);
  ASSERT_TRUE(history.ok()) << history.message();
  EXPECT_EQ(history->operations.size(), 2 * kEach);
}

TEST_F(HistoryFileTest, WithoutAnAnswerAnOperationNeverReturned) {
  WriteText(
      "{\"id\":1,\"thread\":0,\"kind\":\"sync\"}\n"
      "{\"id\":2,\"thread\":1,\"kind\":\"sync\"}\n");
  // The second was announced, and not called before the process died.
  const Result<History> history = ReadHistory(path_, {{1, {5, 6}}});
  ASSERT_TRUE(history.ok()) << history.message();
  ASSERT_EQ(history->operations.size(), 1U);
  EXPECT_EQ(history->operations[0].begin, 5U);
  EXPECT_EQ(history->operations[0].end, kNever);
}

TEST_F(HistoryFileTest, ALastLineThatIsCutIsToldAndIgnored) {
  const std::string whole = "{\"id\":1,\"thread\":0,\"kind\":\"sync\"}\n";
  const std::string last = "{\"end\":1,\"outcome\":\"done\",\"found\":null}";
  for (size_t length = 1; length <= last.size(); ++length) {
    WriteText(whole + last.substr(0, length));
    bool cut = false;
    const Result<History> history = ReadHistory(path_, {{1, {5, 6}}}, &cut);
    ASSERT_TRUE(history.ok()) << history.message();
    EXPECT_TRUE(cut) << length;
    EXPECT_EQ(history->operations.at(0).end, kNever);
  }
}

TEST_F(HistoryFileTest, AnythingElseMalformedIsCorruptAndNamesItsLine) {
  const std::string good = "{\"id\":1,\"thread\":0,\"kind\":\"read\",\"key\":\"6b\"}\n";
  const char* const bad[] = {
      "",
      "{\"id\":2,\"thr",
      "[1]",
      "{\"thread\":0,\"kind\":\"sync\"}",
      "{\"id\":-2,\"thread\":0,\"kind\":\"sync\"}",
      "{\"id\":2,\"kind\":\"sync\"}",
      "{\"id\":2,\"thread\":4294967296,\"kind\":\"sync\"}",
      "{\"id\":2,\"thread\":0,\"kind\":\"jump\"}",
      "{\"id\":1,\"thread\":0,\"kind\":\"sync\"}",
      "{\"id\":2,\"thread\":0,\"kind\":\"read\",\"key\":\"6\"}",
      "{\"id\":2,\"thread\":0,\"kind\":\"read\",\"key\":\"6B\"}",
      "{\"id\":2,\"thread\":0,\"kind\":\"read\",\"key\":null}",
      "{\"id\":2,\"thread\":0,\"kind\":\"read\"}",
      "{\"id\":2,\"thread\":0,\"kind\":\"write\"}",
      "{\"id\":2,\"thread\":0,\"kind\":\"write\",\"writes\":[3]}",
      "{\"id\":2,\"thread\":0,\"kind\":\"write\",\"writes\":[{\"key\":\"6b\"}]}",
      ("{\"id\":2,\"thread\":0,\"kind\":\"write\",\"writes\":[{\"key\":\"6b\",\"value\":null},"
       "{\"key\":\"6b\",\"value\":null}]}"),
      "{\"end\":3,\"outcome\":\"done\",\"found\":null}",
      "{\"end\":1,\"outcome\":\"perhaps\",\"found\":null}",
      "{\"end\":1,\"outcome\":\"done\"}",
      "{\"initial\":{}}",
      "{\"initial\":[{\"key\":\"6b\",\"value\":null}]}",
      "{\"initial\":[{\"key\":\"6b\",\"value\":\"\"},{\"key\":\"6b\",\"value\":\"\"}]}",
  };
  for (const char* line : bad) {
    WriteText(good + line + "\n");
    const Result<History> history = ReadHistory(path_, {{1, {5, 6}}, {2, {7, 8}}});
    ASSERT_FALSE(history.ok()) << line;
    EXPECT_EQ(history.status().code(), StatusCode::kCorrupt) << line;
    EXPECT_THAT(std::string(history.message()), HasSubstr(path_.string() + ":2: ")) << line;
  }
}

TEST_F(HistoryFileTest, RefusesASecondAnswerAndASecondStart) {
  for (const std::string line : {"{\"end\":1,\"outcome\":\"done\"}\n", "{\"initial\":[]}\n"}) {
    WriteText("{\"id\":1,\"thread\":0,\"kind\":\"sync\"}\n" + line + line);
    const Result<History> history = ReadHistory(path_, {{1, {5, 6}}});
    ASSERT_FALSE(history.ok()) << line;
    EXPECT_THAT(std::string(history.message()), HasSubstr(":3: ")) << line;
  }
}

TEST_F(HistoryFileTest, AnAnsweredOperationNeedsAPosition) {
  WriteText(
      "{\"id\":1,\"thread\":0,\"kind\":\"sync\"}\n"
      "{\"end\":1,\"outcome\":\"done\"}\n");
  const OpSpans none;
  const OpSpans empty{{1, {6, 6}}};
  for (const OpSpans& positions : {none, empty}) {
    const Result<History> history = ReadHistory(path_, positions);
    ASSERT_FALSE(history.ok());
    EXPECT_EQ(history.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST_F(HistoryFileTest, NoFileIsAnIoError) {
  EXPECT_EQ(ReadHistory(path_, {}).status().code(), StatusCode::kIoError);
  EXPECT_EQ(HistoryWriter::Create(path_ / "none").status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace fencepost
