// SPDX-License-Identifier: Apache-2.0
/*
 * Far ends, see far.h.
 *
 * Flags of a passed fd belong to whoever else has that open file, so none is
 * set. One that is O_NONBLOCK is written to at once; another only after the loop
 * said that it is writable, and then no more than is sure not to wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <termios.h>
#include <unistd.h>

#include "device-workers/console/far.h"
#include "ipc/log.h"

#define CHUNK 4096u		/* PIPE_BUF: a writable pipe takes that much */
/*
 * A writable terminal has room for at least one buffer of the tty layer, and the
 * smallest has 256 bytes.
 */
#define CHUNK_BLOCKING_TTY 256u

/* ---- waiting ------------------------------------------------------------- */

static void
set_mask(struct far *f, int fd, uint32_t *mask, uint32_t want)
{
	int err;

	if (fd < 0 || *mask == want)
		return;
	/* Not just quiet: a hang-up would wake the loop again and again. */
	if (want == 0) {
		device_unwatch(f->dev, fd);
		*mask = 0;
		return;
	}
	err = device_watch(f->dev, fd, want);
	if (err == 0)
		*mask = want;
	else
		log_guest("%s: cannot wait for its far end: %s", f->name,
		    log_errname(err));
}

static uint32_t
used(const struct far *f)
{
	return f->head - f->tail;
}

static void
update(struct far *f)
{
	uint32_t rwant = 0, wwant = 0, lwant = 0;

	if ((f->attached || f->rfd != f->wfd) && f->rfd >= 0 && f->in_len == 0 &&
	    !f->in_ended)
		rwant = EPOLLIN;
	if (f->attached && used(f) > 0 && f->waits)
		wwant = EPOLLOUT;
	if (!f->attached)
		lwant = EPOLLIN;
	if (f->client_slot >= 0) {
		/* Its going has to be seen, even when it has said its last. */
		wwant |= rwant | (f->in_len == 0 ? EPOLLHUP : 0);
		rwant = 0;
	} else if (f->rfd == f->wfd) {
		wwant |= rwant;
		rwant = 0;
	}
	set_mask(f, f->rfd, &f->rmask, rwant);
	set_mask(f, f->wfd, &f->wmask, wwant);
	set_mask(f, f->listen, &f->lmask, lwant);
}

static void
detach(struct far *f)
{
	set_mask(f, f->wfd, &f->wmask, 0);
	set_mask(f, f->rfd, &f->rmask, 0);
	f->attached = f->writable = false;
	/* Who types through a pipe of his own is still there. */
	if (f->rfd == f->wfd || !f->returns) {
		f->in_pos = f->in_len = 0;
		f->escape.seen = false;
	}
	if (f->client_slot >= 0) {
		close(f->client_slot);
		f->rfd = f->wfd = -1;
		f->wmask = f->rmask = 0;
	} else if (!f->returns) {
		/* A terminal that has gone away does not come back. */
		f->rfd = f->wfd = -1;
		f->in_ended = false;
		f->tail = f->head;
		f->backlog = NULL;	/* from now on as null */
		log_warn("%s: its far end is gone", f->name);
	}
	update(f);
}

/* ---- start --------------------------------------------------------------- */

/* A FIFO with a name: when its other end has gone, somebody may open it again. */
static bool
is_named_pipe(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	    fstatfs(fd, &fs) == 0 && fs.f_type != PIPEFS_MAGIC;
}

static int
start_output(struct far *f, int fd, const char **why)
{
	int flags = fcntl(fd, F_GETFL);
	struct termios tio;
	struct stat st;

	if (flags < 0 || fstat(fd, &st) != 0) {
		*why = "the far end of a console is not at its slot";
		return -EBADF;
	}
	f->wfd = fd;
	f->waits = !S_ISREG(st.st_mode);
	f->eager = !f->waits || (flags & O_NONBLOCK) != 0;
	f->chunk = CHUNK;
	if (!f->eager && tcgetattr(fd, &tio) == 0)
		f->chunk = CHUNK_BLOCKING_TTY;
	f->returns = f->kind == BH__PORT_KIND__PORT_KIND_PTY || is_named_pipe(fd);
	f->attached = true;
	return 0;
}

static void
start_input(struct far *f, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct termios tio;

	f->rfd = fd;
	f->in_tty = tcgetattr(fd, &tio) == 0;
	/* To look whether a writer is back, it is read from. */
	f->in_returns = flags >= 0 && (flags & O_NONBLOCK) != 0 && is_named_pipe(fd);
}

