/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-vsock: sockets between host and guest for other VMMs. What a guest
 * connects to on the host is another process' to find (ports.c), which is started here:
 * this one has listening sockets and no path.
 */
#include "device-workers/vsock/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "device-workers/vhost-user/ports.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "device-workers/vsock/slots.h"
#include "ipc/log.h"
#include "ipc/place.h"

#define BACKLOG 1024
#define BUFFER_MIN 4096u
#define BUFFER_MAX (1u << 20)
#define SEQPACKET ".seqpacket"

static struct {
	const char *path;
	uint32_t cid, buffer;
} opt = { .buffer = 256u << 10 };

static bool asking;		/* an answer is due */

/* ---- ports ---------------------------------------------------------------------- */

static int
want_port(struct device *dev, uint32_t port, bool seqpacket)
{
	struct ports_request request = { .port = port, .seqpacket = seqpacket };
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)dev;
	if (sendmsg(FD_VHU_PORTS, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	asking = true;
	return 0;
}

/* The next answer: its error, -EAGAIN, or -EPIPE: there is nobody any more. */
static int
receive_answer(int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct ports_answer answer;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c;
	ssize_t n = recvmsg(FD_VHU_PORTS, &msg, MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(*fd)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if (n != sizeof(answer) || answer.error < 0)
		return -EPIPE;
	return answer.error;
}

static void
take_answer(struct device *dev)
{
	int fd, error = receive_answer(&fd);

	if (error == -EAGAIN)
		return;
	if (error == -EPIPE) {
		log_error("vsock: " PORTS_PROGRAM " has ended: the guest can connect to "
		    "no port of the host any more");
		device_unwatch(dev, FD_VHU_PORTS);
		error = ECONNREFUSED;
	}
	if (error == 0 && fd < 0)
		error = ECONNREFUSED;
	if (!asking || error != 0) {
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	if (!asking)
		return;
	asking = false;
	vsock_ops.port(dev, error, fd);
}

static void
backend_ready(struct device *dev, int fd, uint32_t events)
{
	if (fd == FD_VHU_PORTS)
		take_answer(dev);
	else
		vsock_ops.backend_ready(dev, fd, events);
}

static int
start(struct device *dev, const Bh__DeviceConfig *config, const char **why)
{
	int rc = vsock_ops.start(dev, config, why);

	return rc < 0 ? rc : device_watch(dev, FD_VHU_PORTS, EPOLLIN);
}

/* ---- its process ------------------------------------------------------------------ */

/* In the child: the program beside this one. */
static _Noreturn void
execute(int channel, int dir, const char *name)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	char *slash = n > 0 && (size_t)n < sizeof(path) ?
	    memrchr(path, '/', (size_t)n) : NULL;

	/* Out of each other's way. */
	channel = fcntl(channel, F_DUPFD, FD_KICK);
	dir = fcntl(dir, F_DUPFD, FD_KICK);
	if (slash != NULL && (size_t)(slash + 1 - path) + sizeof(PORTS_PROGRAM) <=
	    sizeof(path) && dup2(channel, FD_VHU_PORTS) >= 0 &&
	    dup2(dir, FD_VHU_PORTS_DIR) >= 0) {
		memcpy(slash + 1, PORTS_PROGRAM, sizeof(PORTS_PROGRAM));
		(void)close_range(3, FD_VHU_PORTS - 1, 0);
		(void)close_range(FD_VHU_PORTS_DIR + 1, ~0u, 0);
		(void)execl(path, PORTS_PROGRAM, name, NULL);
	}
	_exit(127);
}

/* Start it, and wait until its jail is closed. It ends when we do. */
static int
start_ports(const char **why)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const char *name = path;
	int pair[2], dir, fd, rc = 0;
	char *slash;
	pid_t pid;

	memcpy(path, opt.path, strlen(opt.path) + 1);
	slash = strrchr(path, '/');
	if (slash != NULL) {
		*slash = '\0';
		name = slash + 1;
	}
	dir = open(slash == NULL ? "." : slash == path ? "/" : path,
	    O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		execute(pair[1], dir, name);
	if (pid < 0)
		rc = -errno;
	close(dir);
	close(pair[1]);
	if (rc == 0)
		rc = place_fd(pair[0], FD_VHU_PORTS);
	if (rc == 0 && receive_answer(&fd) != 0) {
		*why = PORTS_PROGRAM " does not start";
		rc = -ECHILD;
	}
	if (rc == 0 && fcntl(FD_VHU_PORTS, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		rc = -errno;
	return rc;
}

/* ---- command line ------------------------------------------------------------------ */

static int
option(const char *name, const char *value)
{
	if (strcmp(name, "guest-cid") == 0)
		return vhu_number(value, 3, UINT32_MAX - 1, &opt.cid);
	if (strcmp(name, "buffer") == 0)
		return vhu_number(value, BUFFER_MIN, BUFFER_MAX, &opt.buffer);
	if (strcmp(name, "uds-path") != 0)
		return -ENOENT;
	opt.path = value;
	return value != NULL && *value != '\0' && value[strlen(value) - 1] != '/' ?
	    0 : -EINVAL;
}

static int
open_sockets(Bh__DeviceConfig *config, const char **why)
{
	static Bh__VsockConfig own;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct rlimit files;
	mode_t mask;
	int rc;

	*why = "--guest-cid and --uds-path are needed, see --help";
	if (opt.cid == 0 || opt.path == NULL)
		return -EINVAL;
	*why = "a connection is an open file: no 4096 are allowed (ulimit -Hn)";
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    files.rlim_max < FD_VSOCK_CONNS + FD_VSOCK_COUNT)
		return -EMFILE;
	*why = opt.path;
	if (strlen(opt.path) + sizeof(SEQPACKET) > sizeof(path))
		return -ENAMETOOLONG;
	(void)snprintf(path, sizeof(path), "%s" SEQPACKET, opt.path);
	mask = umask(0177);
	rc = place_fd(vhu_listen(opt.path, SOCK_STREAM, BACKLOG), FD_VSOCK_STREAM);
	if (rc == 0)
		rc = place_fd(vhu_listen(path, SOCK_SEQPACKET, BACKLOG),
		    FD_VSOCK_SEQPACKET);
	(void)umask(mask);
	if (rc == 0)
		rc = start_ports(why);
	bh__vsock_config__init(&own);
	own.cid = opt.cid;
	own.buffer = opt.buffer;
	own.queue_size = VIRTQ_MAX_SIZE;
	config->device_case = BH__DEVICE_CONFIG__DEVICE_VSOCK;
	config->vsock = &own;
	return rc;
}

int
main(int argc, char **argv)
{
	static struct device_ops ops;
	static const struct vhu_program program = {
		.ops = &ops,
		.type = "vsock",
		.what = "Sockets between host and guest",
		.usage =
		    "  --guest-cid=N         the guest's address, 3 or more\n"
		    "  --uds-path=PATH       socket of the host's clients, who say CONNECT and a\n"
		    "                        port; the guest's connect to PATH_port\n"
		    "  --buffer=BYTES        of a connection, 4096 to 1048576, default 262144\n",
		.example = "--guest-cid=3 --uds-path=/run/vm1.vsock",
		.has_config = true,
		.queues_a_unit = 1,
		.want_port = want_port,
		.option = option,
		.open = open_sockets,
	};

	ops = vsock_ops;
	ops.start = start;
	ops.backend_ready = backend_ready;
	return main_vhost_user(argc, argv, &program);
}
