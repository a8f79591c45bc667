// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_tracer.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <utility>

#include "harness/crash/engine_recovery.h"
#include "harness/crash/trace_markers.h"
#include "harness/interrupt.h"

namespace fencepost {

namespace fs = std::filesystem;

Result<fs::path> EngineTracer::Trace(const std::vector<std::string>& paths) {
  std::error_code ignored;
  for (const fs::directory_entry& old : fs::directory_iterator(scratch_.path())) {
    if (old.path().filename().string().starts_with("trace.")) fs::remove(old.path(), ignored);
  }
  if (!server_) {
    ASSIGN_OR_RETURN(ToolServer started,
                     ToolServer::Start(tool_,
                                       {"--trace-file=" + (scratch_.path() / "trace.%p").string(),
                                        "--log-file=" + (scratch_.path() / "log").string()},
                                       {fs::read_symlink("/proc/self/exe").string(),
                                        "recovery-client", recording_.string()}));
    server_.emplace(std::move(started));
  }
  const Result<std::string> answer = server_->Ask(paths.front());
  if (Interrupted()) return Status::Internal("interrupted");
  int pid = 0, exit_code = 0;
  if (!answer.ok() || std::sscanf(answer->c_str(), "%d %d", &pid, &exit_code) != 2 ||
      exit_code != 0) {
    return Status::Unsupported(fmt::format(
        "a recovery did not come to its end when it was traced, exit code {} (--depth=1 goes "
        "without)",
        exit_code));
  }
  return scratch_.path() / fmt::format("trace.{}", pid);
}

Status RunRecoveryClient(const CrashSubject& subject) {
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  for (std::string path; std::getline(std::cin, path);) {
    const pid_t child = fork();
    if (child < 0) return Status::IoError(fmt::format("fork: {}", std::strerror(errno)));
    if (child == 0) {
      EngineRecovery recovery(*plan.row, plan.options, UseAfterwards{.operations = 0});
      MarkOperationBegin(1);
      recovery.RecoverOnly({path}, /*context=*/{});
      MarkOperationEnd(1);
      _exit(0);
    }
    int ended = 0;
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
    }
    const int code = WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended);
    std::cout << child << ' ' << code << std::endl;
  }
  return Status::Ok();
}

}  // namespace fencepost
