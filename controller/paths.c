// SPDX-License-Identifier: Apache-2.0
//
// What is asked of the opener, and what is said when it has failed, see paths.h.
// taken.c is about what it has opened.
#include "controller/paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/broker.h"
#include "controller/front.h"
#include "controller/guard.h"
#include "controller/life.h"
#include "controller/paths_inside.h"
#include "controller/supervise.h"
#include "controller/values.h"

#define OPEN_SECONDS 60u	/* a slow network file system */
#define SEQPACKET ".seqpacket"	/* beside the stream socket of --vsock */

const char *const path_port_names[VM_PORTS] = {
	[VM_CONSOLE] = "console", [VM_SERIAL] = "serial",
	[VM_DEBUG] = "debug-console",
};

const struct port_spec *
path_port(const struct vm *vm, uint32_t port)
{
	return port == VM_CONSOLE ? &vm->spec.console :
	    port == VM_SERIAL ? &vm->spec.serial : &vm->spec.debug_console;
}

static void
add(struct vm *vm, enum path_use use, uint32_t index)
{
	vm->paths[vm->npaths++] = (struct path_item){ use, index };
}

const char *
path_kernel(const struct vm_spec *spec)
{
	return spec->payload.kernel != NULL ? spec->payload.kernel :
	    spec->payload.firmware;
}

/* What makes something comes last, so that a mistake elsewhere makes nothing. */
void
paths_list(struct vm *vm)
{
	const struct vm_spec *spec = &vm->spec;

	vm->npaths = vm->npaths_asked = vm->npaths_done = 0;
	if (!vm->vmm_opened && spec->log.file != NULL &&
	    spec_fd(spec->log.file) < 0)
		add(vm, PATH_LOG, 0);
	if (!vm->vmm_opened && spec->events.path != NULL)
		add(vm, PATH_EVENTS, 0);
	if (!vm->vmm_opened && spec->api.path != NULL)
		add(vm, PATH_API, 0);
	if (vm->state != VM_STARTING)
		return;
	if (spec->kvm.fd == 0)
		add(vm, PATH_KVM, 0);
	for (uint32_t i = 0; i < spec->nlandlock_rules; i++)
		if (spec_fd(spec->landlock_rules[i].path) < 0)
			add(vm, PATH_RULE, i);
	if (spec_fd(path_kernel(spec)) < 0)
		add(vm, PATH_KERNEL, 0);
	if (spec->payload.initramfs != NULL &&
	    spec_fd(spec->payload.initramfs) < 0)
		add(vm, PATH_INITRAMFS, 0);
	for (uint32_t i = 0; i < spec->ndisks; i++)
		if (!spec->disks[i].vhost.on &&
		    spec_fd(spec->disks[i].path) < 0)
			add(vm, PATH_DISK, i);
	for (uint32_t i = 0; i < spec->nfs; i++)
		if (spec->fs[i].path != NULL && spec_fd(spec->fs[i].path) < 0)
			add(vm, PATH_SHARE, i);
	for (uint32_t i = 0; i < spec->npmems; i++)
		if (spec_fd(spec->pmems[i].file) < 0)
			add(vm, PATH_PMEM, i);
	if (spec_fd(spec->rng.src) < 0)
		add(vm, PATH_RNG, 0);
	for (uint32_t i = 0; i < VM_PORTS; i++)
		if (path_port(vm, i)->mode == PORT_PTY || ((
		    path_port(vm, i)->mode == PORT_FILE ||
		    path_port(vm, i)->mode == PORT_SOCKET) &&
		    spec_fd(path_port(vm, i)->path) < 0))
			add(vm, PATH_PORT, i);
	for (uint32_t i = 0; i < 2 * spec->nvsocks; i++)
		add(vm, PATH_VSOCK, i);
	for (uint32_t i = 0; i < spec->nnets; i++)
		if (spec->nets[i].vhost.on &&
		    spec->nets[i].vhost.mode == VHOST_SERVER &&
		    spec_fd(spec->nets[i].vhost.socket) < 0)
			add(vm, PATH_BACK_END, i);
	for (uint32_t i = 0; i < spec->nnets; i++)
		if (spec->nets[i].nfds == 0 && !spec->nets[i].user &&
		    !spec->nets[i].vhost.on)
			add(vm, PATH_TAP, i);
	for (uint32_t i = 0; i < spec->nnets; i++)
		if (spec->nets[i].nfds == 0 && !spec->nets[i].user &&
		    !spec->nets[i].vhost.on && guard_wanted(vm, i))
			add(vm, PATH_GUARD, i);
}

