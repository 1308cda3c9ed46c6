/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user protocol's messages, as the benchmarks' clients speak it to a back
 * end: one connection, no answer that is not asked for. Whatever fails ends the client.
 */
#ifndef BULKHEAD_TESTS_BENCH_VHU_CLIENT_H
#define BULKHEAD_TESTS_BENCH_VHU_CLIENT_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int vhu_sock;

static inline void
vhu_die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
	    strerror(errno));
	exit(1);
}

/* ---- the protocol ---- */

struct vhu_msg {
	uint32_t request, flags, size;
	uint8_t payload[280];
} __attribute__((packed));

static inline void
vhu_tell(uint32_t request, const void *payload, uint32_t size, int fd)
{
	struct vhu_msg m = { .request = request, .flags = 1, .size = size };
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } c;
	struct iovec iov = { &m, 12 + size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (size > 0)
		memcpy(m.payload, payload, size);
	if (fd >= 0) {
		h.msg_control = &c;
		h.msg_controllen = sizeof(c.buf);
		c.h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	}
	if (sendmsg(vhu_sock, &h, 0) != (ssize_t)iov.iov_len)
		vhu_die("sendmsg");
}

static inline void
vhu_get(void *payload, uint32_t size)
{
	struct vhu_msg m;

	if (recv(vhu_sock, &m, 12, MSG_WAITALL) != 12 || m.size > sizeof(m.payload) ||
	    recv(vhu_sock, m.payload, m.size, MSG_WAITALL) != (ssize_t)m.size)
		vhu_die("no answer");
	memcpy(payload, m.payload, size < m.size ? size : m.size);
}

static inline uint64_t
vhu_ask_u64(uint32_t request)
{
	uint64_t v = 0;

	vhu_tell(request, NULL, 0, -1);
	vhu_get(&v, sizeof(v));
	return v;
}

static inline void
vhu_tell_u64(uint32_t request, uint64_t v, int fd)
{
	vhu_tell(request, &v, sizeof(v), fd);
}

static inline void
vhu_connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	vhu_sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int i = 0; connect(vhu_sock, (struct sockaddr *)&a, sizeof(a)) != 0; i++) {
		if (i == 1000)
			vhu_die(path);
		usleep(10000);
	}
}

#endif
