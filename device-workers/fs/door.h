/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of the file system: a FUSE request out of a chain of descriptors into
 * private memory, with all its sizes and names checked. What is behind it sees a
 * struct fs_req and no byte of the guest's, but for the data of WRITE.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_FS_DOOR_H
#define BULKHEAD_DEVICE_WORKERS_FS_DOOR_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device-workers/lib/virtq.h"

#define FS_NAME_MAX 255u
#define FS_TARGET_MAX 4095u	/* of a symbolic link */
#define FS_VALUE_MAX 65536u	/* of an extended attribute */

/* A request, without its header, as it is copied: the largest is SETXATTR. */
#define FS_ARG_MAX (sizeof(struct fuse_setxattr_in) + FS_NAME_MAX + 1 + FS_VALUE_MAX)

/* What follows the fixed part of a request. */
enum fs_tail {
	FS_TAIL_NONE,
	FS_TAIL_NAME,		/* of a file */
	FS_TAIL_TWO_NAMES,
	FS_TAIL_LINK,		/* of a file, and where it leads */
	FS_TAIL_XATTR,		/* of an extended attribute */
	FS_TAIL_VALUE,		/* the same, and its value */
	FS_TAIL_FORGETS,	/* count times fuse_forget_one */
	FS_TAIL_DATA,		/* stays where it is */
};

/* Of FUSE 7.39, for headers that are older. */
#define FS_OP_SYNCFS 50u
#define FS_OP_STATX 52u

struct fs_syncfs_in {
	uint64_t padding;
};

struct fs_statx_in {
	uint32_t getattr_flags, reserved;
	uint64_t fh;
	uint32_t flags, mask;
};

struct fs_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t spare[2];
	uint64_t stat[32];	/* as the kernel's struct statx */
};

struct fs;
struct fs_req;

struct fs_op {
	uint16_t size;		/* of the fixed part, at least */
	uint8_t tail;		/* enum fs_tail */
	bool silent;		/* no answer is due */
	bool once;		/* table.c: a successor looks what came of it */
	bool changes;		/* not on a share that is read only */
	/* Bytes of the answer in fs->out, or -errno. */
	int64_t (*run)(struct fs *fs, struct fs_req *req);
};

struct fs_req {
	const struct virtq_chain *chain;
	const struct fs_op *op;
	struct fuse_in_header head;
	/* The fixed part, whole or as much of it as was sent, else zero. */
	union {
		struct fuse_forget_in forget;
		struct fuse_batch_forget_in batch;
		struct fuse_getattr_in getattr;
		struct fuse_setattr_in setattr;
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename_in rename;
		struct fuse_rename2_in rename2;
		struct fuse_link_in link;
		struct fuse_open_in open;
		struct fuse_create_in create;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_release_in release;
		struct fuse_flush_in flush;
		struct fuse_lk_in lk;
		struct fuse_interrupt_in interrupt;
		struct fuse_fsync_in fsync;
		struct fuse_getxattr_in getxattr;
		struct fuse_setxattr_in setxattr;
		struct fuse_init_in init;
		struct fuse_fallocate_in fallocate;
		struct fuse_lseek_in lseek;
		struct fuse_copy_file_range_in copy;
		struct fs_syncfs_in syncfs;
		struct fs_statx_in statx;
	} in;
	const char *name, *name2;	/* ended by NUL; NULL: none */
	const uint8_t *tail;		/* behind the fixed part and the names */
	size_t tail_len;
	uint64_t room;			/* bytes of an answer without its header */
	bool placed;			/* the answer is in the guest's memory */
	bool later;			/* it is answered another time */
};

/*
 * Fill in @req from @chain, by @ops of @nops entries by opcode; @arg is
 * FS_ARG_MAX + 1 bytes of private memory, which it will point to. 0; -EBADMSG: not even a
 * header; -ENOSYS: no such request; -EINVAL: malformed, -ENAMETOOLONG. Where the
 * header is there, @req->head is filled in.
 */
int fs_door(struct fs_req *req, const struct virtq_chain *chain,
    const struct fs_op *ops, size_t nops, uint8_t *arg);

/*
 * The @len bytes from byte @from on of the readable or writable segments of
 * @chain, less where it ends, into @iov of VIRTQ_MAX_SEGS: their number.
 */
int fs_door_span(const struct virtq_chain *chain, bool writable, uint64_t from,
    uint64_t len, struct iovec *iov);

/* May a file be called so? 0, -EINVAL, -ENAMETOOLONG. */
int fs_door_name(const char *name, size_t len);

#endif