void
paths_list_device(struct vm *vm, const struct plan_device *dev)
{
	const struct vm_spec *spec = &vm->spec;
	const uint32_t i = dev->index;

	vm->npaths = vm->npaths_asked = vm->npaths_done = 0;
	if (dev->kind == PROC_BLK && spec_fd(spec->disks[i].path) < 0)
		add(vm, PATH_DISK, i);
	else if (dev->kind == PROC_FS && spec_fd(spec->fs[i].path) < 0)
		add(vm, PATH_SHARE, i);
	else if (dev->kind == PROC_PMEM && spec_fd(spec->pmems[i].file) < 0)
		add(vm, PATH_PMEM, i);
	else if (dev->kind == PROC_VSOCK)
		for (uint32_t k = 0; k < 2; k++)
			add(vm, PATH_VSOCK, k);
	else if (dev->kind == PROC_FRONT && dev->front == FRONT_NET &&
	    spec->nets[i].vhost.mode == VHOST_SERVER &&
	    spec_fd(spec->nets[i].vhost.socket) < 0)
		add(vm, PATH_BACK_END, i);
	else if (dev->kind == PROC_NET && spec->nets[i].nfds == 0 &&
	    !spec->nets[i].user)
		add(vm, PATH_TAP, i);
	if (vm->npaths == 1 && vm->paths[0].use == PATH_TAP && guard_wanted(vm, i))
		add(vm, PATH_GUARD, i);
}

bool
paths_makes(const struct vm *vm, uint32_t n)
{
	return vm->paths[n].use == PATH_PORT || vm->paths[n].use == PATH_TAP ||
	    vm->paths[n].use == PATH_BACK_END || vm->paths[n].use == PATH_VSOCK ||
	    vm->paths[n].use == PATH_GUARD;
}

/* A value that is an fd says so itself: "--disk fd=5". */
static const char *
name_of(const char *name, const char *value)
{
	return spec_fd(value) >= 0 ? "" : name;
}

/* "--api-socket x", or "fd=5". */
static void
place_of(const char *option, const struct place_spec *place, char *buf,
    size_t size)
{
	if (place->path != NULL)
		(void)snprintf(buf, size, "--%s %s", option, place->path);
	else
		(void)snprintf(buf, size, "--%s fd=%u", option, place->fd);
}

