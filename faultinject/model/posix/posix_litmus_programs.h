// SPDX-License-Identifier: BSD-3-Clause
// Small programs and every tree that a crash after them may leave, on each file system.
//
// Sectors are of two bytes and blocks of four, but for btrfs, where both are of four. What is
// before
// "||" is durable. The notation is that of posix_test_util.h.
// Source: file_systems.cc, by row.
#ifndef FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_LITMUS_PROGRAMS_H_
#define FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_LITMUS_PROGRAMS_H_

#include <vector>

namespace fencepost {

struct LitmusOutcomes {
  const char* file_systems;  // blanks between; "*" for all that no row of the program names
  const char* trees;         // " | " between
};

struct LitmusProgram {
  const char* claim;
  const char* program;
  std::vector<LitmusOutcomes> outcomes;
};

inline const std::vector<LitmusProgram>& LitmusPrograms() {
  static const std::vector<LitmusProgram> kPrograms = {
      {"an append without a sync: the size, the data, or both",
       "create a||append a ABCD",
       {
           {"posix", "a= | a=.... | a=..CD | a=AB.. | a=ABCD"},
           {"ext4-writeback", "a= | a=???? | a=??CD | a=AB?? | a=ABCD"},
           {"*", "a= | a=ABCD"},
       }},
      {"an append across a boundary leaves what was before",
       "create a; write a 0 A||append a BCD",
       {
           {"posix", "a=A | a=A... | a=A.CD | a=AB.. | a=ABCD"},
           {"ext4-writeback", "a=A | a=A??? | a=A?CD | a=AB?? | a=ABCD"},
           {"*", "a=A | a=ABCD"},
       }},
      {"two appends: the sizes survive in order",
       "create a||append a A; append a B",
       {
           {"posix", "a= | a=. | a=.. | a=A | a=A. | a=AB"},
           {"ext4-writeback", "a= | a=? | a=?? | a=A | a=A? | a=AB"},
           {"*", "a= | a=A | a=AB"},
       }},
      {"an overwrite is torn at sectors",
       "create a; write a 0 AAAA||write a 0 BBBB",
       {
           {"btrfs", "a=AAAA | a=BBBB"},
           {"*", "a=AAAA | a=AABB | a=BBAA | a=BBBB"},
       }},
      {"overwrites of one sector survive in order",
       "create a; write a 0 AA||write a 0 BB; write a 0 CC",
       {
           {"*", "a=AA | a=BB | a=CC"},
       }},
      {"writes to two files survive in any order",
       "create a; write a 0 A; create b; write b 0 A||write a 0 B; write b 0 B",
       {
           {"*", "a=A b=A | a=A b=B | a=B b=A | a=B b=B"},
       }},
      {"a store to a mapping is a write",
       "create a; write a 0 AAAA||mmap a 0 BB; mmap a 2 CC; msync a 2 2",
       {
           {"btrfs", "a=BBCC"},
           {"*", "a=AACC | a=BBCC"},
       }},
      {"a new name needs a sync of its directory",
       "create a",
       {
           {"*", "- | a="},
       }},
      {"fsync of a new file makes its name durable, but for posix",
       "create a; write a 0 AA; fsync a",
       {
           {"posix append-atomic", "- | a=AA"},
           {"*", "a=AA"},
       }},
      {"so does fdatasync",
       "create a; write a 0 AA; fdatasync a",
       {
           {"posix append-atomic", "- | a=AA"},
           {"*", "a=AA"},
       }},
      {"a sync of the directory is none of the file",
       "create a; write a 0 AA; fsync .",
       {
           {"posix", "a= | a=.. | a=AA"},
           {"ext4-writeback", "a= | a=?? | a=AA"},
           {"*", "a= | a=AA"},
       }},
      {"a file and its directory synced are durable",
       "create a; write a 0 AA; fsync a; fsync .",
       {
           {"*", "a=AA"},
       }},
      {"two new names survive in order where there is a journal",
       "create a; create b",
       {
           {"ext4-ordered ext4-writeback xfs", "- | a= | a= b="},
           {"*", "- | a= | a= b= | b="},
       }},
      {"fsync of the later file makes the earlier name durable in a journal",
       "create a; create b; fsync b",
       {
           {"posix append-atomic", "- | a= | a= b= | b="},
           {"btrfs", "a= b= | b="},
           {"*", "a= b="},
       }},
      {"fsync of the earlier file does not reach later names",
       "create a; create b; fsync a",
       {
           {"posix append-atomic", "- | a= | a= b= | b="},
           {"*", "a= | a= b="},
       }},
      {"a rename may survive without the data",
       "create t; write t 0 B; rename t b",
       {
           {"posix", "- | b= | b=. | b=B | t= | t=. | t=B"},
           {"ext4-writeback", "- | b= | b=? | b=B | t= | t=? | t=B"},
           {"*", "- | b= | b=B | t= | t=B"},
       }},
      {"replacing by rename may leave an empty file where nothing waits",
       "create a; write a 0 A||create t; write t 0 B; rename t a",
       {
           {"posix", "a= | a=. | a=A | a=A t= | a=A t=. | a=A t=B | a=B"},
           {"ext4-writeback", "a=? | a=A | a=A t= | a=A t=? | a=A t=B | a=B"},
           {"ext4-ordered", "a=A | a=A t= | a=A t=B | a=B"},
           {"*", "a= | a=A | a=A t= | a=A t=B | a=B"},
       }},
      {"replacing by rename after fsync leaves the old or the new",
       "create a; write a 0 A||create t; write t 0 B; fsync t; rename t a",
       {
           {"posix append-atomic", "a=A | a=A t=B | a=B"},
           {"*", "a=A t=B | a=B"},
       }},
      {"replacing by rename, with both synced, is durable",
       "create a; write a 0 A||create t; write t 0 B; fsync t; rename t a; fsync .",
       {
           {"*", "a=B"},
       }},
      {"a rename is atomic",
       "create a||rename a b",
       {
           {"*", "a= | b="},
       }},
      {"an exchange is atomic",
       "create a; write a 0 A; create b; write b 0 B||exchange a b",
       {
           {"*", "a=A b=B | a=B b=A"},
       }},
      {"fsync covers a rename of the file where it covers names",
       "create a||rename a b; fsync b",
       {
           {"posix append-atomic", "a= | b="},
           {"*", "b="},
       }},
      {"fdatasync does not cover a rename",
       "create a||rename a b; fdatasync b",
       {
           {"*", "a= | b="},
       }},
      {"an unlink before a rename onto the name",
       "create a; write a 0 A; create b; write b 0 B||unlink a; rename b a",
       {
           {"*", "a=A b=B | a=B | b=B"},
       }},
      {"a link and an unlink may lose both names",
       "create a; write a 0 A||link a b; unlink a",
       {
           {"posix btrfs append-atomic", "- | a=A | a=A b=a | b=A"},
           {"*", "a=A | a=A b=a | b=A"},
       }},
      {"a file is gone with its last name",
       "create a; write a 0 A||unlink a; fsync .",
       {
           {"*", "-"},
       }},
      {"a file below a new directory",
       "mkdir d; create d/f; fsync d/f",
       {
           {"posix append-atomic", "- | d/ | d/ d/f="},
           {"*", "d/ d/f="},
       }},
      {"a sync of a new directory does not name it",
       "mkdir d; create d/f; fsync d",
       {
           {"posix append-atomic", "- | d/ d/f="},
           {"*", "d/ d/f="},
       }},
      {"a rename does not outrun the directory that it goes to",
       "create a; write a 0 A||mkdir d; rename a d/a",
       {
           {"*", "a=A | a=A d/ | d/ d/a=A"},
       }},
      {"a sync of that directory makes both durable",
       "create a; write a 0 A||mkdir d; rename a d/a; fsync d",
       {
           {"*", "d/ d/a=A"},
       }},
      {"a directory is not removed before what was moved out",
       "mkdir d; create d/f||rename d/f f; rmdir d",
       {
           {"*", "d/ d/f= | d/ f= | f="},
       }},
      {"a truncated file is written anew",
       "create a; write a 0 AAAAAA||truncate a 0; write a 0 BB",
       {
           {"posix", "a= | a=.. | a=AAAAAA | a=BB | a=BBAAAA"},
           {"ext4-writeback", "a= | a=?? | a=AAAAAA | a=BB"},
           {"*", "a= | a=AAAAAA | a=BB"},
       }},
      {"what a truncation cut off does not come back",
       "create a; write a 0 AAAA||truncate a 1; truncate a 4",
       {
           {"*", "a=A | a=A... | a=AAAA"},
       }},
      {"a size set by truncation does not wait for data, but on xfs",
       "create a||write a 0 AAAA; truncate a 2",
       {
           {"posix", "a= | a=.. | a=.... | a=..AA | a=AA | a=AA.. | a=AAAA"},
           {"ext4-writeback", "a= | a=.. | a=?? | a=???? | a=??AA | a=AA | a=AA?? | a=AAAA"},
           {"xfs", "a= | a=AA | a=AAAA"},
           {"*", "a= | a=.. | a=AA | a=AAAA"},
       }},
      {"fallocate is size without data everywhere",
       "create a||allocate a 0 4; write a 0 BBBB",
       {
           {"btrfs", "a= | a=.... | a=BBBB"},
           {"*", "a= | a=.... | a=..BB | a=BB.. | a=BBBB"},
       }},
      {"a punched hole may be torn",
       "create a; write a 0 AAAA||zero a 0 4",
       {
           {"btrfs", "a=.... | a=AAAA"},
           {"*", "a=.... | a=..AA | a=AA.. | a=AAAA"},
       }},
      {"a collapse waits for the data before",
       "create a; write a 0 AABB||write a 0 CC; collapse a 0 2",
       {
           {"*", "a=AABB | a=BB | a=CCBB"},
       }},
      {"a write after an insertion needs it",
       "create a; write a 0 AABB||insert a 0 2; write a 0 CC",
       {
           {"*", "a=..AABB | a=AABB | a=CCAABB"},
       }},
      {"fdatasync covers the size that data needs",
       "create a; write a 0 AA||append a BB; fdatasync a",
       {
           {"*", "a=AABB"},
       }},
      {"an O_DSYNC write covers its own bytes",
       "create a; write a 0 AAAA||write a 0 BB; dsync a 2 CC",
       {
           {"btrfs", "a=BBCC"},
           {"*", "a=AACC | a=BBCC"},
       }},
      {"O_DSYNC appends are durable one by one",
       "create a||dsync a 0 AA; dsync a 2 BB",
       {
           {"*", "a=AABB"},
       }},
      {"an O_DSYNC append does not cover data before it",
       "create a||append a AA; dsync a 2 BB",
       {
           {"posix", "a=..BB | a=AABB"},
           {"ext4-writeback", "a=??BB | a=AABB"},
           {"*", "a=AABB"},
       }},
      {"a sync that began before a write does not cover it",
       "create a; write a 0 A||begin fsync a; write a 0 B; end",
       {
           {"*", "a=A | a=B"},
       }},
      {"a sync covers what lies before its begin",
       "create a; write a 0 A||write a 0 B; begin fsync a; write a 0 C; end",
       {
           {"*", "a=B | a=C"},
       }},
      {"a sync without its end promises nothing",
       "create a; write a 0 A||write a 0 B; begin fsync a",
       {
           {"*", "a=A | a=B"},
       }},
      {"sync_file_range promises nothing",
       "create a; write a 0 A||write a 0 B; sync_file_range a 0 1",
       {
           {"*", "a=A | a=B"},
       }},
      {"sync covers everything",
       "create a; write a 0 AA; create b; sync",
       {
           {"*", "a=AA b="},
       }},
      {"a failed fsync promises nothing",
       "create a; write a 0 A||write a 0 B; failed fsync a",
       {
           {"*", "a=A | a=B"},
       }},
      {"nor does the next for the same pages",
       "create a; write a 0 A||write a 0 B; failed fsync a; fsync a",
       {
           {"*", "a=A | a=B"},
       }},
      {"unless they are written again",
       "create a; write a 0 AA||write a 0 B; failed fsync a; write a 1 C; fsync a",
       {
           {"*", "a=BC"},
       }},
      {"an append after a failed fsync leaves a hole",
       "create a||append a AA; failed fsync a; append a BB; fsync a",
       {
           {"ext4-writeback", "a=??BB | a=AABB"},
           {"btrfs", "a=AABB"},
           {"*", "a=..BB | a=AABB"},
       }},
      {"a log that is synced first is there before the data",
       "create w; create d; write d 0 A||append w AA; fdatasync w; write d 0 B",
       {
           {"*", "d=A w=AA | d=B w=AA"},
       }},
      {"a log that is not may be missing",
       "create w; create d; write d 0 A||append w AA; write d 0 B",
       {
           {"posix", "d=A w= | d=A w=.. | d=A w=AA | d=B w= | d=B w=.. | d=B w=AA"},
           {"ext4-writeback", "d=A w= | d=A w=?? | d=A w=AA | d=B w= | d=B w=?? | d=B w=AA"},
           {"*", "d=A w= | d=A w=AA | d=B w= | d=B w=AA"},
       }},
      {"a journal truncated, synced and written again",
       "create j; write j 0 AAAA||truncate j 0; fdatasync j; write j 0 BBBB",
       {
           {"posix", "j= | j=.... | j=..BB | j=BB.. | j=BBBB"},
           {"ext4-writeback", "j= | j=???? | j=??BB | j=BB?? | j=BBBB"},
           {"*", "j= | j=BBBB"},
       }},
  };
  return kPrograms;
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_MODEL_POSIX_POSIX_LITMUS_PROGRAMS_H_
