/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-vsock-ports NAME: connects to the unix socket NAME_n when its
 * parent asks for port n, and passes the connection on. The directory of those sockets
 * is its root; a number is all that it is told. Started by bulkhead-vhost-user-vsock
 * (ports.h), with which it ends. Must not wait: a socket whose queue is full is one
 * that is not there.
 */
#include "device-workers/vhost-user/ports.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/log.h"
#include "sandbox/jail.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static size_t name_len;			/* up to the '_' */

static bool
reply(int error, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct ports_answer answer = { .error = error };
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(FD_VHU_PORTS, &msg, MSG_NOSIGNAL) == sizeof(answer);
}

static bool
connect_to(const struct ports_request *request)
{
	const int type = request->seqpacket != 0 ? SOCK_SEQPACKET : SOCK_STREAM;
	char digits[PORTS_DIGITS];
	size_t n = sizeof(digits), len;
	uint32_t port = request->port;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool good;

	if (fd < 0)
		return reply(errno, -1);
	do
		digits[--n] = (char)('0' + port % 10);
	while ((port /= 10) != 0);
	len = sizeof(digits) - n;
	memcpy(address.sun_path + name_len, digits + n, len);
	address.sun_path[name_len + len] = '\0';
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		good = reply(errno, -1);
	else
		good = reply(0, fd);
	close(fd);
	return good;
}

static void
serve(void)
{
	struct ports_request request;
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = recvmsg(FD_VHU_PORTS, &msg, 0);
	while (n == sizeof(request) && connect_to(&request));
}

int
main(int argc, char **argv)
{
	static struct vhu_share share = { .readonly = true };
	const char *stage = "";
	int rc;

	/* To people there is nothing to say here: they have started something else. */
	if (argc != 2 || strlen(argv[1]) + 1 + PORTS_DIGITS >= sizeof(address.sun_path))
		return 2;
	name_len = strlen(argv[1]) + 1;
	memcpy(address.sun_path, argv[1], name_len - 1);
	address.sun_path[name_len - 1] = '_';
	/* Root stays root, with the rights over files that the policy has. */
	if (geteuid() == 0)
		share.uids.count = share.gids.count = UINT32_MAX;
	vhu_log_open();
	rc = vhu_jail(&share, &stage);
	if (rc != 0) {
		log_error("jail stage %s: %s", stage, log_errname(rc));
		return 1;
	}
	if (reply(0, -1))
		serve();
	_exit(0);
}
