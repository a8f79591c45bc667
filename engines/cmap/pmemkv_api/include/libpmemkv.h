/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C interface of libpmemkv 1.5, answered by Fencepost's cmap.
 *
 * Names, signatures, values and meanings are libpmemkv's, so that a program written for it compiles
 * and links unmodified; README.md beside the sources says where an answer differs.
 *
 * Every call that returns int returns one of PMEMKV_STATUS_*; pmemkv_errormsg then says more about
 * the last error of the calling thread. A null handle is PMEMKV_STATUS_INVALID_ARGUMENT.
 * Keys and values are byte strings. In a callback both are followed by a NUL that their length does
 * not count. A callback may not call the database that called it.
 * Threads: a database is for any number of threads; a config, a transaction and an iterator are for
 * one at a time. Nothing else of a database may be under way in pmemkv_close.
 * Source: the manual pages libpmemkv(3), (7), libpmemkv_config(3), _iterator(3) and _tx(3) of
 * pmemkv 1.5, and the declarations of its libpmemkv.h.
 */
#ifndef LIBPMEMKV_H
#define LIBPMEMKV_H

#include <libpmemobj/pool_base.h> /* PMEMoid, and PMEMOBJ_MIN_POOL as the least size */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PMEMKV_STATUS_OK 0
#define PMEMKV_STATUS_UNKNOWN_ERROR 1
#define PMEMKV_STATUS_NOT_FOUND 2
#define PMEMKV_STATUS_NOT_SUPPORTED 3
#define PMEMKV_STATUS_INVALID_ARGUMENT 4
#define PMEMKV_STATUS_CONFIG_PARSING_ERROR 5
#define PMEMKV_STATUS_CONFIG_TYPE_ERROR 6
#define PMEMKV_STATUS_STOPPED_BY_CB 7
#define PMEMKV_STATUS_OUT_OF_MEMORY 8 /* of DRAM, of the pool, or of a buffer handed in */
#define PMEMKV_STATUS_WRONG_ENGINE_NAME 9
#define PMEMKV_STATUS_TRANSACTION_SCOPE_ERROR 10 /* called inside a libpmemobj transaction */
#define PMEMKV_STATUS_DEFRAG_ERROR 11
#define PMEMKV_STATUS_COMPARATOR_MISMATCH 12

typedef struct pmemkv_db pmemkv_db;
typedef struct pmemkv_config pmemkv_config;
typedef struct pmemkv_comparator pmemkv_comparator;
typedef struct pmemkv_tx pmemkv_tx;
typedef struct pmemkv_iterator pmemkv_iterator;

/* What reads through `iter` as any iterator does, and can change the value besides. */
typedef struct {
  pmemkv_iterator *iter;
} pmemkv_write_iterator;

/* Sees one pair where it lives; anything but 0 ends the walk (PMEMKV_STATUS_STOPPED_BY_CB). */
typedef int pmemkv_get_kv_callback(const char *key, size_t keybytes, const char *value,
                                   size_t valuebytes, void *arg);
/* Sees one value where it lives. */
typedef void pmemkv_get_v_callback(const char *value, size_t valuebytes, void *arg);
typedef int pmemkv_compare_function(const char *key1, size_t keybytes1, const char *key2,
                                    size_t keybytes2, void *arg);

/* --- What a database is opened with: items by name, each of one type ------------------------- */

pmemkv_comparator *pmemkv_comparator_new(pmemkv_compare_function *fn, const char *name, void *arg);
void pmemkv_comparator_delete(pmemkv_comparator *comparator);

pmemkv_config *pmemkv_config_new(void);
void pmemkv_config_delete(pmemkv_config *config);

/* A name that is taken is PMEMKV_STATUS_UNKNOWN_ERROR, and the item there stays. Data and strings
 * are copied. An object's deleter (which may be null) runs when the config is deleted, or at once
 * if the item is refused; `getter` maps the stored pointer to what pmemkv_config_get_object gives.
 */
int pmemkv_config_put_data(pmemkv_config *config, const char *key, const void *value,
                           size_t value_size);
int pmemkv_config_put_object(pmemkv_config *config, const char *key, void *value,
                             void (*deleter)(void *));
int pmemkv_config_put_object_cb(pmemkv_config *config, const char *key, void *value,
                                void *(*getter)(void *), void (*deleter)(void *));
int pmemkv_config_put_uint64(pmemkv_config *config, const char *key, uint64_t value);
int pmemkv_config_put_int64(pmemkv_config *config, const char *key, int64_t value);
int pmemkv_config_put_string(pmemkv_config *config, const char *key, const char *value);

/* PMEMKV_STATUS_CONFIG_TYPE_ERROR if the item is of another type; the two integer types convert
 * where the value allows it. What a pointer is given to belongs to the config. */
int pmemkv_config_get_data(pmemkv_config *config, const char *key, const void **value,
                           size_t *value_size);
int pmemkv_config_get_object(pmemkv_config *config, const char *key, void **value);
int pmemkv_config_get_uint64(pmemkv_config *config, const char *key, uint64_t *value);
int pmemkv_config_get_int64(pmemkv_config *config, const char *key, int64_t *value);
int pmemkv_config_get_string(pmemkv_config *config, const char *key, const char **value);

/* The items that the engines know. `size` is in bytes and needed only to create. */
int pmemkv_config_put_size(pmemkv_config *config, uint64_t value);
int pmemkv_config_put_path(pmemkv_config *config, const char *value);
int __attribute__((deprecated("use pmemkv_config_put_create_or_error_if_exists instead")))
pmemkv_config_put_force_create(pmemkv_config *config, bool value);
int pmemkv_config_put_create_or_error_if_exists(pmemkv_config *config, bool value);
int pmemkv_config_put_create_if_missing(pmemkv_config *config, bool value);
int pmemkv_config_put_comparator(pmemkv_config *config, pmemkv_comparator *comparator);
int pmemkv_config_put_oid(pmemkv_config *config, PMEMoid *oid);

