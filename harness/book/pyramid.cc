// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/pyramid.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpmem.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <numeric>

#include "engines/pmem/pmem_environment.h"
#include "engines/system_error.h"
#include "harness/book/page_cache.h"
#include "harness/book/unique_fd.h"
#include "harness/clock.h"
#include "harness/interrupt.h"
#include "harness/run_files.h"
#include "workloads/rng.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLineBytes = 64;
constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kFileBytes = uint64_t{128} << 20;
constexpr uint64_t kSeed = 1;
// A larger set has one place in four lines: it is laid out in a fourth of the time.
constexpr uint64_t kDenseBytesMax = uint64_t{64} << 20;

// A mapping that is unmapped with its owner.
struct Unmap {
  size_t bytes = 0;
  void operator()(char* base) const { munmap(base, bytes); }
};
using Mapping = std::unique_ptr<char, Unmap>;

Result<Mapping> MapMemory(uint64_t bytes) {
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return SystemError("mmap", "memory");
  // With small pages a load of memory would be a load of the page tables too.
  (void)madvise(base, bytes, MADV_HUGEPAGE);
  return Mapping(static_cast<char*>(base), Unmap{bytes});
}

// A file of zeros that its mapping outlives.
Result<UniqueFd> MakeFile(const fs::path& path, uint64_t bytes) {
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return SystemError("open", path);
  const std::string zeros(size_t{1} << 20, '\0');
  for (uint64_t at = 0; at < bytes; at += zeros.size()) {
    if (pwrite(file.get(), zeros.data(), zeros.size(), static_cast<off_t>(at)) !=
        static_cast<ssize_t>(zeros.size())) {
      return SystemError("pwrite", path);
    }
  }
  if (fdatasync(file.get()) != 0) return SystemError("fdatasync", path);
  return file;
}

Result<Mapping> MapFile(const fs::path& path, uint64_t bytes) {
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return SystemError("open", path);
  if (const int error = posix_fallocate(file.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    errno = error;
    return SystemError("posix_fallocate", path);
  }
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) return SystemError("mmap", path);
  return Mapping(static_cast<char*>(base), Unmap{bytes});
}

// What a batch is timed with. kThread is the CPU time of the thread: where others want the CPU too,
// their share is not taken for latency. What waits for a device is timed with kWall.
enum class Timer : unsigned char { kThread, kWall };

struct Measured {
  Estimate ns;
  uint64_t steps = 0;
  double cpu_share = 1;  // of the wall time in which the thread ran, where that is what is timed
};

double ThreadNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Runs `step(n)`, which does n accesses, in batches that fill the time.
template <typename Step>
Measured Batches(const PyramidOptions& options, Timer timer, uint64_t steps_min, Step step) {
  double wall_ns = 0, cpu_ns = 0;
  const auto timed = [&](uint64_t steps) {
    const uint64_t begin = Clock::Ticks();
    const double begin_cpu_ns = ThreadNs();
    step(steps);
    const double cpu = ThreadNs() - begin_cpu_ns;
    const auto wall = static_cast<double>(Clock::NsBetween(begin, Clock::Ticks()));
    wall_ns += wall;
    cpu_ns += cpu;
    return timer == Timer::kThread ? cpu : wall;
  };
  const double batch_ns = options.seconds_per_point * 1e9 / static_cast<double>(options.batches);
  uint64_t steps = steps_min;
  for (;;) {
    const double took = timed(steps);
    if (took >= batch_ns / 2 || steps > (uint64_t{1} << 30)) break;
    steps = took * 8 < batch_ns
                ? steps * 8
                : static_cast<uint64_t>(static_cast<double>(steps) * batch_ns / took) + 1;
  }
  wall_ns = cpu_ns = 0;
  std::vector<double> values;
  for (size_t i = 0; i < options.batches; ++i) {
    values.push_back(timed(steps) / static_cast<double>(steps));
  }
  return {MedianEstimate(values), steps * options.batches,
          timer == Timer::kThread ? cpu_ns / wall_ns : 1};
}

