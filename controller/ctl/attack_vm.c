/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM without a VM, see vm.h.
 */
#include "controller/ctl/attack_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/slots.h"

static struct chan_buffers buffers;

static _Noreturn void
give_up(const char *what)
{
	(void)printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

int
vm_start_with(struct vm *vm, const struct spawner_config *config, char *why,
    size_t size)
{
	int fd, rc;

	rc = spawner_start(config, &fd, &vm->pidfd, why, size);
	if (rc != 0)
		return rc;
	chan_init(&vm->chan, fd, PEER_CONTROLLER, PEER_SPAWNER, &buffers);
	vm->chan.states = PROTO_ANY;
	vm->instances = 0;
	vm->ncrowd = 0;
	return 0;
}

int
vm_start(struct vm *vm, const char *libexec, char *why, size_t size)
{
	struct spawner_config config = {
		.libexec = libexec,
		.rootless = geteuid() != 0,
		.uid_base = 200000,
		.tty = -1,
	};

	return vm_start_with(vm, &config, why, size);
}

bool
vm_end(struct vm *vm)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };
	siginfo_t info = { 0 };
	bool ok;

	close(vm->chan.fd);
	ok = poll(&p, 1, VM_WAIT_MS) == 1 &&
	    waitid((idtype_t)P_PIDFD, (id_t)vm->pidfd, &info, WEXITED) == 0 &&
	    info.si_code == CLD_EXITED && info.si_status == 0;
	close(vm->pidfd);
	return ok;
}

void
vm_spawn(struct vm *vm, struct twin *t, enum process_kind kind,
    const struct twin_order *order, const int *fds, const uint32_t *slots,
    unsigned int n)
{
	Bh__Spawn spawn = BH__SPAWN__INIT;
	CHAN_PACKET(packet, SPAWN, spawn, &spawn);
	int pair[2], pipes[2], all[200];
	uint32_t where[200] = { FD_CTL, TWIN_ORDER };

	memset(t, 0, sizeof(*t));
	t->pidfd = t->listener = -1;
	t->instance = ++vm->instances;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) != 0 || pipe2(pipes, O_CLOEXEC) != 0)
		give_up("channel");
	if (write(pipes[1], order, sizeof(*order)) != (ssize_t)sizeof(*order))
		give_up("order");
	all[0] = pair[1];
	all[1] = pipes[0];
	for (unsigned int i = 0; i < n; i++) {
		all[2 + i] = fds[i];
		where[2 + i] = slots[i];
	}
	spawn.kind = kind;
	spawn.instance = t->instance;
	spawn.uid_index = t->instance % (SPAWNER_UIDS - 1) + 1;	/* one at a time */
	spawn.slots = where;
	spawn.n_slots = 2 + n;
	packet.seq = chan_next_seq(&vm->chan);
	if (chan_send(&vm->chan, &packet, all, 2 + n) != 0)
		give_up("Spawn");
	close(pair[1]);
	close(pipes[0]);
	close(pipes[1]);
	chan_init(&t->ctl, pair[0], PEER_CONTROLLER, PEER_DEVICE, &buffers);
	t->ctl.states = PROTO_ANY;
	t->ctl_open = true;
}

static void
take_failed(struct twin *t, const Bh__Packet *p)
{
	t->failed_error = p->failed->error;
	(void)snprintf(t->failed, sizeof(t->failed), "%s", p->failed->text);
}

/* Whom a report is about: @t, or one of the crowd. */
static struct twin *
whose(struct vm *vm, struct twin *t, uint32_t instance)
{
	static struct twin nobody;

	for (unsigned int i = 0; i < vm->ncrowd; i++)
		if (vm->crowd[i].instance == instance)
			return &vm->crowd[i];
	return t->instance == instance ? t : &nobody;
}

