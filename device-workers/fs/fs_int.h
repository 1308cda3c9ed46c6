/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the sources of the file system: fs.c (the device and its requests'
 * table), node.c (what the guest has looked up), path.c (and how it is reached),
 * handle.c (what it has open), names.c, attr.c, file.c, dir.c, xattr.c, lock.c
 * (the requests). Not for others.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_FS_FS_INT_H
#define BULKHEAD_DEVICE_WORKERS_FS_FS_INT_H

#include <fcntl.h>
#include <sys/stat.h>

#include "device-workers/fs/door.h"
#include "device-workers/fs/fs.h"
#include "device-workers/fs/slots.h"

#define FS_ROOT 1u		/* node of the shared directory, and its id */
#define FS_NODES (1u << 19)	/* that a guest may have looked up */
#define FS_CELLS (3u << 18)	/* of 28 bytes of a name */
#define FS_HASH (1u << 17)
#define FS_CACHE 1024u		/* O_PATH fds */
#define FS_PINNED 512u		/* of them for nodes that have lost their name */
#define FS_HANDLES 2560u	/* that a guest may have open */
#define FS_LOCKS 448u		/* owners of record locks, for each file */
#define FS_KEPT 256u		/* fds that the controller keeps of handles */
#define FS_WAITING 32u		/* requests that wait for a lock */
#define FS_PAGES 240u		/* of a READ or WRITE: fits VIRTQ_MAX_SEGS */
#define FS_OUT 65536u		/* bytes of an answer that is not READ's */
#define FS_OPEN_FLAGS (O_ACCMODE | O_APPEND | O_TRUNC | O_DSYNC | O_SYNC | O_DIRECTORY)
#define FS_DONE 128u		/* requests whose end a successor can look up */
#define FS_DONE_OUT 176u	/* bytes of their answers: entry and handle */

_Static_assert(FS_CACHE + FS_HANDLES + FS_LOCKS < FD_FS_COUNT, "fds");

/* Something that the guest has looked up; its index and generation are its id. */
struct fs_node {
	uint64_t dev, ino;
	uint64_t lookups;	/* that the guest has not forgotten */
	uint32_t gen;
	uint32_t parent;	/* a node; 0: it has lost its name */
	uint32_t name;		/* first cell of it; 0: none */
	uint32_t children;	/* nodes whose parent it is */
	uint32_t open;		/* handles */
	uint32_t next_id, next_name;	/* of the same hash; next_id: free list */
	uint16_t cache;		/* its fd: entry + 1; 0: none */
	uint16_t name_len;
	uint32_t type;		/* S_IFMT bits; 0: free */
};

struct fs_cell {
	uint32_t next;
	char text[28];
};

/* An O_PATH fd of a node. */
struct fs_cached {
	int fd;
	uint32_t node;		/* 0: free */
	uint64_t used;		/* the request that used it last */
	bool recent;		/* since the hand came by */
	bool pinned;		/* the node has no other way to be reached */
};

enum fs_handle_kind { FS_FREE, FS_FILE, FS_DIR };

struct fs_handle {
	int fd;
	uint32_t node;
	uint32_t gen;
	uint32_t next;		/* free list: index + 1 */
	uint32_t kind;		/* enum fs_handle_kind */
	int flags;		/* that it was opened with */
	uint32_t kept;		/* 1: the controller has its fd, or shall have it */
	uint64_t pos;		/* of a directory: where the fd is */
	uint64_t unique;	/* the request that opened it */
};

/* An open file description with all record locks of one owner on one file. */
struct fs_lock {
	int fd;
	uint32_t node;		/* 0: free */
	uint64_t owner;		/* as the guest calls it */
};

/* A request that is answered when it has its lock. */
struct fs_waiting {
	unsigned int queue;
	uint64_t unique, nodeid;
	struct fuse_lk_in lk;
	struct virtq_chain chain;
};

/* What one of the last requests came to that may not be carried out twice. */
struct fs_done {
	uint64_t unique;	/* 0: none, or it is not known */
	int64_t rc;		/* bytes of out, or -errno */
	uint8_t out[FS_DONE_OUT];
};

/* The last request that was begun, and what it found. */
struct fs_begun {
	uint64_t unique;	/* 0: none */
	int64_t sec, nsec;	/* when, by the clock of a file's times */
	uint64_t dev, ino;	/* of what it moves or removes; 0: not known */
	uint64_t size;		/* of what it appends to */
};

