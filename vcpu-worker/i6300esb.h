/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog timer of Intel's 6300ESB I/O controller (datasheet 300641, chapter 12:
 * 8086:25ab), for which Linux has a driver: registers, two stages, and a timer. It says
 * that the guest has hung; who resets it is the controller.
 *
 * vCPU threads write the registers and set the timer, the main thread takes what it
 * says; the function's lock is held for both. What the first stage could do (an
 * interrupt, SMI) it does not.
 */
#ifndef BULKHEAD_VCPU_WORKER_I6300ESB_H
#define BULKHEAD_VCPU_WORKER_I6300ESB_H

#include <stdbool.h>
#include <stdint.h>

#include "vcpu-worker/pci.h"

struct i6300esb {
	struct pci_function fn;
	int timer;		/* timerfd */
	uint32_t preload[2];	/* ticks of each stage, 20 bits */
	unsigned int unlock;	/* how far the driver is with the two bytes */
	bool timed_out;		/* WDT_TIMEOUT */
	unsigned int stage;	/* 1, 2; 0: it does not run */
	uint64_t deadline;	/* CLOCK_MONOTONIC, ns */
	uint64_t left;		/* ns, while the VM is paused */
	bool paused;
	Bh__PciState saved;
};

/*
 * Put it on the bus at @bdf, with a new timer at the fd @timer. @fired: it has reset the
 * guest, which may ask. ENOSPC: no room for its BAR; EEXIST: @bdf is taken; -errno.
 */
int i6300esb_add(struct i6300esb *w, struct pci_host *host, uint16_t bdf, int timer,
    bool fired);

/* Main thread: the timer is readable. True: the VM is to be reset. */
bool i6300esb_timer(struct i6300esb *w);

/* At a standstill, and paused. What save puts into @m is good until the next call. */
void i6300esb_save(struct i6300esb *w, Bh__I6300esbState *m);
void i6300esb_load(struct i6300esb *w, const Bh__I6300esbState *m);

/* Main thread: time stands still, or goes on. Also where there is none. */
void i6300esb_pause(struct i6300esb *w, bool paused);

#endif
