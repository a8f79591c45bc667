// SPDX-License-Identifier: BSD-3-Clause
// pmem::obj::string_view of libpmemobj++: std::string_view, or before C++17 a class like it.
//
// Its include guard is that of libpmemobj++, so that of two installed headers the first one counts.
// Source: the interface of libpmemobj++ 1.13; std::basic_string_view of C++17.
#ifndef LIBPMEMOBJ_CPP_STRING_VIEW
#define LIBPMEMOBJ_CPP_STRING_VIEW

#if __cplusplus >= 201703L

#include <string_view>

namespace pmem {
namespace obj {
template <typename CharT, typename Traits = std::char_traits<CharT>>
using basic_string_view = std::basic_string_view<CharT, Traits>;
using string_view = std::string_view;
using wstring_view = std::wstring_view;
using u16string_view = std::u16string_view;
using u32string_view = std::u32string_view;
}  // namespace obj
}  // namespace pmem

#else

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <ostream>
#include <stdexcept>
#include <string>

namespace pmem {
namespace obj {

template <typename CharT, typename Traits = std::char_traits<CharT>>
class basic_string_view {
 public:
  using traits_type = Traits;
  using value_type = CharT;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = value_type &;
  using const_reference = const value_type &;
  using pointer = value_type *;
  using const_pointer = const value_type *;
  using const_iterator = const_pointer;
  using iterator = const_iterator;
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;
  using reverse_iterator = const_reverse_iterator;

  static constexpr const size_type npos = (std::numeric_limits<size_type>::max)();

  constexpr basic_string_view() noexcept : data_(nullptr), size_(0) {}
  constexpr basic_string_view(const CharT *data, size_type size) : data_(data), size_(size) {}
  basic_string_view(const std::basic_string<CharT, Traits> &s) : data_(s.data()), size_(s.size()) {}
  basic_string_view(const CharT *data) : data_(data), size_(Traits::length(data)) {}

  constexpr const_iterator begin() const noexcept { return data_; }
  constexpr const_iterator cbegin() const noexcept { return data_; }
  constexpr const_iterator end() const noexcept { return data_ + size_; }
  constexpr const_iterator cend() const noexcept { return data_ + size_; }
  const_reverse_iterator rbegin() const noexcept { return const_reverse_iterator(end()); }
  const_reverse_iterator crbegin() const noexcept { return rbegin(); }
  const_reverse_iterator rend() const noexcept { return const_reverse_iterator(begin()); }
  const_reverse_iterator crend() const noexcept { return rend(); }

  constexpr const CharT *data() const noexcept { return data_; }
  constexpr size_type size() const noexcept { return size_; }
  constexpr size_type length() const noexcept { return size_; }
  constexpr size_type max_size() const noexcept { return npos / sizeof(CharT); }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr const_reference operator[](size_type at) const noexcept { return data_[at]; }
  constexpr const_reference front() const noexcept { return data_[0]; }
  constexpr const_reference back() const noexcept { return data_[size_ - 1]; }
  const_reference at(size_type at) const {
    if (at >= size_) throw std::out_of_range("pmem::obj::string_view::at");
    return data_[at];
  }

  void remove_prefix(size_type n) {
    data_ += n;
    size_ -= n;
  }
  void remove_suffix(size_type n) { size_ -= n; }
  void swap(basic_string_view &other) noexcept { std::swap(*this, other); }

  basic_string_view substr(size_type pos = 0, size_type n = npos) const {
    if (pos > size_) throw std::out_of_range("pmem::obj::string_view::substr");
    return basic_string_view(data_ + pos, (std::min)(n, size_ - pos));
  }
  size_type copy(CharT *to, size_type n, size_type pos = 0) const {
    const basic_string_view part = substr(pos, n);
    Traits::copy(to, part.data(), part.size());
    return part.size();
  }

  int compare(basic_string_view other) const noexcept {
    const int order = Traits::compare(data_, other.data_, (std::min)(size_, other.size_));
    if (order != 0) return order;
    return size_ == other.size_ ? 0 : size_ < other.size_ ? -1 : 1;
  }
  int compare(size_type pos, size_type n, basic_string_view other) const {
    return substr(pos, n).compare(other);
  }
  int compare(size_type pos, size_type n, basic_string_view other, size_type other_pos,
              size_type other_n) const {
    return substr(pos, n).compare(other.substr(other_pos, other_n));
  }

  // The searches say where, or npos. A string, a C string and one character convert to a view.
  size_type find(basic_string_view what, size_type pos = 0) const noexcept {
    if (pos > size_ || what.size_ > size_ - pos) return npos;
    const const_iterator found =
        std::search(begin() + pos, end(), what.begin(), what.end(), Traits::eq);
    return found == end() && !what.empty() ? npos : static_cast<size_type>(found - begin());
  }
  size_type find(CharT c, size_type pos = 0) const noexcept { return find(View(&c), pos); }
  size_type find(const CharT *s, size_type pos, size_type n) const {
    return find(basic_string_view(s, n), pos);
  }

