/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 16550A serial port. Bytes go through the rings at FD_RINGS to and from the
 * console worker, which owns the far end. Output that finds the ring full is
 * held in the transmit FIFO with THRE low: nothing is lost and no vCPU waits,
 * but a guest that does not look at THRE loses what does not fit the FIFO.
 */
#ifndef BULKHEAD_VCPU_WORKER_SERIAL_H
#define BULKHEAD_VCPU_WORKER_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "ipc/bytering.h"
#include "vcpu-worker/bus.h"

#define SERIAL_WINDOW 8u
#define SERIAL_FIFO 16u
#define SERIAL_SAVED 7u		/* registers */

struct serial {
	pthread_mutex_t lock;
	/* The interrupt line. Called with the lock held. */
	void (*line)(void *owner, bool high);
	void *line_owner;
	int to_far;			/* eventfd: bytes for, or room from, us */
	struct bytering out, in;

	uint8_t ier, fcr, lcr, mcr, scr, divisor[2];
	bool thre_pending;		/* THR empty, not yet told */
	bool overrun;
	uint8_t tx[SERIAL_FIFO], rx[SERIAL_FIFO];
	uint32_t ntx, nrx;		/* bytes in the FIFOs, oldest first */
	uint8_t saved[SERIAL_SAVED];
};

void serial_init(struct serial *s, struct bytering_shared *out,
    struct bytering_shared *in, int to_far,
    void (*line)(void *owner, bool high), void *line_owner);

/* Main thread: the far end has put bytes, or made room. */
void serial_ready(struct serial *s);

/*
 * At a standstill. What is in the rings is the far end's to keep, what is in the FIFOs
 * is saved. What save puts into @m is good until the next call.
 */
void serial_save(struct serial *s, Bh__SerialState *m);
void serial_load(struct serial *s, const Bh__SerialState *m);

extern const struct bus_ops serial_ops;		/* owner: struct serial */

#endif
