// SPDX-License-Identifier: BSD-3-Clause
// With programs in QEMU's place that behave as guests do and should not.
#include "faultinject/vm/virtual_machine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "faultinject/explore/scratch_folder.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class VirtualMachineTest : public testing::Test {
 protected:
  // A machine whose QEMU is this shell script: $control is its port, $console the console's file.
  Result<VirtualMachine> Start(const std::string& script) {
    const fs::path qemu = scratch_->path() / "qemu";
    std::ofstream(qemu) << "#!/bin/bash\n"
                        << "for word; do case $word in\n"
                        << "  socket,id=control,fd=*) control=${word##*fd=} ;;\n"
                        << "  socket,id=out,fd=*) out=${word##*fd=} ;;\n"
                        << "  file,id=console,path=*) console=${word##*path=} ;;\n"
                        << "esac; done\n"
                        << script;
    fs::permissions(qemu, fs::perms::owner_all);
    MachineParts parts{.qemu = qemu, .console = scratch_->path() / "console"};
    return VirtualMachine::Start(parts);
  }

  Result<ScratchFolder> scratch_ = ScratchFolder::Make("/tmp");
};

TEST_F(VirtualMachineTest, LinesGoThereAndBack) {
  Result<VirtualMachine> machine = Start(
      "read -r line <&$control; printf 'you said %s\\nand\\n' \"$line\" >&$control; sleep 60");
  ASSERT_TRUE(machine.ok());
  ASSERT_TRUE(machine->Send("this").ok());
  EXPECT_EQ(machine->Receive(20, {}).value(), "you said this");
  EXPECT_EQ(machine->Receive(20, {}).value(), "and");
}

TEST_F(VirtualMachineTest, AllThatWasWrittenIsShownBeforeTheAnswer) {
  const fs::path written = scratch_->path() / "written";
  Result<VirtualMachine> machine =
      Start("head -c 150000 /dev/zero | tr '\\0' x >&$out; echo done >&$control; >" +
            written.string() + "; sleep 60");
  ASSERT_TRUE(machine.ok());
  // The answer is there, with more before it than one read takes.
  while (!fs::exists(written)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  testing::internal::CaptureStdout();
  EXPECT_EQ(machine->Receive(20, {}).value(), "done");
  EXPECT_EQ(testing::internal::GetCapturedStdout().size(), 150000u);
}

TEST_F(VirtualMachineTest, AGuestThatHangsIsGivenUpWithTheLastThingThatItSaid) {
  Result<VirtualMachine> machine = Start(
      "printf 'one\\r\\n\\033[2Jtwo of it\\r\\n\\r\\n' >$console; echo up >&$control; sleep 60");
  ASSERT_TRUE(machine.ok());
  EXPECT_EQ(machine->Receive(20, {}).value(), "up");
  const Result<std::string> line = machine->Receive(0.2, {});
  EXPECT_THAT(std::string(line.message()), HasSubstr("has not answered for"));
  EXPECT_THAT(std::string(line.message()), HasSubstr("its console says: two of it"));
}

TEST_F(VirtualMachineTest, APanicIsNamed) {
  Result<VirtualMachine> machine = Start(
      "printf 'booting\\n[ 1.2] Kernel panic - not syncing: sysrq\\r\\nmore\\n' >$console; exit 0");
  ASSERT_TRUE(machine.ok());
  const Result<std::string> line = machine->Receive(20, {});
  EXPECT_EQ(line.message(), "the guest's kernel has panicked: Kernel panic - not syncing: sysrq");
}

TEST_F(VirtualMachineTest, WhatQemuComplainsOfIsSaid) {
  Result<VirtualMachine> machine = Start("echo 'qemu: no such machine' >&2; exit 1");
  ASSERT_TRUE(machine.ok());
  // At once, not when the time is up.
  constexpr double kMuchTime = 3600;
  EXPECT_EQ(machine->Receive(kMuchTime, {}).message(),
            "QEMU has ended (exit code 1): qemu: no such machine");
  EXPECT_FALSE(machine->Send("x").ok());
}

TEST_F(VirtualMachineTest, WhoGivesUpIsHeard) {
  Result<VirtualMachine> machine = Start("sleep 60");
  ASSERT_TRUE(machine.ok());
  EXPECT_EQ(machine->Receive(20, [] { return true; }).message(), "interrupted");
}

// Whether the process is there, and no zombie.
bool Runs(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::string number, name, state;
  in >> number >> name >> state;
  return in && state != "Z";
}

TEST_F(VirtualMachineTest, NothingRunsAfterItsEndEvenIfItWasFrozen) {
  std::string pid;
  {
    Result<VirtualMachine> machine = Start("echo $$ >&$control; exec sleep 60");
    ASSERT_TRUE(machine.ok());
    pid = machine->Receive(20, {}).value();
    EXPECT_TRUE(Runs(pid));
    machine->Freeze();
  }
  EXPECT_FALSE(Runs(pid));
}

TEST_F(VirtualMachineTest, AnOwnerThatIsKilledTakesItsMachineAlong) {
  const fs::path file = scratch_->path() / "pid";
  const pid_t owner = fork();
  if (owner == 0) {
    Result<VirtualMachine> machine =
        Start(fmt::format("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 60", file.string()));
    pause();
    _exit(0);
  }
  while (!fs::exists(file)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::string pid;
  std::getline(std::ifstream(file), pid);
  EXPECT_TRUE(Runs(pid));
  kill(owner, SIGKILL);
  waitpid(owner, nullptr, 0);
  for (int i = 0; i < 400 && Runs(pid); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_FALSE(Runs(pid));
}

TEST(QemuWords, PortsAreHandledAtOnceAndNamesWithCommasAreKeptWhole) {
  const std::vector<std::string> words = QemuWords(
      {.qemu = "qemu", .nvdimm = "/a,b", .nvdimm_bytes = 64 << 20, .disk = "/d"}, {3, 4, 5});
  EXPECT_THAT(words, Contains("virtio-serial-pci,id=ports,ioeventfd=off,event_idx=off"));
  EXPECT_THAT(words,
              Contains("memory-backend-file,id=memory,share=on,mem-path=/a,,b,size=67108864"));
  EXPECT_THAT(words, Contains("tcg"));
  EXPECT_THAT(words, Not(Contains("-virtfs")));
}

}  // namespace
}  // namespace fencepost
