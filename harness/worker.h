// SPDX-License-Identifier: BSD-3-Clause
// Worker: one thread of a phase, and what the threads of a phase share.
//
// The loop: a trace of operations, and the keys of the loaded records, are written ahead of the
// clock. Keys are gathered a block ahead of the operations that use them, and built then if the
// table does not have them; a trace file has its own. Each operation is one call of the engine and
// one reading of the clock, whose value is the start of the next. Everything rare (an interval is
// over, time is up, somebody needs a pause, Ctrl-C) hides behind one comparison with
// `attention_ticks_`.
//
// Threads: a Worker is driven by its own thread; RequestAttention and the interval hand-over are
// what others may touch.
#ifndef FENCEPOST_HARNESS_WORKER_H_
#define FENCEPOST_HARNESS_WORKER_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "harness/pacing.h"
#include "harness/phase.h"
#include "harness/rendezvous.h"
#include "harness/version_table.h"
#include "workloads/key_table.h"
#include "workloads/keys.h"
#include "workloads/op_trace.h"
#include "workloads/replay_file.h"
#include "workloads/trace_hash.h"
#include "workloads/values.h"

namespace fencepost {

class Worker;

// What the threads of a phase share.
struct PhaseContext {
  PhaseContext(const PhaseRequest& phase_request, unsigned threads);

  const PhaseRequest& request;
  const WorkloadSpec& spec;
  Engine& engine;
  VersionTable& versions;
  const KeyFormat keys;
  uint64_t key_table_ticks = 0;  // spent on the next
  const KeyTable key_table;      // of the loaded records, as far as it may reach
  const ValueMaker values;
  const ReplayFile* const replay_file;  // or nullptr
  const unsigned thread_count;
  const bool open_loop;
  Rendezvous rendezvous;
  std::vector<int> cpus;  // to pin threads to; empty: do not pin
  std::vector<std::unique_ptr<Worker>> workers;

  // Fixed when the measured part begins (by whoever completes the meeting).
  uint64_t start_ticks = 0;
  uint64_t interval_ticks = 0;
  uint64_t max_run_ticks = 0;  // 0: no limit of time
  uint64_t turn_ticks = 0;     // 0: no turns
  ProcessUsage usage_at_start;
  EngineStats stats_at_start;

  std::atomic<bool> measuring{false};
  std::atomic<bool> stop{false};          // Ctrl-C, or a thread met the limit of failures
  std::atomic<bool> pause{false};         // for one of the two reasons that follow
  std::atomic<bool> trace_wanted{false};  // a thread has used up its trace
  std::atomic<bool> turn_over{false};
  bool pause_generates = false;  // of the pause under way: what it is for, besides a turn
  std::atomic<uint64_t> failures{0};

  std::mutex first_failure_mutex;
  Status first_failure;

  // Makes every worker look up from its loop soon.
  void RequestAttention();
  // Makes every worker pause soon. `reason` is one of the two.
  void RequestPause(std::atomic<bool>* reason);
  void RecordFailure(const Status& status);
};

class Worker {
 public:
  Worker(PhaseContext& context, unsigned index, std::unique_ptr<TraceSource> source);

  // The thread's body: warm-up, meeting, measured part.
  void Run();

  void RequestAttention() { attention_ticks_.store(0, std::memory_order_relaxed); }

  // Recorders of completed intervals, oldest first, taken by the driver while the thread runs.
  using CompletedInterval = std::pair<uint64_t, std::unique_ptr<Recorder>>;
  std::deque<CompletedInterval> TakeCompleted();
  // Gives a recorder back for reuse. It must have been Reset.
  void Recycle(std::unique_ptr<Recorder> recorder);

  // Operations done in the measured part so far.
  uint64_t operations() const { return operations_.load(std::memory_order_relaxed); }

  // After the thread has ended:
  uint64_t end_ticks() const { return end_ticks_; }
  uint64_t excluded_ticks() const { return excluded_ticks_; }
  uint64_t generate_ticks() const { return generate_ticks_; }
  uint64_t generated_operations() const { return generated_words_; }
  uint64_t prepare_ticks() const { return prepare_ticks_; }
  uint64_t trace_hash() const { return hash_.digest(); }
  uint64_t user_bytes_written() const { return user_bytes_written_; }
  uint64_t user_bytes_read() const { return user_bytes_read_; }
  const VerificationCounts& verification() const { return verification_; }
  const std::vector<std::string>& fault_examples() const { return fault_examples_; }

 private:
  enum class Outcome : unsigned char { kOk, kNotFound, kFailed };
  // One key of a block, with what is known before its operation begins.
  struct Target {
    uint64_t number = 0;
    std::string_view key;
    uint32_t key_hash = 0;
  };

