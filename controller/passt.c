// SPDX-License-Identifier: Apache-2.0
//
// The passt processes of a VM, see passt.h.
#include "controller/passt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/hotplug.h"
#include "controller/life.h"
#include "controller/publish.h"
#include "controller/report.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define AGAIN_FIRST (SECOND / 10)
#define AGAIN_MOST (30 * SECOND)
#define LIVED_LONG (60 * SECOND)
#define START_MOST (30 * SECOND)
#define LINES_A_SECOND 10u
#define ATTACH_SECONDS 30u

static struct passt *
passt_of(const struct child *child)
{
	return &child->vm->passts[child->index];
}

static const struct net_spec *
spec_of(const struct child *child)
{
	return &child->vm->spec.nets[child->index];
}

static void
drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The worker of the same --net. */
static struct child *
worker_of(struct child *child)
{
	struct vm *vm = child->vm;

	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].kind == PROC_NET &&
		    vm->children[i].dev->index == child->index)
			return &vm->children[i];
	return NULL;
}

/* ---- what it says ------------------------------------------------------------------ */

/* The published port that a line of passt's is about: "... '-t 8080:80' ...". */
static const struct published_port *
port_in(const struct user_net_spec *u, const char *line)
{
	char text[PUBLISH_TEXT], quoted[PUBLISH_TEXT + 8];

	for (uint32_t i = 0; i < u->nports; i++) {
		publish_text(&u->ports[i], text);
		(void)snprintf(quoted, sizeof(quoted), "'-%c %s'",
		    u->ports[i].udp ? 'u' : 't', text);
		if (strstr(line, quoted) != NULL)
			return &u->ports[i];
	}
	return NULL;
}

/* Why it ended before it ran, as far as it has said so. */
static void
say_why(struct child *child, const char *how)
{
	const char *last = passt_of(child)->last;
	const struct published_port *port =
	    port_in(&spec_of(child)->user_net, last);
	char address[PUBLISH_TEXT] = "";

	if (port != NULL)
		publish_address(port->address.bytes, port->address.len, address);
	if (port != NULL)
		life_child_failed(child, "--net user=on,publish=[%s:%s%s%u:%u]: the "
		    "host's port cannot be had; take one that is free%s",
		    port->udp ? "udp" : "tcp", address,
		    address[0] != '\0' ? ":" : "", port->host, port->guest,
		    port->host < 1024 ? " and above 1023" : "");
	else if (strstr(last, "interface") != NULL)
		life_child_failed(child, "--net user=on: the host has no default "
		    "route, by which passt knows what the guest shall see; add "
		    "one (ip route add default ...)");
	else
		life_child_failed(child, "--net user=on: passt does not start: %s",
		    last[0] != '\0' ? last : how);
}

/* Give the worker its end of another passt's socket, once it can take it. */
static void
attach(struct child *child)
{
	struct passt *p = passt_of(child);
	struct child *worker = worker_of(child);
	Bh__AttachBackend m = BH__ATTACH_BACKEND__INIT;
	CHAN_PACKET(packet, ATTACH_BACKEND, attach_backend, &m);

	if (!p->again || !p->ready || p->near < 0 || worker == NULL ||
	    !child_alive(worker) || !worker->ready)
		return;
	log_warn("%s (pid %u) runs again", child->name, child->host_pid);
	child_send(worker, &packet, &p->near, 1, 0, ATTACH_SECONDS);
	drop(&p->near);
}

/* It says its pid when all of it stands, its own sandbox too. */
static void
runs(struct child *child)
{
	struct passt *p = passt_of(child);

	if (p->ready)
		return;
	p->ready = true;
	p->since = now_ns();
	attach(child);
	start_progress(child->vm);
	if (child->hot)
		hotplug_backed(child->vm, NULL);
}

/*
 * A line, printable. passt complains of each that it cannot tell syslog, too,
 * where there is none.
 */
