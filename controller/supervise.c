// SPDX-License-Identifier: Apache-2.0
//
// Supervision, see supervise.h. What arrives on a channel has been checked by
// ipc/chan.c; what is checked here is that it answers something that was asked.
#include "controller/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build_id.h"
#include "controller/deaths.h"
#include "controller/host.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/output.h"
#include "controller/passt.h"
#include "controller/pulse.h"
#include "controller/report.h"
#include "controller/requests.h"
#include "controller/share.h"
#include "controller/spawner/spawner.h"
#include "controller/timeline.h"
#include "controller/upgrade.h"

#define BATCH 64u		/* packets of one child before the others' turn */
#define SPAWN_SECONDS 30u

/* ---- sending --------------------------------------------------------------------- */

bool
child_alive(const struct child *child)
{
	return child != NULL && (child->phase == CHILD_SPAWNING ||
	    child->phase == CHILD_UP);
}

static void
spawner_send(struct vm *vm, Bh__Packet *packet, const int *fds, unsigned int n)
{
	int rc;

	if (vm->spawner_gone)
		return;
	rc = chan_send(&vm->spawner, packet, fds, n);
	if (rc < 0)
		life_fail(vm, "the spawner cannot be reached: %s",
		    log_errtext(rc));
}

void
child_send(struct child *child, Bh__Packet *packet, const int *fds,
    unsigned int nfds, uint32_t subject, unsigned int seconds)
{
	struct request *r = NULL;
	int rc;

	if (!child_alive(child) || child->hung_up)
		return;
	if (seconds > 0) {
		r = request_new(child, &child->chan, packet->body_case, subject,
		    seconds);
		if (r == NULL) {
			life_fail(child->vm, "too many requests at once");
			return;
		}
		packet->seq = r->seq;
	}
	rc = chan_send(&child->chan, packet, fds, nfds);
	/* A hang-up is followed by its exit, which says more. */
	if (rc == 0 || rc == -EPIPE)
		return;
	life_child_failed(child, "%s: cannot send %s: %s; it was killed",
	    child->name, proto_name_of(packet->body_case), log_errname(rc));
	child_kill(child);
}

void
child_quit(struct child *child)
{
	Bh__Quit quit = BH__QUIT__INIT;
	CHAN_PACKET(p, QUIT, quit, &quit);

	if (child_alive(child) && process_kinds[child->kind].foreign) {
		child_kill(child);
		return;
	}
	if (!child_alive(child) || child->told_quit)
		return;
	child->told_quit = true;
	child->chan.states |= PROTO_CLOSING;
	child_send(child, &p, NULL, 0, 0, 0);
}

void
child_kill(struct child *child)
{
	Bh__KillChild kill = BH__KILL_CHILD__INIT;
	CHAN_PACKET(p, KILL_CHILD, kill_child, &kill);

	if (!child_alive(child))
		return;
	child->told_quit = true;
	kill.instance = child->instance;
	spawner_send(child->vm, &p, NULL, 0);
}

/* ---- a child's channel ------------------------------------------------------------- */

static void
broken(struct child *child, const char *what)
{
	deaths_blame(child, DEATH_PROTOCOL, what);
	life_child_failed(child, "%s (pid %u) broke the protocol: %s; it was "
	    "killed", child->name, child->host_pid, what);
	loop_remove(&child->vm->loop, &child->control);
	child->hung_up = true;
	child_kill(child);
}

static void
take_hello(struct child *child, const Bh__Hello *hello)
{
	if (child->binary >= 0 && hello->protocol != PROTO_VERSION) {
		life_child_failed(child, "it speaks version %u of the protocol, and "
		    "this VMM %u", hello->protocol, PROTO_VERSION);
		child_kill(child);
		return;
	}
	/* An upgrade is what another build is there for. */
	if (hello->protocol != PROTO_VERSION || (child->binary < 0 &&
	    strcmp(hello->build_id, BULKHEAD_BUILD_ID) != 0)) {
		life_child_failed(child, "%s is of another build (%s; this is %s); "
		    "install them together", process_kinds[child->kind].binary,
		    hello->build_id, BULKHEAD_BUILD_ID);
		child_kill(child);
		return;
	}
	child->hello = true;
	timeline_mark(child, BOOT_RUNS);
	child->state = hello->state;
	child->state_oldest = hello->state_oldest;
	child->image_base = hello->image_base;
	(void)snprintf(child->build_id, sizeof(child->build_id), "%s",
	    hello->build_id);
	child->chan.states = PROTO_CONFIGURING |
	    (child->told_quit ? PROTO_CLOSING : 0u);
	upgrade_up(child);
}

