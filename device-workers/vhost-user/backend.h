/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a back-end program: its state, and what its sources need of each other.
 * main.c starts it, socket.c reads messages, messages.c carries them out,
 * memory.c has the memory, queues.c the rings and what a device calls
 * (device.h), inflight.c and state.c what a successor gets. Not for devices.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_BACKEND_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_BACKEND_H

#include "device-workers/lib/device.h"
#include "device-workers/vhost-user/slots.h"
#include "device-workers/vhost-user/wire.h"
#include "ipc/loop.h"

struct vhu_program;

struct vhu_queue {
	uint32_t num;			/* entries */
	uint32_t base;
	uint64_t desc, avail, used;	/* front-end addresses */
	bool have_addr;
	bool has_kick, has_call, has_err;	/* a fd is at the slot */
	bool polled;			/* the driver's kicks come nowhere */
	bool enabled;			/* SET_VRING_ENABLE */
	bool started;			/* the ring is ours */
	struct loop_source kick;
};

/* What waits until nothing is in flight; all of one moment are done in order. */
#define VHU_QUIET_MESSAGE 1u	/* carry out v->msg */
#define VHU_QUIET_HANG_UP 2u	/* the front end is gone, or shall go */
#define VHU_QUIET_END 4u	/* SIGTERM */

struct vhu {
	struct device dev;
	const struct vhu_program *program;
	struct loop loop;
	struct loop_source listen, conn, signal;
	struct loop_source backend[FD_KICK];	/* by fd */
	bool one_shot;			/* no socket to listen on: --fd */
	bool connected;

	uint64_t offered;		/* features, those of the transport too */
	uint64_t features;		/* of SET_FEATURES */
	uint64_t protocol_features;
	bool has_backend_req;		/* FD_VHU_BACKEND_REQ is open */
	struct vhu_region region[GMEM_MAX_REGIONS];	/* size 0: free */
	uint32_t region_adds[GMEM_MAX_REGIONS];	/* ADD_MEM_REGs of the same */
	struct vhu_queue queue[DEVICE_MAX_QUEUES];

	uint8_t status;			/* of SET_STATUS */

	struct {
		uint8_t *reserve;	/* PROT_NONE where nothing is mapped */
		uint64_t reserve_size;
		uint64_t size;		/* mapped bytes; 0: none */
		uint32_t num_queues, queue_size;
	} inflight;			/* inflight.c's */
	struct {
		struct loop_source source;
		bool open, loading;
		int result;		/* for CHECK_DEVICE_STATE */
		uint32_t len, at;
		uint8_t buf[16 + DEVICE_MAX_STATE];
	} state;			/* state.c's */

	struct vhu_msg msg;		/* being received, or waiting for quiet */
	uint32_t have;			/* bytes of it */
	unsigned int quiet;		/* VHU_QUIET_ bits */
	uint64_t again;			/* queues of device_again(), a bit each */
	uint64_t polled;		/* queues that run without kicks */
	bool needs_reset;
};

/* ---- socket.c ---- */

int vhu_socket_listen(struct vhu *v);	/* wait for a front end. -errno */
void vhu_conn_start(struct vhu *v);	/* FD_VHU_CONN is there: hear it */
void vhu_conn_close(struct vhu *v);
/* Read messages (again), or do not. */
void vhu_conn_pause(struct vhu *v, bool pause);
/* Answer v->msg with the first @size bytes of v->msg.payload. */
void vhu_reply(struct vhu *v, uint32_t size);
void vhu_reply_fd(struct vhu *v, uint32_t size, int fd);
/* A message of our own, without payload, on the back-end channel. */
void vhu_tell_front_end(struct vhu *v, uint32_t request);
/* Close what nobody took of the message's fds, and forget the message. */
void vhu_msg_done(struct vhu_msg *msg);

/* ---- messages.c ---- */

/* Is v->msg to be answered with success or failure? */
bool vhu_wants_ack(const struct vhu *v);
/* Carry out v->msg, which has been checked. 0, or -errno: refused. */
void vhu_carry_out(struct vhu *v);

/* ---- memory.c: each 0 or -errno; fds are the caller's ---- */

int vhu_memory_set(struct vhu *v);	/* SET_MEM_TABLE in v->msg */
int vhu_memory_add(struct vhu *v);
int vhu_memory_remove(struct vhu *v);
int vhu_memory_log(struct vhu *v);
void vhu_memory_forget(struct vhu *v);
/* A front-end address as guest address. -EFAULT: in no region. */
int vhu_translate(const struct vhu *v, uint64_t uva, uint64_t *gpa);
/* Move @fd, which is closed, to a number of FD_INCOMING's; -errno. */
int vhu_incoming(int fd);
/* The same with the message's fd @i. */
int vhu_take_fd(struct vhu *v, unsigned int i);
/* A copy of @fd, which stays the caller's, at @slot, in the place of what is there. */
int vhu_put_fd(int fd, int slot);

/* Is @fd a file that @len bytes from @offset can be mapped of? */
int vhu_check_file(int fd, uint64_t offset, uint64_t len);

/* ---- inflight.c ---- */

int vhu_inflight_init(struct vhu *v);	/* before the jail */
int vhu_inflight_get(struct vhu *v);	/* GET_INFLIGHT_FD: answered, or -errno */
int vhu_inflight_set(struct vhu *v);
/* Queue @q's part, NULL if it has none. -EINVAL: it does not fit the ring. */
int vhu_inflight_region(const struct vhu *v, unsigned int q, void **region);
/* The driver's rings are gone: nothing of them is in flight. */
void vhu_inflight_clear(struct vhu *v);
void vhu_inflight_forget(struct vhu *v);

/* ---- state.c: 0 or -errno ---- */

int vhu_state_set(struct vhu *v);	/* SET_DEVICE_STATE_FD */
int vhu_state_check(struct vhu *v);	/* CHECK_DEVICE_STATE */
void vhu_state_forget(struct vhu *v);

/* ---- queues.c ---- */

/* Start queue @q if all is there that it needs. 0 or -errno. Device at rest. */
int vhu_queue_start(struct vhu *v, unsigned int q);
/* Stop it: *base is where it stood. Device at rest. */
void vhu_queue_stop(struct vhu *v, unsigned int q, uint32_t *base);
/* Stop all, and as a reset for the device. Device at rest. */
void vhu_queues_forget(struct vhu *v);
/* Hold the queues, and do @task when nothing is in flight any more. */
void vhu_ask_quiet(struct vhu *v, unsigned int task);
/* After each round of events. */
void vhu_settle(struct vhu *v);
/* After a call of the device's: show what was pushed, notice what is broken. */
void vhu_look_after_queues(struct vhu *v);

/* ---- jail.c ---- */

/* Namespaces of our own and the jail; @share of the program. -errno and *stage. */
struct vhu_share;
int vhu_jail(const struct vhu_share *share, const char **stage);

#endif
