// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/program_frame.h"

#include <gtest/gtest.h>

namespace fencepost {
namespace {

TraceFrame Frame(std::string_view function, std::string_view file = "/src/store.c",
                 std::string_view object = "/bin/store") {
  return {.address = 1, .function = function, .source_file = file, .line = 7, .object = object};
}

TEST(IsLibraryFrame, IsTheLibrariesAndWhatIsCompiledInOfThem) {
  for (const char* object :
       {"/usr/lib/x86_64-linux-gnu/libpmem.so.1.0.0", "/lib/libpmemobj.so.1", "/lib/libc.so.6",
        "/lib/libstdc++.so.6", "/usr/libexec/valgrind/vgpreload_core.so"}) {
    EXPECT_TRUE(IsLibraryFrame(Frame("f", "/src/f.c", object))) << object;
  }
  EXPECT_TRUE(IsLibraryFrame(Frame("copy", "/usr/include/c++/12/bits/stl_algo.h")));
  EXPECT_TRUE(IsLibraryFrame(Frame("pmem_persist"))) << "in front of libpmem's own";
  EXPECT_FALSE(IsLibraryFrame(Frame("Put")));
  EXPECT_FALSE(IsLibraryFrame(Frame("Put", "/src/libpmem_store.c", "/home/libc.d/store")));
}

TEST(IsPersistHelper, IsAFunctionNamedAfterNothingElse) {
  for (const char* function :
       {"Persist", "fencepost::canary::Flush(void const*, unsigned long)", "Pool::CopyFlush(void*)",
        "flush_range", "FlushWord(unsigned long const*)", "clwb", "_mm_clwb", "mfence",
        "(anonymous namespace)::PersistWord(unsigned long*)", "pmem::Pool::Drain() const"}) {
    EXPECT_TRUE(IsPersistHelper(Frame(function))) << function;
  }
  for (const char* function : {"Put", "Log::PersistTail(unsigned long)", "FlushBucket",
                               "Persist::Put(int)", "CopyLine", "Fenced", "main", ""}) {
    EXPECT_FALSE(IsPersistHelper(Frame(function))) << function;
  }
}

TEST(IsPersistHelper, IsWhatWrapsLibpmemobjForEngines) {
  const char* publish = "fencepost::pmem::Publication::Publish()";
  EXPECT_TRUE(IsPersistHelper(Frame(publish, "/src/engines/pmem/publication.cc")));
  EXPECT_FALSE(IsPersistHelper(Frame(publish, "/src/engines/pmemkv/publication.cc")));
}

TEST(ShortFunction, HasNoArgumentsAndNoAnonymousNamespace) {
  EXPECT_EQ(ShortFunction("store::(anonymous namespace)::Log::Append(std::string const&)"),
            "store::Log::Append");
  EXPECT_EQ(ShortFunction("main"), "main");
  EXPECT_EQ(ShortFunction(""), "");
}

}  // namespace
}  // namespace fencepost
