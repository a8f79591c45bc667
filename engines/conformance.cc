// SPDX-License-Identifier: BSD-3-Clause
#include "engines/conformance.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <random>

namespace fencepost {

namespace fs = std::filesystem;

void PrintTo(const ConformanceCase& test_case, std::ostream* out) {
  *out << test_case.row->name << ", " << DurabilityName(test_case.durability);
}

std::vector<ConformanceCase> AllCases() {
  std::vector<ConformanceCase> cases;
  for (const EngineRow& row : Engines()) {
    if (!row.capabilities.stores_data) continue;
    for (Durability durability : row.durabilities) cases.push_back({&row, durability});
  }
  return cases;
}

std::vector<ConformanceCase> StrongestCases() {
  std::vector<ConformanceCase> cases;
  for (const EngineRow& row : Engines()) {
    if (row.capabilities.stores_data) cases.push_back({&row, row.durabilities.front()});
  }
  return cases;
}

std::string CaseName(const testing::TestParamInfo<ConformanceCase>& info) {
  std::string name =
      fmt::format("{}_{}", info.param.row->name, DurabilityName(info.param.durability));
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

fs::path MediumFor(const EngineRow& row) {
  const fs::path shared_memory = "/dev/shm";
  if (row.capabilities.persistent_memory && access(shared_memory.c_str(), W_OK) == 0) {
    return shared_memory;
  }
  return fs::temp_directory_path();
}

ScratchDirectory::ScratchDirectory(const fs::path& parent) {
  std::string name = (parent / "fencepost-XXXXXX").string();
  CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::unique_ptr<TinyMedium> TinyMedium::Mount(const fs::path& parent, uint64_t bytes) {
  if (geteuid() != 0) return nullptr;
  std::unique_ptr<TinyMedium> medium(new TinyMedium(parent));
  const std::string size = fmt::format("size={}", bytes);
  if (mount("tmpfs", medium->path().c_str(), "tmpfs", 0, size.c_str()) != 0) return nullptr;
  return medium;
}

TinyMedium::~TinyMedium() { (void)umount2(path().c_str(), MNT_DETACH); }

bool TinyMedium::MakeReadOnly() {
  return mount(nullptr, path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

std::string TestBytes(uint64_t tag, size_t bytes) {
  std::mt19937_64 random(tag);
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; i += 8) {
    const uint64_t word = random();
    for (size_t j = 0; j < 8 && i + j < bytes; ++j) out[i + j] = static_cast<char>(word >> (8 * j));
  }
  // A zero byte at the front and in the middle, which ends a C string early.
  if (bytes > 2) out[0] = out[bytes / 2] = '\0';
  return out;
}

std::string TestKey(uint64_t number) { return fmt::format("key{:08}", number); }

std::optional<std::string> Lookup(Engine* engine, std::string_view key) {
  std::optional<std::string> value;
  int visits = 0;
  const Status status = engine->Get(key, [&](std::string_view seen) {
    value = std::string(seen);
    ++visits;
  });
  EXPECT_TRUE(status.ok() || status.IsNotFound()) << status.message();
  EXPECT_EQ(visits, status.ok() ? 1 : 0);
  return value;
}

void ExpectHolds(Engine* engine, const Capabilities& can, const Model& model) {
  size_t wrong = 0;
  for (const auto& [key, value] : model) wrong += Lookup(engine, key) == value ? 0 : 1;
  EXPECT_EQ(wrong, 0u) << "of " << model.size() << " pairs are lost or differ";

  Model seen;
  size_t twice = 0;
  const Status status = engine->ForEach([&](std::string_view key, std::string_view value) {
    twice += seen.emplace(key, value).second ? 0 : 1;
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(twice, 0u);
  EXPECT_TRUE(seen == model) << "ForEach saw " << seen.size() << " pairs of " << model.size();

  const Result<EngineStats> stats = engine->Stats();
  ASSERT_TRUE(stats.ok()) << stats.message();
  if (can.exact_count) {
    EXPECT_EQ(stats->count, model.size());
  }
}

void ExpectOneLineError(const Status& status) {
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.code(), StatusCode::kInternal) << status.message();
  EXPECT_GT(status.message().size(), 10u) << status.message();
  EXPECT_EQ(status.message().find('\n'), std::string_view::npos) << status.message();
}

std::vector<std::string> NamesUnder(const fs::path& root) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

ConformanceTest::ConformanceTest() : scratch_(MediumFor(*GetParam().row)) {}

EngineOptions ConformanceTest::OptionsAt(const fs::path& path) const {
  EngineOptions options;
  options.path = path;
  options.durability = GetParam().durability;
  options.cache_bytes = uint64_t{4} << 20;
  options.size_hint = hint_;
  options.tuning = Tuning(std::string(GetParam().row->name), {});
  return options;
}

std::unique_ptr<Engine> ConformanceTest::Open() const {
  Result<std::unique_ptr<Engine>> engine = TryOpen(OptionsAt(store()));
  CHECK_OK(engine);
  return std::move(engine).value();
}

}  // namespace fencepost