static void
start_pty(struct far *f)
{
	struct termios tio;
	int slave;

	/* Echo would bring the guest its own output back as input. */
	if (tcgetattr(f->wfd, &tio) == 0) {
		cfmakeraw(&tio);
		tcsetattr(f->wfd, TCSANOW, &tio);
	}
	/*
	 * A slave that was never open looks like an open one that nobody reads;
	 * after one close the master says EIO until somebody opens it.
	 */
	slave = ioctl(f->wfd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave >= 0) {
		close(slave);
		f->attached = false;
	}
}

/* Some files cannot be waited for, /dev/null for one, and never wait. */
static void
try_waiting(struct far *f)
{
	if (f->wfd >= 0 && f->waits) {
		if (device_watch(f->dev, f->wfd, EPOLLOUT) == 0) {
			device_unwatch(f->dev, f->wfd);
		} else {
			f->waits = false;
			f->eager = true;
		}
	}
	if (f->rfd >= 0 && f->rfd != f->wfd) {
		if (device_watch(f->dev, f->rfd, EPOLLIN) == 0)
			f->rmask = EPOLLIN;
		else
			f->rfd = -1;	/* nobody types there */
	}
}

int
far_start(struct far *f, struct device *dev, const char *name,
    Bh__PortKind kind, int in_slot, int out_slot, bool escape, const char **why)
{
	int err = 0;

	f->dev = dev;
	f->name = name;
	f->kind = kind;
	f->listen = f->rfd = f->wfd = f->client_slot = -1;
	switch (kind) {
	case BH__PORT_KIND__PORT_KIND_FILE:
		err = start_output(f, out_slot, why);
		break;
	case BH__PORT_KIND__PORT_KIND_TTY:
		err = start_output(f, out_slot, why);
		start_input(f, in_slot);
		f->has_escape = escape;
		break;
	case BH__PORT_KIND__PORT_KIND_PTY:
		err = start_output(f, out_slot, why);
		f->rfd = f->wfd;
		if (err == 0)
			start_pty(f);
		break;
	case BH__PORT_KIND__PORT_KIND_SOCKET:
		if (in_slot < 0) {
			*why = "the debug console cannot be a socket";
			return -EINVAL;
		}
		f->listen = in_slot;
		f->client_slot = out_slot;
		f->eager = f->waits = true;
		f->chunk = CHUNK;
		break;
	case BH__PORT_KIND__PORT_KIND_OFF:
	case BH__PORT_KIND__PORT_KIND_NULL:
		return 0;
	case _BH__PORT_KIND_IS_INT_SIZE:
	default:
		*why = "unknown kind of console";
		return -EINVAL;
	}
	if (err != 0)
		return err;
	/* Not cleared, so that none of it is touched before it is needed. */
	f->backlog = malloc(FAR_BACKLOG);
	if (f->backlog == NULL) {
		*why = "no memory";
		return -ENOMEM;
	}
	try_waiting(f);
	update(f);
	return 0;
}

/* ---- output -------------------------------------------------------------- */

uint32_t
far_room(const struct far *f)
{
	if (f->backlog == NULL || !f->attached)
		return CHUNK;
	return used(f) < FAR_HIGH ? FAR_HIGH - used(f) : 0;
}

uint32_t
far_pending(const struct far *f)
{
	return f->attached ? used(f) : 0;
}

void
far_put(struct far *f, const uint8_t *buf, uint32_t len)
{
	if (f->backlog == NULL)
		return;
	for (uint32_t i = 0; i < len; i++)
		f->backlog[f->head++ & (FAR_BACKLOG - 1)] = buf[i];
	if (used(f) > FAR_BACKLOG)
		f->tail = f->head - FAR_BACKLOG;
	far_flush(f);
}

/* One write. False: no more now. */
static bool
write_some(struct far *f)
{
	uint32_t at = f->tail & (FAR_BACKLOG - 1);
	uint32_t len = used(f);
	ssize_t n;

	if (len > FAR_BACKLOG - at)
		len = FAR_BACKLOG - at;
	if (len > f->chunk)
		len = f->chunk;
	n = write(f->wfd, f->backlog + at, len);
	f->writable = false;
	if (n >= 0) {
		f->tail += (uint32_t)n;
		if (f->lost)
			log_guest("%s: output goes on", f->name);
		f->lost = false;
		return n > 0;
	}
	if (errno == EINTR)
		return true;
	if (errno == EAGAIN)
		return false;
	if (!f->waits) {
		/* A file: full or broken. The guest goes on without. */
		if (!f->lost)
			log_guest("%s: output is lost: %s", f->name,
			    log_errname(errno));
		f->lost = true;
		f->tail += len;
		return true;
	}
	detach(f);
	return false;
}

