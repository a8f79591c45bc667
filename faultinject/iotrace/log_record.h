// SPDX-License-Identifier: BSD-3-Clause
// IoEvents as records of a trace (log_format.h), and back.
//
// Threads: any.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_LOG_RECORD_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_LOG_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "faultinject/iotrace/io_event.h"
#include "faultinject/iotrace/log_format.h"

namespace fencepost {

// What LogHeader::check is to be.
uint64_t CheckOf(const LogHeader& header);

// `thread` is the kernel's number. REQUIRES: names of less than 64 KiB, data of less than 4 GiB.
std::string EncodeRecord(const IoEvent& event, uint32_t thread);

// The first record in `log`. False if it is not whole, or is none. Does not set IoEvent::thread.
bool DecodeRecord(std::string_view log, IoEvent* event, uint32_t* thread, uint64_t* record_bytes);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_LOG_RECORD_H_
