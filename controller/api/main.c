// SPDX-License-Identifier: Apache-2.0
//
// bulkhead-api, the api-worker: HTTP and JSON of clients in, messages to the
// controller out, and back. Whatever a client sends ends here: the controller
// sees checked messages only. It has no path, no guest memory and no KVM, and a
// new one takes its place on the same socket when it dies.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/api/clients.h"
#include "ipc/chan.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "ipc/slots.h"
#include "sandbox/control.h"
#include "sandbox/jail.h"

static struct {
	struct loop loop;
	struct chan ctl;
	struct chan_buffers buffers;
	struct loop_source ctl_source, timer;
	struct about about;
	bool events, quit;
	unsigned int last_ticks;
} api;

/* One object; what does not go out at once is lost, as a slow reader's is. */
static void
write_event(const Bh__ApiEvent *event)
{
	static char bytes[8192];
	struct text t = { .at = bytes, .size = sizeof(bytes) };

	if (!api.events)
		return;
	answer_event(&t, event);
	if (!t.full)
		(void)!write(FD_API_EVENTS, bytes, t.len);
}

static void
pong(uint32_t number)
{
	Bh__Pong pong = BH__PONG__INIT;
	CHAN_PACKET(p, PONG, pong, &pong);

	pong.number = number;
	(void)chan_send(&api.ctl, &p, NULL, 0);
}

static void
finish(void)
{
	if (api.quit && clients_finish())
		api.loop.stop = true;
}

static void
ctl_ready(struct loop_source *src, uint32_t events)
{
	struct chan_msg msg;

	(void)src;
	(void)events;
	for (unsigned int i = 0; i < 64 && !api.loop.stop; i++) {
		int rc = chan_recv(&api.ctl, &msg, NULL);

		if (rc == 0)
			break;
		if (rc < 0) {
			api.loop.stop = true;
			return;
		}
		switch ((int)msg.packet->body_case) {
		case BH__PACKET__BODY_API_ANSWER:
			clients_answer(msg.packet->seq, msg.packet->api_answer);
			break;
		case BH__PACKET__BODY_API_EVENT:
			write_event(msg.packet->api_event);
			break;
		case BH__PACKET__BODY_PING:
			pong(msg.packet->ping->number);
			break;
		case BH__PACKET__BODY_QUIT:
			api.quit = true;
			break;
		default:
			break;
		}
		chan_done(&msg);
	}
	finish();
}

static void
timer_ready(struct loop_source *src, uint32_t events)
{
	uint64_t ticks;

	(void)events;
	if (read(src->fd, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
		return;
	(void)clients_tick();
	/* Who does not take his answer does not hold up the end. */
	if (api.quit && ++api.last_ticks >= 2)
		api.loop.stop = true;
	finish();
}

/* The controller's first message: what to do. */
static int
await_start(struct chan_msg *msg)
{
	for (;;) {
		struct pollfd p = { .fd = FD_CTL, .events = POLLIN };
		int rc = chan_recv(&api.ctl, msg, NULL);

		if (rc < 0)
			return rc;
		if (rc == 1 && msg->packet->body_case ==
		    BH__PACKET__BODY_API_START)
			return 0;
		if (rc == 1)
			return -EPIPE;	/* Quit */
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

static void
copy(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size - 1);

	memcpy(dst, src, n);
	dst[n] = '\0';
}

static int
make_timer(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	if (fd != FD_TIMER) {
		rc = dup3(fd, FD_TIMER, O_CLOEXEC) < 0 ? -errno : 0;
		close(fd);
		if (rc != 0)
			return rc;
	}
	api.timer = (struct loop_source){ .fd = FD_TIMER,
	    .ready = timer_ready };
	return loop_add(&api.loop, &api.timer, EPOLLIN);
}

/* Everything up to the jail. */
static int
prepare(const Bh__ApiStart *start)
{
	uint64_t seed = 0;
	int rc;

	copy(api.about.version, sizeof(api.about.version), start->version);
	copy(api.about.build, sizeof(api.about.build), start->build);
	api.about.pid = start->pid;
	api.events = start->events;
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		return -errno;
	rc = loop_init(&api.loop, FD_EPOLL);
	if (rc == 0)
		rc = make_timer();
	clients_init(&api.loop, &api.ctl, &api.about, seed);
	api.ctl_source = (struct loop_source){ .fd = FD_CTL,
	    .ready = ctl_ready };
	return rc != 0 ? rc : loop_add(&api.loop, &api.ctl_source, EPOLLIN);
}

static int
close_jail(Bh__SeccompMode mode)
{
	const char *stage = "";
	int listener = -1;
	int rc = jail_close((enum jail_mode)mode, &listener, &stage);

	if (rc < 0) {
		(void)chan_send_failed(&api.ctl, 0, -rc, stage);
		return rc;
	}
	return control_listener(&api.ctl, listener);
}

static int
run(void)
{
	struct chan_msg msg;
	uint32_t seq;
	bool listens;
	int rc = control_hello(&api.ctl);

	if (rc == 0)
		rc = await_start(&msg);
	if (rc != 0)
		return rc;
	seq = msg.packet->seq;
	listens = msg.packet->api_start->listens;
	rc = prepare(msg.packet->api_start);
	if (rc == 0)
		rc = close_jail(msg.packet->api_start->seccomp);
	/* Power ends here; clients begin. */
	api.ctl.states = PROTO_RUNNING;
	if (rc == 0 && listens)
		rc = clients_listen();
	if (rc == 0)
		rc = chan_send_ack(&api.ctl, seq);
	return rc == 0 ? loop_run(&api.loop) : rc;
}

int
main(void)
{
	chan_init(&api.ctl, FD_CTL, PEER_API, PEER_CONTROLLER, &api.buffers);
	log_open(LOG_INFO, control_log, &api.ctl);
	_exit(run() == 0 ? 0 : 1);
}
