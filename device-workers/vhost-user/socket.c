/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of a back-end program: one front end at a time, its messages read
 * byte for byte into v->msg and checked by wire.c, answers. Runs under the filter.
 *
 * Never reads beyond the message at hand, so that fds stay with the message they
 * came with. A front end that sends what it may not, or does not take answers,
 * loses its connection, and the next one may come.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "ipc/log.h"

void
vhu_msg_done(struct vhu_msg *msg)
{
	for (unsigned int i = 0; i < msg->nfds; i++)
		if (msg->fd[i] >= 0)
			close(msg->fd[i]);
	*msg = (struct vhu_msg){ 0 };
}

/* ---- sending ------------------------------------------------------------------ */

/*
 * All of it, with fd @pass unless that is -1, or -errno: a socket buffer that is
 * full of a few bytes is a fault.
 */
static int
send_all(int fd, const struct vhu_header *header, const void *payload, int pass)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	union { const void *in; void *out; } head = { .in = header };
	union { const void *in; void *out; } body = { .in = payload };
	struct iovec iov[2] = {
		{ head.out, sizeof(*header) }, { body.out, header->size },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (pass >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)),
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &pass, sizeof(pass));
	}
	do {
		n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(*header) + header->size ? 0 : -EAGAIN;
}

void
vhu_reply(struct vhu *v, uint32_t size)
{
	vhu_reply_fd(v, size, -1);
}

void
vhu_reply_fd(struct vhu *v, uint32_t size, int fd)
{
	struct vhu_header header = {
		.request = v->msg.header.request,
		.flags = VHU_VERSION | VHU_FLAG_REPLY,
		.size = size,
	};

	if (send_all(FD_VHU_CONN, &header, &v->msg.payload, fd) < 0)
		vhu_ask_quiet(v, VHU_QUIET_HANG_UP);
}

void
vhu_tell_front_end(struct vhu *v, uint32_t request)
{
	struct vhu_header header = { .request = request, .flags = VHU_VERSION };
	int rc;

	if (!v->has_backend_req)
		return;
	rc = send_all(FD_VHU_BACKEND_REQ, &header, "", -1);
	if (rc < 0)
		log_guest("back-end channel: %s", log_errname(rc));
}

/* ---- receiving ---------------------------------------------------------------- */

static void
hang_up(struct vhu *v, const char *why)
{
	log_guest("front end: request %u: %s", v->msg.header.request, why);
	vhu_ask_quiet(v, VHU_QUIET_HANG_UP);
}

/* Keep the fds of @m with the message; too many: false. */
static bool
keep_fds(struct vhu_msg *msg, struct msghdr *m)
{
	bool fits = (m->msg_flags & MSG_CTRUNC) == 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (msg->nfds < VHU_MAX_FDS) {
				msg->fd[msg->nfds++] = fd;
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

/*
 * Read on, up to byte @end of the message (header and payload). 1: there; 0:
 * later; -errno, -EPIPE: the front end has gone.
 */
static int
read_up_to(struct vhu *v, uint32_t end)
{
	union {
		char bytes[CMSG_SPACE(VHU_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m = { .msg_iovlen = 1 };
	struct iovec iov;
	ssize_t n;

	while (v->have < end) {
		uint8_t *to = v->have < VHU_HEADER_SIZE ?
		    (uint8_t *)&v->msg.header + v->have :
		    v->msg.payload.bytes + (v->have - VHU_HEADER_SIZE);

		iov = (struct iovec){ to, end - v->have };
		m.msg_iov = &iov;
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		n = recvmsg(FD_VHU_CONN, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (!keep_fds(&v->msg, &m))
			return -E2BIG;
		if (n == 0)
			return -EPIPE;
		v->have += (uint32_t)n;
	}
	return 1;
}

/* What is not for this back end: an answer, if one can be asked for. */
static void
refuse(struct vhu *v, const char *why)
{
	if (!vhu_wants_ack(v)) {
		hang_up(v, why);
		return;
	}
	log_guest("front end: request %u: %s", v->msg.header.request, why);
	v->msg.payload.u64 = 1;
	vhu_reply(v, sizeof(v->msg.payload.u64));
	vhu_msg_done(&v->msg);
	v->have = 0;
}

/* One message, as far as it has come. 1: v->msg is whole and checked. */
static int
receive(struct vhu *v)
{
	enum vhu_verdict verdict = VHU_TAKE;
	const char *why = "";
	int rc = read_up_to(v, VHU_HEADER_SIZE);

	if (rc > 0) {
		verdict = vhu_header_check(&v->msg.header, v->protocol_features,
		    &why);
		if (verdict == VHU_HANG_UP) {
			hang_up(v, why);
			return 0;
		}
		rc = read_up_to(v, VHU_HEADER_SIZE + v->msg.header.size);
	}
	if (rc > 0 && verdict == VHU_REFUSE) {
		refuse(v, why);
		return 0;
	}
	if (rc > 0 && !vhu_message_ok(&v->msg, &why)) {
		hang_up(v, why);
		return 0;
	}
	if (rc == -EPIPE && v->have == 0)
		vhu_ask_quiet(v, VHU_QUIET_HANG_UP);
	else if (rc < 0)
		hang_up(v, log_errname(rc));
	return rc > 0;
}

static void
conn_ready(struct loop_source *src, uint32_t events)
{
	struct vhu *v = src->owner;

	(void)events;
	if (receive(v) <= 0)
		return;
	v->have = 0;
	/* Also with a device that is at rest: rings may run afterwards. */
	if (vhu_wants_quiet(v->msg.header.request))
		vhu_ask_quiet(v, VHU_QUIET_MESSAGE);
	else
		vhu_carry_out(v);
}

/* ---- connections -------------------------------------------------------------- */

void
vhu_conn_start(struct vhu *v)
{
	v->conn = (struct loop_source){
		.fd = FD_VHU_CONN, .ready = conn_ready, .owner = v,
	};
	v->have = 0;
	if (loop_add(&v->loop, &v->conn, EPOLLIN) < 0) {
		log_error("epoll of the connection");
		_exit(1);
	}
	v->connected = true;
}

/* Removed, not only quiet: a hang-up would wake the loop all the same. */
void
vhu_conn_pause(struct vhu *v, bool pause)
{
	if (pause)
		loop_remove(&v->loop, &v->conn);
	else if (v->connected && !v->conn.added)
		(void)loop_add(&v->loop, &v->conn, EPOLLIN);
}

void
vhu_conn_close(struct vhu *v)
{
	loop_remove(&v->loop, &v->conn);
	if (v->connected)
		close(FD_VHU_CONN);
	v->connected = false;
	if (v->has_backend_req)
		close(FD_VHU_BACKEND_REQ);
	v->has_backend_req = false;
	vhu_msg_done(&v->msg);
	v->have = 0;
}

static void
listen_ready(struct loop_source *src, uint32_t events)
{
	struct vhu *v = src->owner;
	int fd = accept4(FD_VHU_LISTEN, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (fd != FD_VHU_CONN) {
		int rc = vhu_put_fd(fd, FD_VHU_CONN);

		close(fd);
		if (rc < 0)
			return;
	}
	/* Others wait in the queue until this one has gone. */
	loop_remove(&v->loop, src);
	vhu_conn_start(v);
}

int
vhu_socket_listen(struct vhu *v)
{
	v->listen = (struct loop_source){
		.fd = FD_VHU_LISTEN, .ready = listen_ready, .owner = v,
	};
	return loop_add(&v->loop, &v->listen, EPOLLIN);
}