static void
denied_ready(struct loop_source *src, uint32_t events)
{
	struct child *child = src->owner;
	struct denied_call call;
	char text[200];

	if (notify_receive(src->fd, &call) == 1) {
		notify_describe(&call, text, sizeof(text));
		child->denied_at = call.ip;
		deaths_blame(child, DEATH_DENIED, text);
		life_child_failed(child, "%s (pid %u) was killed for a denied "
		    "system call: %s", child->name, child->host_pid, text);
		child->failed = true;
		child_kill(child);
		loop_remove(&child->vm->loop, src);
	} else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		loop_remove(&child->vm->loop, src);
	}
}

static void
take_listener(struct child *child, struct chan_msg *msg)
{
	int fd = chan_take_fd(msg, 0);

	if (child->denied.fd >= 0) {
		close(fd);
		broken(child, "a second seccomp listener");
		return;
	}
	child->denied = (struct loop_source){ .fd = fd, .ready = denied_ready,
	    .owner = child };
	if (loop_add(&child->vm->loop, &child->denied, EPOLLIN) != 0)
		broken(child, "its seccomp listener is none");
	timeline_mark(child, BOOT_JAILED);
}

static void
take_log(struct child *child, const Bh__Log *log)
{
	static const enum log_level levels[] = {
		[BH__LOG_LEVEL__LOG_LEVEL_ERROR] = LOG_ERROR,
		[BH__LOG_LEVEL__LOG_LEVEL_WARN] = LOG_WARN,
		[BH__LOG_LEVEL__LOG_LEVEL_INFO] = LOG_INFO,
		[BH__LOG_LEVEL__LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};

	report_child_log(child, levels[log->level], log->text);
}

static void
take_packet(struct child *child, struct chan_msg *msg)
{
	const Bh__Packet *p = msg->packet;
	struct request *r = NULL, answered;

	switch ((int)p->body_case) {
	case BH__PACKET__BODY_HELLO:
		take_hello(child, p->hello);
		return;
	case BH__PACKET__BODY_LOG:
		take_log(child, p->log);
		return;
	case BH__PACKET__BODY_SECCOMP_LISTENER:
		take_listener(child, msg);
		return;
	case BH__PACKET__BODY_API_REQUEST:
		manage_request(child, p->seq, p->api_request, msg);
		return;
	case BH__PACKET__BODY_PONG:
		if (!pulse_answered(child, p->pong->number))
			broken(child, "an answer to nothing");
		return;
	case BH__PACKET__BODY_FAILED:
		if (p->seq == 0) {
			report_failed(child, p->failed);
			return;
		}
		break;
	default:
		break;
	}
	if (p->seq != 0) {
		r = request_find(child->vm, &child->chan, p->seq);
		if (r == NULL || !request_takes(r->type, p->body_case)) {
			broken(child, "an answer to nothing");
			return;
		}
		answered = *r;
		r->child = NULL;
	}
	life_message(child, p, msg, r != NULL ? &answered : NULL);
}

static void
receive(struct child *child, unsigned int most)
{
	const char *why = "";
	struct chan_msg msg;

	while (most-- > 0 && !child->hung_up) {
		int rc = chan_recv(&child->chan, &msg, &why);

		if (rc == 0)
			return;
		if (rc == -EPROTO) {
			broken(child, why);
		} else if (rc < 0) {
			loop_remove(&child->vm->loop, &child->control);
			child->hung_up = true;
		} else {
			take_packet(child, &msg);
			chan_done(&msg);
		}
	}
}

static void
child_ready(struct loop_source *src, uint32_t events)
{
	(void)events;
	receive(src->owner, BATCH);
}

/* ---- the spawner ---------------------------------------------------------------------- */

static struct child *
child_by_instance(struct vm *vm, uint32_t instance)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].instance == instance &&
		    child_alive(&vm->children[i]))
			return &vm->children[i];
	return NULL;
}

