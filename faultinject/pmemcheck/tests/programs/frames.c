/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores whose call stacks are easily got wrong: in a frame that longjmp leaves, after it, and in
 * signal handlers, on the thread's stack and on one of their own.
 *
 * --count=N rounds (300 unless told): more than the tool takes to check a remembered stack. A round
 * stores at 0x0 in Inner, called by Outer, called by main; at 0x8 in AfterJump, called by main; at
 * 0x40 in OnSignal and at 0x48 in OnOtherStack, each below RaiseFrom, whose frame is of another
 * size in each round, below main. No event list: behaviour_test.py compares the stacks.
 */
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

#define KEPT __attribute__((noinline, noclone, noipa))

static volatile uint64_t* base;
static jmp_buf outside;

KEPT static void Inner(uint64_t value) {
  base[0] = value;
  longjmp(outside, 1);
}
KEPT static void Outer(uint64_t value) {
  volatile unsigned char frame[200];
  frame[0] = 0;
  Inner(value + frame[0]);
  frame[1] = 0;
}
KEPT static void AfterJump(uint64_t value) { base[1] = value; }

static void OnSignal(int number) { base[8] += (uint64_t)number; }
static void OnOtherStack(int number) { base[9] += (uint64_t)number; }

KEPT static void RaiseFrom(unsigned long round, int number) {
  volatile unsigned char* const room = alloca(16 + 16 * (round % 7));
  room[0] = 0;
  Check(raise(number) == 0, "raise");
  room[1] = 0;
}

static void Handle(int number, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  Check(sigaction(number, &action, NULL) == 0, "sigaction");
}

int main(int argc, char** argv) {
  static unsigned char other_stack[65536];
  const stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
  const struct Mapping m = MapFile(argc, argv);
  const unsigned long count = CountOption(argc, argv, 300);
  base = (volatile uint64_t*)m.base;
  Check(sigaltstack(&stack, NULL) == 0, "sigaltstack");
  Handle(SIGUSR1, OnSignal, 0);
  Handle(SIGUSR2, OnOtherStack, SA_ONSTACK);
  for (volatile unsigned long i = 0; i < count; i++) {
    if (setjmp(outside) == 0) Outer(i);
    AfterJump(i);
    RaiseFrom(i, SIGUSR1);
    RaiseFrom(i, SIGUSR2);
  }
  return 0;
}
