// SPDX-License-Identifier: BSD-3-Clause
// pmem::obj::slice of libpmemobj++: a pair of iterators that is a range.
//
// Its include guard is that of libpmemobj++, so that of two installed headers the first one counts.
// Source: the interface of libpmemobj++ 1.13.
#ifndef LIBPMEMOBJ_CPP_SLICE_HPP
#define LIBPMEMOBJ_CPP_SLICE_HPP

#include <cstddef>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace pmem {
namespace obj {

template <typename Iterator>
class slice {
 public:
  using size_type = std::size_t;
  using iterator = Iterator;
  using reverse_iterator = std::reverse_iterator<iterator>;
  using reference = typename std::iterator_traits<iterator>::reference;

  // Throws std::out_of_range if `end` lies before `begin`.
  slice(Iterator begin, Iterator end) : begin_(begin), end_(end) {
    if (end_ - begin_ < 0) throw std::out_of_range("pmem::obj::slice: the end is before the begin");
  }

  iterator begin() const noexcept { return begin_; }
  iterator end() const noexcept { return end_; }
  reverse_iterator rbegin() const noexcept { return reverse_iterator(end_); }
  reverse_iterator rend() const noexcept { return reverse_iterator(begin_); }
  size_type size() const { return static_cast<size_type>(end_ - begin_); }

  auto operator[](size_type index) -> decltype(std::declval<Iterator &>()[0]) {
    return begin_[static_cast<std::ptrdiff_t>(index)];
  }
  auto at(size_type index) -> decltype(std::declval<Iterator &>()[0]) {
    if (index >= size()) throw std::out_of_range("pmem::obj::slice::at");
    return begin_[static_cast<std::ptrdiff_t>(index)];
  }

 private:
  iterator begin_;
  iterator end_;
};

}  // namespace obj
}  // namespace pmem

#endif  // LIBPMEMOBJ_CPP_SLICE_HPP