static void
forget(struct loop *loop, struct loop_source *src)
{
	if (src->fd < 0)
		return;
	loop_remove(loop, src);
	close(src->fd);
	src->fd = -1;
}

static void
child_gone(struct child *child)
{
	struct vm *vm = child->vm;

	/* What it said before it died. */
	receive(child, UINT32_MAX);
	child->phase = CHILD_GONE;
	requests_drop(child);
	if (child->denied.added)
		denied_ready(&child->denied, 0);
	forget(&vm->loop, &child->control);
	forget(&vm->loop, &child->denied);
	if (child->pidfd >= 0)
		close(child->pidfd);
	child->pidfd = -1;
	if (child->kind == PROC_PASST)
		passt_exited(child);
	else
		report_exit(child);
	life_exited(child);
}

static void
take_spawned(const Bh__Packet *p, struct chan_msg *msg,
    struct child *child)
{
	if (p->body_case == BH__PACKET__BODY_FAILED) {
		/* Killed by us while it was being made: no news. */
		if (child->kind == PROC_PASST)
			passt_failed(child, p->failed->text);
		else if (!child->told_quit)
			life_child_failed(child, "%s",
			    p->failed->text);
		child_gone(child);
		return;
	}
	child->pidfd = chan_take_fd(msg, 0);
	child->host_pid = p->spawned->host_pid;
	child->phase = CHILD_UP;
	log_debug("%s is pid %u", child->name, child->host_pid);
	upgrade_up(child);
	/* It may be the last thing that the start waits for. */
	life_spawned(child);
}

static void
take_from_spawner(struct vm *vm, const Bh__Packet *p, struct chan_msg *msg)
{
	struct request *r = p->seq != 0 ?
	    request_find(vm, &vm->spawner, p->seq) : NULL;
	struct child *child;

	switch ((int)p->body_case) {
	case BH__PACKET__BODY_SPAWNED:
	case BH__PACKET__BODY_FAILED:
		if (r == NULL) {
			if (p->body_case == BH__PACKET__BODY_FAILED)
				life_fail(vm, "spawner: %s", p->failed->text);
			return;
		}
		child = r->child;
		r->child = NULL;
		take_spawned(p, msg, child);
		return;
	case BH__PACKET__BODY_CHILD_EXITED:
		child = child_by_instance(vm, p->child_exited->instance);
		if (child == NULL)
			return;
		child->status = p->child_exited->status;
		child->signal = p->child_exited->signal;
		child->oom = p->child_exited->oom;
		child_gone(child);
		return;
	case BH__PACKET__BODY_CHILD_STATE:
		child = child_by_instance(vm, p->child_state->instance);
		if (child != NULL)
			pulse_seen(child, p->child_state->state);
		return;
	case BH__PACKET__BODY_LOG:
		output_child("spawner", 0, LOG_WARN, p->log->text);
		return;
	default:
		return;
	}
}

static void
spawner_gone(struct vm *vm)
{
	if (vm->spawner_gone)
		return;
	vm->spawner_gone = true;
	loop_remove(&vm->loop, &vm->spawner_source);
	loop_remove(&vm->loop, &vm->spawner_end);
	/* Its pid namespace, and so every child, goes with it. */
	if (vm->state != VM_OVER && vm->state != VM_STOPPING)
		life_fail(vm, "the spawner died, and all processes with it");
	vm->loop.stop = true;
}

static void
spawner_ready(struct loop_source *src, uint32_t events)
{
	struct vm *vm = src->owner;
	struct chan_msg msg;
	const char *why = "";

	(void)events;
	for (unsigned int i = 0; i < BATCH; i++) {
		int rc = chan_recv(&vm->spawner, &msg, &why);

		if (rc == 0)
			return;
		if (rc < 0) {
			if (rc == -EPROTO)
				log_error("the spawner broke the protocol: %s",
				    why);
			spawner_gone(vm);
			return;
		}
		take_from_spawner(vm, msg.packet, &msg);
		chan_done(&msg);
	}
}

