/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a device's author. A device is a const struct device_ops, its
 * own code and its policy; its main is
 *	int main(void) { return worker_main(&xyz_ops); }
 * The library (worker.c) owns the process: channels, handshake, memory, queues,
 * jail, loop, state. A device never touches a channel and holds no process glue.
 * All calls come from one thread, in the order that worker.c documents.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_LIB_DEVICE_H
#define BULKHEAD_DEVICE_WORKERS_LIB_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead.pb-c.h"
#include "device-workers/lib/counters.h"
#include "device-workers/lib/virtq.h"
#include "ipc/loop.h"
#include "ipc/slots.h"

#define DEVICE_MAX_QUEUES 64u
#define DEVICE_MAX_CONFIG 256u
#define DEVICE_MAX_STATE 28672u	/* bytes that save() may write */
/*
 * Of DeviceState, of the record and of the device's part in both. A build goes on
 * from states of the versions OLDEST to VERSION and writes the last; an upgrade
 * to one that does not know what is there is refused. 2: the record says its own
 * version, and has the last requests (record.h); all else is as in 1.
 */
#define DEVICE_STATE_VERSION 2u
#define DEVICE_STATE_OLDEST 1u

struct device;

/*
 * A device whose rings somebody else serves (a vhost-user back end): it gets
 * memory as fds, and what the driver chose as it is. The library maps nothing,
 * enables no queue and takes no kick for it. Each function starts a change and
 * returns; drain() is 0 when it has been carried out, and result() says how.
 */
struct device_remote {
	/* @fd is the device's from now on, among FD_INCOMING. */
	void (*add_memory)(struct device *dev, uint32_t slot,
	    const struct gmem_region *region, int fd, uint64_t offset);
	void (*remove_memory)(struct device *dev, uint32_t slot);
	/* As gmem_set_dirty_log(), but @fd is the device's. */
	void (*dirty_log)(struct device *dev, int fd, uint64_t size);
	/* In the place of activate(): a layout a queue, size 0 where it is off.
	 * @resume: a predecessor died while it served them; load() came before,
	 * if it had written down a state. */
	void (*activate)(struct device *dev, const struct virtq_layout *layout,
	    bool resume);
	/* Whoever serves the rings shall let go of them: reset() will follow. */
	void (*stop)(struct device *dev);
	/* 0 or -errno of the last change of memory or log. */
	int (*result)(struct device *dev);
	/* The answer to device_want_connection(): @error 0 and @nfds fds, which
	 * are the device's, among FD_INCOMING (or -errno), or an errno. */
	void (*connection)(struct device *dev, int error, const int *fds,
	    unsigned int nfds);
	/*
	 * Of a stand-in, which serves the rings itself, and answers that all has
	 * failed (refuse()). Before the jail: have at hand what left() needs. -errno.
	 */
	int (*stand_in)(struct device *dev);
	/*
	 * Whoever served queue @q has let go of it: write into @region, which has
	 * RECORD_QUEUE_SIZE bytes, what virtq_track() is to go on from. @state has
	 * the @len bytes of the last save(), 0: there was none; @features are the
	 * driver's. -errno: nobody can tell what was in flight.
	 */
	int (*left)(struct device *dev, unsigned int q, uint64_t features,
	    const uint8_t *state, size_t len, void *region);
};

struct device_ops {
	const char *name;			/* "blk" */
	Bh__DeviceConfig__DeviceCase config_case;

	/*
	 * Before the jail: check the configuration, allocate everything, fill
	 * in dev->virtio_id, features, nqueues, queue_max, config and
	 * config_size, add back-end fds by device_watch(). Opens nothing: the
	 * fds are at FD_BACKEND. On failure -errno and *why static text.
	 */
	int (*start)(struct device *dev, const Bh__DeviceConfig *config,
	    const char **why);

	/*
	 * The jail is closed: now, and not before, the bytes of a back end may
	 * be looked at. Fill in what start() could not know of features and
	 * config. Allocate nothing. Errors as start(); 1: ask again after the
	 * next event. NULL: nothing to do.
	 */
	int (*jailed)(struct device *dev, const char **why);

	/* NULL: the library has the rings. */
	const struct device_remote *remote;

	/*
	 * The driver said DRIVER_OK (or a saved state was loaded, after load()):
	 * dev->driver_features and queues are set. NULL: nothing to do.
	 */
	void (*activate)(struct device *dev);