  size_type rfind(basic_string_view what, size_type pos = npos) const noexcept {
    if (what.size_ > size_) return npos;
    for (size_type at = (std::min)(pos, size_ - what.size_);; --at) {
      if (Traits::compare(data_ + at, what.data_, what.size_) == 0) return at;
      if (at == 0) return npos;
    }
  }
  size_type rfind(CharT c, size_type pos = npos) const noexcept { return rfind(View(&c), pos); }
  size_type rfind(const CharT *s, size_type pos, size_type n) const {
    return rfind(basic_string_view(s, n), pos);
  }

  size_type find_first_of(basic_string_view any, size_type pos = 0) const noexcept {
    return First(any, pos, true);
  }
  size_type find_first_of(CharT c, size_type pos = 0) const noexcept { return find(c, pos); }
  size_type find_first_of(const CharT *s, size_type pos, size_type n) const {
    return First(basic_string_view(s, n), pos, true);
  }
  size_type find_first_not_of(basic_string_view any, size_type pos = 0) const noexcept {
    return First(any, pos, false);
  }
  size_type find_first_not_of(CharT c, size_type pos = 0) const noexcept {
    return First(View(&c), pos, false);
  }
  size_type find_first_not_of(const CharT *s, size_type pos, size_type n) const {
    return First(basic_string_view(s, n), pos, false);
  }
  size_type find_last_of(basic_string_view any, size_type pos = npos) const noexcept {
    return Last(any, pos, true);
  }
  size_type find_last_of(CharT c, size_type pos = npos) const noexcept { return rfind(c, pos); }
  size_type find_last_of(const CharT *s, size_type pos, size_type n) const {
    return Last(basic_string_view(s, n), pos, true);
  }
  size_type find_last_not_of(basic_string_view any, size_type pos = npos) const noexcept {
    return Last(any, pos, false);
  }
  size_type find_last_not_of(CharT c, size_type pos = npos) const noexcept {
    return Last(View(&c), pos, false);
  }
  size_type find_last_not_of(const CharT *s, size_type pos, size_type n) const {
    return Last(basic_string_view(s, n), pos, false);
  }

 private:
  static basic_string_view View(const CharT *c) { return basic_string_view(c, 1); }
  bool Has(CharT c) const noexcept {
    return size_ != 0 && Traits::find(data_, size_, c) != nullptr;
  }
  size_type First(basic_string_view any, size_type pos, bool wanted) const noexcept {
    for (size_type at = pos; at < size_; ++at) {
      if (any.Has(data_[at]) == wanted) return at;
    }
    return npos;
  }
  size_type Last(basic_string_view any, size_type pos, bool wanted) const noexcept {
    for (size_type end = size_ == 0 ? 0 : (std::min)(pos, size_ - 1) + 1; end > 0; --end) {
      if (any.Has(data_[end - 1]) == wanted) return end - 1;
    }
    return npos;
  }

  const CharT *data_;
  size_type size_;
};

template <typename CharT, typename Traits>
constexpr const typename basic_string_view<CharT, Traits>::size_type
    basic_string_view<CharT, Traits>::npos;

using string_view = basic_string_view<char>;
using wstring_view = basic_string_view<wchar_t>;
using u16string_view = basic_string_view<char16_t>;
using u32string_view = basic_string_view<char32_t>;

namespace string_view_detail {
// A parameter that is converted to, not deduced from: what is compared with a view.
template <typename T>
struct converted {
  using type = T;
};
template <typename C, typename T>
using other = typename converted<basic_string_view<C, T>>::type;
}  // namespace string_view_detail

// Each comparison for two views, and for a view and what converts to one, on either side.
#define FENCEPOST_STRING_VIEW_COMPARISON(op)                                                \
  template <typename C, typename T>                                                         \
  bool operator op(basic_string_view<C, T> a, basic_string_view<C, T> b) noexcept {         \
    return a.compare(b) op 0;                                                               \
  }                                                                                         \
  template <typename C, typename T, int = 1>                                                \
  bool operator op(basic_string_view<C, T> a, string_view_detail::other<C, T> b) noexcept { \
    return a.compare(b) op 0;                                                               \
  }                                                                                         \
  template <typename C, typename T, int = 2>                                                \
  bool operator op(string_view_detail::other<C, T> a, basic_string_view<C, T> b) noexcept { \
    return a.compare(b) op 0;                                                               \
  }
FENCEPOST_STRING_VIEW_COMPARISON(==)
FENCEPOST_STRING_VIEW_COMPARISON(!=)
FENCEPOST_STRING_VIEW_COMPARISON(<)
FENCEPOST_STRING_VIEW_COMPARISON(<=)
FENCEPOST_STRING_VIEW_COMPARISON(>)
FENCEPOST_STRING_VIEW_COMPARISON(>=)
#undef FENCEPOST_STRING_VIEW_COMPARISON

template <typename CharT, typename Traits>
std::basic_ostream<CharT, Traits> &operator<<(std::basic_ostream<CharT, Traits> &out,
                                              basic_string_view<CharT, Traits> view) {
  return out.write(view.data(), static_cast<std::streamsize>(view.size()));
}

}  // namespace obj
}  // namespace pmem

#endif

#endif  // LIBPMEMOBJ_CPP_STRING_VIEW