static void
take_line(struct child *child)
{
	struct passt *p = passt_of(child);
	uint64_t now = now_ns();

	if (p->line[0] == '\0' || strncmp(p->line, "Failed to send ", 15) == 0)
		return;
	if (p->line[strspn(p->line, "0123456789")] == '\0') {
		runs(child);
		return;
	}
	memcpy(p->last, p->line, sizeof(p->last));
	if (now - p->second >= SECOND) {
		p->second = now;
		p->lines = 0;
	}
	if (p->lines++ < LINES_A_SECOND)
		report_child_log(child, LOG_INFO, p->line);
}

/* True: there may be more. */
static bool
hear(struct child *child)
{
	struct passt *p = passt_of(child);
	char text[512];
	ssize_t n = read(p->output.fd, text, sizeof(text));

	for (ssize_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '\n') {
			p->line[p->len] = '\0';
			p->len = 0;
			take_line(child);
		} else if (p->len + 1 < sizeof(p->line)) {
			if (c < ' ' || c > '~')
				c = '?';
			p->line[p->len++] = c;
		}
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		loop_remove(&child->vm->loop, &p->output);
	return n > 0;
}

static void
output_ready(struct loop_source *src, uint32_t events)
{
	(void)events;
	(void)hear(src->owner);
}

/* ---- its start ----------------------------------------------------------------------- */

/* The socket, our end and passt's; and the pipe that it speaks into. */
static int
make_fds(struct child *child)
{
	struct passt *p = passt_of(child);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) != 0)
		return -errno;
	p->near = pair[0];
	p->far = pair[1];
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	p->said = pair[1];
	p->output = (struct loop_source){ .fd = pair[0],
	    .ready = output_ready, .owner = child };
	/* It is opened anew, as "PID file", and not by the same uid. */
	if (fchmod(p->said, 0666) != 0)
		return -errno;
	return loop_add(&child->vm->loop, &p->output, EPOLLIN);
}

static void
close_fds(struct child *child)
{
	struct passt *p = passt_of(child);

	loop_remove(&child->vm->loop, &p->output);
	drop(&p->output.fd);
	drop(&p->near);
	drop(&p->far);
	drop(&p->said);
}

static void
begin(struct child *child)
{
	struct passt *p = passt_of(child);

	p->ready = false;
	p->len = 0;
	p->last[0] = '\0';
	p->deadline = now_ns() + START_MOST;
	p->again_at = 0;
	life_arm_timer(child->vm);
}

static bool
has_passt(const struct vm *vm, uint32_t net)
{
	return vm->spec.nets[net].user && !vm->spec.nets[net].pci.gone;
}

/* NULL: there is a line. */
static struct child *
make(struct vm *vm, uint32_t net)
{
	struct passt *p = &vm->passts[net];
	struct child *child = child_new(vm, PROC_PASST, NULL);
	int rc;

	child->index = net;
	child->hung_up = true;	/* it has no channel of ours */
	begin(child);
	rc = make_fds(child);
	if (rc != 0) {
		life_fail(vm, "--net user=on: cannot make a socket: %s; "
		    "raise the limit of open files (ulimit -n)",
		    log_errtext(rc));
		return NULL;
	}
	vm->nets[net].fds[0] = p->near;
	vm->nets[net].nfds = 1;
	return child;
}

static void
forget(struct passt *p)
{
	*p = (struct passt){ .near = -1, .far = -1, .said = -1,
	    .output = { .fd = -1 } };
}

int
passt_make(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->spec.nnets; i++) {
		forget(&vm->passts[i]);
		if (has_passt(vm, i) && make(vm, i) == NULL)
			return -EMFILE;
	}
	return 0;
}

/* ---- of a net that comes to a running VM, or leaves it ---------------------------------- */

static struct child *
child_of(struct vm *vm, uint32_t net)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].kind == PROC_PASST &&
		    vm->children[i].index == net)
			return &vm->children[i];
	return NULL;
}

