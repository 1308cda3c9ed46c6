/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a process died, in words: what the kernel has logged of its fault, and the
 * function that is there by the symbols of its program. For bulkheadctl crashes; needs no
 * right, and finds out less without: the kernel's log may be root's alone.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_SYMBOL_H
#define BULKHEAD_CONTROLLER_CTL_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

/*
 * The instruction at which process @pid, as the host numbers it, faulted last, if that
 * is in a program that lies at @base. 0: it is not in the kernel's log, or that is not
 * ours to read.
 */
uint64_t symbol_fault(uint32_t pid, uint64_t base);

/*
 * "blk_request_parse+0x1c" of what is @offset bytes into the program that is called
 * @name, beside ours or in its libexec folder; empty: it has no symbols, or it is not
 * there.
 */
void symbol_name(const char *name, uint64_t offset, char *buf, size_t size);

#endif
