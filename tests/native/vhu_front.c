/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user front end for tests, see vhu_front.h. */
#include "tests/native/vhu_front.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct vhu_front t = { .conn = -1 };

/* ---- messages ----------------------------------------------------------------- */

bool
send_raw(const void *data, size_t len, const int *fds, unsigned int nfds)
{
	union {
		char bytes[CMSG_SPACE(32 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	union { const void *in; void *out; } constless = { .in = data };
	struct iovec iov = { constless.out, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > 0) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	return sendmsg(t.conn, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

bool
post(uint32_t request, uint32_t flags, const void *payload, uint32_t size,
    const int *fds, unsigned int nfds)
{
	struct packet p = { .header = { request, VHU_VERSION | flags, size } };

	if (size > 0)
		memcpy(&p.payload, payload, size);
	return send_raw(&p, sizeof(p.header) + size, fds, nfds);
}

/* The next bytes: false when the connection is closed or nothing comes. */
bool
recv_all(void *to, size_t len)
{
	for (size_t have = 0; have < len;) {
		struct pollfd p = { .fd = t.conn, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, WAIT_MS) != 1)
			return false;
		n = recv(t.conn, (char *)to + have, len - have, 0);
		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

bool
ask(uint32_t request, const void *payload, uint32_t size, struct packet *answer)
{
	return post(request, 0, payload, size, NULL, 0) &&
	    recv_all(&answer->header, sizeof(answer->header)) &&
	    answer->header.request == request &&
	    answer->header.flags == (VHU_VERSION | VHU_FLAG_REPLY) &&
	    answer->header.size <= sizeof(answer->payload) &&
	    recv_all(&answer->payload, answer->header.size);
}

/* With REPLY_ACK: 0: done, 1: refused, -1: no answer. */
int
set(uint32_t request, const void *payload, uint32_t size, const int *fds,
    unsigned int nfds)
{
	struct packet answer;

	if (!post(request, VHU_FLAG_NEED_REPLY, payload, size, fds, nfds) ||
	    !recv_all(&answer, sizeof(answer.header) + 8) ||
	    answer.header.request != request || answer.header.size != 8)
		return -1;
	return answer.payload.u64 != 0;
}

int
set_u64(uint32_t request, uint64_t value)
{
	return set(request, &value, sizeof(value), NULL, 0);
}

int
set_vring(uint32_t request, uint32_t index, uint32_t num)
{
	const uint32_t state[2] = { index, num };

	return set(request, state, sizeof(state), NULL, 0);
}

int
set_fd(uint32_t request, uint64_t value, int fd)
{
	return set(request, &value, sizeof(value), &fd, fd >= 0 ? 1 : 0);
}

/* ---- the front end ------------------------------------------------------------ */

bool
front_end_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", t.socket);
	if (t.conn >= 0)
		close(t.conn);
	t.conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 500; i++) {
		if (connect(t.conn, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			return true;
		usleep(10000);
	}
	return false;
}

int
set_table(uint32_t n, const struct vhu_region *regions, const int *fds)
{
	union vhu_payload p = { .table = { .n = n } };

	memcpy(p.table.region, regions, n * sizeof(regions[0]));
	return set(VHU_SET_MEM_TABLE, &p,
	    (uint32_t)(8 + n * sizeof(regions[0])), fds, n);
}

bool
negotiate(void)
{
	struct packet answer;

	MUST(front_end_connect());
	MUST(ask(VHU_GET_FEATURES, NULL, 0, &answer));
	MUST((answer.payload.u64 & FEATURES) == FEATURES);
	MUST(ask(VHU_GET_PROTOCOL_FEATURES, NULL, 0, &answer));
	MUST(post(VHU_SET_PROTOCOL_FEATURES, 0, &answer.payload.u64, 8, NULL, 0));
	MUST(set_u64(VHU_SET_FEATURES, FEATURES | t.more_features) == 0);
	MUST(set(VHU_SET_OWNER, NULL, 0, NULL, 0) == 0);
	return true;
}

int
set_addr(uint32_t q, uint64_t desc, uint64_t avail, uint64_t used)
{
	union vhu_payload p = { .addr = {
		.index = q, .desc = desc, .avail = avail, .used = used,
	} };

	return set(VHU_SET_VRING_ADDR, &p, sizeof(p.addr), NULL, 0);
}

bool
set_memory(void)
{
	const struct vhu_region all = { 0, RAM, UVA, 0 };

	return set_table(1, &all, &t.ram_fd) == 0;
}

/* All but KICK, which starts it, from ring position @base. */
bool
prepare_ring(uint32_t base)
{
	const uint32_t r = t.ring;

	MUST(set_vring(VHU_SET_VRING_NUM, r, t.q.size) == 0);
	MUST(set_vring(VHU_SET_VRING_BASE, r, base) == 0);
	MUST(set_addr(r, UVA + t.q.desc, UVA + t.q.avail, UVA + t.q.used) == 0);
	MUST(set_fd(VHU_SET_VRING_CALL, r, t.call) == 0);
	MUST(set_fd(VHU_SET_VRING_ERR, r, t.err) == 0);
	return true;
}

bool
start_ring(uint32_t base)
{
	MUST(prepare_ring(base));
	MUST(set_fd(VHU_SET_VRING_KICK, t.ring, t.kick) == 0);
	MUST(set_vring(VHU_SET_VRING_ENABLE, t.ring, 1) == 0);
	return true;
}

bool
all_up(void)
{
	drvq_init(&t.q, t.ram, RING, QUEUE, FEATURES | t.more_features);
	return negotiate() && set_memory() &&
	    start_ring(t.q.packed ? 0x80008000 : 0);
}

/* ---- set-up ------------------------------------------------------------------- */

bool
front_set_up(size_t disk_size)
{
	int fd;

	snprintf(t.dir, sizeof(t.dir), "/tmp/vhost-user.XXXXXX");
	MUST(mkdtemp(t.dir) != NULL);
	snprintf(t.socket, sizeof(t.socket), "%s/socket", t.dir);
	snprintf(t.disk, sizeof(t.disk), "%s/disk", t.dir);
	fd = open(t.disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	MUST(fd >= 0 && ftruncate(fd, (off_t)disk_size) == 0);
	close(fd);
	t.ram_fd = memfd_create("ram", MFD_CLOEXEC);
	t.log_fd = memfd_create("log", MFD_CLOEXEC);
	t.kick = eventfd(0, EFD_CLOEXEC);
	t.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(ftruncate(t.ram_fd, RAM) == 0 && ftruncate(t.log_fd, 4096) == 0);
	t.ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, t.ram_fd, 0);
	t.log = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, t.log_fd, 0);
	MUST(t.ram != MAP_FAILED && t.log != MAP_FAILED);
	return true;
}

bool
front_start(const char *program, const char *a, const char *b, const char *c)
{
	char socket_arg[128];

	t.pid = fork();
	if (t.pid == 0) {
		snprintf(socket_arg, sizeof(socket_arg), "--socket-path=%s",
		    t.socket);
		execl(program, program, socket_arg, a, b, c, NULL);
		_exit(127);
	}
	return t.pid > 0;
}

void
front_clean_up(void)
{
	if (t.pid > 0 && waitpid(t.pid, NULL, WNOHANG) == 0) {
		kill(t.pid, SIGKILL);
		waitpid(t.pid, NULL, 0);
	}
	unlink(t.socket);
	unlink(t.disk);
	rmdir(t.dir);
}
