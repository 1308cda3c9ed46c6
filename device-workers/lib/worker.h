/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between worker_start.c (from exec to the closed jail), worker_messages.c and
 * worker.c (at work): the state of a device worker's process. Not for devices.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_WORKER_H
#define BULKHEAD_DEVICE_WORKERS_LIB_WORKER_H

#include "device-workers/lib/device.h"
#include "device-workers/lib/record.h"
#include "ipc/chan.h"
#include "ipc/loop.h"

/*
 * What can only be done when no request is in flight. Asked for by a message,
 * done by worker_settle() once the device has drained.
 */
enum quiet_task {
	QUIET_DRAIN,		/* Drain */
	QUIET_SAVE,		/* SaveState */
	QUIET_QUIT,		/* Quit */
	QUIET_RESET,		/* ResetDevice */
	QUIET_REMOVE_MEMORY,	/* RemoveMemory */
	QUIET_REMOTE,		/* a remote device's memory or log changes */
	QUIET_BUS_LOST,		/* the vcpu-worker is gone */
	QUIET_RESIZE,		/* ResizeDisk */
	QUIET_PAUSE,		/* SetPaused */
	QUIET_RESUME,		/* SetPaused, the end of it */
	QUIET_HAND_OVER,	/* HandOver */
};

struct quiet_request {
	enum quiet_task task;
	uint32_t seq;
	uint32_t slot;		/* QUIET_REMOVE_MEMORY; QUIET_RESIZE: an image */
	uint64_t size;		/* QUIET_RESIZE */
};

/* What this build says of itself; in a file of its own (version.c), of which tests
 * have others. */
struct worker_version {
	uint32_t protocol;	/* PROTO_VERSION */
	uint32_t state, oldest;	/* DEVICE_STATE_VERSION, DEVICE_STATE_OLDEST */
	const char *build;	/* BULKHEAD_BUILD_ID */
};

extern const struct worker_version worker_version;

#define QUIET_MAX 16u

struct worker {
	struct device dev;
	struct loop loop;
	struct chan_buffers buffers;
	struct chan ctl;
	struct chan bus;
	struct loop_source ctl_src;
	struct loop_source bus_src;
	struct loop_source kick[DEVICE_MAX_QUEUES];
	struct loop_source backend[FD_KICK];	/* by fd */
	bool bus_open;

	/* Until the jail is closed */
	bool configured;
	uint32_t config_seq;
	Bh__SeccompMode seccomp;
	uint32_t regions_left;
	struct {
		bool waiting;
		int slot, error;	/* where it goes; 0 or -errno */
		struct device_file file;
		char text[481];		/* of a refusal */
	} want;				/* device_want_file() */

	/* What a successor is told, and what this one was */
	struct record record;
	bool suspect;			/* the predecessor died of what it did */
	uint64_t doubtful;		/* queues that a worker died on, a bit each */
	struct virtq_chain chain;	/* of requests that are refused */
	const struct device_ops *stands_for;	/* as a stand-in: the device's own */

	/* At work */
	uint64_t again;			/* queues of device_again(), a bit each */
	unsigned int first;		/* queue that worker_settle begins with */
	bool needs_reset;		/* said so; stopped until the reset */
	uint32_t config_seq_sent;	/* of the last ConfigChanged to be answered */
	bool saved;			/* stopped by SaveState */
	bool paused;			/* ... by SetPaused */
	struct quiet_request quiet[QUIET_MAX];
	unsigned int nquiet;
	uint8_t state[DEVICE_MAX_STATE];	/* save() */
};

static inline struct worker *
worker_of(struct device *dev)
{
	return (struct worker *)(void *)((char *)dev -
	    offsetof(struct worker, dev));
}

/* Send to the controller; a worker that cannot be heard there exits. */
void worker_send_ctl(struct worker *w, const Bh__Packet *packet,
    const int *fds, unsigned int nfds);

