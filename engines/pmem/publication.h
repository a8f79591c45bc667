// SPDX-License-Identifier: BSD-3-Clause
// Publication: a set of changes to a pool that becomes durable and visible at once, or not at all.
//
// Objects are reserved and written while nothing refers to them; stores to 8-byte words and frees
// are only noted. Publish hands all of it to libpmemobj, whose redo log carries it out: after a
// crash all of it has happened or nothing. What is not published is cancelled on destruction.
//
// Invariants:
//   1. A word appears at most once in the log (libpmemobj sorts actions, so order would be lost).
//   2. Nothing persistent that can be reached is changed before Publish.
// Threads: one a Publication. The caller keeps others from the words concerned.
// Not covered: the contents of reserved objects; the caller flushes and drains them before Publish.
// Source: pmemobj_action(3); palloc.c and memops.c of libpmemobj 1.12.
#ifndef FENCEPOST_ENGINES_PMEM_PUBLICATION_H_
#define FENCEPOST_ENGINES_PMEM_PUBLICATION_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engines/pmem/pool.h"
#include "engines/status.h"

namespace fencepost::pmem {

struct PublicationScratch;

class Publication {
 public:
  explicit Publication(Pool& pool);
  ~Publication();
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  // The word as it will be after Publish.
  uint64_t Load(const uint64_t* word) const;

  // REQUIRES: `word` is in the pool, 8-byte aligned.
  void Store(uint64_t* word, uint64_t value);

  // What was OID_NULL becomes a link to the object at `offset`. REQUIRES: as Store.
  void StoreLink(pmemoid* link, uint64_t offset);

  // The offset of a new object, or 0 if there is no space. Its contents are undefined; those of a
  // zeroed unit are zero and durable.
  uint64_t Reserve(uint64_t bytes, uint64_t type);
  uint64_t ReserveUnit(const UnitClass& unit);
  uint64_t ReserveZeroedUnit(const UnitClass& unit);

  // Frees an object that was published before, or takes back one reserved here.
  void Free(uint64_t offset);

  // kFull if the redo log does not fit into the pool; then nothing has changed.
  Status Publish();

 private:
  uint64_t ReserveWithFlags(uint64_t bytes, uint64_t type, uint64_t flags);
  Status CheckLogFits(size_t action_count);

  Pool& pool_;
  std::unique_ptr<PublicationScratch> scratch_;
};

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_PUBLICATION_H_
