// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/vm/virtual_machine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "faultinject/vm/whole_file.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kPollMs = 100;
constexpr int kHeldBackMs = 10;
// How init begins what it has to complain of.
constexpr std::string_view kComplaint = "fencepost: ";

std::string Printable(std::string_view line) {
  std::string plain;
  for (size_t i = 0; i < line.size(); ++i) {
    // A terminal's command: escape, bracket, parameters, a letter.
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      i += 2;
      while (i < line.size() && (line[i] < '@' || line[i] > '~')) ++i;
    } else if (line[i] >= ' ' && line[i] <= '~') {
      plain += line[i];
    }
  }
  return plain;
}

// Of a name in QEMU's lists of options, where a comma ends it.
std::string Escaped(const fs::path& path) {
  std::string text;
  for (const char c : path.string()) text += c == ',' ? std::string(",,") : std::string(1, c);
  return text;
}

// A pair of connected sockets: `ours` is closed when a program is started, `theirs` is not.
Status MakePair(int* ours, int* theirs) {
  std::array<int, 2> pair;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) {
    return Status::IoError(fmt::format("socketpair: {}", std::strerror(errno)));
  }
  fcntl(pair[0], F_SETFD, FD_CLOEXEC);
  *ours = pair[0];
  *theirs = pair[1];
  return Status::Ok();
}

void CloseAll(std::initializer_list<int*> fds) {
  for (int* fd : fds) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

}  // namespace

std::string_view AcceleratorName(Accelerator accelerator) {
  return accelerator == Accelerator::kKvm ? "kvm" : "tcg";
}

std::string PanicIn(std::string_view console) {
  const size_t found = console.find("Kernel panic");
  if (found == std::string_view::npos) return {};
  return Printable(console.substr(found, console.substr(found).find('\n')));
}

std::string ComplaintIn(std::string_view console) {
  const size_t found = console.find(kComplaint);
  if (found == std::string_view::npos) return LastLineOf(console);
  return Printable(console.substr(found, console.substr(found).find('\n')));
}

std::string LastLineOf(std::string_view console) {
  std::istringstream lines{std::string(console)};
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    const std::string plain = Printable(line);
    if (plain.find_first_not_of(' ') != std::string::npos) last = plain;
  }
  return last;
}

