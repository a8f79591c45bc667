/* SPDX-License-Identifier: BSD-3-Clause */
/* For the programs of the corpus on libpmem: a file of a fixed size, mapped. To be included after
 * <libpmem.h>. */
#ifndef FENCEPOST_FAULTINJECT_CORPUS_MAPPED_H_
#define FENCEPOST_FAULTINJECT_CORPUS_MAPPED_H_

#include "faultinject/corpus/corpus.h"

enum { IMAGE_BYTES = 8192 };

static inline void make_zeros(const struct command* command) {
  static const char zeros[IMAGE_BYTES];
  FILE* file = fopen(command->image, "wb");
  if (file == NULL || fwrite(zeros, 1, sizeof(zeros), file) != sizeof(zeros) || fclose(file) != 0) {
    die(command->image);
  }
}

static inline void* map_image(const struct command* command) {
  size_t bytes = 0;
  void* base = pmem_map_file(command->image, 0, 0, 0, &bytes, NULL);
  if (base == NULL) die(command->image);
  if (bytes != IMAGE_BYTES) no("the image has %zu bytes", bytes);
  return base;
}

#endif /* FENCEPOST_FAULTINJECT_CORPUS_MAPPED_H_ */
