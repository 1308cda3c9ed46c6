/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and words of errno values for log lines and the user: tables, because
 * strerror(3) may read locale files, which a jail does not have.
 */
#include <errno.h>
#include <stddef.h>

#include "ipc/log.h"

#define E(name, words) [name] = { #name, words }

static const struct {
	const char *name;
	const char *words;
} errors[] = {
	E(EPERM, "operation not permitted"),
	E(ENOENT, "no such file or directory"),
	E(ESRCH, "no such process"),
	E(EINTR, "interrupted"),
	E(EIO, "input/output error"),
	E(ENXIO, "no such device or address"),
	E(E2BIG, "argument list too long"),
	E(ENOEXEC, "exec format error"),
	E(EBADF, "bad file descriptor"),
	E(ECHILD, "no child process"),
	E(EAGAIN, "resource temporarily unavailable"),
	E(ENOMEM, "out of memory"),
	E(EACCES, "permission denied"),
	E(EFAULT, "bad address"),
	E(ENOTBLK, "block device required"),
	E(EBUSY, "device or resource busy"),
	E(EEXIST, "file exists"),
	E(ENODEV, "no such device"),
	E(ENOTDIR, "not a directory"),
	E(EISDIR, "is a directory"),
	E(EINVAL, "invalid argument"),
	E(ENFILE, "too many open files in the system"),
	E(EMFILE, "too many open files"),
	E(ENOTTY, "inappropriate ioctl for the device"),
	E(ETXTBSY, "text file busy"),
	E(EFBIG, "file too large"),
	E(ENOSPC, "no space left on the device"),
	E(ESPIPE, "illegal seek"),
	E(EROFS, "read-only file system"),
	E(EMLINK, "too many links"),
	E(EPIPE, "broken pipe"),
	E(ERANGE, "result out of range"),
	E(EDEADLK, "deadlock avoided"),
	E(ENAMETOOLONG, "file name too long"),
	E(ENOSYS, "not implemented by this kernel"),
	E(ENOTEMPTY, "directory not empty"),
	E(ELOOP, "too many symbolic links"),
	E(ENODATA, "no data available"),
	E(EPROTO, "protocol error"),
	E(EOVERFLOW, "value too large"),
	E(EUSERS, "too many users"),
	E(EMSGSIZE, "message too long"),
	E(EOPNOTSUPP, "operation not supported"),
	E(EAFNOSUPPORT, "address family not supported"),
	E(EADDRINUSE, "address in use"),
	E(EADDRNOTAVAIL, "address not available"),
	E(ENETDOWN, "network is down"),
	E(ENOBUFS, "no buffer space"),
	E(ECONNRESET, "connection reset"),
	E(ETIMEDOUT, "timed out"),
	E(ECONNREFUSED, "connection refused"),
	E(ESTALE, "stale file handle"),
	E(EDQUOT, "disk quota exceeded"),
	E(ECANCELED, "cancelled"),
};

static size_t
error_index(int error)
{
	size_t n = sizeof(errors) / sizeof(errors[0]);
	/* Wide enough that the least int has a negative, too. */
	long long e = error < 0 ? -(long long)error : error;

	return e < (long long)n && errors[e].name != NULL ? (size_t)e : 0;
}

const char *
log_errname(int error)
{
	size_t i = error_index(error);

	return i != 0 ? errors[i].name : "E?";
}

const char *
log_errtext(int error)
{
	size_t i = error_index(error);

	return i != 0 ? errors[i].words : "unknown error";
}
