// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/pmemkv_api/answer.h"

#include <libpmemkv.h>

#include <exception>
#include <new>
#include <string_view>

namespace fencepost::pmemkv_api {
namespace {

thread_local std::string last_message;
thread_local bool last_was_no_error = false;

int CodeOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return PMEMKV_STATUS_OK;
    case StatusCode::kNotFound:
      return PMEMKV_STATUS_NOT_FOUND;
    case StatusCode::kInvalidArgument:
      return PMEMKV_STATUS_INVALID_ARGUMENT;
    case StatusCode::kFull:
      return PMEMKV_STATUS_OUT_OF_MEMORY;
    case StatusCode::kUnsupported:
      return PMEMKV_STATUS_NOT_SUPPORTED;
    case StatusCode::kCorrupt:
    case StatusCode::kBusy:
    case StatusCode::kIoError:
    case StatusCode::kInternal:
      break;
  }
  return PMEMKV_STATUS_UNKNOWN_ERROR;
}

std::string_view NameOf(int status) {
  switch (status) {
    case PMEMKV_STATUS_NOT_SUPPORTED:
      return "not supported by this engine";
    case PMEMKV_STATUS_INVALID_ARGUMENT:
      return "invalid argument";
    case PMEMKV_STATUS_OUT_OF_MEMORY:
      return "out of memory";
    default:
      return "failed";
  }
}

// NOT_FOUND and STOPPED_BY_CB are answers, not errors: pmemkv_errormsg is empty after them, and the
// message of an earlier error is back after a call that succeeds.
void Remember(const char* function, const Answer& answer) {
  last_was_no_error =
      answer.status == PMEMKV_STATUS_NOT_FOUND || answer.status == PMEMKV_STATUS_STOPPED_BY_CB;
  if (answer.ok() || last_was_no_error) return;
  last_message.assign("[").append(function).append("] ");
  last_message.append(answer.message.empty() ? NameOf(answer.status) : answer.message);
}

}  // namespace

Answer::Answer(const Status& of_engine)
    : status(CodeOf(of_engine.code())),
      message(of_engine.ok() || of_engine.IsNotFound() ? std::string_view() : of_engine.message()) {
}

int AnswerCall(const char* function, FunctionRef<Answer()> body) noexcept {
  try {
    Answer answer;
    try {
      answer = body();
    } catch (const std::bad_alloc&) {
      answer = Answer(PMEMKV_STATUS_OUT_OF_MEMORY);
    } catch (const std::exception& error) {
      answer = Answer(PMEMKV_STATUS_UNKNOWN_ERROR, error.what());
    } catch (...) {
      answer = Answer(PMEMKV_STATUS_UNKNOWN_ERROR, "an exception that is no std::exception");
    }
    Remember(function, answer);
    return answer.status;
  } catch (...) {
    // No memory even for the message.
    return PMEMKV_STATUS_OUT_OF_MEMORY;
  }
}

int AnswerNull(const char* function, const char* argument) noexcept {
  return AnswerCall(function, [&] {
    return Answer(PMEMKV_STATUS_INVALID_ARGUMENT, std::string(argument) + " is null");
  });
}

const char* LastMessage() noexcept { return last_was_no_error ? "" : last_message.c_str(); }

}  // namespace fencepost::pmemkv_api
