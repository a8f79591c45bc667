// SPDX-License-Identifier: BSD-3-Clause
// Answer: what a call of the pmemkv API returns, a PMEMKV_STATUS_* and what pmemkv_errormsg says of
// it.
//
// Unlike engines/status.h it has the statuses of pmemkv, which tell a stopped walk or a config item
// of the wrong type apart.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_ANSWER_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_ANSWER_H_

#include <string>
#include <utility>

#include "engines/function_ref.h"
#include "engines/status.h"

namespace fencepost::pmemkv_api {

struct [[nodiscard]] Answer {
  int status = 0;       // PMEMKV_STATUS_OK
  std::string message;  // empty where the status says it all

  Answer() = default;
  explicit Answer(int s, std::string m = {}) : status(s), message(std::move(m)) {}
  Answer(const Status& of_engine);  // NOLINT: implicit, so that RETURN_IF_BAD takes either

  bool ok() const { return status == 0; }
};

// Returns the Answer of `expression` (which may be a Status) from this function unless it is ok.
#define RETURN_IF_BAD(expression)                                                                 \
  do {                                                                                            \
    if (::fencepost::pmemkv_api::Answer bad_answer = (expression); !bad_answer.ok()) [[unlikely]] \
      return bad_answer;                                                                          \
  } while (false)

// Runs the body of the C call `function`; an exception becomes an Answer. Remembers the message for
// this thread and returns the status.
int AnswerCall(const char* function, FunctionRef<Answer()> body) noexcept;

// PMEMKV_STATUS_INVALID_ARGUMENT, with a message that names the argument.
int AnswerNull(const char* function, const char* argument) noexcept;

// The calling thread's, until its next call.
const char* LastMessage() noexcept;

}  // namespace fencepost::pmemkv_api

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_ANSWER_H_