/* "--disk path=x". */
static void
option_of(const struct vm *vm, enum path_use use, uint32_t index, char *buf,
    size_t size)
{
	const struct vm_spec *s = &vm->spec;
	const struct port_spec *port;

	switch (use) {
	case PATH_LOG:
		(void)snprintf(buf, size, "--log-file %s", s->log.file);
		return;
	case PATH_API:
		place_of("api-socket", &s->api, buf, size);
		return;
	case PATH_EVENTS:
		place_of("event-monitor", &s->events, buf, size);
		return;
	case PATH_KVM:
		if (s->kvm.fd != 0)
			place_of("kvm", &s->kvm, buf, size);
		else
			(void)snprintf(buf, size, "/dev/kvm");
		return;
	case PATH_LIBEXEC:
		place_of("libexec", &s->libexec, buf, size);
		return;
	case PATH_KERNEL:
		(void)snprintf(buf, size, "--%s %s", s->payload.kernel != NULL ?
		    "kernel" : "firmware", s->payload.kernel != NULL ?
		    s->payload.kernel : s->payload.firmware);
		return;
	case PATH_INITRAMFS:
		(void)snprintf(buf, size, "--initramfs %s", s->payload.initramfs);
		return;
	case PATH_DISK:
		(void)snprintf(buf, size, "--disk %s%s", name_of("path=",
		    s->disks[index].path), s->disks[index].path);
		return;
	case PATH_SHARE:
		(void)snprintf(buf, size, "--fs %s%s", name_of("path=",
		    s->fs[index].path), s->fs[index].path);
		return;
	case PATH_PMEM:
		(void)snprintf(buf, size, "--pmem %s%s", name_of("file=",
		    s->pmems[index].file), s->pmems[index].file);
		return;
	case PATH_VSOCK:
		(void)snprintf(buf, size, "--vsock socket=%s%s", s->vsocks[0].socket,
		    index == 1 ? SEQPACKET : "");
		return;
	case PATH_RNG:
		(void)snprintf(buf, size, "--rng %s%s", name_of("src=",
		    s->rng.src), s->rng.src);
		return;
	case PATH_PORT:
		port = path_port(vm, index);
		(void)snprintf(buf, size, "--%s %s%s", path_port_names[index],
		    port->mode == PORT_PTY ? "pty" :
		    port->mode == PORT_FILE ? "file=" : "socket=",
		    port->path != NULL ? port->path : "");
		return;
	case PATH_RULE:
		(void)snprintf(buf, size, "--landlock-rules %s%s",
		    name_of("path=", s->landlock_rules[index].path),
		    s->landlock_rules[index].path);
		return;
	case PATH_BACK_END:
		(void)snprintf(buf, size, "--net socket=%s",
		    s->nets[index].vhost.socket);
		return;
	case PATH_TAP:
	case PATH_GUARD:
		if (s->nets[index].user)
			(void)snprintf(buf, size, "--net user=on");
		else if (s->nets[index].nfds != 0)
			(void)snprintf(buf, size, "--net fd=%d",
			    s->nets[index].fds[0]);
		else
			(void)snprintf(buf, size, "--net tap=%s",
			    s->nets[index].tap != NULL ? s->nets[index].tap :
			    "");
		return;
	}
}

void
paths_option_of(const struct vm *vm, const struct child *child, char *buf,
    size_t size)
{
	/* One whose device another has. */
	if (child->dev == NULL && (child->kind == PROC_BLK ||
	    child->kind == PROC_NET || child->kind == PROC_RNG ||
	    child->kind == PROC_CONSOLE || child->kind == PROC_FS ||
	    child->kind == PROC_BALLOON || child->kind == PROC_PMEM ||
	    child->kind == PROC_MEM || child->kind == PROC_VSOCK ||
	    child->kind == PROC_WATCHDOG || child->kind == PROC_RTC ||
	    child->kind == PROC_FRONT)) {
		(void)snprintf(buf, size, "%s", child->name);
		return;
	}
	switch (child->kind) {
	case PROC_LOADER:
		option_of(vm, PATH_KERNEL, 0, buf, size);
		return;
	case PROC_BLK:
		option_of(vm, PATH_DISK, child->dev->index, buf, size);
		return;
	case PROC_NET:
		option_of(vm, PATH_TAP, child->dev->index, buf, size);
		return;
	case PROC_FS:
		option_of(vm, PATH_SHARE, child->dev->index, buf, size);
		return;
	case PROC_VSOCK:
		option_of(vm, PATH_VSOCK, 0, buf, size);
		return;
	case PROC_RNG:
		option_of(vm, PATH_RNG, 0, buf, size);
		return;
	case PROC_PMEM:
		option_of(vm, PATH_PMEM, child->dev->index, buf, size);
		return;
	case PROC_MEM:
		(void)snprintf(buf, size, "--memory hotplug_method=virtio-mem");
		return;
	case PROC_BALLOON:
		(void)snprintf(buf, size, "--balloon");
		return;
	case PROC_WATCHDOG:
		(void)snprintf(buf, size, "--watchdog");
		return;
	case PROC_RTC:
		(void)snprintf(buf, size, "--rtc");
		return;
	case PROC_CONSOLE:
		(void)snprintf(buf, size, "--console, --serial");
		return;
	case PROC_FRONT:
		front_option(&vm->spec, child->dev, buf, size);
		return;
	case PROC_OPENER:
	case PROC_VCPU:
	case PROC_PASST:
	case PROC_API:
	case PROC_GUARD:
	case PROC_MIGRATION:
	case PROC_SNAPSHOT:
	case PROC_KIND_COUNT:
		break;
	}
	(void)snprintf(buf, size, "%s", child->name);
}

