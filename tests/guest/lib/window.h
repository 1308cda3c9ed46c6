/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory above 4 GiB, seen through a window of 1 GiB: 32-bit code in long mode, KVM
 * here not letting a guest into PAE.
 */
#ifndef BULKHEAD_TESTS_GUEST_WINDOW_H
#define BULKHEAD_TESTS_GUEST_WINDOW_H

#include <stdint.h>

#define WINDOW 0x40000000u	/* virtual, where it appears */
#define HIGH 0x100000000ull

/* 1 GiB at @high (2 MiB aligned) is at WINDOW; everything else where it was. */
void window_open(uint64_t high);

#endif
