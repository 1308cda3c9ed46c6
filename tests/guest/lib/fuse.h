/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE over virtio-fs, one request at a time, for the guests that drive a share. */
#ifndef GUEST_FUSE_H
#define GUEST_FUSE_H

#include "lib/virtio.h"


enum {
	FUSE_LOOKUP = 1, FUSE_FORGET = 2, FUSE_GETATTR = 3, FUSE_SETATTR = 4, FUSE_SYMLINK = 6,
	FUSE_MKNOD = 8, FUSE_MKDIR = 9, FUSE_UNLINK = 10, FUSE_RMDIR = 11, FUSE_RENAME = 12,
	FUSE_LINK = 13, FUSE_OPEN = 14, FUSE_READ = 15, FUSE_WRITE = 16, FUSE_RELEASE = 18,
	FUSE_INIT = 26, FUSE_GETLK = 31, FUSE_SETLK = 32, FUSE_SETLKW = 33, FUSE_CREATE = 35,
	FUSE_RENAME2 = 45,
};

/* <linux/fuse.h> */
struct in_header {
	uint32_t len, opcode;
	uint64_t unique, nodeid;
	uint32_t uid, gid, pid, padding;
};

struct out_header {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

static struct vdev d;
static struct vq q;
static uint8_t *in, *out;
static uint64_t unique = 2;
static uint32_t as_uid, as_gid;	/* who asks */

/* The error, or 1: no answer of this request. */
static inline int32_t call(uint32_t opcode, uint64_t node, const void *arg, uint32_t len,
    uint32_t want)
{
	struct in_header *h = (void *)in;
	struct out_header *o = (void *)out;
	struct buf v[2] = { BUF_OUT(in, sizeof(*h) + len),
		BUF_IN(out, sizeof(*o) + want) };

	memset(in, 0, PAGE);
	memset(out, 0, PAGE);
	h->len = (uint32_t)sizeof(*h) + len;
	h->opcode = opcode;
	h->unique = unique += 2;
	h->nodeid = node;
	h->uid = as_uid;
	h->gid = as_gid;
	memcpy(in + sizeof(*h), arg, len);
	if (vq_do(&q, v, 2, false) < 0 || o->unique != unique)
		return 1;
	return o->error;
}

static inline uint64_t answer64(uint32_t at)
{
	return *(uint64_t *)(void *)(out + sizeof(struct out_header) + at);
}

static inline void fuse_begin(void)
{
	const uint32_t init[4] = { 7, 31, 0x20000, 0 };
	char tag[37] = { 0 };

	begin("device");
	check(virtio_find(&d, VIRTIO_FS, 0));
	for (uint32_t i = 0; i < 36; i++)
		tag[i] = (char)read8(d.config + i);
	check(memcmp(tag, "share", 6) == 0);
	check_eq(read32(d.config + 36), 1);
	check(virtio_negotiate(&d, 0));
	check(vq_setup(&q, &d, 1, 64));
	virtio_driver_ok(&d);
	end();
	in = alloc(PAGE, PAGE);
	out = alloc(PAGE, PAGE);

	begin("init");
	check_eq((uint32_t)call(FUSE_INIT, 0, init, sizeof(init), 64), 0);
	check_eq((uint32_t)answer64(0), 7);
	end();
}

#endif
