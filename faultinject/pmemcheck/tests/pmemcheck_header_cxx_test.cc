// SPDX-License-Identifier: BSD-3-Clause
// <valgrind/pmemcheck.h> is C++98: compiled with -std=c++98 -Wall -Wextra -Wpedantic -Werror.
#include "faultinject/pmemcheck/tests/header_uses.h"

int main() { return UseEveryRequest(); }