/*
 * What outlives a worker: in a memfd that its successor maps, too, and does not trust.
 * Nothing points into it; lists and hashes are made anew.
 */
struct fs_table {
	uint32_t session, acl;	/* 1: INIT was answered; the guest heeds ACLs */
	uint32_t nodes, cells, handles;	/* the highest that was used */
	uint32_t ndone;
	struct fs_begun begun;
	struct fs_done done[FS_DONE];
	struct fs_lock lock[FS_LOCKS];
	struct fs_handle handle[FS_HANDLES];
	struct fs_node node[FS_NODES];
	struct fs_cell cell[FS_CELLS];
};

_Static_assert(sizeof(struct fs_table) <= FS_TABLE_SIZE, "slots.h");

enum fs_cache_mode { FS_CACHE_NEVER, FS_CACHE_AUTO, FS_CACHE_ALWAYS };

struct fs {
	bool readonly, writeback, posix_acl;
	enum fs_cache_mode cache_mode;
	struct device *dev;

	struct fs_table *table;
	bool again;		/* a predecessor died in the middle of this request */
	bool unsent;		/* the controller does not know yet what to keep */
	uint8_t told[(FS_HANDLES + FS_LOCKS) / 8];	/* what it has, a bit each */
	bool failed;		/* fds have run out: said once */
	uint64_t request;	/* number of the one that is served */
	uint32_t uid, gid;	/* as which files are made now, as the guest says */
	uint32_t own_uid, own_gid;	/* of this process, in its namespace */
	bool no_uid, no_gid;	/* which that is, and not the guest's */
	bool only_uids, only_gids;	/* nothing is made so */
	uint32_t umask;		/* less these bits, where ACLs do not say it */

	struct virtq_chain chain;
	struct iovec iov[VIRTQ_MAX_SEGS];
	struct fs_req req;
	_Alignas(8) uint8_t arg[FS_ARG_MAX + 1];
	uint8_t out[FS_OUT];
	_Alignas(8) uint8_t entries[FS_OUT];	/* of getdents64 */

	uint32_t free_node, free_cell;
	uint32_t by_id[FS_HASH], by_name[FS_HASH];
	struct fs_node *node;	/* FS_NODES, FS_CELLS: the table's */
	struct fs_cell *cell;

	struct fs_cached cached[FS_CACHE];
	uint32_t hand, npinned;

	struct fs_handle *handle;	/* FS_HANDLES, FS_LOCKS: the table's */
	uint32_t free_handle;

	struct fs_lock *lock;
	uint32_t nkept, nlocks, nwaiting;
	unsigned int queue;	/* that the request has come by */
	struct fs_waiting waiting[FS_WAITING];
};

/* ---- node.c: no system call ----------------------------------------------------- */

void fs_nodes_init(struct fs *fs, const struct stat *root);
/* Make anew what is not in the table; what cannot be in it is thrown away. */
void fs_nodes_adopt(struct fs *fs, const struct stat *root);
/* Whose id is @id; 0: none. */
uint32_t fs_node_of(const struct fs *fs, uint64_t id);
uint64_t fs_node_id(const struct fs *fs, uint32_t node);
/*
 * The node of what @st is, found as @name in @parent: one that is there, named so
 * from now on, or a new one. It counts as looked up once more. 0: no room.
 */
uint32_t fs_node_enter(struct fs *fs, const struct stat *st, uint32_t parent,
    const char *name);
/* The node of what @st is; 0: none. */
uint32_t fs_node_of_stat(const struct fs *fs, const struct stat *st);
/* The node that is called so; 0: none. */
uint32_t fs_node_named(const struct fs *fs, uint32_t parent, const char *name);
/* It is called so now; no more. */
void fs_node_name(struct fs *fs, uint32_t node, uint32_t parent,
    const char *name);
void fs_node_unname(struct fs *fs, uint32_t node);
/* Its name, at most FS_NAME_MAX + 1 bytes. False: it has none. */
bool fs_node_text(const struct fs *fs, uint32_t node, char *text);
void fs_node_forget(struct fs *fs, uint32_t node, uint64_t times);
/* Let go of it, and of the ones above it, if nobody needs them any more. */
void fs_node_release(struct fs *fs, uint32_t node);

/* ---- path.c ---------------------------------------------------------------------- */

