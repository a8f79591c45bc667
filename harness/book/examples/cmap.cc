// SPDX-License-Identifier: BSD-3-Clause
// The example of the book's first chapter on persistent memory: open, three puts, get all.
#include <cstdio>
#include <libpmemkv.hpp>

using pmem::kv::status;

static bool Failed(const char *call, status s) {
  if (s == status::OK) return false;
  std::fprintf(stderr, "%s: %s\n", call, pmem::kv::errormsg().c_str());
  return true;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  pmem::kv::config config;
  if (Failed("path", config.put_path(argv[1]))) return 1;
  if (Failed("size", config.put_size(64 << 20))) return 1;
  if (Failed("create", config.put_create_if_missing(true))) return 1;
  pmem::kv::db store;
  if (Failed("open", store.open("cmap", std::move(config)))) return 1;

  if (Failed("put", store.put("mercury", "0.39"))) return 1;
  if (Failed("put", store.put("venus", "0.72"))) return 1;
  if (Failed("put", store.put("earth", "1.00"))) return 1;

  const status s = store.get_all([](pmem::kv::string_view key, pmem::kv::string_view value) {
    std::printf("%s = %s\n", key.data(), value.data());
    return 0;
  });
  if (Failed("get_all", s)) return 1;
  store.close();
  return 0;
}