std::vector<std::string> QemuWords(const MachineParts& parts, const PortDescriptors& ports) {
  const bool kvm = parts.accelerator == Accelerator::kKvm;
  std::vector<std::string> words = {
      parts.qemu.string(), "-nodefaults", "-no-user-config", "-nographic", "-no-reboot",
      // Emulated: all that QEMU can do, so that there is CLWB, but for what costs more than it
      // gives: a fifth level of page tables in each walk, wide registers in each change of tasks.
      // Otherwise: what the processor has.
      "-accel", kvm ? "kvm" : "tcg", "-cpu",
      kvm ? "host" : "max,la57=off,xsave=off,avx=off,avx2=off", "-smp", "1", "-machine",
      "q35,nvdimm=on", "-m",
      fmt::format("{}M,slots=2,maxmem={}M", parts.memory_mib,
                  parts.memory_mib + 2 * (parts.nvdimm_bytes >> 20) + 1024),
      "-kernel", parts.kernel.string(), "-initrd", parts.initrd.string(), "-append",
      // Nobody else is in there, from whom the kernel would have to be protected.
      fmt::format("console=ttyS0 quiet panic=-1 no_timer_check random.trust_cpu=on mitigations=off "
                  "rdinit={}",
                  parts.init),
      "-chardev", fmt::format("file,id=console,path={}", Escaped(parts.console)), "-serial",
      "chardev:console", "-device", "virtio-serial-pci,id=ports,ioeventfd=off,event_idx=off"};
  const auto add_port = [&words](const char* name, const std::string& chardev) {
    words.insert(words.end(),
                 {"-chardev", chardev, "-device",
                  fmt::format("virtserialport,bus=ports.0,chardev={0},name={0}", name)});
  };
  add_port("control", fmt::format("socket,id=control,fd={}", ports.control));
  add_port("out", fmt::format("socket,id=out,fd={}", ports.out));
  add_port("error", fmt::format("socket,id=error,fd={}", ports.error));
  add_port("history", parts.history.empty()
                          ? std::string("null,id=history")
                          : fmt::format("file,id=history,path={}", Escaped(parts.history)));
  if (!parts.nvdimm.empty()) {
    words.insert(
        words.end(),
        {"-object",
         fmt::format("memory-backend-file,id=memory,share=on,mem-path={},size={}",
                     Escaped(parts.nvdimm), parts.nvdimm_bytes),
         "-device",
         parts.nvdimm_label ? fmt::format("nvdimm,memdev=memory,label-size={}", kNvdimmLabelBytes)
                            : std::string("nvdimm,memdev=memory")});
  }
  if (!parts.disk_log.empty()) {
    // Flushes are logged, and not passed on to the host.
    const auto add_file = [&words](const char* name, const fs::path& file) {
      words.insert(
          words.end(),
          {"-blockdev", fmt::format("driver=file,node-name={},cache.no-flush=on,filename={}", name,
                                    Escaped(file))});
    };
    add_file("disk-file", parts.disk);
    add_file("log-file", parts.disk_log);
    words.insert(words.end(), {"-blockdev",
                               "driver=blklogwrites,node-name=disk,file=disk-file,log=log-file,"
                               "log-sector-size=512,log-super-update-interval=1",
                               "-device", "virtio-blk-pci,drive=disk"});
  } else if (!parts.disk.empty()) {
    // Only QEMU is killed, never the host: what was handed to the host's kernel is there.
    words.insert(words.end(), {"-drive",
                               fmt::format("if=none,id=disk,format=raw,cache=unsafe,file={}",
                                           Escaped(parts.disk)),
                               "-device", "virtio-blk-pci,drive=disk"});
  }
  if (!parts.share.empty()) {
    words.insert(words.end(),
                 {"-virtfs", fmt::format("local,path={},mount_tag=share,security_model=none,"
                                         "multidevs=remap",
                                         Escaped(parts.share))});
  }
  return words;
}

Result<VirtualMachine> VirtualMachine::Start(const MachineParts& parts) {
  VirtualMachine machine;
  machine.console_ = parts.console;
  PortDescriptors theirs;
  RETURN_IF_ERROR(MakePair(&machine.control_, &theirs.control));
  RETURN_IF_ERROR(MakePair(&machine.out_, &theirs.out));
  RETURN_IF_ERROR(MakePair(&machine.error_, &theirs.error));
  machine.complaints_ = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  const std::vector<std::string> words = QemuWords(parts, theirs);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t owner = getpid();
  machine.pid_ = fork();
  if (machine.pid_ == 0) {
    // A group of its own: Ctrl-C is for its owner, who ends it.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != owner) _exit(127);
    const int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(machine.complaints_ >= 0 ? machine.complaints_ : nothing, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  CloseAll({&theirs.control, &theirs.out, &theirs.error});
  if (machine.pid_ < 0) return Status::IoError(fmt::format("fork: {}", std::strerror(errno)));
  machine.pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, machine.pid_, 0));
  if (machine.pidfd_ < 0) {
    return Status::IoError(fmt::format("pidfd_open: {}", std::strerror(errno)));
  }
  return machine;
}

