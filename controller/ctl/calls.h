/* SPDX-License-Identifier: Apache-2.0 */
/* What calls.bpf.c and audit_calls.c agree on. */
#ifndef BULKHEAD_CONTROLLER_CTL_CALLS_H
#define BULKHEAD_CONTROLLER_CTL_CALLS_H

#define CALLS_PROCESSES 2048u
#define CALLS_COUNTED 65536u

/* Key of the map "counts", whose values are 64 bits. */
struct calls_key {
	unsigned int pid;	/* process, as the host's pid namespace has it */
	unsigned int nr;
};

#endif