static void
spawner_ended(struct loop_source *src, uint32_t events)
{
	(void)events;
	/* Its last words first. */
	spawner_ready(&((struct vm *)src->owner)->spawner_source, 0);
	spawner_gone(src->owner);
}

int
supervise_start(struct vm *vm)
{
	struct spawner_config config = {
		.share_core = vm->spec.cpus.core_scheduling == CORE_SCHED_VM,
		.rootless = !vm->by_root,
		.cgroup = &vm->cgroup,
		.libexec_fd = (int)vm->spec.libexec.fd,
		.tty = vm->terminal.tty,
		.saved = vm->terminal.tty >= 0 ? &vm->terminal.saved : NULL,
	};
	char why[300] = "", libexec[4096];
	int fd, rc;

	if (config.libexec_fd != 0) {
		(void)snprintf(libexec, sizeof(libexec), "--libexec fd=%d",
		    config.libexec_fd);
		rc = 0;
	} else {
		rc = host_libexec(libexec, sizeof(libexec));
	}
	if (rc == 0 && vm->by_root)
		rc = host_uid_block(&config.uid_base);
	if (rc != 0) {
		life_fail(vm, "cannot find the programs or ids of a VM: %s",
		    log_errtext(rc));
		return rc;
	}
	config.libexec = libexec;
	config.passt = host_passt();
	vm->uid_base = config.uid_base;
	rc = spawner_start(&config, &fd, &vm->spawner_pidfd, why, sizeof(why));
	if (rc != 0) {
		life_fail(vm, "%s%s", why, host_spawner_remedy(rc));
		return rc;
	}
	chan_init(&vm->spawner, fd, PEER_CONTROLLER, PEER_SPAWNER, &vm->buffers);
	vm->spawner.states = PROTO_CONFIGURING | PROTO_RUNNING;
	vm->spawner_source = (struct loop_source){ .fd = fd,
	    .ready = spawner_ready, .owner = vm };
	vm->spawner_end = (struct loop_source){ .fd = vm->spawner_pidfd,
	    .ready = spawner_ended, .owner = vm };
	rc = loop_add(&vm->loop, &vm->spawner_source, EPOLLIN);
	return rc != 0 ? rc : loop_add(&vm->loop, &vm->spawner_end, EPOLLIN);
}

/* ---- making children --------------------------------------------------------------------- */

static void
child_init(struct child *child, struct vm *vm, enum process_kind kind,
    const struct plan_device *dev)
{
	const char *name = process_kinds[kind].name;

	*child = (struct child){
		.vm = vm, .kind = kind, .dev = dev, .pidfd = -1,
		.instance = ++vm->next_instance,
		.control = { .fd = -1 }, .denied = { .fd = -1 },
		.bus = { -1, -1 }, .config_page = -1, .record = -1, .inflight = -1, .far = -1,
		.binary = -1, .previous = -1, .table = -1,
	};
	for (uint32_t i = 0; i < sizeof(child->events) / sizeof(child->events[0]);
	    i++)
		child->events[i] = -1;
	if (dev != NULL)
		child->index = (uint32_t)(dev - vm->plan.devices);
	(void)snprintf(child->name, sizeof(child->name), "%s%s%s", name,
	    dev != NULL ? " " : "", dev != NULL ? dev->id : "");
}

struct child *
child_new(struct vm *vm, enum process_kind kind, const struct plan_device *dev)
{
	struct child *child = &vm->children[0];

	/* The plan bounds devices, and of the others there is one at a time. A
	 * passt that has gone keeps its place. */
	while (child < &vm->children[vm->nchildren] &&
	    (child->phase != CHILD_GONE || child->dev != NULL ||
	    child->kind == PROC_PASST))
		child++;
	if (child == &vm->children[vm->nchildren])
		vm->nchildren++;
	child_init(child, vm, kind, dev);
	return child;
}

void
child_renew(struct child *child)
{
	child_init(child, child->vm, child->kind, child->dev);
}

