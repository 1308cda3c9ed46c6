/* SPDX-License-Identifier: Apache-2.0 */
/* What calls.bpf.c and audit_calls.c agree on. */
#ifndef BULKHEAD_CONTROLLER_CTL_CALLS_H
#define BULKHEAD_CONTROLLER_CTL_CALLS_H

#define CALLS_PROCESSES 2048u
#define CALLS_COUNTED 65536u
#define CALLS_THREADS 65536u
#define CALLS_DENIED 1024u

/* Key of the map "counts", whose values are 64 bits. */
struct calls_key {
	unsigned int pid;	/* process, as the host's pid namespace has it */
	unsigned int nr;
};

/* Value of the map "denied", whose key is the same. */
struct calls_denied {
	unsigned long long count;
	unsigned long long args[6];	/* of the last one */
	/* Threads of which nothing had been seen before: they may have been waiting in
	 * a call that was allowed. */
	unsigned long long unsure;
};

#endif