/* --- A database ----------------------------------------------------------------------------- */

/* Engines: "cmap", "vcmap", "blackhole". The config is the database's from here on, also where the
 * call fails. */
int pmemkv_open(const char *engine, pmemkv_config *config, pmemkv_db **db);
void pmemkv_close(pmemkv_db *kv);

int pmemkv_count_all(pmemkv_db *db, size_t *cnt);
int pmemkv_get_all(pmemkv_db *db, pmemkv_get_kv_callback *c, void *arg);
int pmemkv_exists(pmemkv_db *db, const char *k, size_t kb);
int pmemkv_get(pmemkv_db *db, const char *k, size_t kb, pmemkv_get_v_callback *c, void *arg);
/* Clears the buffer, then copies the value if it fits: PMEMKV_STATUS_OUT_OF_MEMORY if it does not.
 * `value_size`, unless null, is the value's length either way. */
int pmemkv_get_copy(pmemkv_db *db, const char *k, size_t kb, char *buffer, size_t buffer_size,
                    size_t *value_size);
/* Inserts or replaces. */
int pmemkv_put(pmemkv_db *db, const char *k, size_t kb, const char *v, size_t vb);
int pmemkv_remove(pmemkv_db *db, const char *k, size_t kb);
/* Moves about `amount_percent` of the pairs, from `start_percent` on, to where they lie closer. */
int pmemkv_defrag(pmemkv_db *db, double start_percent, double amount_percent);

/* In key order: not supported by hash maps. */
int pmemkv_count_above(pmemkv_db *db, const char *k, size_t kb, size_t *cnt);
int pmemkv_count_equal_above(pmemkv_db *db, const char *k, size_t kb, size_t *cnt);
int pmemkv_count_equal_below(pmemkv_db *db, const char *k, size_t kb, size_t *cnt);
int pmemkv_count_below(pmemkv_db *db, const char *k, size_t kb, size_t *cnt);
int pmemkv_count_between(pmemkv_db *db, const char *k1, size_t kb1, const char *k2, size_t kb2,
                         size_t *cnt);
int pmemkv_get_above(pmemkv_db *db, const char *k, size_t kb, pmemkv_get_kv_callback *c, void *arg);
int pmemkv_get_equal_above(pmemkv_db *db, const char *k, size_t kb, pmemkv_get_kv_callback *c,
                           void *arg);
int pmemkv_get_equal_below(pmemkv_db *db, const char *k, size_t kb, pmemkv_get_kv_callback *c,
                           void *arg);
int pmemkv_get_below(pmemkv_db *db, const char *k, size_t kb, pmemkv_get_kv_callback *c, void *arg);
int pmemkv_get_between(pmemkv_db *db, const char *k1, size_t kb1, const char *k2, size_t kb2,
                       pmemkv_get_kv_callback *c, void *arg);

/* Of this thread's last error; "" if its last call answered not found or stopped by callback. */
const char *pmemkv_errormsg(void);

/* --- Transactions: changes that are made together at the commit, or not at all --------------- */

int pmemkv_tx_begin(pmemkv_db *db, pmemkv_tx **tx);
int pmemkv_tx_put(pmemkv_tx *tx, const char *k, size_t kb, const char *v, size_t vb);
int pmemkv_tx_remove(pmemkv_tx *tx, const char *k, size_t kb); /* an absent key is no error */
int pmemkv_tx_commit(pmemkv_tx *tx);
void pmemkv_tx_abort(pmemkv_tx *tx);
void pmemkv_tx_end(pmemkv_tx *tx);

/* --- Iterators: a place in the database that is held from one seek to the next --------------- */

int pmemkv_iterator_new(pmemkv_db *db, pmemkv_iterator **it);
int pmemkv_write_iterator_new(pmemkv_db *db, pmemkv_write_iterator **it);
void pmemkv_iterator_delete(pmemkv_iterator *it);
void pmemkv_write_iterator_delete(pmemkv_write_iterator *it);

int pmemkv_iterator_seek(pmemkv_iterator *it, const char *k, size_t kb);
int pmemkv_iterator_key(pmemkv_iterator *it, const char **k, size_t *kb);
/* At most `n` bytes of the value from `pos` on. */
int pmemkv_iterator_read_range(pmemkv_iterator *it, size_t pos, size_t n, const char **data,
                               size_t *rb);
int pmemkv_write_iterator_write_range(pmemkv_write_iterator *it, size_t pos, size_t n, char **data,
                                      size_t *wb);
int pmemkv_write_iterator_commit(pmemkv_write_iterator *it);
void pmemkv_write_iterator_abort(pmemkv_write_iterator *it);

/* In key order: not supported by hash maps. */
int pmemkv_iterator_seek_lower(pmemkv_iterator *it, const char *k, size_t kb);
int pmemkv_iterator_seek_lower_eq(pmemkv_iterator *it, const char *k, size_t kb);
int pmemkv_iterator_seek_higher(pmemkv_iterator *it, const char *k, size_t kb);
int pmemkv_iterator_seek_higher_eq(pmemkv_iterator *it, const char *k, size_t kb);
int pmemkv_iterator_seek_to_first(pmemkv_iterator *it);
int pmemkv_iterator_seek_to_last(pmemkv_iterator *it);
int pmemkv_iterator_is_next(pmemkv_iterator *it);
int pmemkv_iterator_next(pmemkv_iterator *it);
int pmemkv_iterator_prev(pmemkv_iterator *it);

#ifdef __cplusplus
}
#endif

#endif /* LIBPMEMKV_H */
