/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawner at work, see spawner.h. One thread, one loop: the channel, the
 * controller's pidfd, and for each child its pidfd and, until it has executed,
 * its status socket. It waits for no child; a start is a small state machine:
 *
 *	clone3 -> child says READY -> maps written -> status socket closes by exec
 *	(Spawned), or a report comes (Failed)
 *
 * Owns the children's pidfds and what is to be removed at the end. It must not
 * look at what its children do, and it trusts the channel no further than
 * ipc/chan.c and the table of process kinds.
 */
#include "controller/spawner/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controller/spawner/child.h"
#include "controller/spawner/group.h"
#include "controller/spawner/janitor.h"
#include "controller/spawner/maps.h"
#include "controller/spawner/spawner.h"
#include "ipc/chan.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "ipc/slots.h"

#define MAX_CHILDREN 640u	/* 512 devices and the rest */
#define LAST_WAIT_MS 2000	/* for all children to be gone */

enum child_state { CHILD_FREE, CHILD_STARTING, CHILD_RUNNING, CHILD_FAILED };

struct child {
	enum child_state state;
	enum process_kind kind;
	uint32_t instance;
	uint32_t seq;		/* of the Spawn that is to be answered */
	uint32_t uid_index;
	uint32_t host_pid;
	int group;		/* its cgroup, or -1 */
	struct child_maps maps;
	struct loop_source exit;	/* pidfd */
	struct loop_source status;	/* status socket, fd -1 when done */
};

struct spawner {
	const struct spawner_start *start;
	struct loop loop;
	struct chan chan;
	struct loop_source chan_source;
	struct loop_source controller;
	bool quit;		/* the controller said goodbye */
	int netns;		/* or -errno: why there is none */
	struct child child[MAX_CHILDREN];
	struct janitor janitor;
	struct chan_buffers buffers;
};

/* The one instance; in a process of its own, reached by loop_source.owner. */
static struct spawner the_spawner;

/* A send that fails means that nobody is there to serve. */
static void
check_sent(struct spawner *sp, int rc)
{
	if (rc != 0)
		sp->loop.stop = true;
}

static void
send_failed(struct spawner *sp, uint32_t seq, int error, const char *text)
{
	check_sent(sp, chan_send_failed(&sp->chan, seq, error < 0 ? -error : error,
	    text));
}

static void
send_child_failed(struct spawner *sp, const struct child *c, int error,
    const char *what)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "cannot start %s: %s: %s",
	    process_kinds[c->kind].binary, what, log_errtext(error));
	send_failed(sp, c->seq, error, text);
}

static struct child *
find_child(struct spawner *sp, uint32_t instance)
{
	for (size_t i = 0; i < MAX_CHILDREN; i++)
		if (sp->child[i].state != CHILD_FREE &&
		    sp->child[i].instance == instance)
			return &sp->child[i];
	return NULL;
}

static struct child *
free_child(struct spawner *sp)
{
	for (size_t i = 0; i < MAX_CHILDREN; i++)
		if (sp->child[i].state == CHILD_FREE)
			return &sp->child[i];
	return NULL;
}

static void
drop_source(struct spawner *sp, struct loop_source *src)
{
	if (src->fd < 0)
		return;
	loop_remove(&sp->loop, src);
	close(src->fd);
	src->fd = -1;
}

static void
kill_child(const struct child *c)
{
	(void)syscall(SYS_pidfd_send_signal, c->exit.fd, SIGKILL, NULL, 0);
}