void
far_flush(struct far *f)
{
	while (f->attached && f->wfd >= 0 && used(f) > 0 &&
	    (f->eager || f->writable)) {
		if (!write_some(f))
			break;
	}
	update(f);
}

/* ---- input --------------------------------------------------------------- */

static void
end_of_input(struct far *f)
{
	/* A client that has shut down its side may still listen. */
	set_mask(f, f->rfd == f->wfd ? -1 : f->rfd, &f->rmask, 0);
	if (f->in_returns)
		f->in_ended = true;
	else
		f->rfd = -1;
}

static void
read_some(struct far *f, bool hung_up)
{
	bool stop = false;
	ssize_t n;

	if (f->rfd < 0 || f->in_len != 0)
		return;
	n = read(f->rfd, f->input + 1, FAR_INPUT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0 && f->rfd == f->wfd) {
		detach(f);
		return;
	}
	/* A Ctrl-D, where the user's shell has undone the raw mode. */
	if (n == 0 && f->in_tty && !hung_up)
		return;
	if (n <= 0) {
		end_of_input(f);
		return;
	}
	f->in_pos = 0;
	if (!f->has_escape) {
		f->in_pos = 1;
		f->in_len = (uint32_t)n + 1;
	} else {
		f->in_len = (uint32_t)escape_filter(&f->escape, f->input,
		    f->input + 1, (size_t)n, &stop);
	}
	if (stop)
		device_request_stop(f->dev);
}

uint32_t
far_input(const struct far *f, const uint8_t **buf)
{
	*buf = f->input + f->in_pos;
	return f->in_len - f->in_pos;
}

void
far_taken(struct far *f, uint32_t len)
{
	f->in_pos += len;
	if (f->in_pos < f->in_len)
		return;
	f->in_pos = f->in_len = 0;
	update(f);
}

static void
take_client(struct far *f)
{
	int fd = accept4(f->listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_guest("%s: accept: %s", f->name, log_errname(errno));
		return;
	}
	/* To the number that the policy lets this worker write to. */
	if (dup3(fd, f->client_slot, O_CLOEXEC) < 0)
		log_guest("%s: a client is lost: %s", f->name,
		    log_errname(errno));
	else
		f->attached = true;
	close(fd);
	if (!f->attached)
		return;
	f->rfd = f->wfd = f->client_slot;
	f->rmask = f->wmask = 0;
	far_flush(f);
}

bool
far_owns(const struct far *f, int fd)
{
	return fd >= 0 && (fd == f->listen || fd == f->rfd || fd == f->wfd);
}

void
far_ready(struct far *f, int fd, uint32_t events)
{
	if (fd == f->listen) {
		if (!f->attached)
			take_client(f);
		return;
	}
	if ((events & EPOLLOUT) != 0 && fd == f->wfd) {
		f->writable = true;
		far_flush(f);
	}
	if (fd == f->rfd && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		read_some(f, (events & (EPOLLHUP | EPOLLERR)) != 0);
	if ((events & (EPOLLHUP | EPOLLERR)) != 0 && fd == f->wfd &&
	    (f->rfd != f->wfd || f->kind == BH__PORT_KIND__PORT_KIND_PTY))
		detach(f);
	/* A client's last words are taken first: reading says when it is over. */
	update(f);
}

bool
far_has_pty_reader(const struct far *f)
{
	return f->kind == BH__PORT_KIND__PORT_KIND_PTY && f->attached;
}

bool
far_wants_probe(const struct far *f)
{
	return f->in_ended || (f->returns && !f->attached);
}

void
far_probe(struct far *f)
{
	if (f->in_ended && f->in_len == 0) {
		f->in_ended = false;	/* another end takes it back */
		read_some(f, false);
	}
	if (f->returns && !f->attached) {
		/* EIO or EPIPE takes it back. */
		f->attached = true;
		if (f->rfd == f->wfd && f->in_len == 0)
			read_some(f, false);
		if (f->attached)
			far_flush(f);
	}
	update(f);
}
