// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/keys.h"

namespace fencepost {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<WorkloadSpec> Parse(std::initializer_list<std::string_view> settings) {
  Properties properties;
  for (const std::string_view setting : settings) CHECK_OK(properties.Set(setting));
  return ParseWorkload(properties);
}

std::string Error(std::initializer_list<std::string_view> settings) {
  const Result<WorkloadSpec> spec = Parse(settings);
  if (spec.ok()) return "ok";
  EXPECT_EQ(spec.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(spec.message().find('\n'), std::string_view::npos);
  return std::string(spec.message());
}

// Writes `text` as a property file of this name and parses it.
class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    char name[] = "/tmp/fencepost_workload_XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~FileTest() override { std::filesystem::remove_all(directory_); }

  Result<WorkloadSpec> ParseFile(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    properties_ = {};
    CHECK_OK(properties_.LoadFile(directory_ / name));
    return ParseWorkload(properties_);
  }
  std::vector<std::string> UnreadNames() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : properties_.Unread()) names.push_back(name);
    return names;
  }

  std::filesystem::path directory_;
  Properties properties_;
};

TEST(Workload, DefaultsAreYcsbs) {
  const WorkloadSpec spec = Parse({}).value();
  EXPECT_EQ(spec.name, "default");
  EXPECT_EQ(spec.table, "usertable");
  EXPECT_EQ(spec.record_count, 0u);
  EXPECT_EQ(spec.operation_count, 0u);
  EXPECT_DOUBLE_EQ(spec.proportion(OpKind::kRead), 0.95);
  EXPECT_DOUBLE_EQ(spec.proportion(OpKind::kUpdate), 0.05);
  EXPECT_EQ(spec.request_distribution, RequestDistribution::kUniform);
  EXPECT_EQ(spec.field_count, 10u);
  EXPECT_EQ(spec.field_bytes, 100u);
  EXPECT_EQ(spec.max_scan_length, 1000u);
  EXPECT_TRUE(spec.hashed_keys);
  EXPECT_EQ(spec.zero_padding, 1u);
  EXPECT_EQ(spec.threads, 1u);
  EXPECT_EQ(spec.status_interval_s, 10);
  EXPECT_THAT(spec.percentiles, ElementsAre(50, 95, 99));
  EXPECT_EQ(spec.update_mode, UpdateMode::kRmw);
  EXPECT_EQ(spec.verify, VerifyLevel::kFull);
  EXPECT_EQ(spec.trace_bytes, uint64_t{64} << 20);
  EXPECT_EQ(spec.key_table_bytes, uint64_t{64} << 20);
}

TEST(Workload, EveryKnownPropertyIsReadAndNoNameIsTwice) {
  Properties properties;
  std::set<std::string_view> names;
  for (const PropertySpec& known : KnownProperties()) {
    EXPECT_TRUE(names.insert(known.name).second) << known.name;
    EXPECT_FALSE(known.meaning.empty()) << known.name;
    const std::string value(known.name == "insertcount" ? "0" : known.default_value);
    CHECK_OK(properties.Set(std::string(known.name) + "=" + value));
  }
  ASSERT_TRUE(ParseWorkload(properties).ok());
  EXPECT_TRUE(properties.Unread().empty()) << properties.Unread()[0].first;
}

TEST(Workload, ProportionsAreNormalised) {
  const WorkloadSpec spec =
      Parse({"readproportion=60", "updateproportion=20", "fencepost.missproportion=20"}).value();
  EXPECT_DOUBLE_EQ(spec.proportion(OpKind::kRead), 0.6);
  EXPECT_DOUBLE_EQ(spec.proportion(OpKind::kUpdate), 0.2);
  EXPECT_DOUBLE_EQ(spec.proportion(OpKind::kMiss), 0.2);
}

TEST(Workload, BadProportionsAreErrors) {
  EXPECT_EQ(Error({"readproportion=-0.5"}), "-p: readproportion=-0.5: must not be negative");
  EXPECT_THAT(Error({"readproportion=0", "updateproportion=0"}), HasSubstr("must be above 0"));
}