static void
from_spawner(struct vm *vm, struct twin *t)
{
	struct twin *w;
	static struct chan_msg msg;
	const Bh__Packet *p;
	const char *why = "hang-up";

	while (chan_recv(&vm->chan, &msg, &why) == 1) {
		p = msg.packet;
		if (p->body_case == BH__PACKET__BODY_SPAWNED) {
			w = whose(vm, t, p->spawned->instance);
			w->pidfd = chan_take_fd(&msg, 0);
			w->host_pid = p->spawned->host_pid;
		} else if (p->body_case == BH__PACKET__BODY_CHILD_EXITED) {
			w = whose(vm, t, p->child_exited->instance);
			w->exits++;
			w->status = p->child_exited->status;
			w->signal = p->child_exited->signal;
		} else if (p->body_case == BH__PACKET__BODY_FAILED) {
			take_failed(t, p);
		}
		chan_done(&msg);
	}
}

static void
from_twin(struct twin *t)
{
	static struct chan_msg msg;
	const Bh__Packet *p;
	int rc;

	while ((rc = chan_recv(&t->ctl, &msg, NULL)) == 1) {
		p = msg.packet;
		if (p->body_case == BH__PACKET__BODY_SECCOMP_LISTENER) {
			t->listener = chan_take_fd(&msg, 0);
			t->listened = true;
		} else if (p->body_case == BH__PACKET__BODY_LOG) {
			(void)snprintf(t->log, sizeof(t->log), "%s", p->log->text);
		} else if (p->body_case == BH__PACKET__BODY_FAILED) {
			take_failed(t, p);
		}
		chan_done(&msg);
	}
	if (rc < 0) {
		close(t->ctl.fd);
		t->ctl_open = false;
	}
}

static long
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool
vm_wait(struct vm *vm, struct twin *t, bool (*done)(const struct twin *))
{
	long end = now_ms() + VM_WAIT_MS;

	while (!done(t)) {
		struct pollfd p[3] = {
			{ .fd = vm->chan.fd, .events = POLLIN },
			{ .fd = t->ctl_open ? t->ctl.fd : -1, .events = POLLIN },
			{ .fd = t->listener, .events = POLLIN },
		};
		long left = end - now_ms();

		if (left <= 0)
			return false;
		if (poll(p, 3, (int)left) < 0 && errno != EINTR)
			give_up("poll");
		if (p[1].revents != 0)	/* what it said before it died */
			from_twin(t);
		if (p[2].revents & POLLIN &&
		    notify_receive(t->listener, &t->call) == 1)
			t->denied = true;
		else if (p[2].revents & POLLHUP) {
			close(t->listener);
			t->listener = -1;
		}
		if (p[0].revents != 0)
			from_spawner(vm, t);
	}
	return true;
}

bool
twin_exited(const struct twin *t)
{
	return t->exits > 0 && !t->ctl_open;
}

bool
twin_denied_or_exited(const struct twin *t)
{
	return (t->denied && t->pidfd >= 0) || twin_exited(t) ||
	    (t->failed_error != 0 && t->pidfd < 0);
}

bool
twin_spawned(const struct twin *t)
{
	return t->pidfd >= 0 || t->failed_error != 0;
}

bool
twin_failed(const struct twin *t)
{
	return t->failed_error != 0;
}

void
vm_kill(struct vm *vm, const struct twin *t)
{
	Bh__KillChild kill = BH__KILL_CHILD__INIT;
	CHAN_PACKET(packet, KILL_CHILD, kill_child, &kill);

	kill.instance = t->instance;
	if (chan_send(&vm->chan, &packet, NULL, 0) != 0)
		give_up("KillChild");
}

void
vm_remember(struct vm *vm, int dir, const char *name, uint64_t device,
    uint64_t inode)
{
	Bh__Remember r = BH__REMEMBER__INIT;
	CHAN_PACKET(packet, REMEMBER, remember, &r);
	char copy[256];

	(void)snprintf(copy, sizeof(copy), "%s", name);
	r.name = copy;
	r.device = device;
	r.inode = inode;
	if (chan_send(&vm->chan, &packet, &dir, 1) != 0)
		give_up("Remember");
}

void
twin_free(struct twin *t)
{
	if (t->ctl_open)
		close(t->ctl.fd);
	if (t->pidfd >= 0)
		close(t->pidfd);
	if (t->listener >= 0)
		close(t->listener);
}
