// SPDX-License-Identifier: BSD-3-Clause
// fencepost vm: commands in a virtual machine with an NVDIMM, and machines that lose their power.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "faultinject/vm/guest_image.h"
#include "harness/commands/command.h"
#include "harness/commands/crash_options.h"
#include "harness/crash/engine_recording.h"
#include "harness/run_files.h"
#include "harness/vm/guest_agent.h"
#include "harness/vm/guest_command.h"
#include "harness/vm/image_campaign.h"
#include "harness/vm/power_cuts.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

struct VmRequest {
  GuestSettings guest;
  double run_timeout_s = 3600;
  std::vector<std::string> command;
  bool quiet = false;
  // crash
  std::string engine;
  WorkloadFlags workload;
  std::string cuts = "all";
  uint64_t rounds = 100;
  CrashFlags crash;
  // images
  uint64_t images = 500, sector_bytes = 512;
  std::string mount_options;
};

void DeclareGuestFlags(CLI::App& app, VmRequest* request) {
  GuestSettings* guest = &request->guest;
  app.add_option("--fs", guest->file_system, "file system of the guest's disk (default ext4)")
      ->check(CLI::IsMember(DiskFileSystems()));
  app.add_option("--accel", guest->accelerator,
                 "kvm, tcg (emulated), or auto (default): KVM where it executes a guest")
      ->check(CLI::IsMember({"auto", "kvm", "tcg"}));
  app.add_option("--kernel", guest->kernel_folder,
                 "folder with the guest's kernel (default: where scripts/setup.sh --vm puts it)");
  app.add_option("--scratch", guest->scratch_root,
                 "folder for the images while they are used (default: of temporary files)");
  app.add_option("--boot-timeout", guest->boot_timeout_s,
                 "seconds that the guest may take to boot (default 60), twice")
      ->check(CLI::PositiveNumber);
  app.add_flag("--quiet", request->quiet, "no line on the guest, no progress");
}

void DeclareSizes(CLI::App& app, VmRequest* request) {
  app.add_option("--pmem", request->guest.pmem_mib, "MiB of persistent memory (default 256)");
  app.add_option("--disk", request->guest.disk_mib, "MiB of the disk (default 320)");
}

ExitCode RunCommandInGuest(const VmRequest& request, const std::vector<std::string>& words) {
  if (words.empty()) {
    return ReportError(Status::InvalidArgument(
        "vm run needs a command: fencepost vm run -- run cmap -P workloads/workloada"));
  }
  const Result<ExitCode> code =
      RunInGuest(request.guest, words, request.run_timeout_s, request.quiet);
  return code.ok() ? *code : ReportError(code.status());
}

// Runs a campaign into a folder of its own, which is kept if there is a report. `run`: what makes
// the report.
template <typename Run>
ExitCode RunCampaign(const VmRequest& request, const char* kind, const Run& run) {
  const Result<RunDirectory> made =
      CreateRunDirectory(request.crash.results, std::time(nullptr), kind + request.engine);
  if (!made.ok()) return ReportError(made.status());
  Provisional folder(fs::absolute(made->path));
  const Result<nlohmann::json> report = run(folder.path());
  if (!report.ok()) return ReportError(report.status());
  const ExitCode code = PublishReport(*report, folder.path(), request.crash);
  folder.Keep();
  return code;
}

ExitCode CrashGuests(const VmRequest& request, const Arguments& arguments) {
  const Result<CrashSubject> subject = MakeCrashSubject(request.workload, request.engine);
  if (!subject.ok()) return ReportError(subject.status());
  const Result<std::vector<Cut>> cuts = ParseCuts(request.cuts);
  if (!cuts.ok()) return ReportError(cuts.status());
  return RunCampaign(request, "power-cut-", [&](const fs::path& folder) {
    return RunPowerCuts(*subject, folder,
                        {.guest = request.guest,
                         .cuts = *cuts,
                         .rounds = request.rounds,
                         .seed = request.crash.seed,
                         .timeout_s = request.crash.timeout_s,
                         .operations_after = request.crash.after,
                         .quiet = request.quiet},
                        arguments);
  });
}

ExitCode JudgeImages(const VmRequest& request, const Arguments& arguments) {
  const Result<CrashSubject> subject = MakeCrashSubject(request.workload, request.engine);
  if (!subject.ok()) return ReportError(subject.status());
  if (const Status fits = CheckImageSubject(*subject); !fits.ok()) return ReportError(fits);
  return RunCampaign(request, "images-", [&](const fs::path& folder) {
    return RunImages(*subject, folder,
                     {.guest = request.guest,
                      .mount_options = request.mount_options,
                      .images = request.images,
                      .seed = request.crash.seed,
                      .sector_bytes = request.sector_bytes,
                      .timeout_s = request.crash.timeout_s,
                      .operations_after = request.crash.after,
                      .quiet = request.quiet},
                     arguments);
  });
}