int
passt_come(struct vm *vm, uint32_t net)
{
	struct child *child;

	if (!has_passt(vm, net))
		return 0;
	forget(&vm->passts[net]);
	child = make(vm, net);
	if (child == NULL)
		return -EMFILE;
	child->hot = true;
	start_spawn(child);
	return 0;
}

void
passt_stays(struct vm *vm, uint32_t net)
{
	struct child *child = has_passt(vm, net) ? child_of(vm, net) : NULL;

	if (child != NULL)
		child->hot = false;
}

/* Nothing of it is left; its place is free for any kind. */
static void
let_go(struct child *child)
{
	struct passt *p = passt_of(child);
	struct backend *b = &child->vm->nets[child->index];

	if (b->nfds > 0 && b->fds[0] == p->near)
		b->nfds = 0;
	close_fds(child);
	forget(p);
	child->hot = false;
	child->kind = PROC_OPENER;
	child->phase = CHILD_GONE;
}

bool
passt_leave(struct vm *vm, uint32_t net)
{
	struct child *child = has_passt(vm, net) ? child_of(vm, net) : NULL;

	if (child == NULL)
		return false;
	vm->passts[net].leaves = true;
	if (child_alive(child)) {
		child_kill(child);
		return true;
	}
	let_go(child);
	return false;
}

void
passt_release(struct vm *vm)
{
	for (uint32_t i = 0; i < SPEC_MAX_NETS; i++) {
		struct passt *p = &vm->passts[i];
		struct backend *b = &vm->nets[i];

		/* A VM that failed early has made none: all is 0. */
		if (p->near == 0)
			continue;
		if (p->near > 0 && b->nfds > 0 && b->fds[0] == p->near)
			b->nfds = 0;
		if (p->output.added)
			loop_remove(&vm->loop, &p->output);
		drop(&p->output.fd);
		drop(&p->near);
		drop(&p->far);
		drop(&p->said);
	}
}

void
passt_worker_needs_it(struct vm *vm, uint32_t net)
{
	int pair[2];

	if (!has_passt(vm, net) || vm->nets[net].nfds > 0)
		return;
	/*
	 * A successor: its predecessor's passt ends with that one's socket. It
	 * begins with nobody at the other end, until the next passt runs.
	 */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) != 0)
		return;
	close(pair[1]);
	vm->nets[net].fds[0] = pair[0];
	vm->nets[net].nfds = 1;
}

void
passt_worker_has_it(struct vm *vm, uint32_t net)
{
	struct backend *b = &vm->nets[net];

	if (!has_passt(vm, net) || b->nfds == 0)
		return;
	/* That the worker has hung up shows only when we have, too. */
	if (vm->passts[net].near == b->fds[0])
		vm->passts[net].near = -1;
	drop(&b->fds[0]);
	b->nfds = 0;
}

static ProtobufCBinaryData
address(const struct address_spec *a)
{
	union { const uint8_t *in; uint8_t *out; } u = { .in = a->bytes };

	return (ProtobufCBinaryData){ a->len, u.out };
}

void
passt_spawn(struct child *child)
{
	const struct net_spec *net = spec_of(child);
	const struct user_net_spec *u = &net->user_net;
	struct passt *p = passt_of(child);
	Bh__PublishedPort ports[USER_NET_LIMIT_PORTS];
	Bh__PublishedPort *list[USER_NET_LIMIT_PORTS];
	Bh__UserNet m = BH__USER_NET__INIT;
	const int fds[] = { p->said, p->far };
	const uint32_t slots[] = { FD_CTL, FD_BACKEND };
	union { const uint8_t *in; uint8_t *out; } mac = {
		.in = net->host_mac.bytes };

	for (uint32_t i = 0; i < u->nports; i++) {
		bh__published_port__init(&ports[i]);
		ports[i].udp = u->ports[i].udp;
		ports[i].address = address(&u->ports[i].address);
		ports[i].host = u->ports[i].host;
		ports[i].guest = u->ports[i].guest;
		list[i] = &ports[i];
	}
	m.n_ports = u->nports;
	m.ports = list;
	m.mtu = net->mtu;
	m.host_mac = (ProtobufCBinaryData){ net->host_mac.given ? 6 : 0, mac.out };
	m.address = address(&u->address);
	m.mask = address(&u->mask);
	m.gateway = address(&u->gateway);
	m.dns = address(&u->dns);
	m.no_host = !u->host;
	child->configured = true;
	child_spawn_foreign(child, fds, slots, 2, &m);
	drop(&p->said);
	drop(&p->far);
}

