// SPDX-License-Identifier: BSD-3-Clause
// HTML and SVG as text: every text and every attribute is escaped here, and nowhere else.
//
// A text is escaped unless it is Markup, so that to forget it shows on the page and opens no hole.
// Threads: any. Not covered: which elements exist and may be where.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_MARKUP_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_MARKUP_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace fencepost::page {

// `text` as it is shown, in an element or in a quoted attribute. What cannot be seen, or reorders
// what is around it, is written out ("\u202e"); line ends and tabs stay.
std::string EscapeHtml(std::string_view text);

struct Markup {
  Markup() = default;
  explicit Markup(std::string raw_markup) : raw(std::move(raw_markup)) {}
  Markup& operator+=(const Markup& other) {
    raw += other.raw;
    return *this;
  }
  Markup& operator+=(std::string_view text) {
    raw += EscapeHtml(text);
    return *this;
  }
  std::string raw;
};

template <typename... Parts>
Markup Join(const Parts&... parts) {
  Markup all;
  ((all += parts), ...);
  return all;
}

using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

std::string OpenTag(std::string_view name, Attributes attributes);

// <name key="value">children</name>
template <typename... Children>
Markup Element(std::string_view name, Attributes attributes, const Children&... children) {
  Markup element(OpenTag(name, attributes));
  element += Join(children...);
  element += Markup("</" + std::string(name) + ">");
  return element;
}

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_MARKUP_H_