  // -- the loop
  void WarmUp();
  bool EnsureTrace();  // false: no operations are left
  void GenerateTrace();
  bool RunBlock();        // false: the phase is over for this thread
  size_t PrepareBlock();  // finds the block's keys; returns the words that it covers
  void SetTarget(size_t index, uint64_t number);
  void BuildMissingKeys();
  size_t RunOperation(size_t word_index, size_t* target);  // returns the words it used
  bool WarmedUp() const;
  bool Attend(uint64_t now);  // false: the phase is over for this thread
  void Pause();
  void Exclude(uint64_t ticks);
  void HandOver(uint64_t now);
  void PrepareRecorder(Recorder* recorder) const;
  bool AwaitIntendedStart();  // false: time is up before the next operation is due
  void SetAttention();

  // -- operations; each leaves `now_` at its end and records itself
  void Read(const Target& target);
  void Miss(const Target& target);
  void Scan(const Target& target, size_t limit);
  void Update(const Target& target);
  void ReadModifyWrite(const Target& target);
  void CompareAndPut(const Target& target);
  void Defragment();
  void Insert(const Target& target);
  void Delete(const Target& target);
  void Batch(size_t first_word, size_t count, size_t first_target);

  // -- pieces of operations
  uint64_t Snapshot(const Target& target) const {
    return verifying_ ? context_.versions.BeginRead(target.number) : 0;
  }
  Outcome Get(const Target& target, uint64_t snapshot);
  Outcome VerifiedGet(const Target& target, uint64_t snapshot);
  void Verify(const Target& target, uint64_t snapshot, std::string_view value);
  Verdict JudgeShort(const Target& target, uint64_t snapshot, std::string_view value);
  void Note(const Target& target, Verdict verdict, std::string_view found);
  void NoteFault(const Target& target, ValueFault fault, size_t value_bytes);
  void AddExample(const Target& target, std::string_view fault, std::string_view found);
  std::string_view BuildValue(const Target& target, uint32_t version);
  Status PutValue(const Target& target, std::string_view value);
  Outcome OutcomeOf(const Status& status, bool absence_is_explained);
  void Finish(OpKind kind, Outcome outcome, uint64_t service_ns);
  void FinishNotOk(KindRecord* record, Outcome outcome, uint64_t service_ns);

  PhaseContext& context_;
  const unsigned index_;
  const bool verifying_;
  const VerifyLevel verify_level_;
  const bool judged_;  // false: the engine stores nothing, so verification is work and no verdict
  // Read-only and unverified runs need no stamps and no versions.
  bool uses_versions_;

  std::unique_ptr<TraceSource> source_;
  std::vector<uint64_t> trace_;
  size_t position_ = 0;  // the next word of trace_
  bool source_empty_ = false;
  TraceHash hash_;

  std::vector<Target> targets_;            // the block's; room for a batch that begins at its end
  std::vector<uint64_t> missing_numbers_;  // those of targets_ that the key table does not have
  std::vector<size_t> missing_targets_;    // where they belong
  KeyBlock key_block_;

  std::unique_ptr<Recorder> recorder_;
  uint64_t now_ = 0;       // the clock at the end of the last operation
  uint64_t intended_ = 0;  // the intended start of this operation; open loop only
  Pacer pacer_;
  std::vector<char> value_buffer_;
  size_t replay_value_bytes_ = 0;  // of the trace file's put that is under way
  std::string expected_;           // by the compare-and-put that is under way
  std::vector<Write> batch_;
  std::vector<char> batch_buffer_;

  alignas(64) std::atomic<uint64_t> attention_ticks_{0};
  std::atomic<uint64_t> operations_{0};
  uint64_t warmup_operations_ = UINT64_MAX;  // of this thread; UINT64_MAX: not counted so
  bool in_warmup_ = false;
  bool pause_wanted_ = false;
  uint64_t warmup_end_ticks_ = UINT64_MAX;
  uint64_t interval_ = 0;
  uint64_t interval_end_ticks_ = UINT64_MAX;
  uint64_t deadline_ticks_ = UINT64_MAX;
  uint64_t turn_end_ticks_ = UINT64_MAX;

  uint64_t end_ticks_ = 0;
  uint64_t excluded_ticks_ = 0;
  uint64_t generate_ticks_ = 0;
  uint64_t generated_words_ = 0;
  uint64_t prepare_ticks_ = 0;
  uint64_t user_bytes_written_ = 0;
  uint64_t user_bytes_read_ = 0;
  uint64_t reads_until_sample_ = 0;
  VerificationCounts verification_;
  std::vector<std::string> fault_examples_;

  std::mutex completed_mutex_;
  std::deque<CompletedInterval> completed_;
  std::vector<std::unique_ptr<Recorder>> spare_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_WORKER_H_