/* ---- asking ---------------------------------------------------------------------- */

/* protobuf-c has no const in its structs, and does not write to them. */
static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

static void
fill_tap(struct vm *vm, uint32_t index, Bh__TapConfig *tap)
{
	const struct net_spec *net = &vm->spec.nets[index];
	union { const uint8_t *in; uint8_t *out; } u;

	tap->queue_pairs = net->num_queues / 2;
	u.in = net->ip.bytes;
	tap->ip = (ProtobufCBinaryData){ net->ip.len, u.out };
	u.in = net->mask.bytes;
	tap->mask = (ProtobufCBinaryData){ net->mask.len, u.out };
	u.in = net->host_mac.bytes;
	tap->host_mac = (ProtobufCBinaryData){ net->host_mac.given ? 6 : 0,
					       u.out };
	tap->mtu = net->mtu;
	tap->vnet_hdr = true;
	u.in = plan_net(&vm->plan, index)->mac;
	tap->guest_mac = (ProtobufCBinaryData){ 6, u.out };
	tap->guest_mac_given = net->mac.given;
}

static void
fill_port(const struct port_spec *port, Bh__Open *open)
{
	open->kind = port->mode == PORT_PTY ? BH__OPEN_KIND__OPEN_KIND_PTY :
	    port->mode == PORT_FILE ? BH__OPEN_KIND__OPEN_KIND_WRITE :
	    BH__OPEN_KIND__OPEN_KIND_LISTEN;
	open->path = constless(port->path != NULL ? port->path : "");
}

void
paths_ask(struct vm *vm, struct child *opener, uint32_t n)
{
	const struct path_item *item = &vm->paths[n];
	const struct vm_spec *s = &vm->spec;
	Bh__TapConfig tap = BH__TAP_CONFIG__INIT;
	struct guard_addresses ips;
	Bh__Open open = BH__OPEN__INIT;
	CHAN_PACKET(p, OPEN, open, &open);
	char path[4200];

	open.kind = BH__OPEN_KIND__OPEN_KIND_READ;
	switch (item->use) {
	case PATH_LOG:
		open.kind = BH__OPEN_KIND__OPEN_KIND_APPEND;
		open.path = constless(s->log.file);
		break;
	case PATH_API:
		open.kind = BH__OPEN_KIND__OPEN_KIND_API;
		open.path = constless(s->api.path);
		break;
	case PATH_EVENTS:
		open.kind = BH__OPEN_KIND__OPEN_KIND_APPEND;
		open.path = constless(s->events.path);
		break;
	case PATH_KVM:
	case PATH_LIBEXEC:	/* by fd alone */
		open.kind = BH__OPEN_KIND__OPEN_KIND_KVM;
		break;
	case PATH_KERNEL:
		open.path = constless(s->payload.kernel != NULL ?
		    s->payload.kernel : s->payload.firmware);
		break;
	case PATH_INITRAMFS:
		open.path = constless(s->payload.initramfs);
		break;
	case PATH_DISK:
		open.kind = s->disks[item->index].readonly ?
		    BH__OPEN_KIND__OPEN_KIND_DISK_READONLY :
		    BH__OPEN_KIND__OPEN_KIND_DISK;
		open.direct = open.own = s->disks[item->index].direct;
		open.folder = broker_may_want(&s->disks[item->index]);
		open.path = constless(s->disks[item->index].path);
		break;
	case PATH_SHARE:
		open.kind = BH__OPEN_KIND__OPEN_KIND_SHARE;
		open.path = constless(s->fs[item->index].path);
		break;
	case PATH_PMEM:
		open.kind = s->pmems[item->index].discard_writes ?
		    BH__OPEN_KIND__OPEN_KIND_DISK_READONLY :
		    BH__OPEN_KIND__OPEN_KIND_DISK;
		open.path = constless(s->pmems[item->index].file);
		break;
	case PATH_VSOCK:
		open.kind = BH__OPEN_KIND__OPEN_KIND_API;
		open.seqpacket = item->index == 1;
		(void)snprintf(path, sizeof(path), "%s%s", s->vsocks[0].socket,
		    open.seqpacket ? SEQPACKET : "");
		open.path = path;
		break;
	case PATH_RNG:
		open.kind = BH__OPEN_KIND__OPEN_KIND_RANDOM;
		open.path = constless(s->rng.src);
		break;
	case PATH_PORT:
		fill_port(path_port(vm, item->index), &open);
		break;
	case PATH_RULE:
		open.kind = BH__OPEN_KIND__OPEN_KIND_PLACE;
		open.path = constless(s->landlock_rules[item->index].path);
		break;
	case PATH_BACK_END:
		open.kind = BH__OPEN_KIND__OPEN_KIND_LISTEN;
		open.path = constless(s->nets[item->index].vhost.socket);
		break;
	case PATH_TAP:
		open.kind = BH__OPEN_KIND__OPEN_KIND_TAP;
		open.path = constless(s->nets[item->index].tap != NULL ?
		    s->nets[item->index].tap : "");
		fill_tap(vm, item->index, &tap);
		open.tap = &tap;
		break;
	case PATH_GUARD:
		open.kind = BH__OPEN_KIND__OPEN_KIND_GUARD;
		fill_tap(vm, item->index, &tap);
		guard_fill(vm, item->index, &tap, &ips);
		open.tap = &tap;
		break;
	}
	child_send(opener, &p, NULL, 0, n, OPEN_SECONDS);
}

