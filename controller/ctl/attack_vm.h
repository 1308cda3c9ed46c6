/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM of twins, for the attack and the jail's tests: plays the controller to a real
 * spawner and to twins. Waits with a deadline: fails rather than hangs.
 */
#ifndef BULKHEAD_CONTROLLER_CTL_ATTACK_VM_H
#define BULKHEAD_CONTROLLER_CTL_ATTACK_VM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "controller/procs.h"
#include "controller/spawner/spawner.h"
#include "ipc/chan.h"
#include "sandbox/notify.h"
#include "controller/ctl/attack_order.h"

#define VM_WAIT_MS 5000

struct twin;

struct vm {
	struct chan chan;	/* to the spawner */
	int pidfd;		/* of it */
	uint32_t instances;
	struct twin *crowd;	/* others whose reports may come meanwhile */
	unsigned int ncrowd;
};

struct twin {
	uint32_t instance;
	struct chan ctl;
	bool ctl_open;
	int pidfd, listener;	/* or -1 */
	uint32_t host_pid;
	unsigned int exits;	/* ChildExited seen */
	int status, signal;
	int failed_error;	/* of Failed, from spawner or twin; 0: none */
	char failed[256];
	char log[512];		/* its last line */
	bool listened;		/* it has sent its listener */
	bool denied;		/* a notification came: it is in call */
	struct denied_call call;
};

/* Start a spawner, as root or rootless by who we are. 0 or -errno with @why. */
int vm_start(struct vm *vm, const char *libexec, char *why, size_t size);
int vm_start_with(struct vm *vm, const struct spawner_config *config, char *why,
    size_t size);

/* Close the channel, wait for the spawner's end. Whether it came in time. */
bool vm_end(struct vm *vm);

/* Ask for a twin. @fds and @slots: beside those of its channel and order. */
void vm_spawn(struct vm *vm, struct twin *t, enum process_kind kind,
    const struct twin_order *order, const int *fds, const uint32_t *slots,
    unsigned int n);

/* Take in what comes until @done says so, or the time is over: false. */
bool vm_wait(struct vm *vm, struct twin *t, bool (*done)(const struct twin *));
bool twin_exited(const struct twin *t);
bool twin_denied_or_exited(const struct twin *t);
bool twin_spawned(const struct twin *t);
bool twin_failed(const struct twin *t);

void vm_kill(struct vm *vm, const struct twin *t);
void vm_remember(struct vm *vm, int dir, const char *name, uint64_t device,
    uint64_t inode);

/* Close what the twin left us. */
void twin_free(struct twin *t);

#endif
