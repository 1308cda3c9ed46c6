// SPDX-License-Identifier: Apache-2.0
//
// Devices behind vhost-user sockets, and sockets that a guest connects to, see
// front.h. There is one opener for all of them while anybody waits for a connection,
// for a little after a guest's, and none otherwise.
#include "controller/front.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/config.h"
#include "controller/life.h"
#include "controller/paths.h"
#include "controller/requests.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define CONNECT_SECONDS 10u
#define LINGER_SECONDS 2u
#define START_SECONDS 60u	/* as Cloud Hypervisor: a back end may start later */
#define CONFIG_SECONDS 60u	/* from one attempt to the next */
/* A worker waits at least 50 ms before it asks again. */
#define LEAST_INTERVAL (SECOND / 50)
#define REPLY_MS 10000u		/* for a back end's answer */

/* virtio 1.2, 5.1: bits and configuration of what we, not the back end, have. */
#define NET_F_MTU 3
#define NET_F_MAC 5
#define NET_CONFIG_LEN 12u
/* Offloads by bit: checksums; TSO, with ECN; UFO, with USO. */
#define NET_CSUM (1ull << 0 | 1ull << 1)
#define NET_TSO (1ull << 7 | 1ull << 8 | 1ull << 9 | 1ull << 11 | 1ull << 12 | \
	1ull << 13)
#define NET_UFO (1ull << 10 | 1ull << 14 | 1ull << 54 | 1ull << 55 | 1ull << 56)
#define NET_CONTROL (1ull << 17 | 1ull << 22)	/* CTRL_VQ, MQ */
#define FS_TAG_LEN 36u

enum { VIRTIO_NET = 1, VIRTIO_BLK = 2, VIRTIO_FS = 26 };

const struct vhost_spec *
front_vhost(const struct vm_spec *spec, const struct plan_device *dev)
{
	switch (dev->front) {
	case FRONT_DISK:
		return &spec->disks[dev->index].vhost;
	case FRONT_NET:
		return &spec->nets[dev->index].vhost;
	case FRONT_FS:
		return &spec->fs[dev->index].vhost;
	case FRONT_GENERIC:
		break;
	}
	return &spec->generics[dev->index].vhost;
}

void
front_option(const struct vm_spec *spec, const struct plan_device *dev,
    char *buf, size_t size)
{
	static const char *const names[] = {
		[FRONT_DISK] = "disk", [FRONT_NET] = "net", [FRONT_FS] = "fs",
		[FRONT_GENERIC] = "generic-vhost-user",
	};

	(void)snprintf(buf, size, "--%s socket=%s", names[dev->front],
	    front_vhost(spec, dev)->socket);
}

/* ---- configuration ------------------------------------------------------------- */

static void
put32(uint8_t *to, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

/* The MAC is ours to give, and the control queue, where there are several pairs. */
static void
fill_net(const struct net_spec *net, const struct plan_device *dev,
    struct front_message *m)
{
	m->front.virtio_id = VIRTIO_NET;
	m->front.features = 1ull << NET_F_MAC;
	memcpy(m->config, dev->mac, sizeof(dev->mac));
	if (net->num_queues > 2)
		m->front.features |= NET_CONTROL;
	m->config[8] = (uint8_t)(net->num_queues / 2);
	if (net->mtu != 0) {
		m->front.features |= 1ull << NET_F_MTU;
		m->config[10] = (uint8_t)net->mtu;
		m->config[11] = (uint8_t)(net->mtu >> 8);
	}
	m->front.config.len = NET_CONFIG_LEN;
	m->front.not_offered = (net->offload_csum ? 0 : NET_CSUM) |
	    (net->offload_tso ? 0 : NET_TSO) | (net->offload_ufo ? 0 : NET_UFO);
}

static void
fill_fs(const struct fs_spec *fs, struct front_message *m)
{
	m->front.virtio_id = VIRTIO_FS;
	memcpy(m->config, fs->tag, strlen(fs->tag));
	put32(m->config + FS_TAG_LEN, fs->num_queues);
	m->front.config.len = FS_TAG_LEN + 4;
}

bool
front_fill(const struct vm_spec *spec, const struct plan_device *dev,
    struct front_message *m)
{
	const struct generic_spec *generic = &spec->generics[dev->index];
	uint32_t size = 0;
	bool packed = false;

	memset(m, 0, sizeof(*m));
	bh__front_config__init(&m->front);
	m->front.config.data = m->config;
	m->front.queue_sizes = m->queue_sizes;
	m->front.n_queue_sizes = dev->nqueues;
	m->front.reply_ms = REPLY_MS;
	m->front.listens = front_vhost(spec, dev)->mode == VHOST_SERVER;
	switch (dev->front) {
	case FRONT_DISK:
		m->front.virtio_id = VIRTIO_BLK;
		size = spec->disks[dev->index].queue_size;
		packed = spec->disks[dev->index].pci.packed;
		break;
	case FRONT_NET:
		fill_net(&spec->nets[dev->index], dev, m);
		size = spec->nets[dev->index].queue_size;
		packed = spec->nets[dev->index].pci.packed;
		break;
	case FRONT_FS:
		fill_fs(&spec->fs[dev->index], m);
		size = spec->fs[dev->index].queue_size;
		packed = spec->fs[dev->index].pci.packed;
		break;
	case FRONT_GENERIC:
		m->front.virtio_id = generic->device_type;
		packed = generic->pci.packed;
		break;
	}
	for (uint32_t q = 0; q < dev->nqueues; q++)
		m->queue_sizes[q] = size != 0 ? size : generic->queue_sizes[q];
	return packed;
}

/* ---- the broker ------------------------------------------------------------------ */

static struct child *
worker_of(struct vm *vm, uint32_t instance)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if ((vm->children[i].kind == PROC_FRONT ||
		    vm->children[i].kind == PROC_VSOCK) &&
		    vm->children[i].instance == instance &&
		    child_alive(&vm->children[i]))
			return &vm->children[i];
	return NULL;
}

