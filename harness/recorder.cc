// SPDX-License-Identifier: BSD-3-Clause
#include "harness/recorder.h"

namespace fencepost {
namespace {

void AddOptional(std::unique_ptr<Histogram>& to, const std::unique_ptr<Histogram>& from) {
  if (!from) return;
  if (!to) to = std::make_unique<Histogram>();
  to->Add(*from);
}

}  // namespace

void KindRecord::Add(const KindRecord& other) {
  counts.Add(other.counts);
  service.Add(other.service);
  AddOptional(response, other.response);
  AddOptional(failed, other.failed);
}

void Recorder::Prepare(OpKind kind) {
  auto& record = records_[static_cast<size_t>(kind)];
  if (record) return;
  record = std::make_unique<KindRecord>();
  if (open_loop_) record->response = std::make_unique<Histogram>();
}

void Recorder::Add(const Recorder& other) {
  for (size_t k = 0; k < kOpKindCount; ++k) {
    if (!other.records_[k]) continue;
    Prepare(static_cast<OpKind>(k));
    records_[k]->Add(*other.records_[k]);
  }
}

void Recorder::Reset() {
  for (auto& record : records_) {
    if (!record) continue;
    record->counts = {};
    record->service.Reset();
    if (record->response) record->response->Reset();
    record->failed.reset();
  }
}

}  // namespace fencepost
