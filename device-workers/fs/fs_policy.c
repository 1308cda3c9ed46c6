/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file system worker may do. Read by sandbox/genfilter alone. Every path is
 * taken from a directory that it has opened before, and its root is the share; what
 * it can make there is no device (Landlock and the mount say so, too), and it can
 * give files to the users that its user namespace has, no more.
 */
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "device-workers/fs/slots.h"
#include "device-workers/lib/worker_policy.h"

#define OPENED SB_FDS(0, FD_FS_FILES, FD_FS_COUNT)
#define SHARE SB_FD(0, FD_SHARE)
#define KNOWN_MODES (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)
static const struct sb_rule rules[] = {
	WORKER_RULES,
	SB_ALLOW1(preadv, OPENED, "READ, into guest memory"),
	SB_ALLOW1(pwritev, OPENED, "WRITE, from guest memory"),
	SB_ALLOW1(newfstatat, OPENED, "LOOKUP, GETATTR; is it still the same file"),
	SB_ALLOW1(newfstatat, SHARE, "LOOKUP, GETATTR; is it still the same file"),
	SB_ALLOW1(statx, OPENED, "STATX: when it was made"),
	SB_ALLOW1(statx, SHARE, "STATX: when it was made"),
	SB_ALLOW1(openat2, OPENED, "OPEN, CREATE, OPENDIR; a path again"),
	SB_ALLOW1(openat2, SHARE, "OPEN, CREATE, OPENDIR; a path again"),
	SB_ALLOW1(getdents64, OPENED, "READDIR"),
	SB_ALLOW1(lseek, OPENED, "READDIR elsewhere; LSEEK"),
	SB_ALLOW1(readlinkat, OPENED, "READLINK"),
	SB_ALLOW1(readlinkat, SHARE, "READLINK"),
	SB_ALLOW1(mkdirat, OPENED, "MKDIR"),
	SB_ALLOW1(mkdirat, SHARE, "MKDIR"),
	SB_ALLOW1(unlinkat, OPENED, "UNLINK, RMDIR"),
	SB_ALLOW1(unlinkat, SHARE, "UNLINK, RMDIR"),
	SB_ALLOW2(renameat2, OPENED, SB_FDS(2, FD_FS_FILES, FD_FS_COUNT), "RENAME"),
	SB_ALLOW2(renameat2, OPENED, SB_FD(2, FD_SHARE), "RENAME"),
	SB_ALLOW2(renameat2, SHARE, SB_FDS(2, FD_FS_FILES, FD_FS_COUNT), "RENAME"),
	SB_ALLOW2(renameat2, SHARE, SB_FD(2, FD_SHARE), "RENAME"),
	SB_ALLOW3(linkat, OPENED, SB_FDS(2, FD_FS_FILES, FD_FS_COUNT),
	    SB_EQ32(4, 0), "LINK"),
	SB_ALLOW3(linkat, OPENED, SB_FD(2, FD_SHARE), SB_EQ32(4, 0), "LINK"),
	SB_ALLOW3(linkat, SHARE, SB_FDS(2, FD_FS_FILES, FD_FS_COUNT),
	    SB_EQ32(4, 0), "LINK"),
	SB_ALLOW3(linkat, SHARE, SB_FD(2, FD_SHARE), SB_EQ32(4, 0), "LINK"),
	SB_ALLOW1(symlinkat, SB_FDS(1, FD_FS_FILES, FD_FS_COUNT), "SYMLINK"),
	SB_ALLOW1(symlinkat, SB_FD(1, FD_SHARE), "SYMLINK"),
	SB_ALLOW2(mknodat, OPENED, SB_MASK32(2, S_IFMT, S_IFREG), "MKNOD: a file"),
	SB_ALLOW2(mknodat, SHARE, SB_MASK32(2, S_IFMT, S_IFREG), "MKNOD: a file"),
	SB_ALLOW2(mknodat, OPENED, SB_MASK32(2, S_IFMT, S_IFIFO), "MKNOD: a named pipe"),
	SB_ALLOW2(mknodat, SHARE, SB_MASK32(2, S_IFMT, S_IFIFO), "MKNOD: a named pipe"),
	SB_ALLOW2(mknodat, OPENED, SB_MASK32(2, S_IFMT, S_IFSOCK), "MKNOD: a socket"),
	SB_ALLOW2(mknodat, SHARE, SB_MASK32(2, S_IFMT, S_IFSOCK), "MKNOD: a socket"),
	SB_ALLOW1(fchmodat, OPENED, "SETATTR: the mode"),
	SB_ALLOW1(fchmodat, SHARE, "SETATTR: the mode"),
	SB_ALLOW1(fchmod, OPENED, "the same of a file that has no name any more"),
	SB_ALLOW1(fchownat, OPENED, "SETATTR: the owner"),
	SB_ALLOW1(fchownat, SHARE, "SETATTR: the owner"),
	SB_ALLOW1(utimensat, OPENED, "SETATTR: times"),
	SB_ALLOW1(utimensat, SHARE, "SETATTR: times"),
	SB_ALLOW1(ftruncate, OPENED, "SETATTR: the size"),
	SB_ALLOW2(fallocate, OPENED, SB_MASK32(1, ~(uint32_t)KNOWN_MODES, 0),
	    "FALLOCATE"),
	SB_ALLOW1(flock, OPENED, "SETLK of a whole file"),
	SB_ALLOW2(fcntl, OPENED, SB_EQ32(1, F_OFD_SETLK), "SETLK of a part"),
	SB_ALLOW2(fcntl, OPENED, SB_EQ32(1, F_OFD_GETLK), "GETLK"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER),
	    "when who waits for a lock tries again"),
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "it does"),
	SB_ALLOW2(copy_file_range, OPENED, SB_FDS(2, FD_FS_FILES, FD_FS_COUNT),
	    "COPY_FILE_RANGE"),
	SB_ALLOW1(fsync, OPENED, "FSYNC, FSYNCDIR"),
	SB_ALLOW1(fdatasync, OPENED, "FSYNC of the data"),
	SB_ALLOW1(syncfs, OPENED, "SYNCFS"),
	SB_ALLOW1(fstatfs, SHARE, "STATFS"),
	SB_ALLOW1(fchdir, OPENED, "to the file whose extended attributes are meant"),
	SB_ALLOW1(fchdir, SHARE, "to the file whose extended attributes are meant"),
	SB_ALLOW(lgetxattr, "GETXATTR: relative to that directory"),
	SB_ALLOW(lsetxattr, "SETXATTR"),
	SB_ALLOW(llistxattr, "LISTXATTR"),
	SB_ALLOW(lremovexattr, "REMOVEXATTR"),
	SB_ALLOW(umask, "that of the guest's process, where ACLs do not say it"),
	SB_ALLOW(setfsuid, "files are the guest's user's, if that is mapped"),
	SB_ALLOW(setfsgid, "the same of the group"),
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC), SB_EQ32(2, FD_FS_FILES),
	    "what was opened to its place"),
	SB_ALLOW3(fcntl, SB_FD(0, 0), SB_EQ32(1, F_DUPFD_CLOEXEC), SB_EQ32(2, 0),
	    "/dev/null to every number below that"),
	SB_ALLOW2(dup3, SB_EQ32(1, FD_INCOMING), SB_EQ32(2, O_CLOEXEC),
	    "received memory to its place, which is taken"),
};

