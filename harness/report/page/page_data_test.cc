// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/page_data.h"

#include <gtest/gtest.h>

#include <fstream>

#include "harness/report/page/markup.h"
#include "harness/report/page/number_text.h"

namespace fencepost {
namespace {

using nlohmann::json;

TEST(PageText, WhatAResultSaysIsTextNotMarkup) {
  EXPECT_EQ(EscapeHtml("<script>&\"'"), "&lt;script&gt;&amp;&quot;&#39;");
  EXPECT_EQ(EscapeHtml("a\x01\u202e\u00e9"), "a\\x01\\u202e\u00e9");
  EXPECT_EQ(Element("td", {{"title", "\"><b>"}}, "<i>").raw,
            "<td title=\"&quot;&gt;&lt;b&gt;\">&lt;i&gt;</td>");
}

TEST(PageText, NumbersKeepThreeDigitsAndTheirUnit) {
  EXPECT_EQ(Grouped(1234567.8), "1,234,568");
  EXPECT_EQ(Short(1234567), "1.23M");
  EXPECT_EQ(Short(999999), "1M");
  EXPECT_EQ(Duration(25000), "25 µs");
  EXPECT_EQ(Microseconds(25000), "25.00");
  EXPECT_EQ(PowerOfTen(3), "1,000");
  EXPECT_EQ(PowerOfTen(36.2), "1.6e+36");
}

}  // namespace
}  // namespace fencepost
