/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back-end program from its command line to its closed jail, by QEMU's
 * conventions for back ends (docs/interop/vhost-user.rst): --socket-path, --fd,
 * --print-capabilities; ends at SIGTERM. Nothing of a front end is read before
 * the jail is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "device-workers/vhost-user/backend.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "build_id.h"
#include "ipc/log.h"
#include "ipc/place.h"

/* Address space for guest memory; costs nothing until it is mapped. */
#define MEMORY_RESERVE (1ull << 40)

struct options {
	const char *socket_path;
	int fd;			/* -1: none */
	bool print_capabilities;
};

static _Noreturn void
die(const char *what, const char *why)
{
	(void)fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, what,
	    why != NULL ? ": " : "", why != NULL ? why : "");
	exit(1);
}

/* ---- for a program's option() and open() -------------------------------------- */

int
vhu_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	unsigned long n;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || n < min || n > max)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

int
vhu_listen(const char *path, int type, int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		die(path, "longer than a socket's path may be");
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket", log_errname(errno));
	/* A socket that nobody serves any more is in the way; a file is not ours. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 &&
	    errno == ECONNREFUSED)
		(void)unlink(path);
	close(fd);
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(fd, backlog) != 0)
		die(path, log_errname(errno));
	return fd;
}

/* ---- command line ------------------------------------------------------------- */

static _Noreturn void
usage(const struct vhu_program *p, int status)
{
	const char *me = program_invocation_short_name;

	(void)fprintf(status == 0 ? stdout : stderr,
	    "usage: %s --socket-path=PATH | --fd=FD  [OPTION...]\n"
	    "\n"
	    "%s, as a vhost-user back end: another VMM\n"
	    "connects to the socket and gives it the memory and the rings of its\n"
	    "guest. Runs in a jail of its own. SIGTERM ends it, in order.\n"
	    "\n"
	    "  --socket-path=PATH    make a socket there, serve one front end after the other\n"
	    "  --fd=FD               a listening socket, or one front end's connection\n"
	    "  --print-capabilities  say in JSON what this is, and end\n"
	    "  --version\n"
	    "\n%s\n"
	    "  %s --socket-path=/run/vm1.sock %s\n"
	    "  qemu-system-x86_64 -object memory-backend-memfd,id=m,share=on,size=1G \\\n"
	    "    -machine memory-backend=m -m 1G -chardev socket,id=c,path=/run/vm1.sock ...\n",
	    me, p->what, p->usage, me, p->example);
	exit(status);
}

static int
library_option(struct options *o, const char *name, const char *value)
{
	uint32_t fd;

	if (strcmp(name, "socket-path") == 0 && value != NULL) {
		o->socket_path = value;
	} else if (strcmp(name, "fd") == 0) {
		if (vhu_number(value, 0, 1 << 20, &fd) < 0)
			return -EINVAL;
		o->fd = (int)fd;
	} else if (strcmp(name, "print-capabilities") == 0 && value == NULL) {
		o->print_capabilities = true;
	} else {
		return -ENOENT;
	}
	return 0;
}

static void
parse_options(struct options *o, int argc, char **argv,
    const struct vhu_program *p)
{
	for (int i = 1; i < argc; i++) {
		char *name = argv[i], *value;
		int rc;

		if (strncmp(name, "--", 2) != 0)
			die(name, "not an option, see --help");
		name += 2;
		if (strcmp(name, "help") == 0)
			usage(p, 0);
		if (strcmp(name, "version") == 0) {
			(void)printf("%s %s\n", program_invocation_short_name,
			    BULKHEAD_VERSION);
			exit(0);
		}
		value = strchr(name, '=');
		if (value != NULL)
			*value++ = '\0';
		rc = library_option(o, name, value);
		if (rc == -ENOENT)
			rc = p->option(name, value);
		if (rc < 0)
			die(argv[i], rc == -ENOENT ? "no such option, see --help" :
			    "bad value");
	}
}

static void
print_capabilities(const struct vhu_program *p)
{
	if (printf("{\n  \"type\": \"%s\"%s%s%s\n}\n", p->type,
	    p->features != NULL ? ",\n  \"features\": [ " : "",
	    p->features != NULL ? p->features : "",
	    p->features != NULL ? " ]" : "") < 0 || fflush(stdout) != 0)
		exit(1);
	exit(0);
}

/* ---- start -------------------------------------------------------------------- */

/* 0, 1 and 2 are something, so that no fd of ours gets such a number. */
static void
occupy_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd < 0)
		die("/dev/null", log_errname(errno));
	(void)dup2(fd, 0);
	(void)dup2(fd, 1);
	close(fd);
}

/* Fixed slots are free: the command line's fd is moved above all of them. */
static int
lift_fd(int fd)
{
	int up;

	if (fd < 0)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, FD_INCOMING + FD_INCOMING_COUNT);
	if (up < 0)
		die("--fd", log_errname(errno));
	close(fd);
	return up;
}

