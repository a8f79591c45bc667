// SPDX-License-Identifier: BSD-3-Clause
// Status, Result<T> and CHECK: how every folder reports what went wrong.
//
// Status and Result are for what can happen in operation (a full disk, an absent key, a file of
// another layout); CHECK is for programmer errors and stays on in Release. No exception crosses a
// folder.
//
// A message names the call that failed and the file: "mdb_put: MDB_MAP_FULL: ..., data.mdb".
// Ok and a message-less NotFound cost no allocation, since both are on the measured path.
#ifndef FENCEPOST_ENGINES_STATUS_H_
#define FENCEPOST_ENGINES_STATUS_H_

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace fencepost {

enum class StatusCode : unsigned char {
  kOk,
  kNotFound,         // the key is absent: an answer, not a failure
  kInvalidArgument,  // the caller's request makes no sense: a usage error
  kFull,             // no space left on the medium or in the pool; nothing was changed
  kUnsupported,      // this engine or this machine cannot do it
  kCorrupt,          // what is stored is not what was written, or is of another layout
  kBusy,             // another process holds it
  kIoError,          // the operating system refused; the effect of the call is unknown
  kInternal,         // the library under an engine failed in a way that it does not explain
};

// "ok", "not found", "full", ...
constexpr std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "ok";
    case StatusCode::kNotFound:
      return "not found";
    case StatusCode::kInvalidArgument:
      return "invalid argument";
    case StatusCode::kFull:
      return "full";
    case StatusCode::kUnsupported:
      return "unsupported";
    case StatusCode::kCorrupt:
      return "corrupt";
    case StatusCode::kBusy:
      return "busy";
    case StatusCode::kIoError:
      return "I/O error";
    case StatusCode::kInternal:
      return "internal error";
  }
  return "unknown";
}

class [[nodiscard]] Status {
 public:
  Status() = default;
  explicit Status(StatusCode code) : code_(code) {}
  Status(StatusCode code, std::string message)
      : code_(code), message_(std::make_unique<std::string>(std::move(message))) {}
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  Status(const Status& other) { *this = other; }
  Status& operator=(const Status& other) {
    code_ = other.code_;
    message_ = other.message_ ? std::make_unique<std::string>(*other.message_) : nullptr;
    return *this;
  }

  static Status Ok() { return Status(); }
  static Status NotFound() { return Status(StatusCode::kNotFound); }
  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  static Status Full(std::string m) { return {StatusCode::kFull, std::move(m)}; }
  static Status Unsupported(std::string m) { return {StatusCode::kUnsupported, std::move(m)}; }
  static Status Corrupt(std::string m) { return {StatusCode::kCorrupt, std::move(m)}; }
  static Status Busy(std::string m) { return {StatusCode::kBusy, std::move(m)}; }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  bool IsNotFound() const { return code_ == StatusCode::kNotFound; }
  StatusCode code() const { return code_; }
  // The message, or the name of the code where there is none.
  std::string_view message() const {
    return message_ ? std::string_view(*message_) : StatusCodeName(code_);
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::unique_ptr<std::string> message_;
};

namespace internal {
[[noreturn]] inline void CheckFailed(const char* file, int line, const char* what,
                                     std::string_view detail) {
  std::fprintf(stderr, "fencepost: %s:%d: CHECK(%s) failed%s%.*s\n", file, line, what,
               detail.empty() ? "" : ": ", static_cast<int>(detail.size()),
               detail.empty() ? "" : detail.data());
  std::abort();
}
}  // namespace internal

// Ends the process when a programmer's assumption does not hold. On in Release.
#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) [[unlikely]]                                            \
      ::fencepost::internal::CheckFailed(__FILE__, __LINE__, #condition, {}); \
  } while (false)

// CHECK that a Status or a Result is ok.
#define CHECK_OK(expression)                                                            \
  do {                                                                                  \
    if (const auto& check_ok_status = (expression); !check_ok_status.ok()) [[unlikely]] \
      ::fencepost::internal::CheckFailed(__FILE__, __LINE__, #expression,               \
                                         check_ok_status.message());                    \
  } while (false)

// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) { CHECK(!status_.ok()); }  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status&& status() && { return std::move(status_); }
  std::string_view message() const { return status_.message(); }

  T& value() & {
    CHECK_OK(status_);
    return *value_;
  }
  const T& value() const& {
    CHECK_OK(status_);
    return *value_;
  }
  T&& value() && {
    CHECK_OK(status_);
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

// Returns the Status of `expression` from this function unless it is ok.
#define RETURN_IF_ERROR(expression)                                                         \
  do {                                                                                      \
    if (::fencepost::Status return_status = (expression); !return_status.ok()) [[unlikely]] \
      return return_status;                                                                 \
  } while (false)

#define FENCEPOST_CONCAT_INNER(a, b) a##b
#define FENCEPOST_CONCAT(a, b) FENCEPOST_CONCAT_INNER(a, b)

// ASSIGN_OR_RETURN(auto x, F()): x is F()'s value; its Status is returned where it has none.
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_INNER(FENCEPOST_CONCAT(result_, __LINE__), declaration, expression)
#define ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                   \
  if (!result.ok()) [[unlikely]]                                \
    return std::move(result).status();                          \
  declaration = std::move(result).value()

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_STATUS_H_
