/* SPDX-License-Identifier: BSD-3-Clause */
/* <valgrind/pmemcheck.h> is C89: compiled with -std=c90 -Wall -Wextra -Wpedantic -Werror. */
#include "faultinject/pmemcheck/tests/header_uses.h"

int main(void) { return UseEveryRequest(); }
