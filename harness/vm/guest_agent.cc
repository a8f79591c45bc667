// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/guest_agent.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/worker_process.h"
#include "faultinject/vm/guest_image.h"
#include "faultinject/vm/guest_system.h"
#include "harness/crash/ended_run.h"
#include "harness/crash/engine_recording.h"
#include "harness/crash/engine_recovery.h"
#include "harness/vm/guest_images.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSubjectFolder = "/tmp/subject";
constexpr const char* kBefore = "/tmp/before";  // the store as the crash has left it

// Where the engine's kind of store is.
fs::path StorePath(const EngineRow& row) {
  return fs::path(DomainOf(row) == CrashDomain::kMemory ? kGuestPmem : kGuestDisk) / "store";
}

class Agent {
 public:
  Agent(int control, int out, int error) : control_(control), out_(out), error_(error) {}

  [[noreturn]] void Serve() {
    Answer({{"ready", true}});
    for (;;) {
      const std::string line = NextLine();
      const json request = json::parse(line, nullptr, /*allow_exceptions=*/false);
      Result<json> answer = Status::InvalidArgument("no request: " + line);
      try {
        if (request.is_object()) answer = Do(request);
      } catch (const std::exception& error) {
        answer = Status::InvalidArgument(fmt::format("{}: {}", line, error.what()));
      }
      Answer(answer.ok() ? *answer : json{{"error", answer.message()}});
    }
  }

 private:
  Result<json> Do(const json& request) {
    const std::string what = request.at("do").get<std::string>();
    if (what == "panic") PanicGuest();
    if (what == "power-off") PowerOff();
    if (what == "format") return Done(FormatGuest(request.at("fs").get<std::string>()));
    if (what == "mount") return Done(MountGuest(request.at("fs").get<std::string>()));
    if (what == "format-disk") {
      return Done(
          FormatDisk(request.at("fs").get<std::string>(), request.at("bytes").get<uint64_t>()));
    }
    if (what == "mount-disk") {
      return Done(MountDevice(kGuestDiskDevice, request.at("fs").get<std::string>(),
                              request.at("options").get<std::string>()));
    }
    if (what == "end-marks") return EndMarks(request);
    if (what == "share") return Done(MountShare(request.at("path").get<std::string>()));
    if (what == "run") return RunCommand(request);
    if (what == "load") return Load(request);
    if (what == "client") return RunClient(request);
    if (what == "recover") return Recover(request);
    if (what == "images") return PrepareImages(request);
    if (what == "image") return RecoverImage();
    if (what == "keep") return Done(CopyStore(kBefore, request.at("path").get<std::string>()));
    return Status::InvalidArgument("unknown request: " + what);
  }

  static Result<json> Done(const Status& status) {
    if (!status.ok()) return status;
    return json::object();
  }

  [[noreturn]] void PowerOff() {
    Answer(json::object());
    PowerOffGuest();
  }

  // A command of this program, for which the guest is a machine like any other.
  Result<json> RunCommand(const json& request) {
    std::vector<std::string> words = request.at("words").get<std::vector<std::string>>();
    words.insert(words.begin(), "fencepost");
    const fs::path folder = request.at("folder").get<std::string>();
    return InChild([&] {
      if (chdir(folder.c_str()) != 0) return 127;
      dup2(out_, STDOUT_FILENO);
      dup2(error_, STDERR_FILENO);
      setenv("PATH", "/bin", 1);
      setenv("HOME", "/root", 1);
      setenv("XDG_CACHE_HOME", kGuestDisk, 1);
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      execv(kGuestProgram, arguments.data());
      return 127;
    });
  }

  static Result<CrashSubject> SubjectOf(const json& request) {
    std::error_code error;
    fs::create_directories(kSubjectFolder, error);
    std::ofstream(fs::path(kSubjectFolder) / "engine.json") << request.at("subject").dump();
    return CrashSubject::Read(kSubjectFolder);
  }

  // Makes the store anew, durably.
  Result<json> Load(const json& request) {
    ASSIGN_OR_RETURN(const CrashSubject subject, SubjectOf(request));
    ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
    std::error_code error;
    const fs::path store = StorePath(*plan.row);
    fs::remove_all(store, error);
    ASSIGN_OR_RETURN(const json ended, InChild([&] { return Exit(LoadEngine(plan, store)); }));
    sync();
    if (ended.at("exit") != 0) return Status::IoError("the engine could not be loaded");
    return json::object();
  }

  // The workload, its history through the port. A port has one opener: the client itself.
  Result<json> RunClient(const json& request) {
    ASSIGN_OR_RETURN(const CrashSubject subject, CrashSubject::Read(kSubjectFolder));
    ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
    ASSIGN_OR_RETURN(const std::string port, GuestPortDevice("history"));
    const fs::path history = fs::path(kSubjectFolder) / "history.jsonl";
    std::error_code error;
    fs::remove(history, error);
    fs::create_symlink(port, history, error);
    const fs::path store = StorePath(*plan.row);
    if (!request.contains("marks")) {
      return InChild([&] { return Exit(RunCrashClient(subject, store, kSubjectFolder)); });
    }
    ASSIGN_OR_RETURN(DiskMarker marker, DiskMarker::Open(request["marks"].get<uint64_t>()));
    return InChild([&] {
      return Exit(RunCrashClient(subject, store, kSubjectFolder,
                                 [&](uint64_t line) { return marker.Put(line); }));
    });
  }

