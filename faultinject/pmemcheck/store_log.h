/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmemcheck's store log, for its consumers: --log-stores=yes writes it to Valgrind's output. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_STORE_LOG_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_STORE_LOG_H_

#include "faultinject/pmemcheck/tool.h"

void store_log_start(void);
void store_log_stop(void);
/* A store wider than 8 bytes is as many records as its consumers expect. */
void store_log_store(Addr address, SizeT bytes, UInt context);
void store_log_flush(Addr address, SizeT bytes);
void store_log_fence(void);
void store_log_register(const HChar* path, Addr base, SizeT bytes, ULong offset);
void store_log_deep_sync(Addr address, SizeT bytes);
void store_log_text(const HChar* text);

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_STORE_LOG_H_ */
