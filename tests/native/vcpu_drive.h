/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's side of one vcpu-worker, for tests/native/vcpu_test.c and vcpu_save_test.c: starts
 * the shipped program in a user and pid namespace, as the spawner does, and talks
 * to it with deadlines. Also a tiny assembler for guests of a few instructions in
 * 32-bit protected mode.
 */
#ifndef BULKHEAD_TESTS_NATIVE_VCPU_DRIVE_H
#define BULKHEAD_TESTS_NATIVE_VCPU_DRIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/bytering.h"
#include "ipc/chan.h"

#define GUEST_MEMORY (4ull << 20)
#define GUEST_CODE 0x100000u
#define MAX_TEST_QUEUES 4

struct drive {
	pid_t pid;
	struct chan ctl;
	int listener;
	int memory;			/* memfd of the guest's RAM */
	uint8_t *ram;
	struct bytering_page *rings;
	struct bytering serial_out, serial_in, debug_out;
	int to_far, to_guest;
	uint32_t answered;		/* seq of the last Ack or Failed */
	int failed;			/* errno of the last Failed, else 0 */
	char text[512];			/* of it, or of GuestStopped */
	bool stopped;
	int reason;			/* of GuestStopped */
	unsigned int log_lines;
	char log[512];			/* the last line */
	bool gone;
	uint32_t code;			/* bytes of guest code so far */
};

/* The far side of one device. */
struct drive_device {
	struct chan bus;
	int kick[MAX_TEST_QUEUES], call[MAX_TEST_QUEUES], config_call;
};

/* Start @program; the worker has said Hello and has no configuration yet. */
bool drive_start(struct drive *d, const char *program);
/* Send @p and wait for its answer. False: Failed (d->text), or none. */
bool drive_request(struct drive *d, Bh__Packet *p, const int *fds, unsigned int nfds);
/* Configure it, with memory; @vcpus of them. False: it failed (d->text). */
bool drive_configure(struct drive *d, uint32_t vcpus);
bool drive_add_memory(struct drive *d, uint32_t slot, uint64_t gpa,
    uint64_t size);
bool drive_remove_memory(struct drive *d, uint32_t slot);
bool drive_add_device(struct drive *d, struct drive_device *dev,
    uint32_t index, uint32_t bdf, uint32_t nqueues);
/* Its worker is another one: a new bus at dev->bus. */
bool drive_replace_device(struct drive *d, struct drive_device *dev,
    uint32_t index, uint32_t nqueues);
bool drive_lose_device(struct drive *d, uint32_t index);
bool drive_run(struct drive *d);
void drive_power_button(struct drive *d);

/* Wait for GuestStopped. */
bool drive_await_stop(struct drive *d);
/* Send Quit and wait for the end: its exit status, or -signal. */
int drive_quit(struct drive *d);
/* Wait until @fd is readable, at most 5 s. */
bool drive_readable(int fd);
/* Receive one message of the device's bus, at most 5 s. */
bool drive_bus_recv(struct drive_device *dev, struct chan_msg *msg);
void drive_close_device(struct drive_device *dev, uint32_t nqueues);
/* End the worker by force, if it is there, and free everything. */
void drive_end(struct drive *d);

/* ---- The guest's code, at GUEST_CODE ---- */
void asm_bytes(struct drive *d, const void *code, uint32_t len);
void asm_out8(struct drive *d, uint16_t port, uint8_t value);
void asm_write(struct drive *d, uint32_t addr, uint32_t value, int bits);
/* Loop until the byte at @addr and @mask is @value. */
void asm_await8(struct drive *d, uint32_t addr, uint8_t mask, uint8_t value);
/* Loop until the byte read from @port and @mask is @value. */
void asm_await_in8(struct drive *d, uint16_t port, uint8_t mask,
    uint8_t value);
void asm_power_off(struct drive *d);
void asm_spin(struct drive *d);

/* A line of TAP: @what, and if it is not so what was said last. */
void drive_check(bool ok, const struct drive *d, const char *what);

/* The plan, after the last line. The exit status: 0, or 1 if one was not so. */
int drive_checked(void);

#endif
