/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM for one device worker: starts the shipped binary on its fd slots, and
 * plays the controller (the control channel), the vcpu-worker (the bus) and the
 * guest's driver (rings in shared memory, drvq.h). For native tests of device
 * workers; no KVM and no spawner. The worker closes its own jail, filter and
 * all; a call that the filter denies fails what the test waits for, and is named
 * in vm->denied.
 *
 * Everything waits with a deadline. Functions return 0 or -errno: -ETIME, -EPIPE
 * when the worker ended, -EPERM when a call was denied, what Failed said.
 */
#ifndef BULKHEAD_TESTS_NATIVE_FAKEVM_H
#define BULKHEAD_TESTS_NATIVE_FAKEVM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/chan.h"
#include "tests/native/drvq.h"

#define FAKEVM_WAIT_MS 10000
#define FAKEVM_QUEUES 64u
#define FAKEVM_RAM (64ull << 20)	/* bytes at guest address 0, slot 0 */
#define FAKEVM_DATA (16ull << 20)	/* behind what rings may take */

/* An fd that the worker gets at a slot: its back end. */
struct fakevm_fd {
	int slot;
	int fd;			/* stays the test's */
};

struct fakevm {
	/* Of the machine: outlives a worker that is replaced */
	int ram_fd;
	uint8_t *ram;
	int kick[FAKEVM_QUEUES], call[FAKEVM_QUEUES];
	struct drvq q[FAKEVM_QUEUES];
	uint64_t next_ring;		/* where the next ring may lie */

	/* Of the worker */
	pid_t pid;			/* 0: none */
	int pidfd, listener;
	struct chan ctl, bus;
	int ctl_fd, bus_fd;		/* -1: closed */
	struct chan_buffers *buffers;
	uint32_t virtio_id;
	uint64_t features;		/* offered */
	unsigned int nqueues;
	uint16_t queue_max[FAKEVM_QUEUES];
	uint8_t config[256];
	size_t config_len;

	/* Called for a WantConnection, which fakevm_give() answers. */
	void (*want)(struct fakevm *vm);

	/* Called for a WantPort, which fakevm_give_port() answers. */
	void (*want_port)(struct fakevm *vm, uint32_t port, bool seqpacket);

	bool resume;			/* the next Activate is a successor's */

	/* What came in */
	bool hello, ready, stop_requested;
	bool resize_image;		/* of fakevm_resize() */
	/* Files that an image asks for: an fd, or -1: refused. NULL: all are. */
	int (*open_file)(const char *name, bool extent);
	char wanted[1024];		/* the last name */
	unsigned int needs_reset, config_changes, log_lines;
	char log[512];			/* the last line */
	char failed[512];		/* text of the last Failed */
	char denied[64];		/* the call that the filter refused */
	uint32_t answered;		/* seq of the last answer */
	int answer;			/* 0 or -errno */
	uint8_t state[CHAN_MAX_PACKET];	/* the last DeviceState, encoded */
	size_t state_len;
};

/* Memory and eventfds. Call fakevm_fini() whatever it returns. */
int fakevm_init(struct fakevm *vm);
void fakevm_fini(struct fakevm *vm);

/*
 * Start @binary ("build/bulkhead-rng"; relative to $BUILD if that is set) with
 * @fds, and go through the handshake: DeviceConfig (@config; regions and reserve
 * are filled in here), memory, listener, DeviceReady.
 */
int fakevm_start(struct fakevm *vm, const char *binary,
    Bh__DeviceConfig *config, const struct fakevm_fd *fds, unsigned int nfds);

/* The same worker program again, in place of one that was killed. */
void fakevm_kill(struct fakevm *vm);

/* Take in what comes for at most @timeout_ms, until something came. */
int fakevm_pump(struct fakevm *vm, int timeout_ms);

/* Send a request on the control channel or the bus, and await its answer. */
int fakevm_ask_ctl(struct fakevm *vm, Bh__Packet *packet, int fd);
int fakevm_ask_bus(struct fakevm *vm, Bh__Packet *packet);
/* Send only. */
int fakevm_post_bus(struct fakevm *vm, Bh__Packet *packet);

/*
 * Activate with @features and the first @nqueues queues of @size entries each
 * (0: the most offered); drivers' rings are laid out in vm->q[].
 */
int fakevm_activate(struct fakevm *vm, uint64_t features,
    unsigned int nqueues, uint16_t size);
/* Activate with the rings as they lie in vm->q[] (a test has bent them). */
int fakevm_activate_rings(struct fakevm *vm, uint64_t features,
    unsigned int nqueues);
int fakevm_reset(struct fakevm *vm);
int fakevm_write_config(struct fakevm *vm, uint32_t offset, uint64_t value,
    uint32_t width);

int fakevm_add_memory(struct fakevm *vm, uint32_t slot, uint64_t gpa,
    uint64_t size, int fd, uint64_t offset, bool readonly);
int fakevm_remove_memory(struct fakevm *vm, uint32_t slot);
int fakevm_dirty_log(struct fakevm *vm, int fd, uint64_t size);
int fakevm_drain(struct fakevm *vm);
int fakevm_resize(struct fakevm *vm, uint64_t size);
/* GiveConnection: @error 0 and @nfds fds, which are closed; or an errno. */
int fakevm_give(struct fakevm *vm, int error, const int *fds, unsigned int nfds);
/* GivePort: @error 0 and @fd, which is closed; or an errno and -1. */
int fakevm_give_port(struct fakevm *vm, int error, int fd);
int fakevm_save(struct fakevm *vm);	/* into vm->state */
int fakevm_load(struct fakevm *vm);	/* from it */
int fakevm_attach_bus(struct fakevm *vm);
int fakevm_attach_backend(struct fakevm *vm, int fd);

/* Quit, and the worker's exit status; or -errno; 1000 + its signal. */
int fakevm_quit(struct fakevm *vm);
/* Wait for the worker's end without asking for it. */
int fakevm_wait_exit(struct fakevm *vm);

/* The driver: kick queue @q, publish and kick if the device wants it. */
void fakevm_kick(struct fakevm *vm, unsigned int q);
void fakevm_publish(struct fakevm *vm, unsigned int q);
/* Has queue @q been signalled since the last time? */
bool fakevm_called(struct fakevm *vm, unsigned int q);
/* Await a used request of queue @q, by its interrupt. */
int fakevm_used(struct fakevm *vm, unsigned int q, uint64_t *cookie,
    uint32_t *len);
/* One request, there and back. */
int fakevm_request(struct fakevm *vm, unsigned int q,
    const struct drvq_buf *bufs, unsigned int n, uint32_t *len);

#endif
