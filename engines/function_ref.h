// SPDX-License-Identifier: BSD-3-Clause
// FunctionRef: a view of a callable, for visitors that are called before the call that takes them
// returns. Two words, no allocation, one indirect call; it must not outlive the callable.
#ifndef FENCEPOST_ENGINES_FUNCTION_REF_H_
#define FENCEPOST_ENGINES_FUNCTION_REF_H_

#include <memory>
#include <type_traits>
#include <utility>

namespace fencepost {

template <typename Signature>
class FunctionRef;

template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
           std::is_invocable_r_v<R, F&, Args...>)
      FunctionRef(F&& callable)  // NOLINT: implicit, so that a lambda can be passed as it is
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_FUNCTION_REF_H_
