/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a front-end worker: its state, and what its sources need of each other.
 * front.c is the device (device.h), conn.c the connection to the back end, steps.c
 * the conversation (its tables: greet.c and start.c), relay.c the rings of back ends
 * that forget what they have in flight, control.c net's control queue. Guest memory
 * is mapped for these two alone, and by what stands in when all of that has failed too
 * often: stand_in.c.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_FRONT_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_FRONT_FRONT_H

#include "device-workers/lib/device.h"
#include "device-workers/lib/virtq_inflight.h"
#include "device-workers/vhost-user-front/reply.h"
#include "device-workers/vhost-user-front/slots.h"
#include "ipc/loop.h"

/*
 * "Front-end addresses", by which rings are named to the back end: guest addresses
 * and this. Real ones would tell it where things are in this process.
 */
#define FRONT_UVA (1ull << 44)
/* Where relayed rings are, as seen by the back end: above every guest address. */
#define FRONT_RINGS_GPA (1ull << 52)

#define FRONT_NS_MS 1000000ull

/* virtio device numbers that make a difference. */
enum { NET = 1, BLK = 2, RNG = 4, FS = 26 };

/* For a successor; what the back end is asked anew is not in it. */
struct front_saved {
	struct front_inflight inflight;
	uint8_t inflight_open, relay;
	uint16_t pairs;
	uint8_t padding[4];
};

struct front_region {
	struct gmem_region at;	/* size 0: free; host is of no use here */
	uint64_t offset;	/* in the fd */
	int fd;
	bool told;		/* the back end has it */
};

/* What the front end and the back end do; in order, one at a time. */
enum front_job {
	JOB_GREET,	/* negotiate */
	JOB_STOP,	/* the rings, and reset the device */
	JOB_MEMORY,	/* tell of regions added and removed */
	JOB_LOG,	/* dirty logging on or off */
	JOB_START,	/* the rings */
	JOB_ENABLE,	/* the queues that the driver uses, and no others */
	JOB_WRITE,	/* of the driver, to the configuration space */
	JOB_CONFIG,	/* look at it again */
	JOB_HEALTH,	/* is the device of the opinion that it needs a reset? */
	JOB_COUNT,
	JOB_NONE = JOB_COUNT,
};

enum front_conn {
	CONN_AWAY,	/* waits to try again, or for somebody to connect */
	CONN_WANTED,	/* the controller has been asked */
	CONN_GREETING,
	CONN_READY,
};

/* A queue that is relayed, see relay.c. */
struct front_ring {
	const uint16_t *avail;	/* the driver's */
	uint16_t *used;
	uint16_t *far_avail;	/* what the back end sees */
	const uint16_t *far_used;
	uint16_t avail_seen, used_idx;
	uint16_t far_avail_idx, far_used_seen;
	uint16_t inflight;
	uint64_t next_order;
	/* Who is in flight, and since when: in the record, if there is one. */
	struct inflight_split *book;
	struct loop_source kick, call;
};

struct front {
	struct device *dev;
	struct loop loop;
	struct loop_source conn_src, listen_src, events_src, timer_src;

	/* Of the configuration */
	uint64_t own_features;	/* beside the back end's */
	uint64_t not_offered;	/* by the user's wish */
	bool own_config, listens, packed;
	bool successor;		/* a predecessor died: the guest has the device */
	bool control;		/* there is a control queue */
	uint64_t patience;	/* ns */

	/* The connection */
	enum front_conn conn;
	bool events_open, inflight_open, log_open;
	bool known;		/* greeted once: the guest has seen the device */
	bool lost, told_lost;	/* since then; and the user knows */
	bool broken;		/* the driver's fault: wait for its reset */
	const char *why;	/* of a start that failed, or NULL */
	char text[160];
	uint32_t backoff_ms;
	uint64_t deadline, retry_at, config_at;	/* ns; 0: none */
	bool config_again;	/* at config_at there is a change to be looked at */
	uint64_t began;		/* ns: the connection */
	int answer_fd;		/* came with the answer being received; -1 */

	/* What was negotiated */
	uint64_t far_features, protocol_features;
	uint32_t mem_slots;
	bool relay;

	/* The conversation */
	uint32_t jobs;		/* 1 << enum front_job, waiting */
	enum front_job job;	/* going on */
	unsigned int step, sub;
	bool waiting;		/* for an answer */
	struct front_expect expect;
	struct vhu_header header;	/* of the answer, being received */
	union front_payload in;
	uint32_t have;			/* bytes of both */
	struct vhu_header event_header;
	uint8_t event[64];
	uint32_t event_have;
	int result;		/* of memory and log changes */

