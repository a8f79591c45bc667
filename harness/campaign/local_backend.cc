// SPDX-License-Identifier: BSD-3-Clause
// Workers as children of this process: each ends when this one does, of whatever.
#include <fmt/format.h>

#include <chrono>
#include <list>
#include <utility>

#include "harness/campaign/backend.h"
#include "harness/child_process.h"

namespace fencepost {
namespace {

class LocalBackend : public Backend {
 public:
  explicit LocalBackend(BackendFlags flags) : flags_(std::move(flags)) {}

  Status Check() override {
    if (flags_.options.empty()) return Status::Ok();
    return Status::InvalidArgument("--sbatch is for --backend=slurm");
  }

  // They ended with their parent.
  Status EndLeftover(const std::filesystem::path& /*folder*/) override { return Status::Ok(); }

  Status Start(const Launch& launch) override {
    complaint_.clear();
    for (unsigned i = 0; i < launch.workers; ++i) {
      std::vector<std::string> words = launch.words;
      words.push_back(fmt::format("{}", i));
      Result<ChildProcess> child = ChildProcess::Start(words);
      if (!child.ok()) {
        Cancel();
        return child.status();
      }
      children_.push_back(std::move(*child));
    }
    return Status::Ok();
  }

  Result<bool> Wait() override {
    constexpr int kTurnMs = 50;
    std::list<ChildProcess>::iterator child = children_.begin();
    for (int patience_ms = kTurnMs; child != children_.end(); patience_ms = 0) {
      if (!child->WaitFor(patience_ms)) {
        ++child;
        continue;
      }
      const bool said = child->exit_code() != 0 && complaint_.empty();
      if (said) complaint_ = child->FirstError();
      child = children_.erase(child);
    }
    return children_.empty();
  }

  std::string Describe() const override {
    return fmt::format("{} worker{}", children_.size(), children_.size() == 1 ? "" : "s");
  }

  void Cancel() override {
    for (ChildProcess& child : children_) child.Interrupt();
    constexpr std::chrono::seconds kPatience{15};
    const auto begin = std::chrono::steady_clock::now();
    for (ChildProcess& child : children_) {
      while (!child.WaitFor(100) && std::chrono::steady_clock::now() - begin < kPatience) {
      }
    }
    children_.clear();  // whoever has not ended by then is killed
  }

  std::string Complaint() const override { return complaint_; }

 private:
  const BackendFlags flags_;
  std::list<ChildProcess> children_;
  std::string complaint_;
};

}  // namespace

std::unique_ptr<Backend> MakeLocalBackend(const BackendFlags& flags) {
  return std::make_unique<LocalBackend>(flags);
}

}  // namespace fencepost