/* The socket to its slot: a listening one, or a front end's connection. */
static void
open_socket(struct vhu *v, const struct options *o, int fd)
{
	int listening = 1;
	socklen_t len = sizeof(listening);
	int rc;

	if (o->socket_path != NULL)
		fd = vhu_listen(o->socket_path, SOCK_STREAM, 1);
	else if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0)
		die("--fd", "not a socket");
	v->one_shot = !listening;
	rc = place_fd(fd, listening ? FD_VHU_LISTEN : FD_VHU_CONN);
	if (rc == 0 && listening &&
	    fcntl(FD_VHU_LISTEN, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		rc = -errno;
	if (rc < 0)
		die("socket", log_errname(rc));
}

static void
signal_ready(struct loop_source *src, uint32_t events)
{
	struct vhu *v = src->owner;
	struct signalfd_siginfo info;

	(void)events;
	if (read(FD_VHU_SIGNAL, &info, sizeof(info)) == sizeof(info))
		vhu_ask_quiet(v, VHU_QUIET_END);
}

static void
open_signals(struct vhu *v)
{
	sigset_t set;
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		die("signals", log_errname(errno));
	rc = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	rc = rc < 0 ? -errno : place_fd(rc, FD_VHU_SIGNAL);
	v->signal = (struct loop_source){
		.fd = FD_VHU_SIGNAL, .ready = signal_ready, .owner = v,
	};
	if (rc == 0)
		rc = loop_add(&v->loop, &v->signal, EPOLLIN);
	if (rc < 0)
		die("signals", log_errname(rc));
}

static void
start_device(struct vhu *v, Bh__DeviceConfig *config)
{
	struct device *dev = &v->dev;
	const char *why = "device";
	int rc = gmem_init(&dev->mem, MEMORY_RESERVE);

	if (rc < 0)
		die("no address space for guest memory", log_errname(rc));
	/* SET_CONFIG is heard before the requests that follow it: front ends
	 * wait for its answer. */
	dev->driver_config = dev->config;
	rc = vhu_inflight_init(v);
	if (rc < 0)
		die("no address space for in-flight regions", log_errname(rc));
	rc = dev->ops->start(dev, config, &why);
	if (rc < 0)
		die(why, log_errname(rc));
	if (dev->nqueues > DEVICE_MAX_QUEUES ||
	    dev->config_size > DEVICE_MAX_CONFIG)
		die("the device asks for too much", NULL);
	vhu_queues_forget(v);
}

/* In the jail: what the device has to look at there, and what it offers then. */
static void
look_inside(struct vhu *v)
{
	struct device *dev = &v->dev;
	const char *why = "device";
	int rc = dev->ops->jailed != NULL ? dev->ops->jailed(dev, &why) : 0;

	if (rc < 0) {
		log_error("%s: %s", why, log_errname(rc));
		_exit(1);
	}
	v->offered = dev->features | v->program->features_beside | 1ull << VIRTIO_F_VERSION_1 |
	    1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX |
	    1ull << VIRTIO_F_RING_PACKED | 1ull << VHU_F_LOG_ALL |
	    1ull << VHU_F_PROTOCOL_FEATURES;
}

int
main_vhost_user(int argc, char **argv, const struct vhu_program *program)
{
	static struct vhu vhu;
	struct vhu *v = &vhu;
	struct options options = { .fd = -1 };
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	const char *why = "back end";
	int rc, fd;

	v->program = program;
	v->dev.ops = program->ops;
	parse_options(&options, argc, argv, program);
	if (options.print_capabilities)
		print_capabilities(program);
	if ((options.socket_path == NULL) == (options.fd < 0))
		die("one of --socket-path and --fd is needed, see --help", NULL);
	fd = lift_fd(options.fd);
	occupy_standard_fds();
	vhu_log_open();
	for (unsigned int q = 0; q < DEVICE_MAX_QUEUES; q++)
		virtq_disable(&v->dev.vq[q]);
	/* First, since what the caller gave may be at one of our numbers. */
	rc = program->open(&config, &why);
	if (rc < 0)
		die(why, log_errname(rc));
	rc = loop_init(&v->loop, FD_EPOLL);
	if (rc < 0)
		die("epoll", log_errname(rc));
	open_signals(v);
	start_device(v, &config);
	open_socket(v, &options, fd);
	rc = vhu_jail(program->share, &why);
	if (rc < 0) {
		log_error("jail stage %s: %s", why, log_errname(rc));
		_exit(1);
	}
	look_inside(v);
	if (v->one_shot)
		vhu_conn_start(v);
	else if (vhu_socket_listen(v) < 0)
		_exit(1);
	do {
		v->loop.busy = (v->again | v->polled) != 0;
		rc = loop_once(&v->loop, -1);
		vhu_settle(v);
	} while (rc == 0);
	log_error("epoll: %s", log_errname(rc));
	_exit(1);
}