static bool
have_opener(struct vm *vm)
{
	if (child_alive(vm->connector) && vm->connector->spare &&
	    !vm->connector->told_quit && !vm->connector->hung_up)
		return true;
	vm->connector = child_new(vm, PROC_OPENER, NULL);
	vm->connector->spare = true;
	if (child_spawn(vm->connector, NULL, NULL, 0) != 0)
		return false;
	config_send_opener(vm->connector);
	return true;
}

/* The opener goes when nobody waits for it any more. */
static void
let_go(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (child_alive(&vm->children[i]) && vm->children[i].wants.asked)
			return;
	/* A guest that has connected once may do so again. */
	if (vm->connector_used != 0 &&
	    now_ns() - vm->connector_used < LINGER_SECONDS * SECOND) {
		life_arm_timer(vm);
		return;
	}
	vm->connector_used = 0;
	if (vm->connector != NULL && vm->connector->spare)
		child_quit(vm->connector);
}

static void
answer(struct child *child, int error, const int *fds, unsigned int nfds)
{
	Bh__GiveConnection give = BH__GIVE_CONNECTION__INIT;
	CHAN_PACKET(p, GIVE_CONNECTION, give_connection, &give);

	give.error = error;
	child->wants.asked = false;
	child->wants.answered_at = now_ns();
	/* Its patience with the back end, and a little. */
	request_extend(child, BH__PACKET__BODY_DEVICE_CONFIG, CONFIG_SECONDS);
	child_send(child, &p, fds, nfds, 0, 0);
}

/* @fd, which is taken, is connected to the back end. */
static void
give(struct vm *vm, struct child *child, int fd)
{
	int fds[3] = { fd, -1, -1 };

	child->wants.since = 0;
	child->wants.said = false;
	/* Kept: it tells when that back end has let go of the device. */
	if (child->far >= 0)
		close(child->far);
	child->far = fd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds + 1) < 0) {
		answer(child, errno, NULL, 0);
		let_go(vm);
		return;
	}
	answer(child, 0, fds, 3);
	close(fds[1]);
	close(fds[2]);
	let_go(vm);
}

/* A connection that was passed on is the only one that there will be. */
static void
give_passed(struct vm *vm, struct child *child, const char *socket)
{
	const char *why = NULL;
	char option[4200];
	int fd = paths_adopt_connection(vm, socket, &why);

	if (fd >= 0) {
		give(vm, child, fd);
		return;
	}
	if (!child->ready && !child->known_once) {
		front_option(&vm->spec, child->dev, option, sizeof(option));
		life_child_failed(child, "%s: %s", option, why);
	}
	answer(child, ENOTCONN, NULL, 0);
}

static void
answer_port(struct child *child, int error, const int *fds, unsigned int nfds)
{
	Bh__GivePort give = BH__GIVE_PORT__INIT;
	CHAN_PACKET(p, GIVE_PORT, give_port, &give);

	give.error = error;
	child->wants.asked = false;
	child->vm->connector_used = now_ns();
	child_send(child, &p, fds, nfds, 0, 0);
}

int
front_want_port(struct child *child, const Bh__WantPort *want)
{
	struct vm *vm = child->vm;
	Bh__Open open = BH__OPEN__INIT;
	CHAN_PACKET(p, OPEN, open, &open);
	char path[4200];

	if (child->kind != PROC_VSOCK || child->wants.asked)
		return -EPROTO;
	child->wants.asked = true;
	if (!have_opener(vm))
		return 0;
	(void)snprintf(path, sizeof(path), "%s_%u",
	    vm->spec.vsocks[child->dev->index].socket, want->port);
	open.kind = BH__OPEN_KIND__OPEN_KIND_CONNECT;
	open.path = path;
	open.seqpacket = want->seqpacket;
	child_send(vm->connector, &p, NULL, 0, child->instance, CONNECT_SECONDS);
	return 0;
}

