/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device as a vhost-user back-end program for other VMMs: the same device_ops
 * as in a worker of ours, behind a socket instead of our channels. A program is
 *	int main(int argc, char **argv) { return main_vhost_user(argc, argv, &blk); }
 * and a policy made of policy.h and the device's own. The library has the command
 * line, the socket, the jail and the loop; the program opens the back end.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_VHOST_USER_VHOST_USER_H
#define BULKHEAD_DEVICE_WORKERS_VHOST_USER_VHOST_USER_H

#include "device-workers/lib/device.h"

/* Ids of a user namespace and outside of it, from there on; count 0: as jail.c says. */
struct vhu_ids {
	uint32_t inside, outside, count;
};

/* Of who serves a directory: its place in the policy is the root. */
struct vhu_share {
	bool readonly;
	struct vhu_ids uids, gids;
};

struct vhu_program {
	const struct device_ops *ops;
	const char *type;		/* QEMU's name: "block" */
	const char *features;		/* JSON: members of "features", or NULL */
	const char *what;		/* for people: "a disk image or ..." */
	const char *usage;		/* its own options, a line each */
	const char *example;		/* those of its options that it needs */
	bool has_config;		/* front ends read its configuration space */
	unsigned int queues_a_unit;	/* GET_QUEUE_NUM counts in these: 2 for net */
	const struct vhu_share *share;	/* NULL: serves none */
	uint64_t features_beside;	/* of virtio: the front end's own part of it */

	/*
	 * An option that the library does not know: "--NAME=@value" (@value NULL:
	 * without one). 0; -ENOENT: unknown; -EINVAL: bad value. The strings stay.
	 */
	int (*option)(const char *name, const char *value);

	/* The front end lets these rings work, a bit each. NULL: no matter. */
	void (*enabled)(struct device *dev, uint64_t queues);
	/* Of a network device, or NULL. -errno. */
	int (*announce)(const uint8_t mac[6]);	/* a RARP frame for this station */
	int (*set_mtu)(uint16_t mtu);

	/* What device_want_port() does (vsock only). NULL: there is nobody to ask. */
	int (*want_port)(struct device *dev, uint32_t port, bool seqpacket);

	/*
	 * Open the back end, put it at FD_BACKEND, fill in @config. On failure
	 * -errno, and *why static text. Still without any jail.
	 */
	int (*open)(Bh__DeviceConfig *config, const char **why);
};

int main_vhost_user(int argc, char **argv, const struct vhu_program *program);

/*
 * For open(): a socket of @type that listens at @path, non-blocking. An old one that
 * nobody serves any more goes. Ends the program if there can be none.
 */
int vhu_listen(const char *path, int type, int backlog);

/* Log lines go to standard error. */
void vhu_log_open(void);

/*
 * The options of a rate limit, for option(), and what they say, for open(): *limit
 * is NULL if there is none. -EINVAL and *why.
 */
int vhu_limit_option(const char *name, const char *value);
int vhu_limit(Bh__RateLimit **limit, const char **why);
#define VHU_LIMIT_USAGE							\
	"  --bw-size=BYTES, --bw-refill-time=MS, --bw-one-time-burst=BYTES\n" \
	"                        at most so many bytes in so many milliseconds\n" \
	"  --ops-size=N, --ops-refill-time=MS, --ops-one-time-burst=N\n"

/* A decimal number from @min to @max: 0, or -EINVAL. For option(). */
int vhu_number(const char *text, uint32_t min, uint32_t max, uint32_t *out);

#endif
