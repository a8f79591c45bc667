// SPDX-License-Identifier: BSD-3-Clause
#include "engines/canaries/canary_object_pool.h"

#include <libpmemobj.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <system_error>

#include "engines/pmem/pool_errors.h"

namespace fencepost::canary {

namespace fs = std::filesystem;

Result<std::unique_ptr<pmem::Pool>> OpenObjectPool(
    const EngineOptions& options, const std::string& layout, uint64_t root_bytes,
    FunctionRef<void(pmem::Pool& pool, uint64_t root)> initialise) {
  if (options.path.empty()) return Status::InvalidArgument("canary: engine.path is not set");
  std::error_code ignored;
  if (options.create_if_missing && !fs::exists(options.path, ignored)) {
    RETURN_IF_ERROR(pmem::Pool::Create(
        options.path, layout, pmem::kMinPoolBytes, root_bytes, [&](pmem::Pool& pool) {
          ASSIGN_OR_RETURN(const uint64_t root, pool.Root(root_bytes));
          initialise(pool, root);
          pool.Persist(pool.At<char>(root), root_bytes);
          return Status::Ok();
        }));
  }
  return pmem::Pool::Open(options.path, layout);
}

void PairLengths::Fill(std::string_view key, std::string_view value) {
  key_bytes = static_cast<uint32_t>(key.size());
  value_bytes = static_cast<uint32_t>(value.size());
  auto* to = reinterpret_cast<char*>(this + 1);
  std::memcpy(to, key.data(), key.size());
  if (!value.empty()) std::memcpy(to + key.size(), value.data(), value.size());
}

bool PairIsSane(const pmem::Pool& pool, uint64_t offset, uint64_t links_bytes) {
  const uint64_t least_bytes = links_bytes + sizeof(PairLengths);
  if (offset % 8 != 0 || !pool.Contains(offset, least_bytes)) return false;
  const auto* pair = pool.At<PairLengths>(offset + links_bytes);
  return pair->IsSane() && pool.Contains(offset, least_bytes + pair->key_bytes + pair->value_bytes);
}

Transaction::Transaction(pmem::Pool& pool) : pool_(pool) {
  CHECK(pmemobj_tx_begin(pool.handle(), nullptr, TX_PARAM_NONE, TX_PARAM_NONE) == 0);
}

Transaction::~Transaction() {
  if (pmemobj_tx_stage() == TX_STAGE_WORK) pmemobj_tx_abort(ECANCELED);
  if (pmemobj_tx_stage() != TX_STAGE_NONE) (void)pmemobj_tx_end();
}

bool Transaction::Add(const void* address, uint64_t bytes) {
  return pmemobj_tx_add_range_direct(address, bytes) == 0;
}

bool Transaction::AddWithoutFlush(const void* address, uint64_t bytes) {
  return pmemobj_tx_xadd_range_direct(address, bytes, POBJ_XADD_NO_FLUSH) == 0;
}

uint64_t Transaction::Allocate(uint64_t bytes, uint64_t type) {
  return pmemobj_tx_alloc(bytes, type).off;
}

bool Transaction::Free(uint64_t offset) {
  return pmemobj_tx_free(PMEMoid{pool_.uuid(), offset}) == 0;
}

Status Transaction::Commit() {
  if (pmemobj_tx_stage() != TX_STAGE_WORK) {
    return pmem::PmemobjError("pmemobj_tx", pmemobj_tx_errno(), pool_.path());
  }
  pmemobj_tx_commit();
  return Status::Ok();
}

AuditReport AuditObjects(const pmem::Pool& pool, const std::vector<uint64_t>& reachable) {
  AuditReport report;
  std::map<uint64_t, uint64_t> usable_bytes;
  pool.ForEachObject([&](const pmem::PoolObject& object) {
    ++report.allocated_objects;
    report.allocated_bytes += object.usable_bytes;
    usable_bytes.emplace(object.offset, object.usable_bytes);
  });
  for (const uint64_t offset : reachable) {
    ++report.reachable_objects;
    // What is reached and not allocated counts as an object without bytes: a difference, too.
    const auto found = usable_bytes.find(offset);
    report.reachable_bytes += found == usable_bytes.end() ? 0 : found->second;
  }
  return report;
}

}  // namespace fencepost::canary
