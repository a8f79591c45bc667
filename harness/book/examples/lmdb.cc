// SPDX-License-Identifier: BSD-3-Clause
// The example of the book's first chapter on LMDB: open, three puts, get all.
#include <lmdb.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>

static bool Failed(const char *call, int error) {
  if (error == 0) return false;
  std::fprintf(stderr, "%s: %s\n", call, mdb_strerror(error));
  return true;
}

static bool Put(MDB_env *env, const char *key, const char *value) {
  MDB_txn *txn = nullptr;
  MDB_dbi dbi = 0;
  MDB_val k = {std::strlen(key), const_cast<char *>(key)};
  MDB_val v = {std::strlen(value), const_cast<char *>(value)};
  if (Failed("begin", mdb_txn_begin(env, nullptr, 0, &txn))) return false;
  if (Failed("open", mdb_dbi_open(txn, nullptr, 0, &dbi)) ||
      Failed("put", mdb_put(txn, dbi, &k, &v, 0))) {
    mdb_txn_abort(txn);
    return false;
  }
  return !Failed("commit", mdb_txn_commit(txn));
}

static bool PrintAll(MDB_env *env) {
  MDB_txn *txn = nullptr;
  MDB_dbi dbi = 0;
  MDB_cursor *all = nullptr;
  if (Failed("begin", mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn))) return false;
  if (Failed("open", mdb_dbi_open(txn, nullptr, 0, &dbi)) ||
      Failed("cursor", mdb_cursor_open(txn, dbi, &all))) {
    mdb_txn_abort(txn);
    return false;
  }
  MDB_val k, v;
  int error = 0;
  while ((error = mdb_cursor_get(all, &k, &v, MDB_NEXT)) == 0) {
    std::printf("%.*s = %.*s\n", static_cast<int>(k.mv_size), static_cast<char *>(k.mv_data),
                static_cast<int>(v.mv_size), static_cast<char *>(v.mv_data));
  }
  mdb_cursor_close(all);
  mdb_txn_abort(txn);
  return error == MDB_NOTFOUND || !Failed("get", error);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  mkdir(argv[1], 0700);
  MDB_env *env = nullptr;
  if (Failed("create", mdb_env_create(&env))) return 1;
  bool ok = !Failed("map", mdb_env_set_mapsize(env, 64 << 20)) &&
            !Failed("open", mdb_env_open(env, argv[1], 0, 0600));
  ok = ok && Put(env, "mercury", "0.39") && Put(env, "venus", "0.72") && Put(env, "earth", "1.00");
  ok = ok && PrintAll(env);
  mdb_env_close(env);
  return ok ? 0 : 1;
}
