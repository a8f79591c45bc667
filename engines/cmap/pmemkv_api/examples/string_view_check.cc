// SPDX-License-Identifier: BSD-3-Clause
// Test of the pmem::obj::string_view that a program before C++17 gets: it must answer as
// std::string does, and as std::string_view where it is compiled as C++17.
//
// Run by installed_library_test.py; exits 1 at the first difference.
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <libpmemobj++/string_view.hpp>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

using pmem::obj::string_view;

int differences = 0;

template <typename A, typename B>
void Same(const char *what, const std::string &text, const std::string &other, std::size_t pos,
          const A &a, const B &b) {
  if (a == b) return;
  std::cerr << what << "(\"" << other << "\", " << pos << ") of \"" << text << "\": " << a
            << ", not " << b << '\n';
  ++differences;
}

int Sign(int order) { return order < 0 ? -1 : order > 0; }

void CompareSearches(const std::string &text, const std::string &other, std::size_t pos) {
  const string_view view(text);
  const string_view what(other);
  Same("find", text, other, pos, view.find(what, pos), text.find(other, pos));
  Same("rfind", text, other, pos, view.rfind(what, pos), text.rfind(other, pos));
  Same("find_first_of", text, other, pos, view.find_first_of(what, pos),
       text.find_first_of(other, pos));
  Same("find_first_not_of", text, other, pos, view.find_first_not_of(what, pos),
       text.find_first_not_of(other, pos));
  Same("find_last_of", text, other, pos, view.find_last_of(what, pos),
       text.find_last_of(other, pos));
  Same("find_last_not_of", text, other, pos, view.find_last_not_of(what, pos),
       text.find_last_not_of(other, pos));
  Same("find char", text, "b", pos, view.find('b', pos), text.find('b', pos));
  Same("rfind char", text, "b", pos, view.rfind('b', pos), text.rfind('b', pos));
  if (pos <= text.size()) {
    const string_view part = view.substr(pos, 2);
    Same("substr", text, "", pos, std::string(part.begin(), part.end()), text.substr(pos, 2));
  }
}

void Compare(const std::string &text, const std::string &other) {
  const string_view a(text);
  const string_view b(other);
  Same("compare", text, other, 0, Sign(a.compare(b)), Sign(text.compare(other)));
  Same("==", text, other, 0, a == b, text == other);
  Same("== string", text, other, 0, a == other, text == other);
  Same("string ==", text, other, 0, text == b, text == other);
  Same("!= C string", text, other, 0, a != other.c_str(), text != other);
  Same("<", text, other, 0, a < b, text < other);
  Same("<=", text, other, 0, a <= b, text <= other);
  Same(">", text, other, 0, a > b, text > other);
  Same(">=", text, other, 0, a >= b, text >= other);
  Same("reversed", text, "", 0, std::string(a.rbegin(), a.rend()),
       std::string(text.rbegin(), text.rend()));
  for (std::size_t pos = 0; pos <= text.size() + 1; ++pos) CompareSearches(text, other, pos);
  CompareSearches(text, other, string_view::npos);
  std::ostringstream out;
  out << a;
  Same("<<", text, "", 0, out.str(), text);
}

template <typename Call>
bool Throws(Call call) {
  try {
    call();
  } catch (const std::out_of_range &) {
    return true;
  }
  return false;
}

}  // namespace

int main() {
  const std::string texts[] = {"", "a", "b", "ab", "ba", "abab", "aabba", "abcabcab", "ccc"};
  for (const std::string &text : texts) {
    for (const std::string &other : texts) Compare(text, other);
  }
  const string_view view("abc", 2);
  Same("at throws", "ab", "", 2, Throws([&] { (void)view.at(2); }), true);
  Same("substr throws", "ab", "", 3, Throws([&] { (void)view.substr(3); }), true);
  Same("empty", "", "", 0, string_view().empty() && !view.empty(), true);
  return differences == 0 ? 0 : 1;
}