TEST(Workload, BadNumbersAreErrorsThatNameThem) {
  EXPECT_EQ(Error({"threadcount=0"}), "-p: threadcount=0: must be from 1 to 65536");
  EXPECT_EQ(Error({"recordcount=99999999999999999999"}),
            "-p: recordcount=99999999999999999999: does not fit in 64 bits");
  EXPECT_THAT(Error({"recordcount=9999999999999999999"}), HasSubstr("must be from 0 to"));
  EXPECT_THAT(Error({"operationcount=1.5"}), HasSubstr("operationcount=1.5"));
  EXPECT_THAT(Error({"operationcount=576460752303423487", "recordcount=1000"}),
              HasSubstr("59 bits"));
  EXPECT_THAT(Error({"fieldcount=0"}), HasSubstr("fieldcount=0"));
  EXPECT_THAT(Error({"fieldcount=1000000", "fieldlength=1000000"}), HasSubstr("1 GiB"));
  EXPECT_THAT(Error({"fieldcount=576460752303423487", "fieldlength=0"}), HasSubstr("1 GiB"));
  EXPECT_THAT(Error({"zeropadding=5000"}), HasSubstr("zeropadding=5000"));
  EXPECT_THAT(Error({"target=-1"}), HasSubstr("target=-1"));
  EXPECT_THAT(Error({"maxexecutiontime=-1"}), HasSubstr("negative"));
  EXPECT_THAT(Error({"status.interval=0"}), HasSubstr("above 0"));
  EXPECT_THAT(Error({"fencepost.batchsize=0"}), HasSubstr("batchsize=0"));
  EXPECT_THAT(Error({"fencepost.trace_bytes=64MB"}), HasSubstr("trace_bytes=64MB"));
  EXPECT_THAT(Error({"hotspotdatafraction=1.5"}), HasSubstr("from 0 to 1"));
  EXPECT_THAT(Error({"exponential.percentile=100"}), HasSubstr("between 0 and 100"));
  EXPECT_THAT(Error({"exponential.frac=1e9"}), HasSubstr("exponential.frac"));
  EXPECT_THAT(Error({"exponential.frac=0"}), HasSubstr("exponential.frac"));
  EXPECT_THAT(Error({"minscanlength=0"}), HasSubstr("minscanlength"));
  EXPECT_THAT(Error({"minscanlength=11", "maxscanlength=10"}), HasSubstr("exceeds"));
  EXPECT_THAT(Error({"hdrhistogram.percentiles=50,101"}), HasSubstr("percentiles"));
  EXPECT_THAT(Error({"hdrhistogram.percentiles=50,,99"}), HasSubstr("percentiles"));
}

TEST(Workload, UnknownWordsAreErrorsThatListTheKnown) {
  EXPECT_EQ(Error({"requestdistribution=zipf"}),
            "-p: requestdistribution=zipf: must be one of uniform, zipfian, latest, hotspot, "
            "exponential, sequential");
  EXPECT_THAT(Error({"fieldlengthdistribution=normal"}), HasSubstr("constant, uniform"));
  EXPECT_THAT(Error({"scanlengthdistribution=constant"}), HasSubstr("uniform, zipfian"));
  EXPECT_THAT(Error({"fencepost.verify=yes"}), HasSubstr("off, stamp, full"));
  EXPECT_THAT(Error({"measurement.interval=all"}), HasSubstr("op, intended, both"));
}

TEST(Workload, RecordRangesMustFit) {
  const WorkloadSpec spec = Parse({"recordcount=100", "insertstart=40"}).value();
  EXPECT_EQ(spec.insert_count, 60u);
  EXPECT_THAT(Error({"recordcount=100", "insertstart=40", "insertcount=61"}),
              HasSubstr("insertstart=40 and insertcount exceed recordcount=100"));
  EXPECT_THAT(Error({"recordcount=100", "insertstart=101"}), HasSubstr("beyond recordcount"));
}

TEST(Workload, OtherWorkloadClassesAreRefused) {
  EXPECT_TRUE(Parse({"workload=com.yahoo.ycsb.workloads.CoreWorkload"}).ok());
  EXPECT_EQ(Error({"workload=site.ycsb.workloads.TimeSeriesWorkload"}),
            "-p: workload=site.ycsb.workloads.TimeSeriesWorkload: only CoreWorkload is "
            "implemented");
}

TEST(Workload, UnknownNamesOfOursAreErrors) {
  EXPECT_THAT(Error({"fencepost.sed=1"}),
              ::testing::AllOf(HasSubstr("fencepost.sed=1: no such property"),
                               HasSubstr(" fencepost.seed")));
  constexpr PropertySpec kMore[] = {{"fencepost.more", "bool", "false", "for this test"}};
  Properties properties;
  ASSERT_TRUE(properties.Set("fencepost.more=true").ok());
  EXPECT_TRUE(ParseWorkload(properties, kMore).ok());
}