/* ---- failures ---------------------------------------------------------------------- */

int
path_refuse(struct vm *vm, const struct path_item *item, const char *text)
{
	char option[4200];

	option_of(vm, item->use, item->index, option, sizeof(option));
	life_fail(vm, "%s: %s", option, text);
	return -EINVAL;
}

static bool
is_tap(const struct path_item *item)
{
	return item->use == PATH_TAP || item->use == PATH_GUARD;
}

static const char *
remedy(const struct vm *vm, const struct path_item *item, int error)
{
	bool disk = item->use == PATH_DISK &&
	    !vm->spec.disks[item->index].readonly;

	switch (error) {
	case ENOENT:
		return item->use == PATH_API || item->use == PATH_VSOCK ?
		    "; make the directory first" :
		    item->use == PATH_KVM ? "; load kvm-intel or kvm-amd, and "
		    "enable virtualization in the firmware" :
		    item->use == PATH_PORT ? "; make the directory first" :
		    is_tap(item) ? "" : "; check the path";
	case EACCES:
	case EPERM:
		return item->use == PATH_KVM ? "; add the user to group kvm" :
		    is_tap(item) ? "" :
		    disk ? "; give the user the right to write, or add "
		    "readonly=on" : "; give the user the right to it";
	case EROFS:
		return disk ? "; add readonly=on" : "; choose another path";
	case ENOTDIR:
		return item->use == PATH_SHARE ? "; give a directory" : "";
	case EISDIR:
		return "; give a file";
	case EADDRINUSE:
		return "; another listens there, choose another path";
	case EMFILE:
		return "; raise the limit of open files (ulimit -n)";
	default:
		return "";
	}
}

void
paths_failed(struct vm *vm, uint32_t n, const Bh__Failed *failed)
{
	char text[600];

	if (vm->paths[n].use == PATH_GUARD &&
	    guard_failed(vm, vm->paths[n].index, failed))
		return;
	(void)snprintf(text, sizeof(text), "%.480s%s", failed->text,
	    remedy(vm, &vm->paths[n], failed->error));
	(void)path_refuse(vm, &vm->paths[n], text);
}

void
paths_set_pty(struct vm *vm, uint32_t port, const char *path)
{
	struct port_spec *ports[VM_PORTS] = { &vm->spec.console,
	    &vm->spec.serial, &vm->spec.debug_console };

	if (ports[port]->mode == PORT_PTY)
		ports[port]->path = path;
}
