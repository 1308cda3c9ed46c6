/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of FUSE for tests/native/fs_*test.c: requests of a session, one
 * at a time, their answers at body().
 */
#ifndef BULKHEAD_TESTS_NATIVE_FS_DRIVE_H
#define BULKHEAD_TESTS_NATIVE_FS_DRIVE_H

#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/native/device_test.h"

#define IN FAKEVM_DATA
#define OUT (FAKEVM_DATA + 0x100000)
#define TABLE (FAKEVM_DATA + 0x200000)
#define ROOM 0x20000u
#define NO_ANSWER 1000

static struct fakevm vm;
static char dir[64];
static uint64_t table;
static uint32_t answered;	/* bytes behind the header */
static bool full;
static bool with_acls, with_writeback;	/* for start() */

static inline void *
body(void)
{
	return vm.ram + OUT + sizeof(struct fuse_out_header);
}

/* The error, 0, or NO_ANSWER. @parts: how the request is cut into buffers. */
static inline int
submit(uint32_t in_len, uint32_t room, unsigned int cut)
{
	const struct fuse_in_header *h = (const void *)(vm.ram + IN);
	const struct fuse_out_header *o = (const void *)(vm.ram + OUT);
	struct drvq_buf bufs[4];
	unsigned int n = 0;
	uint64_t cookie;
	uint32_t len = 0;

	memset(vm.ram + OUT, 0xee, sizeof(*o));
	if (cut > 0 && cut < in_len) {
		bufs[n++] = (struct drvq_buf){ IN, cut, false };
		bufs[n++] = (struct drvq_buf){ IN + cut, in_len - cut, false };
	} else {
		bufs[n++] = (struct drvq_buf){ IN, in_len, false };
	}
	if (room > 0) {
		uint32_t first = cut > 0 && cut < room ? cut : room;

		bufs[n++] = (struct drvq_buf){ OUT, first, true };
		if (first < room)
			bufs[n++] = (struct drvq_buf){ OUT + first, room - first,
						       true };
	}
	if (drvq_add(&vm.q[1], bufs, n, table, 1) < 0)
		return NO_ANSWER;
	fakevm_publish(&vm, 1);
	if (fakevm_used(&vm, 1, &cookie, &len) != 0)
		return NO_ANSWER;
	if (len < sizeof(*o) || o->unique != h->unique || o->len != len)
		return len == 0 ? 0 : NO_ANSWER;
	answered = o->len - (uint32_t)sizeof(*o);
	return -o->error;
}

static inline uint32_t
put(uint32_t opcode, uint64_t node, const void *arg, uint32_t arg_len,
    const void *tail, uint32_t tail_len)
{
	static uint64_t unique;
	struct fuse_in_header h = {
		.len = (uint32_t)sizeof(h) + arg_len + tail_len,
		.opcode = opcode, .unique = unique += 2, .nodeid = node,
		.uid = geteuid(), .gid = getegid(),
	};

	memcpy(vm.ram + IN, &h, sizeof(h));
	memcpy(vm.ram + IN + sizeof(h), arg, arg_len);
	memcpy(vm.ram + IN + sizeof(h) + arg_len, tail, tail_len);
	return h.len;
}

static inline int
call(uint32_t opcode, uint64_t node, const void *arg, uint32_t arg_len,
    const void *tail, uint32_t tail_len)
{
	return submit(put(opcode, node, arg, arg_len, tail, tail_len), ROOM, 0);
}

static inline int
named(uint32_t opcode, uint64_t node, const void *arg, uint32_t arg_len,
    const char *name)
{
	return call(opcode, node, arg, arg_len, name,
	    (uint32_t)strlen(name) + 1);
}

static inline uint64_t
entry(void)
{
	const struct fuse_entry_out *e = body();

	return e->nodeid;
}

static inline int
lookup(uint64_t parent, const char *name)
{
	return named(FUSE_LOOKUP, parent, "", 0, name);
}

