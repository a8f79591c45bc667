// SPDX-License-Identifier: BSD-3-Clause
// <valgrind/pmemcheck.h> is C++98 and later: compiled with -Wall -Wextra -Wpedantic -Werror.
#include "faultinject/pmemcheck/tests/header_uses.h"

int main() { return UseEveryRequest(); }