void
child_again(struct child *child)
{
	/* Whatever was said of the one before; fds of the device stay. */
	child->phase = CHILD_NONE;
	child->instance = ++child->vm->next_instance;
	child->hello = child->ready = child->told_quit = false;
	child->hung_up = child->configured = child->failed = false;
	child->paused = false;
	child->status = child->signal = 0;
	child->host_pid = 0;
	child->why = DEATH_OF_ITSELF;
	child->denied_at = child->image_base = 0;
	child->build_id[0] = '\0';
	child->stopped = child->pulse.waits = child->pulse.excused = false;
	memset(&child->wants, 0, sizeof(child->wants));
	child->control.fd = child->denied.fd = -1;
}

/* Both ends of the control channel; the far one is passed and closed here. */
static int
make_channel(struct child *child, int *far)
{
	struct vm *vm = child->vm;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) < 0)
		return -errno;
	chan_init(&child->chan, pair[0], PEER_CONTROLLER,
	    process_kinds[child->kind].peer, &vm->buffers);
	child->control = (struct loop_source){ .fd = pair[0],
	    .ready = child_ready, .owner = child };
	*far = pair[1];
	rc = loop_add(&vm->loop, &child->control, EPOLLIN);
	return rc;
}

/* @fds go to @slots; those of a foreign kind with @user_net. */
static void
ask_spawn(struct child *child, const int *fds, uint32_t *slots, uint32_t n,
    Bh__UserNet *user_net)
{
	Bh__Spawn spawn = BH__SPAWN__INIT;
	CHAN_PACKET(p, SPAWN, spawn, &spawn);
	struct share_message share;
	struct vm *vm = child->vm;
	struct request *r = request_new(child, &vm->spawner,
	    BH__PACKET__BODY_SPAWN, 0, SPAWN_SECONDS);

	spawn.kind = (uint32_t)child->kind;
	spawn.instance = child->instance;
	/* 0 is the controller's; no two living children have one. */
	spawn.uid_index = 1 + (uint32_t)(child - vm->children);
	spawn.n_slots = n;
	spawn.slots = slots;
	spawn.user_net = user_net;
	/* The binary is the last, without a slot. */
	spawn.binary = child->binary >= 0;
	if (child->kind == PROC_FS && child->dev != NULL)
		share_fill(&vm->spec.fs[child->dev->index], &spawn, &share);
	p.seq = r != NULL ? r->seq : 0;
	child->phase = CHILD_SPAWNING;
	spawner_send(vm, &p, fds, n + (spawn.binary ? 1u : 0u));
}

void
child_spawn_foreign(struct child *child, const int *fds,
    const uint32_t *slots, uint32_t n, Bh__UserNet *user_net)
{
	union { const uint32_t *in; uint32_t *out; } u = { .in = slots };

	ask_spawn(child, fds, u.out, n, user_net);
}

int
child_spawn(struct child *child, const int *fds, const uint32_t *slots,
    uint32_t n)
{
	struct vm *vm = child->vm;
	uint32_t all_slots[CHAN_MAX_FDS] = { FD_CTL };
	int all_fds[CHAN_MAX_FDS] = { -1 };
	int rc;

	if (n + 2 > CHAN_MAX_FDS)
		return -E2BIG;
	rc = make_channel(child, &all_fds[0]);
	if (rc != 0) {
		life_fail(vm, "cannot make a channel: %s; raise the limit of "
		    "open files (ulimit -n)", log_errtext(rc));
		return rc;
	}
	if (n > 0) {
		memcpy(all_fds + 1, fds, n * sizeof(fds[0]));
		memcpy(all_slots + 1, slots, n * sizeof(slots[0]));
	}
	all_fds[n + 1] = child->binary;
	ask_spawn(child, all_fds, all_slots, n + 1, NULL);
	timeline_mark(child, BOOT_ASKED);
	close(all_fds[0]);
	return 0;
}

void
supervise_end(struct vm *vm)
{
	Bh__Quit quit = BH__QUIT__INIT;
	CHAN_PACKET(p, QUIT, quit, &quit);
	siginfo_t info;

	if (vm->spawner_pidfd < 0)
		return;
	/*
	 * Closing the channel is what ends a spawner that Quit does not, and all
	 * of the pid namespace with it.
	 */
	(void)chan_send(&vm->spawner, &p, NULL, 0);
	close(vm->spawner.fd);
	(void)waitid((idtype_t)P_PIDFD, (id_t)vm->spawner_pidfd, &info, WEXITED);
	close(vm->spawner_pidfd);
}