// What both ways to crash an engine's machine have.
void DeclareSubject(CLI::App& app, VmRequest* request) {
  app.add_option("engine", request->engine, "an engine of `fencepost engines`")->required();
  AddRepeatable(app, "-P,--workload", &request->workload.files,
                "workload property file (repeatable)");
  AddRepeatable(app, "-p,--property", &request->workload.properties, "key=value (repeatable)");
  app.add_option("--threads", request->workload.threads, "client threads (also -threads)");
  app.add_option("--after", request->crash.after,
                 "operations on the store after each recovery (default 12; 0: none)");
  app.add_option("--results", request->crash.results,
                 "where the report's folder goes (default results/)");
  app.add_flag("--json", request->crash.json, "print crash.json instead of the summary");
}

void DeclareVmImages(CLI::App& app, VmRequest* request) {
  DeclareGuestFlags(app, request);
  DeclareSubject(app, request);
  app.add_option("--images", request->images,
                 "distinct contents of the disk to recover from (default 500)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20));
  app.add_option("--mount", request->mount_options,
                 "how the disk is mounted, as in mount -o: commit=1,nobarrier");
  app.add_option("--sector", request->sector_bytes,
                 "bytes of the disk that are never torn: 512 (default) or 4096")
      ->check(CLI::IsMember({512, 4096}));
  app.add_option("--disk", request->guest.disk_mib, "MiB of the file system (default 128)")
      ->check(CLI::Range(uint64_t{16}, uint64_t{4096}));
  app.add_option("--seed", request->crash.seed, "of what is drawn (default 1)");
  app.add_option("--timeout", request->crash.timeout_s,
                 "seconds that a recovery may take (default 10)")
      ->check(CLI::Range(1.0, 86400.0));
}

void DeclareVmCrash(CLI::App& app, VmRequest* request) {
  DeclareGuestFlags(app, request);
  DeclareSizes(app, request);
  DeclareSubject(app, request);
  app.add_option("--rounds", request->rounds, "how often the power is cut (default 100)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20));
  app.add_option(
      "--cut", request->cuts,
      "how, in turn: all (default), or of kill, freeze, panic, recovery (in it as well)");
  app.add_option("--seed", request->crash.seed, "of the instants (default 1)");
  app.add_option("--timeout", request->crash.timeout_s,
                 "seconds that a recovery may take (default 60)")
      ->check(CLI::Range(1.0, 86400.0));
}

}  // namespace

std::function<ExitCode()> DeclareVm(CLI::App& app, const Arguments& arguments) {
  auto request = std::make_shared<VmRequest>();
  constexpr double kPowerCutTimeoutSeconds = 60;
  request->crash.timeout_s = kPowerCutTimeoutSeconds;
  auto chosen = std::make_shared<std::function<ExitCode()>>();
  app.require_subcommand(1);
  CLI::App* run = app.add_subcommand("run", "a command of fencepost in a virtual machine");
  DeclareGuestFlags(*run, request.get());
  DeclareSizes(*run, request.get());
  run->add_option("--timeout", request->run_timeout_s,
                  "seconds that the command may take (default 3600)")
      ->check(CLI::PositiveNumber);
  // Taken from the command line as it was written: CLI11 has read YCSB's flags by then.
  run->add_option("command", request->command, "behind --: what fencepost is to do in the guest");
  run->callback([request, chosen, &arguments] {
    *chosen = [request, &arguments] {
      const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
      return RunCommandInGuest(*request,
                               {dashes == arguments.end() ? dashes : dashes + 1, arguments.end()});
    };
  });
  CLI::App* crash = app.add_subcommand("crash", "cut the power of an engine's machine, and judge");
  DeclareVmCrash(*crash, request.get());
  crash->callback([request, chosen, &arguments] {
    *chosen = [request, &arguments] { return CrashGuests(*request, arguments); };
  });
  auto of_images = std::make_shared<VmRequest>();
  constexpr uint64_t kImageMib = 128;
  of_images->guest.disk_mib = kImageMib;
  CLI::App* images = app.add_subcommand(
      "images", "recover from what an engine's disk may hold after a power cut, and judge");
  DeclareVmImages(*images, of_images.get());
  images->callback([of_images, chosen, &arguments] {
    *chosen = [of_images, &arguments] { return JudgeImages(*of_images, arguments); };
  });
  return [chosen] { return (*chosen)(); };
}

std::function<ExitCode()> DeclareVmGuest(CLI::App& /*app*/, const Arguments& /*arguments*/) {
  return []() -> ExitCode {
    constexpr pid_t kInit = 1;
    if (getpid() != kInit) {
      return ReportError(Status::InvalidArgument("vm-guest is for the init of a guest"));
    }
    RunGuestAgent();
  };
}

}  // namespace fencepost
