// SPDX-License-Identifier: BSD-3-Clause
// A first key-value store in persistent memory: what Listing 1-1 of "Programming Persistent Memory"
// (Scargall, 2020) shows, written anew, and a get and a removal besides.
//
//     g++ listing_1_1.cc $(pkg-config --cflags --libs libpmemkv) -o listing_1_1
//     ./listing_1_1 /mnt/pmem/store
//
// The pool file must not exist yet: force_create refuses to open what is there.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <libpmemkv.hpp>
#include <string>

namespace {

using pmem::kv::config;
using pmem::kv::db;
using pmem::kv::status;
using pmem::kv::string_view;

constexpr std::uint64_t kPoolBytes = 64 << 20;

// Ends the program unless the call went well.
void Must(const char *call, status s) {
  if (s == status::OK) return;
  std::cerr << call << ": " << s << ": " << pmem::kv::errormsg() << '\n';
  std::exit(1);
}

config WhereAndHowLarge(const std::string &path) {
  config cfg;
  Must("path", cfg.put_path(path));
  Must("size", cfg.put_size(kPoolBytes));
  Must("force_create", cfg.put_uint64("force_create", 1));
  return cfg;
}

// The two views point into persistent memory: nothing is copied. Behind the bytes of each is a NUL,
// so that data() can be printed.
int Print(string_view key, string_view value) {
  std::cout << "  " << key.data() << " = " << value.data() << '\n';
  return 0;  // go on
}

}  // namespace

int main(int argc, char *argv[]) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " POOL_FILE\n";
    return 2;
  }
  db store;
  Must("open", store.open("cmap", WhereAndHowLarge(argv[1])));

  Must("put", store.put("mercury", "0.39 AU"));
  Must("put", store.put("venus", "0.72 AU"));
  Must("put", store.put("earth", "1.00 AU"));

  std::cout << "all of them, in no order:\n";
  Must("get_all", store.get_all(Print));

  std::string distance;
  Must("get", store.get("venus", &distance));
  std::cout << "venus is at " << distance << '\n';

  Must("remove", store.remove("venus"));
  std::cout << "and then: " << store.exists("venus") << '\n';

  std::size_t count = 0;
  Must("count_all", store.count_all(count));
  std::cout << count << " are left\n";
  store.close();
  return 0;
}