VirtualMachine::VirtualMachine(VirtualMachine&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      control_(std::exchange(other.control_, -1)),
      out_(std::exchange(other.out_, -1)),
      error_(std::exchange(other.error_, -1)),
      complaints_(std::exchange(other.complaints_, -1)),
      received_(std::move(other.received_)),
      end_(std::move(other.end_)),
      console_(std::move(other.console_)) {}

VirtualMachine::~VirtualMachine() {
  Kill();
  CloseAll({&pidfd_, &control_, &out_, &error_, &complaints_});
}

Status VirtualMachine::Send(const std::string& line) {
  const std::string text = line + "\n";
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t sent = send(control_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Status::IoError(WhyItEnded());
    left.remove_prefix(static_cast<size_t>(sent));
  }
  return Status::Ok();
}

Result<std::string> VirtualMachine::Receive(double timeout_s,
                                            const std::function<bool()>& give_up) {
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(timeout_s));
  bool shown = false;  // anything of its commands
  for (;;) {
    if (const size_t end = received_.find('\n'); end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    if (give_up && give_up()) return Status::IoError("interrupted");
    std::array<pollfd, 4> wait = {{{.fd = control_, .events = POLLIN, .revents = 0},
                                   {.fd = out_, .events = POLLIN, .revents = 0},
                                   {.fd = error_, .events = POLLIN, .revents = 0},
                                   {.fd = pidfd_, .events = POLLIN, .revents = 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    const bool late = left <= 0;
    poll(wait.data(), wait.size(), late ? 0 : static_cast<int>(std::min<long>(left, kPollMs)));
    // Output first: an answer says that all that came before it has been shown. What a full socket
    // has held back follows once there is room.
    if ((wait[0].revents & POLLIN) != 0 && shown) poll(&wait[1], 2, kHeldBackMs);
    // Whose other end is closed is always readable, and has nothing more.
    const bool passed_out = (wait[1].revents & POLLIN) != 0 && PassOn(out_, STDOUT_FILENO);
    const bool passed_error = (wait[2].revents & POLLIN) != 0 && PassOn(error_, STDERR_FILENO);
    shown |= passed_out || passed_error;
    if ((passed_out || passed_error) && !late) continue;
    if ((wait[0].revents & POLLIN) != 0) {
      std::array<char, 65536> buffer;
      const ssize_t got = recv(control_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got > 0) received_.append(buffer.data(), static_cast<size_t>(got));
      if (got > 0) continue;
    }
    if ((wait[3].revents & POLLIN) != 0) return Status::IoError(WhyItEnded());
    if (late) {
      const std::string last = LastLineOf(ReadWholeFile(console_));
      return Status::IoError(fmt::format("the guest has not answered for {:.0f} s{}", timeout_s,
                                         last.empty() ? "" : "; its console says: " + last));
    }
  }
}

bool VirtualMachine::PassOn(int fd, int to) const {
  std::array<char, 65536> buffer;
  const ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  for (ssize_t done = 0; done < got;) {
    const ssize_t written = write(to, buffer.data() + done, static_cast<size_t>(got - done));
    if (written < 0 && errno != EINTR) break;  // nobody listens
    if (written > 0) done += written;
  }
  return got > 0;
}

void VirtualMachine::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  Reap(status);
}

void VirtualMachine::Freeze() {
  if (pid_ > 0) kill(pid_, SIGSTOP);
}

bool VirtualMachine::AwaitEnd(double timeout_s) {
  if (pid_ <= 0) return true;
  pollfd wait = {.fd = pidfd_, .events = POLLIN, .revents = 0};
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(timeout_s));
  while (poll(&wait, 1, kPollMs) <= 0) {
    if (Clock::now() >= deadline) return false;
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  Reap(status);
  return true;
}

void VirtualMachine::Reap(int status) {
  pid_ = -1;
  end_ = WIFSIGNALED(status) ? fmt::format("signal {}", strsignal(WTERMSIG(status)))
                             : fmt::format("exit code {}", WEXITSTATUS(status));
}

std::string VirtualMachine::WhyItEnded() {
  if (pid_ > 0 && !AwaitEnd(1)) Kill();
  if (const std::string panic = PanicIn(ReadWholeFile(console_)); !panic.empty()) {
    return "the guest's kernel has panicked: " + panic;
  }
  std::string said;
  if (complaints_ >= 0) {
    std::array<char, 4096> buffer;
    const ssize_t got = pread(complaints_, buffer.data(), buffer.size(), 0);
    said = LastLineOf({buffer.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))});
  }
  if (said.empty()) said = ComplaintIn(ReadWholeFile(console_));
  return fmt::format("QEMU has ended ({}){}", end_, said.empty() ? "" : ": " + said);
}

}  // namespace fencepost