TEST(Workload, WarmupIsTimeOrOperations) {
  EXPECT_EQ(Parse({"fencepost.warmup=2s"}).value().warmup.seconds, 2);
  EXPECT_EQ(Parse({"fencepost.warmup=0.5s"}).value().warmup.seconds, 0.5);
  EXPECT_EQ(Parse({"fencepost.warmup=10000"}).value().warmup.operations, 10000u);
  for (const char* bad : {"s", "2 s", "2m", "-1", "-1s", "infs", "1.5", ""}) {
    EXPECT_THAT(Error({std::string("fencepost.warmup=") + bad}), HasSubstr("fencepost.warmup"))
        << bad;
  }
}

TEST(Workload, DataIntegrityMeansFullVerification) {
  const WorkloadSpec spec = Parse({"dataintegrity=true", "fencepost.verify=off"}).value();
  EXPECT_EQ(spec.verify, VerifyLevel::kFull);
  EXPECT_THAT(Error({"dataintegrity=true", "fieldlengthdistribution=uniform"}),
              HasSubstr("needs fieldlengthdistribution=constant"));
}

TEST(Workload, AMissingHistogramFileIsNamed) {
  EXPECT_THAT(Error({"fieldlengthdistribution=histogram", "fieldlengthhistogram=/absent/h"}),
              HasSubstr("/absent/h"));
}

TEST(Workload, PhasesWithNothingToDoAreErrors) {
  const auto check = [](std::initializer_list<std::string_view> settings, Phase phase) {
    const Status status = CheckPhase(Parse(settings).value(), phase);
    return status.ok() ? "ok" : std::string(status.message());
  };
  EXPECT_THAT(check({}, Phase::kLoad), HasSubstr("nothing to load"));
  EXPECT_EQ(check({"recordcount=1"}, Phase::kLoad), "ok");
  EXPECT_THAT(check({"recordcount=1"}, Phase::kRun), HasSubstr("operationcount"));
  EXPECT_EQ(check({"recordcount=1", "maxexecutiontime=1"}, Phase::kRun), "ok");
  EXPECT_THAT(check({"operationcount=1"}, Phase::kRun), HasSubstr("no records"));
  EXPECT_EQ(
      check({"operationcount=1", "readproportion=0", "updateproportion=0", "insertproportion=1"},
            Phase::kRun),
      "ok");
  EXPECT_THAT(
      check({"recordcount=9", "operationcount=1", "fencepost.batchproportion=1"}, Phase::kRun),
      HasSubstr("batchsize=10"));
}

TEST(Workload, AllFilesOfThisFolderParseWithoutWarnings) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(__FILE__).parent_path())) {
    // Workloads are the files without a dot in their name.
    if (!entry.is_regular_file() || entry.path().has_extension()) continue;
    Properties properties;
    ASSERT_TRUE(properties.LoadFile(entry.path()).ok());
    const Result<WorkloadSpec> spec = ParseWorkload(properties);
    ASSERT_TRUE(spec.ok()) << spec.message();
    EXPECT_EQ(spec->name, entry.path().filename());
    EXPECT_TRUE(properties.Unread().empty()) << entry.path() << properties.Unread()[0].first;
    // One begins with an empty store.
    EXPECT_EQ(CheckPhase(*spec, Phase::kLoad).ok(), spec->record_count > 0);
    EXPECT_TRUE(CheckPhase(*spec, Phase::kRun).ok());
    ++files;
  }
  EXPECT_GE(files, 8u);
}

TEST(Workload, TheSixAreYcsbs) {
  struct Row {
    const char* name;
    std::vector<std::pair<OpKind, double>> mix;
    RequestDistribution distribution;
  };
  using enum OpKind;
  const Row rows[] = {
      {"workloada", {{kRead, 0.5}, {kUpdate, 0.5}}, RequestDistribution::kZipfian},
      {"workloadb", {{kRead, 0.95}, {kUpdate, 0.05}}, RequestDistribution::kZipfian},
      {"workloadc", {{kRead, 1}}, RequestDistribution::kZipfian},
      {"workloadd", {{kRead, 0.95}, {kInsert, 0.05}}, RequestDistribution::kLatest},
      {"workloade", {{kScan, 0.95}, {kInsert, 0.05}}, RequestDistribution::kZipfian},
      {"workloadf", {{kRead, 0.5}, {kReadModifyWrite, 0.5}}, RequestDistribution::kZipfian},
  };
  for (const Row& row : rows) {
    Properties properties;
    CHECK_OK(properties.LoadFile(std::filesystem::path(__FILE__).parent_path() / row.name));
    const WorkloadSpec spec = ParseWorkload(properties).value();
    std::array<double, kOpKindCount> expected{};
    for (const auto& [kind, proportion] : row.mix) {
      expected[static_cast<size_t>(kind)] = proportion;
    }
    EXPECT_EQ(spec.proportions, expected) << row.name;
    EXPECT_EQ(spec.request_distribution, row.distribution) << row.name;
    EXPECT_EQ(spec.record_count, 1000u);
    EXPECT_EQ(spec.operation_count, 1000u);
    if (spec.name == "workloade") {
      EXPECT_EQ(spec.max_scan_length, 100u);
    }
  }
}

