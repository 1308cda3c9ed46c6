/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of a keyboard controller (Intel 8042) as a guest needs to find that no
 * keyboard is there, quickly, and to reset the machine: ports 0x60, 0x61, 0x64.
 * Port 0x61 is system control port B.
 */
#ifndef BULKHEAD_ARCH_X86_64_I8042_H
#define BULKHEAD_ARCH_X86_64_I8042_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"
#include "bulkhead.pb-c.h"
#include "vcpu-worker/bus.h"

struct i8042 {
	pthread_mutex_t lock;
	struct arch_host host;
	uint8_t command;	/* waits for its data byte, or 0 */
	uint8_t mode;		/* command byte */
	uint8_t output;
	bool full;		/* output buffer */
	uint8_t port_b;
	Bh__X86I8042 saved;
};

void i8042_init(struct i8042 *k, const struct arch_host *host);

/* At a standstill. */
void i8042_save(struct i8042 *k, Bh__X86Platform *m);
void i8042_load(struct i8042 *k, const Bh__X86Platform *m);

extern const struct bus_ops i8042_ops;		/* owner: struct i8042 */
#define I8042_WINDOW 5u

#endif