// Lays a ring of pointers into [base, base + bytes) and follows it.
Measured Chase(const PyramidOptions& options, char* base, uint64_t bytes) {
  const uint64_t spread = bytes > kDenseBytesMax ? 4 * kLineBytes : kLineBytes;
  const auto count = static_cast<uint32_t>(bytes / spread);
  const auto place = [&](uint32_t i) { return reinterpret_cast<char**>(base + i * spread); };
  {
    const std::vector<uint32_t> next = RandomRing(count, kSeed);
    for (uint32_t i = 0; i < count; ++i) *place(i) = reinterpret_cast<char*>(place(next[i]));
  }
  char** at = place(0);
  const auto follow = [&at](uint64_t steps) {
    char** here = at;
    for (uint64_t i = 0; i < steps; ++i) here = reinterpret_cast<char**>(*here);
    at = here;
    asm volatile("" : : "r"(here) : "memory");  // somebody might look where it ended
  };
  // One round, so that what fits a cache is in it.
  follow(count);
  return Batches(options, Timer::kThread, 1024, follow);
}

class Measurement {
 public:
  Measurement(const PyramidOptions& options, const MachineFacts& machine,
              const std::function<void(const std::string&)>& say)
      : options_(options),
        sets_(ChooseSets(machine.caches,
                         std::min(options.memory_bytes_max, machine.memory_bytes / 4))),
        virtual_machine_(machine.cpu.hypervisor),
        say_(say) {}

  Result<Pyramid> Run() {
    RETURN_IF_ERROR(Memory());
    RETURN_IF_ERROR(PersistentMemory());
    RETURN_IF_ERROR(Storage());
    RETURN_IF_ERROR(Curve());
    return std::move(found_);
  }

 private:
  void Add(std::string name, std::string label, std::string medium, uint64_t set_bytes,
           Measured measured, std::string note) {
    if (measured.cpu_share < 0.9) {
      note += fmt::format("{}the machine was busy: others had {:.0f} % of this CPU",
                          note.empty() ? "" : "; ", 100 * (1 - measured.cpu_share));
    }
    found_.points.push_back({std::move(name), std::move(label), std::move(medium), measured.ns,
                             set_bytes, measured.steps, std::move(note)});
  }
  void Absent(std::string_view what, std::string_view why) {
    found_.absent.push_back(fmt::format("not measured: {}: {}", what, why));
  }

  Status Memory();
  Status Level(const std::string& name, const std::string& label, uint64_t bytes);
  Status PersistentMemory();
  Status Storage();
  Status Blocks(const fs::path& path);
  Status Curve();

  const PyramidOptions& options_;
  const PyramidSets sets_;
  const bool virtual_machine_;
  const std::function<void(const std::string&)>& say_;
  Pyramid found_;
};

Status Measurement::Level(const std::string& name, const std::string& label, uint64_t bytes) {
  if (bytes == 0) {
    Absent(label, "the machine names no such cache");
    return Status::Ok();
  }
  if (Interrupted()) return Status::Ok();
  say_(label);
  ASSIGN_OR_RETURN(const Mapping memory, MapMemory(bytes));
  std::string note;
  if (name == "dram") {
    note = fmt::format("a set of {:.1f} times the largest cache",
                       static_cast<double>(bytes) / static_cast<double>(sets_.largest_cache_bytes));
  } else if (name == "l3" && virtual_machine_) {
    note = "virtual machine: the cache may be shared with others";
  }
  Add(name, label, "memory", bytes, Chase(options_, memory.get(), bytes), note);
  return Status::Ok();
}

Status Measurement::Memory() {
  say_("register");
  uint64_t value = kSeed;
  const uint64_t other = value | 1;
  const auto add = [&](uint64_t steps) {
    // Each waits for the one before; sixteen a turn, so that the loop counts for little.
    for (uint64_t i = 0; i < steps; i += 16) {
      asm volatile(
          "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\t"
          "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\t"
          "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\t"
          "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0"
          : "+r"(value)
          : "r"(other)
          : "cc");
    }
  };
  Add("register", "register", "cpu", 0, Batches(options_, Timer::kThread, 1 << 16, add),
      "an addition that waits for the one before: one cycle");
  RETURN_IF_ERROR(Level("l1", "L1 cache", sets_.l1_bytes));
  RETURN_IF_ERROR(Level("l2", "L2 cache", sets_.l2_bytes));
  RETURN_IF_ERROR(Level("l3", "L3 cache", sets_.l3_bytes));
  return Level("dram", "DRAM", sets_.dram_bytes);
}

