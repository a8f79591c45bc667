// SPDX-License-Identifier: BSD-3-Clause
#include "harness/annotated_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace fencepost {
namespace {

using testing::HasSubstr;
using testing::Not;

nlohmann::json Site(const std::string& file, int line, int stores, int bytes, int flushes) {
  nlohmann::json site = {{"stores", stores},
                         {"bytes", bytes},
                         {"flushes", flushes},
                         {"fences", 0},
                         {"object", "/bin/x"}};
  if (line > 0) site.update({{"file", file}, {"line", line}});
  return site;
}

class AnnotatedSource : public testing::Test {
 protected:
  AnnotatedSource()
      : path_((std::filesystem::temp_directory_path() /
               ("fencepost-annotated-" + std::to_string(getpid()) + ".c"))
                  .string()) {
    std::ofstream out(path_);
    for (int line = 1; line <= 30; ++line) out << "line " << line << " of it\n";
  }
  ~AnnotatedSource() override { std::filesystem::remove(path_); }

  std::string path_;
};

TEST_F(AnnotatedSource, SumsTheSitesOfALineAndShowsWhatIsAroundIt) {
  const std::string text = AnnotateSource(
      {{"sites", {Site(path_, 10, 2, 16, 0), Site(path_, 10, 1, 4, 3), Site(path_, 25, 1, 8, 0)}}});
  EXPECT_THAT(text,
              HasSubstr("         3           20          3          .     10 line 10 of it\n"));
  EXPECT_THAT(text, HasSubstr("     8 line 8 of it\n"));
  EXPECT_THAT(text, HasSubstr("    12 line 12 of it\n"));
  EXPECT_THAT(text, Not(HasSubstr("line 13 of it")));
  EXPECT_THAT(text, HasSubstr("...\n"));
  EXPECT_THAT(text, HasSubstr("         4           28          3          .  " + path_));
}

TEST_F(AnnotatedSource, ShowsALineOnceWhereTwoAreClose) {
  const std::string text =
      AnnotateSource({{"sites", {Site(path_, 1, 1, 8, 0), Site(path_, 3, 1, 8, 0)}}});
  size_t count = 0;
  for (size_t at = text.find("line 2 of it"); at != std::string::npos;
       at = text.find("line 2 of it", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 1u);
  EXPECT_THAT(text, Not(HasSubstr("...")));
}

TEST_F(AnnotatedSource, CountsWhatHasNoSource) {
  const std::string text =
      AnnotateSource({{"sites", {Site("/nope/a.c", 7, 1, 8, 0), Site("", 0, 1, 64, 0)}}});
  EXPECT_THAT(text, HasSubstr("/bin/x\n"));
  EXPECT_THAT(text, HasSubstr("7 (source not found)\n"));
  EXPECT_LT(text.find("/bin/x"), text.find("/nope/a.c")) << "most bytes first";
}

}  // namespace
}  // namespace fencepost