/* Answer a request of the controller's: Ack, or Failed where @rc is -errno. */
void worker_answer_ctl(struct worker *w, uint32_t seq, int rc,
    const char *text);

/* Answer a request of the vcpu-worker's, if there is one. */
void worker_answer_bus(struct worker *w, uint32_t seq, int rc,
    const char *text);

/* The vcpu-worker is gone or deaf: as a reset, and wait for AttachBus or Quit. */
void worker_lose_bus(struct worker *w);

/* Hold the queues, and do the task when nothing is in flight any more. */
void worker_ask_quiet(struct worker *w, enum quiet_task task, uint32_t seq,
    uint32_t slot);

/* It is off, and the worker goes on. Asked for no more: nothing. */
void worker_take_back(struct worker *w, enum quiet_task task);

/* The same for QUIET_RESIZE. */
void worker_ask_resize(struct worker *w, uint32_t seq, uint64_t size, bool image);

/* Let the device take requests, or not; kicks are heard accordingly. */
void worker_hold_queues(struct worker *w, bool hold);
void worker_disable_queues(struct worker *w);

/* The queues may be used (again): see what was queued meanwhile. */
void worker_run_queues(struct worker *w);

/* Answer the request that has killed too many of queue @q, entry @entry. */
void worker_refuse(struct worker *w, unsigned int q, unsigned int entry);

/* What stands in for a device that has died too often: it refuses everything. Before
 * the jail. -errno, and why. */
int worker_isolate(struct worker *w, const Bh__DeviceReady *known,
    const char **why);

/* Tell the driver that the device needs a reset. The queues go on. */
void worker_say_needs_reset(struct worker *w);

/* After a call of the device's: show what was pushed, notice what is broken. */
void worker_look_after_queues(struct worker *w);

/* ---- worker_activate.c: 0 or -errno with *why, static text ---- */

int worker_check_features(const struct worker *w, uint64_t features,
    const char **why);
/* Queue @q as the driver laid it out. */
int worker_enable_queue(struct worker *w, uint32_t q,
    const struct virtq_layout *layout, uint64_t features, const char **why);
/*
 * Write down from now on what is in flight of queue @q; if a predecessor died,
 * begin where it was. *suspect: the request that has killed too many, or -1.
 */
int worker_track_queue(struct worker *w, uint32_t q, bool resume, int *suspect,
    const char **why);
/* A stand-in for a remote device: bring what its back end had into the record. */
int worker_take_over_queue(struct worker *w, uint32_t q, uint64_t features,
    const char **why);
/* Does this build know it? The controller saw to it, unless a predecessor lied. */
int worker_check_record(const struct worker *w, const char **why);
/* The device's own state, as the worker that died last wrote it down. */
int worker_load_record(struct worker *w, const char **why);
/* All of that is done: the device is active. */
void worker_go_on_with(struct worker *w, uint64_t features);
/*
 * A remote device's driver: the layouts as they are, once they fit what was
 * offered. Whether rings lie in memory is for the device to see.
 */
int worker_activate_remote(struct worker *w, const Bh__Activate *a,
    const char **why);

/* Handlers of the two channels' sources. */
void worker_ctl_ready(struct loop_source *src, uint32_t events);
void worker_bus_ready(struct loop_source *src, uint32_t events);
void worker_kick_ready(struct loop_source *src, uint32_t events);

/* In worker_start.c: the DeviceConfig message. Does not return on failure. */
void worker_configure(struct worker *w, uint32_t seq,
    const Bh__DeviceConfig *config);

/* In worker_config.c: the vcpu-worker's answer to ConfigChanged. */
void worker_config_taken(struct worker *w, uint32_t seq);

/* In worker_files.c: the GiveFile message. */
void worker_give_file(struct worker *w, struct chan_msg *msg);

/* After each round of events: queues that go on, tasks that wait for quiet. */
void worker_settle(struct worker *w);

#endif