bool
front_tick(struct vm *vm)
{
	if (vm->connector_used != 0)
		let_go(vm);
	return vm->connector_used != 0;
}

int
front_want(struct child *child)
{
	struct vm *vm = child->vm;
	union { const char *in; char *out; } path;
	Bh__Open open = BH__OPEN__INIT;
	CHAN_PACKET(p, OPEN, open, &open);
	const struct vhost_spec *vhost;
	uint64_t now = now_ns();

	if (child->kind != PROC_FRONT || child->wants.asked)
		return -EPROTO;
	vhost = front_vhost(&vm->spec, child->dev);
	if (vhost->mode == VHOST_SERVER || (child->wants.answered_at != 0 &&
	    now - child->wants.answered_at < LEAST_INTERVAL))
		return -EPROTO;
	child->wants.asked = true;
	if (child->wants.since == 0)
		child->wants.since = now;
	if (spec_fd(vhost->socket) >= 0) {
		give_passed(vm, child, vhost->socket);
		return 0;
	}
	if (!have_opener(vm))
		return 0;
	path.in = vhost->socket;
	open.kind = BH__OPEN_KIND__OPEN_KIND_CONNECT;
	open.path = path.out;
	child_send(vm->connector, &p, NULL, 0, child->instance, CONNECT_SECONDS);
	return 0;
}

int
front_connected(struct vm *vm, uint32_t instance, struct chan_msg *msg)
{
	struct child *child = worker_of(vm, instance);

	if (msg->nfds != 1)
		return -EPROTO;
	/* It may have died meanwhile. */
	if (child == NULL || !child->wants.asked) {
		let_go(vm);
		return 0;
	}
	if (child->kind == PROC_VSOCK) {
		answer_port(child, 0, msg->fds, 1);
		let_go(vm);
		return 0;
	}
	give(vm, child, chan_take_fd(msg, 0));
	return 0;
}

/* Until the guest runs: what a wait cannot mend is an error. */
static void
refused_at_start(struct child *child, const Bh__Failed *failed)
{
	struct vm *vm = child->vm;
	const char *text = failed->text[0] != '\0' ? failed->text :
	    log_errtext(failed->error);
	char option[4200];

	front_option(&vm->spec, child->dev, option, sizeof(option));
	if (failed->error != ENOENT && failed->error != ECONNREFUSED &&
	    failed->error != EAGAIN)
		life_child_failed(child, "%s: %s; %s", option, text,
		    failed->error == EACCES || failed->error == EPERM ?
		    "give the user the right to it" :
		    "give the socket of a vhost-user back end");
	else if (child->hot)
		life_child_failed(child, "%s: %s; start the back end first", option,
		    text);
	else if (now_ns() - child->wants.since > START_SECONDS * SECOND)
		life_fail(vm, "%s: nobody has listened there for %u seconds: "
		    "%s; start the back end, and check the path", option,
		    START_SECONDS, text);
	else if (!child->wants.said)
		log_warn("%s: %s; waiting for the back end", option, text);
	child->wants.said = true;
	/* Who asked for it is there, and need not wait. */
	if (child->hot)
		child_kill(child);
}

void
front_refused(struct vm *vm, uint32_t instance, const Bh__Failed *failed)
{
	struct child *child = worker_of(vm, instance);

	if (child == NULL || !child->wants.asked)
		return;
	if (child->kind == PROC_VSOCK) {
		answer_port(child, failed->error, NULL, 0);
		let_go(vm);
		return;
	}
	if (!child->ready && !child->known_once)
		refused_at_start(child, failed);
	answer(child, failed->error, NULL, 0);
	let_go(vm);
}

void
front_hang_up(struct child *child, bool wait)
{
	if (child->far < 0)
		return;
	if (wait) {
		/* It sees the end of the stream; that it hangs up, we see. */
		(void)shutdown(child->far, SHUT_WR);
		return;
	}
	close(child->far);
	child->far = -1;
}

bool
front_let_go(const struct child *child)
{
	struct pollfd p = { .fd = child->far };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
}

void
front_settle(struct vm *vm)
{
	if (vm->connector == NULL || !vm->connector->spare ||
	    vm->connector->phase != CHILD_GONE)
		return;
	vm->connector_used = 0;
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (!child_alive(c) || !c->wants.asked)
			continue;
		if (c->kind == PROC_VSOCK)
			answer_port(c, EIO, NULL, 0);
		else
			answer(c, EIO, NULL, 0);
	}
}