/* The text of a file of /proc, or the beginning of one that is longer; false: none. */
static bool
proc_text(const struct spawner *sp, const char *path, char text[static 512])
{
	ssize_t n;
	int fd;

	fd = openat(sp->start->proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, 511);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/*
 * The pid of a child as the host sees it, which is not what clone3 returned
 * inside this pid namespace: the kernel says it in the pidfd's fdinfo, in terms
 * of the pid namespace that /proc belongs to. 0: not found.
 */
static uint32_t
host_pid_of(const struct spawner *sp, int pidfd)
{
	char path[64], text[512];
	const char *line;

	(void)snprintf(path, sizeof(path), "self/fdinfo/%d", pidfd);
	if (!proc_text(sp, path, text))
		return 0;
	line = strstr(text, "\nPid:");
	return line != NULL ? (uint32_t)strtoul(line + 5, NULL, 10) : 0;
}

/* The child has executed its program. */
static void
child_started(struct spawner *sp, struct child *c)
{
	Bh__Spawned spawned = BH__SPAWNED__INIT;
	CHAN_PACKET(packet, SPAWNED, spawned, &spawned);

	drop_source(sp, &c->status);
	c->state = CHILD_RUNNING;
	spawned.instance = c->instance;
	spawned.host_pid = c->host_pid;
	packet.seq = c->seq;
	check_sent(sp, chan_send(&sp->chan, &packet, &c->exit.fd, 1));
}

/* It will not: answer so, and let it go without a ChildExited. */
static void
child_failed(struct spawner *sp, struct child *c, int error, const char *what)
{
	drop_source(sp, &c->status);
	c->state = CHILD_FAILED;
	kill_child(c);
	send_child_failed(sp, c, error, what);
}

static void
status_ready(struct loop_source *src, uint32_t events)
{
	struct child *c = src->owner;
	struct spawner *sp = &the_spawner;
	struct child_report r;
	ssize_t n;
	int rc;

	(void)events;
	n = recv(src->fd, &r, sizeof(r), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 0) {
		child_started(sp, c);
		return;
	}
	if (n != (ssize_t)sizeof(r)) {
		child_failed(sp, c, EPROTO, "its report");
		return;
	}
	if (r.step != STEP_READY) {
		child_failed(sp, c, r.error, child_step_text(r.step));
		return;
	}
	rc = maps_write(&c->maps, sp->start->proc, c->host_pid);
	if (rc == 0 && send(src->fd, "", 1, MSG_NOSIGNAL) != 1)
		rc = -errno;
	if (rc != 0)
		child_failed(sp, c, -rc, child_step_text(STEP_MAPS));
}

static void
exit_ready(struct loop_source *src, uint32_t events)
{
	struct child *c = src->owner;
	struct spawner *sp = &the_spawner;
	Bh__ChildExited exited = BH__CHILD_EXITED__INIT;
	CHAN_PACKET(packet, CHILD_EXITED, child_exited, &exited);
	siginfo_t info = { 0 };

	(void)events;
	if (waitid((idtype_t)P_PIDFD, (id_t)src->fd, &info, WEXITED | WNOHANG) != 0 ||
	    info.si_pid == 0)
		return;
	/* What it said before it died comes first: Failed, or Spawned. */
	while (c->state == CHILD_STARTING)
		status_ready(&c->status, 0);
	drop_source(sp, &c->exit);
	exited.oom = group_leave(sp->start->groups, &c->group, c->kind, c->instance);
	if (c->state == CHILD_RUNNING) {
		exited.instance = c->instance;
		if (info.si_code == CLD_EXITED)
			exited.status = info.si_status;
		else
			exited.signal = info.si_status;
		check_sent(sp, chan_send(&sp->chan, &packet, NULL, 0));
	}
	c->state = CHILD_FREE;
}

/* clone3: a pid namespace and a cgroup of its own for every kind, nothing else yet. */
static pid_t
clone_child(int group, int *pidfd)
{
	int fd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID |
		    (group >= 0 ? CLONE_INTO_CGROUP : 0ull),
		.cgroup = group >= 0 ? (unsigned int)group : 0,
		.pidfd = (uint64_t)(uintptr_t)&fd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	*pidfd = fd;
	return pid;
}

static int
start_child(struct spawner *sp, struct child *c, const Bh__Spawn *spawn,
    const struct chan_msg *msg)
{
	const uint32_t own = sp->start->rootless ? 0 :
	    sp->start->uid_base + c->uid_index;
	struct child_plan plan = {
		.name = process_kinds[c->kind].binary,
		.instance = c->instance,
		.as_user = process_kinds[c->kind].as_user,
		.binary = sp->start->binaries[c->kind],
		.netns = sp->netns,
		.null = sp->start->null,
		.nfds = (unsigned int)spawn->n_slots,
		.share = -1,
		.share_readonly = spawn->share_readonly,
	};
	static struct passt_start passt;	/* the child has a copy of its own */
	int pair[2], pidfd = -1, rc;
	pid_t pid;

	if (spawn->binary)
		plan.binary = msg->fds[plan.nfds];
	for (unsigned int i = 0; i < plan.nfds; i++) {
		plan.fds[i] = msg->fds[i];
		plan.slots[i] = spawn->slots[i];
		if (process_kinds[c->kind].share && plan.slots[i] == FD_BACKEND)
			plan.share = (int)i;
	}
	maps_make(&c->maps, spawn, plan.share >= 0, sp->start->rootless, own);
	plan.uid = c->maps.uids.own;
	plan.gid = c->maps.gids.own;
	if (c->kind == PROC_PASST) {
		passt_prepare(&passt, spawn->user_net, own);
		plan.passt = &passt;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	rc = group_enter(sp->start->groups, &c->group, c->kind, c->instance);
	pid = rc == 0 ? clone_child(c->group, &pidfd) : -1;
	if (pid == 0) {
		close(pair[0]);
		plan.status = pair[1];
		child_run(&plan);
	}
	if (rc == 0 && pid < 0)
		rc = -errno;
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		(void)group_leave(sp->start->groups, &c->group, c->kind,
		    c->instance);
		return rc;
	}
	c->state = CHILD_STARTING;
	c->host_pid = host_pid_of(sp, pidfd);
	c->exit = (struct loop_source){ .fd = pidfd, .ready = exit_ready, .owner = c };
	c->status = (struct loop_source){ .fd = pair[0], .ready = status_ready,
	    .owner = c };
	rc = loop_add(&sp->loop, &c->exit, EPOLLIN);
	if (rc == 0)
		rc = loop_add(&sp->loop, &c->status, EPOLLIN);
	if (rc != 0) {	/* not seen ending otherwise */
		kill_child(c);
		waitid((idtype_t)P_PIDFD, (id_t)pidfd, &(siginfo_t){ 0 }, WEXITED);
		(void)group_leave(sp->start->groups, &c->group, c->kind,
		    c->instance);
		drop_source(sp, &c->exit);
		drop_source(sp, &c->status);
		c->state = CHILD_FREE;
	}
	return rc;
}

static void
handle_spawn(struct spawner *sp, const struct chan_msg *msg)
{
	const Bh__Spawn *spawn = msg->packet->spawn;
	struct child request = { .seq = msg->packet->seq, .group = -1 };
	struct child *c;
	int rc = 0;

	if (spawn->kind >= PROC_KIND_COUNT ||
	    spawn->n_slots + (spawn->binary ? 1u : 0u) != msg->nfds ||
	    spawn->uid_index >= SPAWNER_UIDS ||
	    find_child(sp, spawn->instance) != NULL) {
		send_failed(sp, request.seq, EINVAL, "no such process to start");
		return;
	}
	request.kind = (enum process_kind)spawn->kind;
	request.instance = spawn->instance;
	request.uid_index = spawn->uid_index;
	/* Another binary is confined as the kind is; of what is not, none is taken. */
	if (process_kinds[request.kind].foreign != (spawn->user_net != NULL) ||
	    (spawn->binary && !process_kinds[request.kind].replaced)) {
		send_failed(sp, request.seq, EINVAL, "no such process to start");
		return;
	}
	if (sp->start->binaries[request.kind] < 0) {
		send_failed(sp, request.seq, ENOENT, "passt is not there; "
		    "install the package passt");
		return;
	}
	if (!process_kinds[request.kind].as_user &&
	    !process_kinds[request.kind].foreign && sp->netns < 0) {
		send_child_failed(sp, &request, -sp->netns,
		    "making the network namespace");
		return;
	}
	c = free_child(sp);
	if (c == NULL) {
		rc = -EAGAIN;
	} else {
		*c = request;
		rc = start_child(sp, c, spawn, msg);
	}
	if (rc != 0)
		send_child_failed(sp, &request, -rc, sp->start->groups >= 0 ?
		    "making a process in its cgroup" : "making a process");
}

/* The letter of its state: it is behind the name, which may hold anything. */
static uint32_t
state_of(const struct spawner *sp, uint32_t pid)
{
	char path[32], text[512];
	const char *end;

	(void)snprintf(path, sizeof(path), "%u/stat", pid);
	if (!proc_text(sp, path, text))
		return 0;
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' && end[2] > 0 ? (uint32_t)end[2] : 0;
}

static void
look_at(struct spawner *sp, uint32_t instance)
{
	Bh__ChildState state = BH__CHILD_STATE__INIT;
	CHAN_PACKET(packet, CHILD_STATE, child_state, &state);
	const struct child *c = find_child(sp, instance);

	if (c == NULL)	/* it has just gone */
		return;
	state.instance = instance;
	state.state = state_of(sp, c->host_pid);
	check_sent(sp, chan_send(&sp->chan, &packet, NULL, 0));
}

static void
handle(struct spawner *sp, struct chan_msg *msg)
{
	struct child *c;

	switch ((int)msg->packet->body_case) {
	case BH__PACKET__BODY_SPAWN:
		handle_spawn(sp, msg);
		break;
	case BH__PACKET__BODY_KILL_CHILD:
		c = find_child(sp, msg->packet->kill_child->instance);
		if (c != NULL)	/* else it has just gone by itself */
			kill_child(c);
		break;
	case BH__PACKET__BODY_LOOK_AT:
		look_at(sp, msg->packet->look_at->instance);
		break;
	case BH__PACKET__BODY_REMEMBER:
		if (janitor_remember(&sp->janitor, msg) != 0)
			send_failed(sp, 0, ENOSPC, "too much to remember");
		break;
	case BH__PACKET__BODY_REMEMBER_FILTER:
		if (janitor_remember_filter(&sp->janitor,
		    msg->packet->remember_filter) != 0)
			send_failed(sp, 0, ENOSPC, "too much to remember");
		break;
	case BH__PACKET__BODY_QUIT:
		sp->quit = true;
		sp->loop.stop = true;
		break;
	default:	/* the table lets nothing else through */
		break;
	}
}

static void
chan_ready(struct loop_source *src, uint32_t events)
{
	struct spawner *sp = src->owner;
	static struct chan_msg msg;
	int rc;

	(void)events;
	while (!sp->loop.stop) {
		rc = chan_recv(&sp->chan, &msg, NULL);
		if (rc == 0)
			return;
		if (rc < 0) {	/* hung up, or not our controller any more */
			sp->loop.stop = true;
			return;
		}
		handle(sp, &msg);
		chan_done(&msg);
	}
}

/* Readable when the controller is dead, whoever may hold its end open. */
static void
controller_gone(struct loop_source *src, uint32_t events)
{
	struct spawner *sp = src->owner;

	(void)events;
	sp->loop.stop = true;
}

/* Wait for a child that was sent SIGKILL, until @deadline. */
static void
await_child(const struct child *c, const struct timespec *deadline)
{
	struct pollfd p = { .fd = c->exit.fd, .events = POLLIN };
	struct timespec now;
	long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (deadline->tv_sec - now.tv_sec) * 1000 +
	    (deadline->tv_nsec - now.tv_nsec) / 1000000;
	if (poll(&p, 1, left > 0 ? (int)left : 0) == 1)
		waitid((idtype_t)P_PIDFD, (id_t)p.fd, &(siginfo_t){ 0 }, WEXITED);
}

/*
 * The end, however it came. The terminal first: a shell may be about to read
 * from it. A child that does not die (uninterruptible in a driver) is left to
 * the pid namespace, which ends with this process.
 */
static _Noreturn void
clean_up(struct spawner *sp)
{
	struct timespec deadline;

	if (!sp->quit && sp->start->tty >= 0)
		tcsetattr(sp->start->tty, TCSANOW, &sp->start->saved);
	for (size_t i = 0; i < MAX_CHILDREN; i++)
		if (sp->child[i].state != CHILD_FREE)
			kill_child(&sp->child[i]);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += LAST_WAIT_MS / 1000;
	for (size_t i = 0; i < MAX_CHILDREN; i++)
		if (sp->child[i].state != CHILD_FREE)
			await_child(&sp->child[i], &deadline);
	for (size_t i = 0; i < MAX_CHILDREN; i++)
		if (sp->child[i].state != CHILD_FREE)
			(void)group_leave(sp->start->groups, &sp->child[i].group,
			    sp->child[i].kind, sp->child[i].instance);
	if (sp->start->groups >= 0)
		(void)unlinkat(sp->start->groups_parent, sp->start->groups_name,
		    AT_REMOVEDIR);
	janitor_clean(&sp->janitor);
	_exit(0);
}

_Noreturn void
spawner_serve(const struct spawner_start *start)
{
	struct spawner *sp = &the_spawner;
	int rc;

	sp->start = start;
	chan_init(&sp->chan, start->chan, PEER_SPAWNER, PEER_CONTROLLER,
	    &sp->buffers);
	sp->chan.states = PROTO_RUNNING;
	sp->chan_source = (struct loop_source){ .fd = start->chan,
	    .ready = chan_ready, .owner = sp };
	sp->controller = (struct loop_source){ .fd = start->controller,
	    .ready = controller_gone, .owner = sp };
	rc = loop_init(&sp->loop, -1);
	if (rc == 0)
		rc = loop_add(&sp->loop, &sp->chan_source, EPOLLIN);
	if (rc == 0)
		rc = loop_add(&sp->loop, &sp->controller, EPOLLIN);
	sp->netns = spawner_netns(start);
	if (rc == 0)
		(void)loop_run(&sp->loop);
	clean_up(sp);
}