WorkloadSpec OfThisFolder(const char* name) {
  Properties properties;
  CHECK_OK(properties.LoadFile(std::filesystem::path(__FILE__).parent_path() / name));
  return ParseWorkload(properties).value();
}

TEST(Workload, TimeseriesAppendsInTheOrderOfItsKeys) {
  const WorkloadSpec spec = OfThisFolder("timeseries");
  EXPECT_EQ(spec.proportion(OpKind::kInsert), 0.9);
  EXPECT_EQ(spec.proportion(OpKind::kRead), 0.1);
  EXPECT_EQ(spec.request_distribution, RequestDistribution::kLatest);
  const KeyFormat format(spec.hashed_keys, spec.zero_padding);
  std::array<char, KeyFormat::kMaxKeyBytes> buffer;
  std::string previous;
  for (uint64_t number = 1; number < 1'000'000'000'000; number = number * 3 + 1) {
    for (const uint64_t next : {number - 1, number}) {
      const std::string key(buffer.data(), format.Format(next, buffer.data()));
      EXPECT_LE(previous, key);
      previous = key;
    }
  }
}

TEST(Workload, TheBooksExampleIsThreePutsAndAsManyReads) {
  const WorkloadSpec spec = OfThisFolder("book");
  EXPECT_EQ(spec.insert_count, 3u);
  EXPECT_EQ(spec.proportion(OpKind::kUpdate), spec.proportion(OpKind::kRead));
  EXPECT_EQ(spec.update_mode, UpdateMode::kBlind);
  EXPECT_EQ(spec.request_distribution, RequestDistribution::kSequential);
}

// The properties of YCSB's own template, which has some that only other clients use.
TEST_F(FileTest, YcsbsTemplateParsesWithWarningsOnly) {
  const Result<WorkloadSpec> spec = ParseFile("workload_template", R"(
workload=site.ycsb.workloads.CoreWorkload
recordcount=1000000
operationcount=3000000
#insertcount=
insertstart=0
fieldcount=10
fieldlength=100
readallfields=true
writeallfields=false
fieldlengthdistribution=constant
readproportion=0.95
updateproportion=0.05
insertproportion=0
readmodifywriteproportion=0
scanproportion=0
maxscanlength=1000
maxscanrate=0
scanoptimelimit=0
discardscannedrecord=false
scanlengthdistribution=uniform
insertorder=hashed
requestdistribution=zipfian
hotspotdatafraction=0.2
hotspotopnfraction=0.8
table=usertable
measurementtype=histogram
histogram.buckets=1000
timeseries.granularity=1000
)");
  ASSERT_TRUE(spec.ok()) << spec.message();
  EXPECT_EQ(spec->record_count, 1000000u);
  EXPECT_THAT(UnreadNames(), ElementsAre("discardscannedrecord", "histogram.buckets", "maxscanrate",
                                         "scanoptimelimit", "timeseries.granularity"));
  EXPECT_EQ(properties_.entries().at("maxscanrate").origin,
            (directory_ / "workload_template").string() + ":18");
}

// As some distributions of YCSB name and space them.
TEST_F(FileTest, AHyphenAndStrayBlanksDoNotMatter) {
  const Result<WorkloadSpec> spec = ParseFile("workload-f",
                                              "recordcount=1000 \n"
                                              "operationcount = 1000\r\n"
                                              "workload=site.ycsb.workloads.CoreWorkload\t\n"
                                              "readproportion=0.5  \n"
                                              "updateproportion=0\n"
                                              "readmodifywriteproportion: 0.5\n"
                                              "requestdistribution=zipfian  \n\n");
  ASSERT_TRUE(spec.ok()) << spec.message();
  EXPECT_EQ(spec->name, "workload-f");
  EXPECT_EQ(spec->request_distribution, RequestDistribution::kZipfian);
  EXPECT_TRUE(UnreadNames().empty());
}

TEST_F(FileTest, AMalformedValueNamesFileAndLine) {
  const Result<WorkloadSpec> spec = ParseFile("x", "\n\nrecordcount=abc\n");
  EXPECT_EQ(spec.message(),
            (directory_ / "x").string() + ":3: recordcount=abc: is not a whole number");
}

}  // namespace
}  // namespace fencepost