	/* The device */
	uint32_t config_len;	/* what is asked for */
	struct front_region region[GMEM_MAX_REGIONS];
	struct front_region removed[GMEM_MAX_REGIONS];	/* told, and to be untold */
	uint64_t log_size;
	struct virtq_layout queue[DEVICE_MAX_QUEUES];	/* size 0: off */
	bool started;		/* the back end has the rings, or shall have */
	bool served;		/* it had them before: continue where it stood */
	struct front_inflight inflight;
	uint8_t *record;	/* FD_FRONT_INFLIGHT, of FRONT_LIMIT_INFLIGHT bytes */
	bool mapped;		/* guest memory is */
	bool loaded;		/* there is a predecessor's state */
	unsigned int pairs;	/* of net's queues, that the driver uses */
	bool command_waits;	/* until the back end has been told */
	struct virtq_chain command;
	uint32_t write_offset, write_len;	/* JOB_WRITE */
	uint8_t written[8];
	bool rings_told;	/* of the relay, as a region */
	bool memory_told;	/* the back end has seen all regions once */

	uint8_t *rings;		/* of the relay */
	struct front_ring ring[DEVICE_MAX_QUEUES];
};

/* ---- conn.c ---- */

/* Make timer and loop; @listens: hear who connects. Before the jail. -errno. */
int front_conn_init(struct front *f);
/* Ask for a connection, or hear the socket. */
void front_conn_want(struct front *f);
/* The answer to it. */
void front_conn_given(struct front *f, int error, const int *fds,
    unsigned int nfds);
/*
 * Send a request of @size bytes of payload and @fd (-1: none). False: the
 * connection is lost, and has been seen to.
 */
bool front_conn_send(struct front *f, uint32_t request, uint32_t flags,
    const void *payload, uint32_t size, const int *fds, unsigned int nfds);
/* Start to wait for the answer, as f->expect says. */
void front_conn_await(struct front *f);
/* The back end is of no use: close, and try again later. @why: static text. */
void front_conn_lose(struct front *f, const char *why);
/* Set the timer to the first of f's times. */
void front_conn_arm(struct front *f);
uint64_t front_now(void);
/* A sealed memfd of @size zeros at @slot; before the jail. -errno. */
int front_memfd(const char *name, uint64_t size, int slot);
/* Put @fd at @slot; it may have come to lie there by itself. */
bool front_place(int fd, int slot);

/* ---- steps.c ---- */

/* Ask for a job; it begins when there is nothing else. */
void front_ask(struct front *f, enum front_job job);
/* Forget what goes on: the connection is gone. */
void front_steps_forget(struct front *f);
/* Begin with a new connection. */
void front_greet(struct front *f);
/* The answer that was waited for is in f->header and f->in; @fd is of GET_INFLIGHT_FD,
 * or -1. */
void front_answered(struct front *f, int fd);
/* Go on as far as it goes without an answer. */
void front_go_on(struct front *f);
/* Is there something to be done before a drain is over? */
bool front_busy(const struct front *f);

/* ---- front.c ---- */

/* All of the greeting is there. false: the back end is not what it must be. */
bool front_greeted(struct front *f);
/* The configuration space has come anew: f->in.config. */
void front_config_came(struct front *f);
/* Where the used ring of queue @q stands: 0 or -errno. */
int front_used_index(struct front *f, unsigned int q, uint16_t *index);
/* The region that has @len bytes at guest address @addr, or NULL. */
const struct front_region *front_region_of(const struct front *f, uint64_t addr,
    uint64_t len);

/* ---- control.c ---- */

/* Which queue that is, with the driver's features; DEVICE_MAX_QUEUES: none. */
unsigned int control_queue(const struct front *f);
/* How many queues are the back end's. */
unsigned int control_far_queues(const struct front *f);
/* There may be commands in it. */
void control_ready(struct front *f, unsigned int q);
/* The back end knows what the last one said, or is gone. */
void control_told(struct front *f);

/* ---- relay.c ---- */

/* Room for relayed rings and eventfds; before the jail. -errno. */
int relay_init(struct front *f);
/* Bytes of a ring's area, and its offset. */
uint64_t relay_size(const struct front *f);
uint64_t relay_avail_at(unsigned int q);
uint64_t relay_used_at(unsigned int q);
/* The driver's rings are there. @resume: a predecessor relayed them. -errno: not in
 * guest memory, or not as the record has them. */
int relay_attach(struct front *f, bool resume);
/* A back end is about to get them: all in flight are to be done, from 0 on. */
void relay_refill(struct front *f);
/* It has them: listen. */
void relay_run(struct front *f);
/* It has them no longer. */
void relay_hold(struct front *f);
/* Take what it has done meanwhile. */
void relay_settle(struct front *f);
/* The driver is gone. */
void relay_forget(struct front *f);

/* ---- stand_in.c: see device.h ---- */

int stand_in_init(struct device *dev);
int stand_in_left(struct device *dev, unsigned int q, uint64_t features,
    const uint8_t *state, size_t len, void *region);
int64_t stand_in_refuse(struct device *dev, unsigned int q,
    struct virtq_chain *chain);

#endif