Status Measurement::PersistentMemory() {
  if (Interrupted()) return Status::Ok();
  if (options_.pmem.empty()) {
    Absent("persistent memory", "neither a DAX mount nor a tmpfs to stand in for it");
    return Status::Ok();
  }
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(options_.pmem));
  ASSIGN_OR_RETURN(const FileSystem file_system, FileSystemOf(options_.pmem));
  const uint64_t bytes =
      std::min(sets_.dram_bytes, file_system.free_bytes / 4) / kDenseBytesMax * kDenseBytesMax;
  if (bytes == 0) {
    Absent("persistent memory", fmt::format("{}: too little space", options_.pmem.string()));
    return Status::Ok();
  }
  RETURN_IF_ERROR(pmem::PreparePmem(medium, options_.pmem).status());
  const std::string note = medium == Medium::kTmpfs ? "DRAM in the place of persistent memory" : "";
  const std::string name(MediumName(medium));
  const fs::path path = options_.pmem / "pyramid";
  ASSIGN_OR_RETURN(const Mapping mapping, MapFile(path, bytes));
  fs::remove(path);
  say_("persistent memory: load");
  Add("pmem-load", "persistent memory: load", name, bytes, Chase(options_, mapping.get(), bytes),
      note);
  say_("persistent memory: store, flush, fence");
  // Libpmem must know the mapping as its own or be told: by what PreparePmem settled.
  Rng rng(kSeed);
  const uint64_t lines = bytes / kLineBytes;
  const auto store = [&](uint64_t steps) {
    for (uint64_t i = 0; i < steps; ++i) {
      auto* word =
          reinterpret_cast<uint64_t*>(mapping.get() + MultiplyHigh(rng.Next(), lines) * kLineBytes);
      *word = i;
      pmem_persist(word, sizeof(*word));
    }
  };
  Add("pmem-persist", "persistent memory: store + CLWB + SFENCE", name, bytes,
      Batches(options_, Timer::kThread, 256, store), note);
  return Status::Ok();
}

Status Measurement::Blocks(const fs::path& path) {
  // O_DIRECT past the page cache, which must not have the file.
  RETURN_IF_ERROR(EvictFromPageCache(path));
  const UniqueFd direct(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!direct.valid()) {
    Absent("block read", fmt::format("O_DIRECT: {}: {}", std::strerror(errno), path.string()));
    return Status::Ok();
  }
  say_("block: read of 4 KiB");
  const std::unique_ptr<void, decltype(&std::free)> block(
      std::aligned_alloc(kBlockBytes, kBlockBytes), std::free);
  Rng rng(kSeed);
  bool ok = true;
  const auto read = [&](uint64_t steps) {
    for (uint64_t i = 0; i < steps; ++i) {
      const uint64_t number = MultiplyHigh(rng.Next(), kFileBytes / kBlockBytes);
      ok = ok && pread(direct.get(), block.get(), kBlockBytes,
                       static_cast<off_t>(number * kBlockBytes)) == kBlockBytes;
    }
  };
  const auto measured = Batches(options_, Timer::kWall, 4, read);
  if (!ok) {
    // Some file systems take the flag and refuse the read.
    Absent("block read",
           fmt::format("O_DIRECT: pread: {}: {}", std::strerror(errno), path.string()));
    return Status::Ok();
  }
  Add("block-read", "block: read of 4 KiB, O_DIRECT", "block", kFileBytes, measured,
      virtual_machine_ ? "virtual disk: the host's cache may have answered" : "");
  return Status::Ok();
}

Status Measurement::Storage() {
  if (Interrupted()) return Status::Ok();
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(options_.disk));
  if (medium == Medium::kTmpfs) {
    Absent("block read, sync",
           fmt::format("{} is on tmpfs, not on a disk", options_.disk.string()));
    return Status::Ok();
  }
  const fs::path path = options_.disk / "pyramid";
  ASSIGN_OR_RETURN(const UniqueFd file, MakeFile(path, kFileBytes));
  RETURN_IF_ERROR(Blocks(path));
  say_("page cache: read of 4 KiB");
  std::string block(kBlockBytes, '\0');
  Rng rng(kSeed);
  bool ok = true;
  const auto offset = [&rng] {
    return static_cast<off_t>(MultiplyHigh(rng.Next(), kFileBytes / kBlockBytes) * kBlockBytes);
  };
  for (uint64_t at = 0; at < kFileBytes && ok; at += kBlockBytes) {  // brings all of it in
    ok = pread(file.get(), block.data(), kBlockBytes, static_cast<off_t>(at)) == kBlockBytes;
  }
  const auto read = [&](uint64_t steps) {
    for (uint64_t i = 0; i < steps; ++i) {
      ok = ok && pread(file.get(), block.data(), kBlockBytes, offset()) == kBlockBytes;
    }
  };
  auto measured = Batches(options_, Timer::kThread, 256, read);
  if (!ok) return SystemError("pread", path);
  Add("page-cache-read", "page cache: read of 4 KiB", "page-cache", kFileBytes, measured, "");
  if (Interrupted()) return Status::Ok();
  say_("sync: write of 4 KiB + fdatasync");
  const auto sync = [&](uint64_t steps) {
    for (uint64_t i = 0; i < steps; ++i) {
      ok = ok && pwrite(file.get(), block.data(), kBlockBytes, offset()) == kBlockBytes &&
           fdatasync(file.get()) == 0;
    }
  };
  measured = Batches(options_, Timer::kWall, 2, sync);
  if (!ok) return SystemError("pwrite or fdatasync", path);
  Add("sync", "sync: write of 4 KiB + fdatasync", "page-cache", kFileBytes, measured,
      virtual_machine_ ? "virtual disk: when the host calls it durable" : "");
  fs::remove(path);
  return Status::Ok();
}