static inline int
forget(uint64_t node, uint64_t times)
{
	struct fuse_forget_in in = { .nlookup = times };
	const struct drvq_buf buf = { IN, put(FUSE_FORGET, node, &in, sizeof(in),
	    "", 0), false };
	uint32_t len;

	return fakevm_request(&vm, 0, &buf, 1, &len);
}

static inline int
init(void)
{
	struct fuse_init_in in = {
		.major = 7, .minor = 38, .max_readahead = 0x20000,
		.flags = 0x3fffffff,
	};

	return call(FUSE_INIT, 0, &in, sizeof(in), "", 0);
}

static inline bool
start(bool readonly, Bh__FsCache cache, const char *at)
{
	static char tag[] = "share", id[] = "fs0";
	int fd = open(at, O_PATH | O_DIRECTORY);
	const struct fakevm_fd fds[] = { { FD_BACKEND, fd } };
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	Bh__FsConfig fs = BH__FS_CONFIG__INIT;
	bool good;

	fs.tag = tag;
	fs.num_queues = 1;
	fs.queue_size = 128;
	fs.readonly = readonly;
	fs.cache = cache;
	fs.posix_acl = with_acls;
	fs.writeback = with_writeback;
	config.id = id;
	config.packed = true;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_FS;
	config.fs = &fs;
	good = fakevm_start(&vm, "build/bulkhead-fs", &config, fds, 1) == 0;
	close(fd);
	return good;
}

static inline bool
begin(void)
{
	return start(false, BH__FS_CACHE__FS_CACHE_AUTO, dir) &&
	    activate(&vm, 0, 2) == 0 && init() == 0;
}

static inline bool
end(void)
{
	return fakevm_quit(&vm) == 0;
}

static inline int
open_node(uint64_t node, uint32_t flags, uint64_t *fh)
{
	const struct fuse_open_in in = { .flags = flags };
	int rc = call(FUSE_OPEN, node, &in, sizeof(in), "", 0);

	*fh = rc == 0 ? ((const struct fuse_open_out *)body())->fh : 0;
	return rc;
}

static inline int
create(uint64_t parent, const char *name, uint32_t flags, uint64_t *node,
    uint64_t *fh)
{
	const struct fuse_create_in in = { .flags = flags, .mode = S_IFREG | 0644 };
	int rc = named(FUSE_CREATE, parent, &in, sizeof(in), name);

	if (rc == 0) {
		*node = entry();
		*fh = ((const struct fuse_open_out *)(const void *)((uint8_t *)
		    body() + sizeof(struct fuse_entry_out)))->fh;
	}
	return rc;
}

static inline int
do_read(uint64_t node, uint64_t fh, uint64_t at, uint32_t size)
{
	const struct fuse_read_in in = { .fh = fh, .offset = at, .size = size };

	return call(FUSE_READ, node, &in, sizeof(in), "", 0);
}

static inline int
do_write(uint64_t node, uint64_t fh, uint64_t at, const void *data, uint32_t size)
{
	const struct fuse_write_in in = { .fh = fh, .offset = at, .size = size };

	return call(FUSE_WRITE, node, &in, sizeof(in), data, size);
}

static inline int
release(uint64_t node, uint64_t fh, uint32_t opcode)
{
	const struct fuse_release_in in = { .fh = fh };

	return call(opcode, node, &in, sizeof(in), "", 0);
}

static inline int
setattr(uint64_t node, const struct fuse_setattr_in *in)
{
	return call(FUSE_SETATTR, node, in, sizeof(*in), "", 0);
}

static inline int
getattr(uint64_t node)
{
	const struct fuse_getattr_in in = { 0 };

	return call(FUSE_GETATTR, node, &in, sizeof(in), "", 0);
}

static inline struct fuse_attr
attr(void)
{
	return ((const struct fuse_attr_out *)body())->attr;
}

#endif
