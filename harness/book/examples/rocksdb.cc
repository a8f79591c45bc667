// SPDX-License-Identifier: BSD-3-Clause
// The example of the book's first chapter on RocksDB: open, three puts, get all.
#include <rocksdb/db.h>

#include <cstdio>
#include <memory>

static bool Failed(const char *call, const rocksdb::Status &s) {
  if (s.ok()) return false;
  std::fprintf(stderr, "%s: %s\n", call, s.ToString().c_str());
  return true;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB *opened = nullptr;
  if (Failed("open", rocksdb::DB::Open(options, argv[1], &opened))) return 1;
  const std::unique_ptr<rocksdb::DB> store(opened);

  rocksdb::WriteOptions durable;
  durable.sync = true;
  if (Failed("put", store->Put(durable, "mercury", "0.39"))) return 1;
  if (Failed("put", store->Put(durable, "venus", "0.72"))) return 1;
  if (Failed("put", store->Put(durable, "earth", "1.00"))) return 1;

  const std::unique_ptr<rocksdb::Iterator> all(store->NewIterator(rocksdb::ReadOptions()));
  for (all->SeekToFirst(); all->Valid(); all->Next()) {
    std::printf("%s = %s\n", all->key().ToString().c_str(), all->value().ToString().c_str());
  }
  return Failed("get all", all->status()) ? 1 : 0;
}
