// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/guest_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kRequestSeconds = 60;
constexpr double kEndSeconds = 20;

}  // namespace

Result<ExitCode> RunInGuest(const GuestSettings& settings, const std::vector<std::string>& words,
                            double timeout_s, bool quiet) {
  const fs::path folder = fs::current_path();
  if (folder == folder.root_path()) {
    return Status::InvalidArgument(
        "vm run shares the current folder with the guest: / is too much");
  }
  ASSIGN_OR_RETURN(GuestHost host, GuestHost::Make(settings));
  ASSIGN_OR_RETURN(VirtualMachine machine, host.Boot({.share = folder}));
  for (const char* what : {"format", "mount"}) {
    const json request = {{"do", what}, {"fs", settings.file_system}};
    RETURN_IF_ERROR(AskGuest(machine, request, kRequestSeconds).status());
  }
  RETURN_IF_ERROR(
      AskGuest(machine, {{"do", "share"}, {"path", folder.string()}}, kRequestSeconds).status());
  if (!quiet) {
    const bool emulated = host.accelerator() == Accelerator::kEmulation;
    fmt::print(
        stderr, "guest: kernel {}, {}; booted in {:.1f} s\n", host.kernel_version(),
        emulated ? fmt::format("emulated{}: its times are no measurement",
                               host.why_emulated().empty() ? "" : " (" + host.why_emulated() + ")")
                 : "executed by KVM",
        host.last_boot_s());
  }
  ASSIGN_OR_RETURN(
      const json ended,
      AskGuest(machine, {{"do", "run"}, {"words", words}, {"folder", folder.string()}}, timeout_s));
  RETURN_IF_ERROR(AskGuest(machine, {{"do", "power-off"}}, kRequestSeconds).status());
  machine.AwaitEnd(kEndSeconds);
  return static_cast<ExitCode>(ended.at("exit").get<int>());
}

}  // namespace fencepost