	/*
	 * Queue @q was kicked (or activated, or may go on): drain it. Called
	 * for each enabled queue after activate() and after a drain, with and
	 * without a kick.
	 */
	void (*queue_ready)(struct device *dev, unsigned int q);

	/*
	 * A watched back-end fd is ready. Also while the device is inactive or
	 * draining; virtq_pop finds nothing then. One that stays ready and is
	 * not of use now must be unwatched, until queue_ready.
	 */
	void (*backend_ready)(struct device *dev, int fd, uint32_t events);

	/*
	 * The back end was replaced: the new fd is at FD_BACKEND and, as the old
	 * one is closed, watched for nothing. -errno: this device cannot. NULL:
	 * no back end of this device is ever replaced.
	 */
	int (*backend_attached)(struct device *dev);

	/*
	 * Forget the driver. All requests that were in flight have been
	 * finished or dropped when it returns. NULL: nothing to forget.
	 */
	void (*reset)(struct device *dev);

	/*
	 * Finish what was taken, without taking more: return the number of
	 * requests still in flight; called again after each event until 0.
	 * NULL: the device never leaves a request in flight.
	 */
	unsigned int (*drain)(struct device *dev);

	/* Make what was written durable: before exit. NULL: nothing. */
	void (*flush)(struct device *dev);

	/*
	 * Another process takes over the back end, and this one exits without
	 * flush(): leave nothing in memory alone, write nothing afterwards.
	 * Nothing is in flight. NULL: nothing is kept.
	 */
	void (*hand_over)(struct device *dev);

	/* The driver wrote to the configuration space (dev->config is updated
	 * by the device). NULL: read only. */
	void (*config_write)(struct device *dev, uint32_t offset,
	    const uint8_t *data, uint32_t len);

	/*
	 * The disk has @size bytes now; nothing is in flight. Tell the driver
	 * (block only). 0, or -errno and *why: it stays as it was. @image: only
	 * an image, which is made that large; -ENOTBLK: it is raw.
	 */
	int (*resize)(struct device *dev, uint64_t size, bool image,
	    const char **why);

	/* The answer to device_want_port() (vsock only): @error 0 and a connection,
	 * which is the device's, among FD_INCOMING; or an errno, and fd -1. */
	void (*port)(struct device *dev, int error, int fd);

	/* A predecessor had given fd number @id to be kept: it is the device's now. */
	void (*kept_file)(struct device *dev, uint32_t id, int fd);

	/* The terminal's size changed (console only). */
	void (*console_size)(struct device *dev, uint32_t columns, uint32_t rows);

	/* So many bytes shall be in the balloon, or plugged (virtio-mem); somebody
	 * wants newer figures of the guest than those in the counters (balloon). */
	void (*set_target)(struct device *dev, uint64_t size);
	void (*refresh)(struct device *dev);

	/* virtio-mem only: the machine begins anew, with nobody's driver yet; what
	 * device_config_update() sent is where the driver reads it. */
	void (*new_machine)(struct device *dev);
	void (*config_taken)(struct device *dev);

	/*
	 * Answer as failed a request that is not to be carried out, whatever it
	 * asks: it has killed two workers, or the device is isolated; of @dev
	 * only ops, features, queues and memory are there, start() was not
	 * called. The number of bytes written, or -1: leave it and what is
	 * behind it in the ring. NULL: nothing is written.
	 */
	int64_t (*refuse)(struct device *dev, unsigned int q,
	    struct virtq_chain *chain);

	/*
	 * Of a stand-in, before the jail, for what is no queue: watch it. Then
	 * isolated_ready() is what backend_ready() is of others. 0 or -errno; NULL
	 * both: there are queues alone.
	 */
	int (*isolate)(struct device *dev, const char **why);
	void (*isolated_ready)(struct device *dev, int fd, uint32_t events);

	/*
	 * May what a predecessor had taken be carried out again? If not, virtq_pop
	 * returns it with chain->again, to be answered.
	 */
	bool redo;

	/* Own state, at most @size bytes: returns its length. NULL: none. */
	size_t (*save)(struct device *dev, uint8_t *buf, size_t size);
	/* From save() of state version @version: 0 or -EINVAL. */
	int (*load)(struct device *dev, uint32_t version, const uint8_t *buf,
	    size_t len);
};

struct device {
	const struct device_ops *ops;
	void *priv;			/* the device's own struct */
	struct gmem mem;