/* Of WORKER_FDS the same, but that every free number is taken. */
#ifndef FS_FDS
#define FS_FDS								\
	SB_SLOTS(0, 3, SB_IS_NULL, "standard input, output and error"),	\
	SB_SLOT(FD_CTL, SB_IS_CHANNEL, "channel to the controller"),	\
	SB_SLOT(FD_BUS, SB_IS_CHANNEL | SB_IS_NULL,			\
	    "channel to the vcpu-worker"),				\
	SB_SLOT(FD_EPOLL, SB_IS_EPOLL, "what to wake up for"),		\
	SB_SLOT(FD_TIMER, SB_IS_TIMER, "timer of who waits for a lock"), \
	SB_SLOT(FD_TIMER + 1, SB_IS_NULL, "nothing: taken"),		\
	SB_SLOT(FD_SHARE, SB_IS_DIRECTORY, "the shared directory"),	\
	SB_SLOTS(FD_SHARE + 1, FD_KICK - FD_SHARE - 1, SB_IS_NULL,	\
	    "nothing: taken"),						\
	SB_SLOTS(FD_KICK, FD_QUEUE_COUNT, SB_IS_EVENT | SB_IS_NULL,	\
	    "kicks of the queues"),					\
	SB_SLOTS(FD_CALL, FD_QUEUE_COUNT, SB_IS_EVENT | SB_IS_NULL,	\
	    "interrupts of the queues"),				\
	SB_SLOTS(FD_CALL + FD_QUEUE_COUNT,				\
	    FD_FS_FILES - FD_CALL - FD_QUEUE_COUNT, SB_IS_NULL,		\
	    "nothing: taken")
#endif

static const struct sb_fd fds[] = {
	FS_FDS,
	SB_SLOTS(FD_FS_FILES, FD_FS_COUNT, SB_IS_FILE | SB_IS_DIRECTORY |
	    SB_IS_PIPE | SB_IS_OTHER | SB_IS_CHAR | SB_IS_BLOCK,
	    "what the guest has open; paths"),
};

const struct sb_policy sb_policy = {
	.kind = "fs",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_nofile = FD_FS_FILES + FD_FS_COUNT,
	.rlimit_fsize = UINT64_MAX,	/* files are as large as they are */
	.share = FD_SHARE,
	.capabilities = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE |
	    1u << CAP_FOWNER | 1u << CAP_SETGID | 1u << CAP_SETUID,
};
