// SPDX-License-Identifier: BSD-3-Clause
// CrashClient: carries out one thread's share of a workload, an operation at a time, and writes
// down what it asked and what it was told. The history of a crash run.
//
// Each operation is bracketed by the tracer's markers, so that the trace knows when it was under
// way: what is written down of it begins before its begin there, and ends after its end.
//
// Invariants, over all clients of a run:
//   1. No two operations have one id. Of T clients, client t's i-th operation is 1 + t + i * T.
//   2. No two writes of a key have one value. Versions are dealt out like ids; no client needs to
//      know what another has written, so what each one asks for does not depend on their order.
// Threads: one a client; the engine and the writer are shared.
// Not covered: open loops, warm-ups, time: a crash run is bounded by operations.
#ifndef FENCEPOST_HARNESS_CRASH_CRASH_CLIENT_H_
#define FENCEPOST_HARNESS_CRASH_CRASH_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engines/engine.h"
#include "harness/oracle/history_file.h"
#include "workloads/op_trace.h"
#include "workloads/values.h"
#include "workloads/workload.h"

namespace fencepost {

// kUnsupported, with the reason, where crash runs cannot take this workload: values that may be
// without a whole stamp, more threads than the tracer follows, live traces, scans.
Status CheckCrashWorkload(const WorkloadSpec& spec);

class CrashClient {
 public:
  // Client `thread` of `threads`. REQUIRES: all outlive the client. `writer` may be null: then
  // nothing is written down.
  CrashClient(const WorkloadSpec& spec, Engine* engine, HistoryWriter* writer, unsigned thread = 0,
              unsigned threads = 1);

  // Every operation of this client's share of the phase. A load gives each record its first
  // version; a run goes on from there, whether this client loaded or an earlier one did. Not ok if
  // the history could not be written, or if a load fails; an operation that fails in a run is part
  // of the history.
  Status Run(Phase phase);

 private:
  Status Execute(const uint64_t* words);
  // `bytes`: what was found, unless null.
  Status Read(uint64_t number, std::string* bytes = nullptr);
  Status CompareAndPut(uint64_t number);
  Status Defragment();
  // A put has the next value, of so many bytes if a trace file says it.
  Status Write(OpKind kind, uint64_t number, std::optional<size_t> value_bytes = std::nullopt);
  Status Batch(const uint64_t* words, uint64_t count);
  // Brackets `call` with markers and history lines.
  template <typename Call>
  Status Do(HistoryOp operation, Call&& call);

  // The next value of the key, and its token.
  std::string NextValue(uint64_t number, const std::string& key, std::string* token,
                        std::optional<size_t> value_bytes = std::nullopt);

  const WorkloadSpec& spec_;
  Engine* const engine_;
  HistoryWriter* const writer_;
  const unsigned thread_;
  const unsigned threads_;
  const ValueMaker values_;
  std::unordered_map<uint64_t, uint32_t> versions_;  // the next one of each key, by its number
  Status last_;                                      // of the last call of the engine
  uint64_t next_id_;
};

// The run phase by as many clients as the workload has threads, which begin together; a single one
// in the calling thread. Not ok as CrashClient::Run.
Status RunCrashClients(const WorkloadSpec& spec, Engine* engine, HistoryWriter* writer);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_CLIENT_H_
