// SPDX-License-Identifier: BSD-3-Clause
// FENCEPOST_SANITIZED: this program runs with a sanitizer's runtime, which interposes the same
// functions as the watch.
#ifndef FENCEPOST_FAULTINJECT_WATCH_SANITIZED_H_
#define FENCEPOST_FAULTINJECT_WATCH_SANITIZED_H_

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FENCEPOST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FENCEPOST_SANITIZED
#endif

#endif  // FENCEPOST_FAULTINJECT_WATCH_SANITIZED_H_