	uint32_t virtio_id;		/* 0: this instance has no virtio side */
	uint64_t features;		/* offered; the library adds ring features */
	uint64_t driver_features;	/* chosen, after activate */
	unsigned int nqueues;
	uint16_t queue_max[DEVICE_MAX_QUEUES];
	uint8_t config[DEVICE_MAX_CONFIG];
	uint32_t config_size;
	/*
	 * Bits that the driver may write, set by start() or jailed(). What it
	 * wrote is read at driver_config, same offsets, and is there before any
	 * request that it made available afterwards; config_write() does not
	 * hear of it. Hostile, and may change at any time: read once.
	 * NULL: nobody keeps it, offer no such field.
	 */
	uint8_t config_writable[DEVICE_MAX_CONFIG];
	const volatile uint8_t *driver_config;

	uint64_t *counters;		/* counters.h; NULL: nobody wants to know */
	bool active;			/* between DRIVER_OK and reset */
	bool draining;			/* take nothing more: queues are held */
	struct {
		uint64_t queues;	/* wait for the timer, a bit each */
		uint64_t at;		/* what it is set to, ns */
		struct loop_source timer;
	} later;			/* limit.c's */
	struct virtq vq[DEVICE_MAX_QUEUES];
};

/*
 * Wait for @events (EPOLLIN ...; 0: quiet, but for hang-ups and errors) on a
 * back-end fd, below FD_KICK. Call again to change them. -errno; EPERM: a file
 * that is always ready.
 */
int device_watch(struct device *dev, int fd, uint32_t events);
/* Before the fd is closed. */
void device_unwatch(struct device *dev, int fd);

/*
 * queue_ready stopped at its budget with requests left: call it for queue @q
 * again once the other ready sources have had their turn.
 */
void device_again(struct device *dev, unsigned int q);

/*
 * For remote devices, in activate(): queue @q is served here after all, by
 * queue_ready(), as it lies in @layout; @resume: from where a predecessor was in it.
 * -errno: it cannot be.
 */
int device_serve_queue(struct device *dev, unsigned int q,
    const struct virtq_layout *layout, bool resume);
/*
 * RECORD_QUEUE_SIZE bytes for what a remote device writes down of queue @q, for its
 * successor. NULL: there will be none.
 */
void *device_record_region(struct device *dev, unsigned int q);

/* For the library's own sources. */
struct loop *device_loop(struct device *dev);

/* dev->config has changed: tell the driver. */
void device_config_changed(struct device *dev);

/*
 * dev->config has changed by what the driver did, who is not told, but may read it once
 * config_taken() was called. False: there is nobody to be told.
 */
bool device_config_update(struct device *dev);

/*
 * What save() would say has changed: keep it for a successor, should this worker
 * die. Not needed for ring positions and requests in flight.
 */
void device_state_changed(struct device *dev);

/* The driver broke the rules beyond a queue: DEVICE_NEEDS_RESET. */
void device_needs_reset(struct device *dev, const char *why);

/* Another file of a disk image, as the controller opened it. */
struct device_file {
	uint64_t size;			/* bytes */
	uint64_t device, inode;
	bool block, readonly;
};

/*
 * In jailed() only: ask for the file that an image calls @name (hostile), and
 * wait for it. @extent: a part of the image, to be written to as it is; else a
 * backing file. It comes to fd @slot, which dup3 must be allowed to make.
 * -errno, and *why, good until the next call: it is refused.
 */
int device_want_file(struct device *dev, const char *name, bool extent, int slot,
    struct device_file *file, const char **why);

/* A remote device wants to be connected: remote->connection() will be called. */
void device_want_connection(struct device *dev);

/*
 * A socket device wants a port of the host's: ops->port() will be called. One at a
 * time. Without a controller (vhost-user) nobody answers: -ENOSYS.
 */
int device_want_port(struct device *dev, uint32_t port, bool seqpacket);

/*
 * The controller shall keep a copy of @fd, by the number @id, for a successor; -1: no
 * more. -EAGAIN: try again later. Without a controller (vhost-user): -ENOSYS.
 */
int device_keep_file(struct device *dev, uint32_t id, int fd);

/* The guest has not served its watchdog in time: the VM is to be reset. */
void device_watchdog_expired(struct device *dev);

/* The user asked to stop the VM (console escape). */
void device_request_stop(struct device *dev);

int worker_main(const struct device_ops *ops);

#endif
