// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/guest_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "faultinject/explore/scratch_folder.h"
#include "faultinject/vm/host_program.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(GuestImage, LibrariesAreTheAbsolutePathsThatLddPrintsEachOnce) {
  EXPECT_THAT(LibrariesOf("\tlinux-vdso.so.1 (0x00007ffd2b1f2000)\n"
                          "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1)\n"
                          "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)\n"
                          "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1)\n"
                          "\t/lib64/ld-linux-x86-64.so.2 (0x00007f3)\n"),
              ElementsAre("/lib/x86_64-linux-gnu/libz.so.1", "/lib/x86_64-linux-gnu/libc.so.6",
                          "/lib64/ld-linux-x86-64.so.2"));
  EXPECT_THAT(LibrariesOf("\tstatically linked\n"), IsEmpty());
}

TEST(GuestKernel, ModulesAreThoseToBeLoadedInTheirOrder) {
  EXPECT_THAT(ModulesOf("builtin virtio\ninsmod /k/a.ko \ninsmod /k/b.ko option=1\n"),
              ElementsAre("/k/a.ko", "/k/b.ko"));
}

// A bzImage with a payload where the boot protocol says it is.
std::string Image(std::string_view payload) {
  std::string image(0x250, '\0');
  image[0x1f1] = 3;  // sectors of set-up code, after the first
  image.replace(0x202, 4, "HdrS");
  image[0x248] = 0x40;
  image[0x24c] = static_cast<char>(payload.size() + 4);
  image.resize(4 * 512 + 0x40, '\0');
  return image + std::string(payload) + "size" + "rest";
}

TEST(GuestKernel, ThePayloadOfAKernelIsFoundWithoutTheLengthBehindIt) {
  const std::string xz(
      "\xfd"
      "7zXZ\0body",
      10);
  EXPECT_EQ(XzPayload(Image(xz)), xz);
  EXPECT_EQ(XzPayload(Image("another compression")), "");
  EXPECT_EQ(XzPayload("short"), "");
  EXPECT_EQ(XzPayload(Image(xz).substr(0, 4 * 512 + 0x40)), "");
}

TEST(GuestKernel, AFolderWithoutAKernelIsRefusedSayingWhatToDo) {
  const Result<ScratchFolder> scratch = ScratchFolder::Make("/dev/shm");
  ASSERT_TRUE(scratch.ok());
  const Result<GuestKernel> kernel = GuestKernel::Prepare(scratch->path());
  EXPECT_EQ(kernel.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(std::string(kernel.message()), HasSubstr("scripts/setup.sh --vm"));
}

TEST(GuestKernel, APackageThatIsNoneIsRefusedAndLeavesNothing) {
  const Result<ScratchFolder> scratch = ScratchFolder::Make("/dev/shm");
  ASSERT_TRUE(scratch.ok());
  std::ofstream(scratch->path() / "linux-image-6.1_amd64.deb") << "no package";
  EXPECT_FALSE(GuestKernel::Prepare(scratch->path()).ok());
  EXPECT_FALSE(fs::exists(scratch->path() / "version"));
  size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(scratch->path())) {
    entries += entry.path().filename() == ".owned" ? 0 : 1;
  }
  EXPECT_EQ(entries, 1u);
}

TEST(GuestKernel, AModuleThatAKernelLacksIsNamed) {
  if (!FindHostProgram("modprobe").ok()) GTEST_SKIP() << "no modprobe (scripts/setup.sh --vm)";
  const Result<ScratchFolder> scratch = ScratchFolder::Make("/dev/shm");
  ASSERT_TRUE(scratch.ok());
  fs::create_directories(scratch->path() / "lib/modules/6.1-none");
  std::ofstream(scratch->path() / "version") << "6.1-none";
  const Result<GuestKernel> kernel = GuestKernel::Prepare(scratch->path());
  ASSERT_TRUE(kernel.ok()) << kernel.message();
  const auto modules = kernel->Modules({"nfit"});
  EXPECT_EQ(modules.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(std::string(modules.message()), HasSubstr("no module nfit"));
}

TEST(HostProgram, OneThatIsMissingIsRefusedSayingWhatInstallsIt) {
  const Result<fs::path> found = FindHostProgram("no-such-program-of-anybody");
  EXPECT_EQ(found.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(std::string(found.message()), HasSubstr("scripts/setup.sh --vm"));
}

TEST(HostProgram, WhatItPrintsComesBackAndWhatItComplainsOfIfItFails) {
  const Result<std::string> printed = RunHostProgram({"/bin/echo", "two words"});
  ASSERT_TRUE(printed.ok());
  EXPECT_EQ(*printed, "two words\n");
  const Result<std::string> failed = RunHostProgram({"/bin/ls", "/no/such/folder"});
  EXPECT_THAT(std::string(failed.message()), HasSubstr("/no/such/folder"));
}

}  // namespace
}  // namespace fencepost