/* How to name a node to the kernel: at @dir, by @name, with @flags of AT_. */
struct fs_at {
	int dir;
	int flags;
	char name[FS_NAME_MAX + 1];
};

/* An O_PATH fd of a node, good until the request is done, or -errno. */
int fs_path_fd(struct fs *fs, uint32_t node);
/* Where it is to be found. 0 or -errno. It may be another by now. */
int fs_path_at(struct fs *fs, uint32_t node, struct fs_at *at);
/* Its attributes, if it is still the same. 0 or -errno. */
int fs_path_stat(struct fs *fs, uint32_t node, struct fs_at *at,
    struct stat *st);
/* Open it with @flags: an fd of FD_FS_FILES, or -errno; -ESTALE: it is not there. */
int fs_path_open(struct fs *fs, uint32_t node, int flags);
/* Open @name in directory @dir, which is an fd. */
int fs_path_open_at(struct fs *fs, int dir, const char *name, int flags,
    mode_t mode);
/* It is about to lose its name: keep a way to it, if there is room for one. */
void fs_path_keep(struct fs *fs, uint32_t node);
/* It has not lost it. */
void fs_path_unkeep(struct fs *fs, uint32_t node);
/* Close its fd. */
void fs_path_drop(struct fs *fs, uint32_t node);
void fs_path_drop_all(struct fs *fs);
/* Take all fd numbers below FD_FS_FILES. 0 or -errno. */
int fs_path_fill(void);

/* ---- handle.c ---------------------------------------------------------------------- */

/*
 * The handle of an @fd that was opened with @flags, which it takes; 0: no room, and
 * @fd is closed.
 */
uint64_t fs_handle_add(struct fs *fs, enum fs_handle_kind kind, int fd,
    uint32_t node, int flags);
/* Its fd shall outlive this process: there is no other way to what it has. */
void fs_handle_keep(struct fs *fs, struct fs_handle *h);
void fs_handles_keep(struct fs *fs, uint32_t node);
/* Of a request that is carried out again: what a predecessor opened for it goes. */
void fs_handles_undo(struct fs *fs, uint64_t unique);
/* In the jail: those of the table are opened again. */
void fs_handles_adopt(struct fs *fs);
struct fs_handle *fs_handle_of(struct fs *fs, uint64_t fh,
    enum fs_handle_kind kind);
/* The same, also of one that cannot be used: for its release. */
struct fs_handle *fs_handle_raw(struct fs *fs, uint64_t fh,
    enum fs_handle_kind kind);
/* Any file handle of @node; NULL: none. */
struct fs_handle *fs_handle_any(struct fs *fs, uint32_t node);
void fs_handle_close(struct fs *fs, struct fs_handle *h);
void fs_handle_close_all(struct fs *fs);

/* ---- requests ---------------------------------------------------------------------- */

/* In fs.c: answer @chain with @rc, bytes or -errno; the number of bytes written. */
uint32_t fs_answer(const struct fs *fs, const struct virtq_chain *chain,
    uint64_t unique, int64_t rc, bool placed);
/* Everything of the driver's is gone. */
void fs_forget_all(struct fs *fs);

/* ---- table.c: what a successor goes on from ------------------------------------------ */

/* Map it. 0 or -errno. Whether there is something in it: fs->table->session. */
int fs_table_map(struct fs *fs);
/* After start(), when the share is known: what a predecessor has left. */
void fs_table_adopt(struct fs *fs, const struct stat *root);
/*
 * Before a request that may not be carried out twice: fs->again says whether it was
 * begun before. What it is about to move or remove, or how large what it appends to is.
 */
void fs_table_begin(struct fs *fs, const struct fs_req *req);
void fs_table_victim(struct fs *fs, uint64_t dev, uint64_t ino);
/* Of one begun before: was the file that @st is of changed since? */
bool fs_table_since(const struct fs *fs, const struct stat *st);
/* The request @unique has come to that already: true, and *rc. */
bool fs_table_was_done(struct fs *fs, uint64_t unique, int64_t *rc);
void fs_table_done(struct fs *fs, uint64_t unique, int64_t rc);
/* What the controller shall keep has changed: of handle or lock number @i. */
void fs_table_keep_handle(struct fs *fs, uint32_t i);
void fs_table_keep_lock(struct fs *fs, uint32_t i);
/* What it could not be told is told. */
void fs_table_resend(struct fs *fs);
/* A predecessor's, from the controller. */
void fs_table_kept(struct device *dev, uint32_t id, int fd);

