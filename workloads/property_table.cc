// SPDX-License-Identifier: BSD-3-Clause
// The one list of workload properties: YCSB's, then ours.
#include "workloads/workload.h"

namespace fencepost {
namespace {

constexpr PropertySpec kProperties[] = {
    // Which workload
    {"workload", "class", "site.ycsb.workloads.CoreWorkload", "only CoreWorkload is implemented"},
    {"table", "string", "usertable", "name of the table; recorded only"},
    // Which records, how many operations
    {"recordcount", "count", "0", "records in the table; inserts of a run start here"},
    {"operationcount", "count", "0", "operations of a run; 0: until maxexecutiontime"},
    {"insertstart", "count", "0", "first record that a load inserts"},
    {"insertcount", "count", "", "records that a load inserts; default recordcount - insertstart"},
    {"maxexecutiontime", "seconds", "0", "end after this time; 0: no limit"},
    // Which operation
    {"readproportion", "weight", "0.95", "reads"},
    {"updateproportion", "weight", "0.05", "updates of existing records"},
    {"insertproportion", "weight", "0", "inserts of new records"},
    {"scanproportion", "weight", "0", "scans from a key on, in key order"},
    {"readmodifywriteproportion", "weight", "0", "read, change and write back"},
    // Which key
    {"requestdistribution", "uniform|zipfian|latest|hotspot|exponential|sequential", "uniform",
     "which records are asked for"},
    {"hotspotdatafraction", "fraction", "0.2", "hotspot: share of the records that is hot"},
    {"hotspotopnfraction", "fraction", "0.8", "hotspot: share of operations on hot records"},
    {"exponential.percentile", "percent", "95", "exponential: operations that fall in"},
    {"exponential.frac", "fraction", "0.8571428571",
     "exponential: this newest part of the records"},
    {"minscanlength", "count", "1", "fewest records of a scan"},
    {"maxscanlength", "count", "1000", "most records of a scan"},
    {"scanlengthdistribution", "uniform|zipfian", "uniform", "length of scans"},
    {"insertorder", "hashed|ordered", "hashed", "key from the hash of the number, or the number"},
    {"zeropadding", "digits", "1", "fewest digits of a key"},
    // Which value
    {"fieldcount", "count", "10", "fields of a record"},
    {"fieldnameprefix", "string", "field", "name of a field; recorded only"},
    {"fieldlength", "bytes", "100", "length of a field, or the greatest length"},
    {"minfieldlength", "bytes", "1", "smallest length of a field, where lengths vary"},
    {"fieldlengthdistribution", "constant|uniform|zipfian|histogram", "constant",
     "length of fields"},
    {"fieldlengthhistogram", "file", "hist.txt", "histogram of field lengths"},
    {"readallfields", "bool", "true", "recorded only: a record is read as one value"},
    {"readallfieldsbyname", "bool", "false", "recorded only: a record is read as one value"},
    {"writeallfields", "bool", "false", "recorded only: a record is written as one value"},
    {"dataintegrity", "bool", "false", "verify every value in full, print [VERIFY]"},
    // How it is run
    {"threadcount", "count", "1", "client threads"},
    {"target", "ops/s", "0", "open loop at this rate of all threads; 0: closed loop"},
    {"spin.sleep", "bool", "false", "recorded only: waits sleep, then spin for the last 100 us"},
    {"core_workload_insertion_retry_limit", "count", "0", "further attempts of a failed insert"},
    {"core_workload_insertion_retry_interval", "seconds", "3", "between attempts, x [0.8, 1.2)"},
    {"core_workload_insertion_keep_going_on_error", "bool", "false",
     "recorded only: fencepost.maxfailures decides"},
    // What is printed
    {"status", "bool", "false", "a status line on standard error at intervals"},
    {"status.interval", "seconds", "10", "between status lines"},
    {"label", "string", "", "shown in status lines"},
    {"measurement.interval", "op|intended|both", "op",
     "latency from the actual start, the intended one, or both"},
    {"measurementtype", "string", "hdrhistogram", "recorded only: always an HDR histogram"},
    {"hdrhistogram.percentiles", "list", "50,95,99", "percentiles to print"},
    {"hdrhistogram.fileoutput", "bool", "false",
     "recorded only: results/<run_id>/latency.hlog always has them"},
    {"hdrhistogram.output.path", "prefix", "", "recorded only"},
    {"exporter", "class", "site.ycsb.measurements.exporter.TextMeasurementsExporter",
     "recorded only: YCSB's text, or --json"},
    {"exportfile", "file", "", "where the results go; default standard output"},
    // Ours
    {"fencepost.deleteproportion", "weight", "0", "deletes"},
    {"fencepost.missproportion", "weight", "0", "reads of keys that were never inserted"},
    {"fencepost.batchproportion", "weight", "0", "batches of writes"},
    {"fencepost.compareandputproportion", "weight", "0",
     "reads, each with a put where what was read is still there"},
    {"fencepost.defragmentproportion", "weight", "0", "defragmentations of the whole store"},
    {"fencepost.batchsize", "count", "10", "writes in a batch, each of another key"},
    {"fencepost.seed", "number", "1", "the same seed gives the same operations"},
    {"fencepost.warmup", "count or seconds", "0",
     "operations (10000) or time (2s) before counting starts"},
    {"fencepost.verify", "off|stamp|full", "full", "check values: not, key and length, checksum"},
    {"fencepost.update", "rmw|blind", "rmw", "an update gets and puts, or puts only"},
    {"fencepost.trace", "built|live", "built",
     "operations independent of timing, or YCSB's shared insert counter"},
    {"fencepost.trace_bytes", "bytes", "64M", "operations generated before the clock starts"},
    {"fencepost.key_table_bytes", "bytes", "64M",
     "keys of loaded records built before the clock starts, 32 bytes each"},
    {"fencepost.trace_file", "file", "",
     "replay the operations of this file (op,key,size a line) instead of drawing any"},
    {"fencepost.trace_load", "gets|none", "gets",
     "trace file: load the keys whose first operation is a get, or nothing"},
    {"fencepost.trace_xxh3", "digits", "",
     "trace file: refuse another than the one with this hash (16 hexadecimal digits)"},
    {"fencepost.trace_memory_bytes", "bytes", "1G", "trace file: memory that it may take"},
    {"fencepost.zipfian", "ycsb|exact", "ycsb", "YCSB's approximations, or Zipf's law"},
    {"fencepost.arrivals", "constant|poisson", "constant", "open loop: gaps between operations"},
};

}  // namespace

std::span<const PropertySpec> KnownProperties() { return kProperties; }

}  // namespace fencepost
