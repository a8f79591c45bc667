// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/call_tracer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "engines/engine_table.h"
#include "harness/book/copy_counters.h"
#include "harness/book/path_costs.h"

namespace fencepost {
namespace {

using Phases = std::map<unsigned, TracedPhase>;

Phases Trace(const std::function<int()>& client, const std::string& watched = "") {
  Result<Phases> found = TraceCalls(client, watched);
  EXPECT_TRUE(found.ok()) << found.message();
  return found.ok() ? *found : Phases();
}

TEST(CallTracerTest, CallsAreCountedInTheirPhaseOnly) {
  Phases found = Trace([] {
    const int zero = open("/dev/zero", O_RDONLY);
    char bytes[100];
    MarkPhase(1);
    for (int i = 0; i < 3; ++i) (void)!pread(zero, bytes, sizeof(bytes), 0);
    MarkPhase(2);
    (void)!pread(zero, bytes, 7, 0);
    (void)!read(-1, bytes, 7);
    MarkPhase(0);
    (void)!pread(zero, bytes, 1, 0);
    return 0;
  });
  EXPECT_EQ(found[1].calls["pread64"].calls, 3u);
  EXPECT_EQ(found[1].calls["pread64"].bytes, 300u);
  EXPECT_EQ(found[1].calls.size(), 1u);
  EXPECT_EQ(found[2].calls["pread64"].bytes, 7u);
  EXPECT_EQ(found[2].calls["read"].failed, 1u);
  EXPECT_EQ(found.size(), 2u);
}

TEST(CallTracerTest, WritesTouchTheBlocksWhereTheyAre) {
  char name[] = "/dev/shm/fencepost-blocks-XXXXXX";
  const int file = mkstemp(name);
  Phases found = Trace([file] {
    MarkPhase(1);
    (void)!pwrite(file, "0123456789", 10, 4090);  // across an edge
    MarkPhase(2);
    (void)!pwrite(file, "0123456789", 10, 4096);
    (void)!write(file, "0123456789", 10);
    MarkPhase(0);
    return 0;
  });
  EXPECT_EQ(found[1].calls["pwrite64"].blocks, 2u);
  EXPECT_EQ(found[2].calls["pwrite64"].blocks, 1u);
  EXPECT_EQ(found[2].calls["write"].blocks, 1u);
  unlink(name);
}

TEST(CallTracerTest, CallsOfOtherThreadsCount) {
  Phases found = Trace([] {
    MarkPhase(1);
    std::thread([] { (void)!write(-1, "x", 1); }).join();
    MarkPhase(0);
    return 0;
  });
  EXPECT_EQ(found[1].calls["write"].calls, 1u);
}

TEST(CallTracerTest, AClientThatFailsIsAnError) {
  EXPECT_EQ(TraceCalls([] { return 5; }, "").status().code(), StatusCode::kInternal);
  const auto dies = [] {
    signal(SIGABRT, SIG_DFL);
    std::abort();
    return 0;
  };
  EXPECT_EQ(TraceCalls(dies, "").status().code(), StatusCode::kInternal);
}

TEST(CallTracerTest, StepsFindEachLineThatIsTouchedOnce) {
  char name[] = "/dev/shm/fencepost-lines-XXXXXX";
  const int file = mkstemp(name);
  ASSERT_EQ(ftruncate(file, 1 << 16), 0);
  auto* lines = static_cast<volatile char*>(
      mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  Phases found = Trace(
      [lines] {
        MarkPhase(3, true);
        for (int i = 0; i < 5; ++i) (void)lines[i * 64];
        (void)lines[1];  // of the first line again
        lines[10 * 64] = 1;
        MarkPhase(0);
        (void)lines[20 * 64];
        return 0;
      },
      name);
  EXPECT_EQ(found[3].lines_read, 5u);
  EXPECT_EQ(found[3].lines_written, 1u);
  EXPECT_GT(found[3].instructions, 10u);
  unlink(name);
}

TEST(CopyCountersTest, AllocationsAndCopiesAreCountedWhileAsked) {
  std::vector<char> from(1000, 'x'), to(1000);
  // Through pointers that the compiler cannot see through.
  void* (*volatile copy)(void*, const void*, size_t) = std::memcpy;
  void* (*volatile allocate)(size_t) = std::malloc;
  copy(to.data(), from.data(), 1000);
  CountCopies(true);
  const CopyCounters before = ReadCopyCounters();
  copy(to.data(), from.data(), 777);
  std::free(allocate(123));
  const CopyCounters after = ReadCopyCounters();
  CountCopies(false);
  EXPECT_EQ(after.copies - before.copies, 1u);
  EXPECT_EQ(after.copied_bytes - before.copied_bytes, 777u);
  EXPECT_EQ(after.allocations - before.allocations, 1u);
  EXPECT_EQ(after.allocated_bytes - before.allocated_bytes, 123u);
}

TEST(CopyCountersTest, MovesThatOverlapMoveWhatWasThere) {
  void* (*volatile move)(void*, const void*, size_t) = std::memmove;
  std::string up = "0123456789", down = up;
  move(up.data() + 2, up.data(), 8);
  EXPECT_EQ(up, "0101234567");
  move(down.data(), down.data() + 2, 8);
  EXPECT_EQ(down, "2345678989");
}

std::vector<PathCosts> CostsOf(const char* engine, uint64_t value_bytes) {
  const EngineRow* row = *FindEngine(engine);
  const std::string parent = row->capabilities.persistent_memory ? "/dev/shm" : "/var/tmp";
  std::string name = parent + "/fencepost-paths-XXXXXX";
  CHECK(mkdtemp(name.data()) != nullptr);
  PathCostsOptions options;
  options.engine.path = name + "/store";
  options.engine.size_hint = {100, 16, value_bytes};
  options.counts_file = name + "/counts";
  options.pairs = 50;
  options.value_bytes = value_bytes;
  options.operations = 20;
  options.cold_operations = 2;
  options.step_operations = 2;
  const Result<std::vector<PathCosts>> found = MeasurePathCosts(*row, options);
  EXPECT_TRUE(found.ok()) << engine << ": " << found.message();
  std::filesystem::remove_all(name);
  return found.ok() ? *found : std::vector<PathCosts>();
}

const PathCosts& Of(const std::vector<PathCosts>& costs, std::string_view phase) {
  static const PathCosts kNothing;
  for (const PathCosts& one : costs) {
    if (one.phase == phase) return one;
  }
  ADD_FAILURE() << "no phase " << phase;
  return kNothing;
}

TEST(PathCostsTest, ADurablePutOfAFileEngineSyncsAndOneOfCmapFlushes) {
  for (const char* engine : {"filestore", "rocksdb", "lmdb"}) {
    const std::vector<PathCosts> costs = CostsOf(engine, 64);
    EXPECT_GE(Of(costs, "put").sync_calls, 1) << engine;
    EXPECT_GE(Of(costs, "put").write_call_bytes, 64) << engine;
    EXPECT_GE(Of(costs, "put").blocks_written, 1) << engine;
    EXPECT_EQ(Of(costs, "put").lines_flushed, 0) << engine;
  }
  const std::vector<PathCosts> costs = CostsOf("cmap", 64);
  EXPECT_EQ(Of(costs, "put").system_calls, 0);
  EXPECT_GT(Of(costs, "put").lines_flushed, 0);
  EXPECT_GT(Of(costs, "put").fences, 0);
  EXPECT_EQ(Of(costs, "get").system_calls, 0);
}

TEST(PathCostsTest, AGetOfCmapReadsTheLinesOfItsValue) {
  EXPECT_GE(Of(CostsOf("cmap", 64), "get-step").lines_read, 1);
  EXPECT_GE(Of(CostsOf("cmap", 4096), "get-step").lines_read, 64);
}

}  // namespace
}  // namespace fencepost