/* In attr.c, for the others. */
void fs_fill_attr(struct fuse_attr *attr, const struct stat *st);
/* An answer of one entry: its length, or -errno. */
int64_t fs_answer_entry(struct fs *fs, uint32_t parent, const char *name,
    const struct stat *st);
void fs_fill_entry(const struct fs *fs, struct fuse_entry_out *e, uint32_t node,
    const struct stat *st);
/*
 * Make files in the guest's user's name from now on, if the ids are mapped. EOVERFLOW:
 * they are not, and must be, to make any.
 */
int fs_be(struct fs *fs, uint32_t uid, uint32_t gid);
/* As whom, and with which umask, the request's file shall be made. */
int fs_be_maker(struct fs *fs, const struct fs_req *req, uint32_t umask);

int64_t fs_lookup(struct fs *fs, struct fs_req *req);
int64_t fs_forget(struct fs *fs, struct fs_req *req);
int64_t fs_batch_forget(struct fs *fs, struct fs_req *req);
int64_t fs_getattr(struct fs *fs, struct fs_req *req);
int64_t fs_setattr(struct fs *fs, struct fs_req *req);
int64_t fs_statx(struct fs *fs, struct fs_req *req);
int64_t fs_statfs(struct fs *fs, struct fs_req *req);
int64_t fs_syncfs(struct fs *fs, struct fs_req *req);

int64_t fs_readlink(struct fs *fs, struct fs_req *req);
int64_t fs_symlink(struct fs *fs, struct fs_req *req);
int64_t fs_mknod(struct fs *fs, struct fs_req *req);
int64_t fs_mkdir(struct fs *fs, struct fs_req *req);
int64_t fs_unlink(struct fs *fs, struct fs_req *req);
int64_t fs_rmdir(struct fs *fs, struct fs_req *req);
int64_t fs_rename(struct fs *fs, struct fs_req *req);
int64_t fs_rename2(struct fs *fs, struct fs_req *req);
int64_t fs_link(struct fs *fs, struct fs_req *req);

int64_t fs_open(struct fs *fs, struct fs_req *req);
int64_t fs_create(struct fs *fs, struct fs_req *req);
int64_t fs_read(struct fs *fs, struct fs_req *req);
int64_t fs_write(struct fs *fs, struct fs_req *req);
int64_t fs_release(struct fs *fs, struct fs_req *req);
int64_t fs_fsync(struct fs *fs, struct fs_req *req);
int64_t fs_fallocate(struct fs *fs, struct fs_req *req);
int64_t fs_lseek(struct fs *fs, struct fs_req *req);
int64_t fs_copy(struct fs *fs, struct fs_req *req);

int64_t fs_getlk(struct fs *fs, struct fs_req *req);
int64_t fs_setlk(struct fs *fs, struct fs_req *req);
int64_t fs_setlkw(struct fs *fs, struct fs_req *req);
int64_t fs_flush(struct fs *fs, struct fs_req *req);

/* The timer of those who wait, at FD_TIMER. Before the jail. 0 or -errno. */
int fs_locks_start(struct device *dev);
/* It has fired: try them again. */
void fs_locks_retry(struct device *dev);
/* The request @unique shall wait no longer. */
void fs_locks_interrupt(struct device *dev, uint64_t unique);
/* Nobody shall wait: they are told EINTR. 0, as device_ops' drain(). */
unsigned int fs_locks_drain(struct device *dev);
/* A driver is at work: what was locked and has no fd any more is not. */
void fs_locks_adopt(struct device *dev);
/* A handle of @node was closed; with the last one its locks go. */
void fs_locks_closed(struct fs *fs, uint32_t node);

int64_t fs_opendir(struct fs *fs, struct fs_req *req);
int64_t fs_readdir(struct fs *fs, struct fs_req *req);
int64_t fs_readdirplus(struct fs *fs, struct fs_req *req);
int64_t fs_releasedir(struct fs *fs, struct fs_req *req);
int64_t fs_fsyncdir(struct fs *fs, struct fs_req *req);

int64_t fs_getxattr(struct fs *fs, struct fs_req *req);
int64_t fs_listxattr(struct fs *fs, struct fs_req *req);
int64_t fs_setxattr(struct fs *fs, struct fs_req *req);
int64_t fs_removexattr(struct fs *fs, struct fs_req *req);

#endif