Status Measurement::Curve() {
  PyramidOptions brief = options_;
  brief.batches = 5;
  brief.seconds_per_point = options_.seconds_per_point / 5;
  ASSIGN_OR_RETURN(const Mapping memory, MapMemory(sets_.dram_bytes));
  for (uint64_t bytes = 8 << 10; bytes <= sets_.dram_bytes && !Interrupted(); bytes *= 2) {
    say_(fmt::format("curve: a set of {} KiB", bytes >> 10));
    const Measured measured = Chase(brief, memory.get(), bytes);
    found_.curve.push_back({"curve", "one load", "memory", measured.ns, bytes, measured.steps, ""});
  }
  return Status::Ok();
}

}  // namespace

PyramidSets ChooseSets(const std::vector<CacheFacts>& caches, uint64_t memory_bytes_max) {
  PyramidSets sets;
  uint64_t l2 = 0, l3 = 0;
  for (const CacheFacts& cache : caches) {
    if (cache.type == "instruction" || cache.size_bytes == 0) continue;
    sets.largest_cache_bytes = std::max(sets.largest_cache_bytes, cache.size_bytes);
    if (cache.level == 1) sets.l1_bytes = cache.size_bytes / 2;
    if (cache.level == 2) l2 = cache.size_bytes;
    if (cache.level == 3) l3 = cache.size_bytes;
  }
  sets.l2_bytes = l2 / 2;
  // Well outside of L2, and as well inside of L3; of a large one a part only, since a virtual
  // machine seldom has all of it.
  if (l3 > 2 * l2) sets.l3_bytes = std::min(l3 / 2, std::max(4 * l2, l3 / 16));
  constexpr uint64_t kLeastBytes = uint64_t{256} << 20;
  sets.dram_bytes = std::min(std::max(4 * sets.largest_cache_bytes, kLeastBytes),
                             std::max(memory_bytes_max, 2 * kDenseBytesMax)) /
                    kDenseBytesMax * kDenseBytesMax;
  if (sets.largest_cache_bytes == 0) sets.largest_cache_bytes = kDenseBytesMax;
  return sets;
}

std::vector<uint32_t> RandomRing(uint32_t count, uint64_t seed) {
  // Sattolo's shuffle: every permutation that it can give is one cycle.
  std::vector<uint32_t> next(count);
  std::iota(next.begin(), next.end(), 0u);
  Rng rng(seed);
  for (uint32_t i = count; i > 1; --i) {
    std::swap(next[i - 1], next[MultiplyHigh(rng.Next(), i - 1)]);
  }
  return next;
}

Result<Pyramid> MeasurePyramid(const PyramidOptions& options, const MachineFacts& machine,
                               const std::function<void(const std::string&)>& say) {
  return Measurement(options, machine, say).Run();
}

std::string PyramidCsv(const Pyramid& pyramid) {
  CsvTable table({"point", "label", "kind", "medium", "latency_ns", "low_ns", "high_ns",
                  "confidence", "batches", "set_bytes", "steps", "note"});
  for (const auto* points : {&pyramid.points, &pyramid.curve}) {
    for (const PyramidPoint& point : *points) {
      table.AddRow(
          {point.name, point.label, "measured", point.medium, fmt::format("{:.4g}", point.ns.value),
           fmt::format("{:.4g}", point.ns.low), fmt::format("{:.4g}", point.ns.high),
           fmt::format("{:.3g}", point.ns.confidence), fmt::format("{}", point.ns.count),
           fmt::format("{}", point.set_bytes), fmt::format("{}", point.steps), point.note});
    }
  }
  return table.text();
}

}  // namespace fencepost