bool
passt_ready(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->spec.nnets; i++)
		if (has_passt(vm, i) && !vm->passts[i].ready)
			return false;
	return true;
}

/* ---- its end -------------------------------------------------------------------------- */

static void
wait_for_another(struct child *child)
{
	struct passt *p = passt_of(child);
	uint64_t now = now_ns();

	if (p->ready && now - p->since >= LIVED_LONG)
		p->delay = 0;
	p->delay = p->delay == 0 ? AGAIN_FIRST : 2 * p->delay;
	if (p->delay > AGAIN_MOST)
		p->delay = AGAIN_MOST;
	p->child = child;
	p->again = true;
	p->again_at = now + p->delay;
	p->deadline = 0;
	life_arm_timer(child->vm);
}

void
passt_failed(struct child *child, const char *text)
{
	struct vm *vm = child->vm;

	child->failed = true;
	if (vm->state == VM_STARTING || child->hot)
		life_child_failed(child, "--net user=on: %s", text);
	else
		log_warn("--net user=on: %s; tried again later", text);
}

void
passt_exited(struct child *child)
{
	struct vm *vm = child->vm;
	struct passt *p = passt_of(child);
	char how[64];

	while (p->output.added && hear(child))
		;
	close_fds(child);
	report_end(child, how, sizeof(how));
	log_info("%s (pid %u) is gone: %s", child->name, child->host_pid, how);
	if (vm->state == VM_STOPPING || vm->state == VM_OVER)
		return;
	if (p->leaves) {
		let_go(child);
		return;
	}
	if (vm->state == VM_STARTING || child->hot) {
		if (!child->failed)
			say_why(child, how);
		return;
	}
	if (!child->failed)
		log_warn("--net user=on: passt (pid %u) died: %s%s%s; the link is "
		    "down until it runs again", child->host_pid, how,
		    p->ready || p->last[0] == '\0' ? "" : ": ",
		    p->ready ? "" : p->last);
	wait_for_another(child);
}

/* It has not said in time that it runs. */
static void
late(struct vm *vm, uint32_t net)
{
	struct child *child = child_of(vm, net);

	if (vm->state == VM_STARTING || (child != NULL && child->hot))
		life_child_failed(child, "--net user=on: passt does not start "
		    "within 30 s");
	if (vm->state != VM_STARTING && child != NULL)
		child_kill(child);
}

bool
passt_tick(struct vm *vm)
{
	bool waiting = false;
	uint64_t now = now_ns();

	for (uint32_t i = 0; i < vm->spec.nnets; i++) {
		struct passt *p = &vm->passts[i];

		if (!has_passt(vm, i) || p->leaves ||
		    (p->ready && p->again_at == 0 && p->near < 0))
			continue;
		waiting = true;
		if (p->child != NULL)
			attach(p->child);
		if (p->child != NULL && p->again_at != 0 &&
		    now >= p->again_at) {
			child_renew(p->child);
			p->child->index = i;
			p->child->hung_up = true;
			begin(p->child);
			if (make_fds(p->child) == 0) {
				passt_spawn(p->child);
			} else {
				close_fds(p->child);
				wait_for_another(p->child);
			}
		} else if (p->deadline != 0 && now >= p->deadline) {
			p->deadline = 0;
			late(vm, i);
		}
	}
	return waiting;
}