  // Writes back what the run has left to the kernel: that is the end of what may be crashed.
  static Result<json> EndMarks(const json& request) {
    sync();
    ASSIGN_OR_RETURN(DiskMarker marker, DiskMarker::Open(request.at("marks").get<uint64_t>()));
    RETURN_IF_ERROR(marker.Put(0));
    return json::object();
  }

  Result<json> PrepareImages(const json& request) {
    ASSIGN_OR_RETURN(const CrashSubject subject, SubjectOf(request));
    ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
    ASSIGN_OR_RETURN(
        images_,
        GuestImages::Make(subject,
                          {.file_system = request.at("fs").get<std::string>(),
                           .mount_options = request.at("options").get<std::string>(),
                           .store = StorePath(*plan.row),
                           .timeout_s = request.at("timeout_s").get<double>(),
                           .afterwards = {.operations = request.at("operations").get<unsigned>(),
                                          .may_be_full = request.at("may_be_full").get<bool>()}}));
    return json::object();
  }

  Result<json> RecoverImage() const {
    if (images_ == nullptr) return Status::InvalidArgument("\"images\" comes first");
    return images_->Recover();
  }

  Result<json> Recover(const json& request) {
    ASSIGN_OR_RETURN(const CrashSubject subject, SubjectOf(request));
    ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
    const fs::path store = StorePath(*plan.row);
    if (request.at("keep").get<bool>()) RETURN_IF_ERROR(CopyStore(store, kBefore));
    EngineRecovery recovery(*plan.row, plan.options,
                            {.operations = request.at("operations").get<unsigned>(),
                             .may_be_full = request.at("may_be_full").get<bool>()});
    BecomeOwnerOfWorkers();
    WorkerProcess worker;
    RETURN_IF_ERROR(worker.Start(
        [&](const std::string& context) { return recovery.Recover({store.string()}, context); },
        [] {}, [] {}));
    RETURN_IF_ERROR(worker.Request("", request.at("timeout_s").get<double>()));
    const Outcome outcome = worker.Collect();
    worker.Kill();
    ReapStrays({});
    return GuestOutcomeJson(outcome, store);
  }

  int Exit(const Status& status) const {
    if (status.ok()) return 0;
    dprintf(error_, "fencepost: in the guest: %s\n", std::string(status.message()).c_str());
    return 1;
  }

  // The exit code of a child that calls `body`; meanwhile the host may end the machine.
  Result<json> InChild(const std::function<int()>& body) {
    const pid_t pid = fork();
    if (pid < 0) return Status::IoError(fmt::format("fork: {}", std::strerror(errno)));
    if (pid == 0) {
      setsid();
      _exit(body());
    }
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    std::array<pollfd, 2> wait = {{{.fd = pidfd, .events = POLLIN, .revents = 0},
                                   {.fd = control_, .events = POLLIN, .revents = 0}}};
    while (poll(wait.data(), wait.size(), -1) < 0 || (wait[0].revents & POLLIN) == 0) {
      if ((wait[1].revents & POLLIN) == 0) continue;
      const std::string line = NextLine();
      if (line.find("\"panic\"") != std::string::npos) PanicGuest();
      if (line.find("\"power-off\"") != std::string::npos) PowerOff();
    }
    close(pidfd);
    int status = 0;
    waitpid(pid, &status, 0);
    return json{{"exit", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)}};
  }

  // Blocks; the host's end of the port is open as long as the machine is.
  std::string NextLine() {
    for (;;) {
      if (const size_t end = received_.find('\n'); end != std::string::npos) {
        std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        return line;
      }
      std::array<char, 4096> buffer;
      const ssize_t got = read(control_, buffer.data(), buffer.size());
      if (got > 0) received_.append(buffer.data(), static_cast<size_t>(got));
    }
  }

  void Answer(const json& answer) const {
    const std::string line = answer.dump() + "\n";
    std::string_view left = line;
    while (!left.empty()) {
      const ssize_t written = write(control_, left.data(), left.size());
      if (written > 0) left.remove_prefix(static_cast<size_t>(written));
    }
  }

  const int control_, out_, error_;
  std::string received_;
  std::unique_ptr<GuestImages> images_;
};

}  // namespace

void RunGuestAgent() {
  const Status status = [] {
    RETURN_IF_ERROR(SetUpGuest());
    ASSIGN_OR_RETURN(const int control, OpenGuestPort("control"));
    ASSIGN_OR_RETURN(const int out, OpenGuestPort("out"));
    ASSIGN_OR_RETURN(const int error, OpenGuestPort("error"));
    Agent(control, out, error).Serve();
    return Status::Ok();
  }();
  // To the console, whose last line the host shows.
  std::fprintf(stderr, "fencepost: in the guest: %s\n", std::string(status.message()).c_str());
  PowerOffGuest();
}

}  // namespace fencepost
