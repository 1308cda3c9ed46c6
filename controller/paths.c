// SPDX-License-Identifier: Apache-2.0
//
// What is asked of the opener and what becomes of its answers, see paths.h.
#include "controller/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/broker.h"
#include "controller/front.h"
#include "controller/guard.h"
#include "controller/life.h"
#include "controller/opener/opened.h"
#include "controller/output.h"
#include "controller/supervise.h"
#include "controller/values.h"
#include "ipc/log.h"

/* Of files, where locks on their bytes end: no file is as long. */
#define LOCK_END (1ll << 61)

#define OPEN_SECONDS 60u	/* a slow network file system */
#define MAX_SECTOR 4096u

static const char *const port_names[VM_PORTS] = {
	[VM_CONSOLE] = "console", [VM_SERIAL] = "serial",
	[VM_DEBUG] = "debug-console",
};

static const struct port_spec *
port_of(const struct vm *vm, uint32_t port)
{
	return port == VM_CONSOLE ? &vm->spec.console :
	    port == VM_SERIAL ? &vm->spec.serial : &vm->spec.debug_console;
}

static void
add(struct vm *vm, enum path_use use, uint32_t index)
{
	vm->paths[vm->npaths++] = (struct path_item){ use, index };
}

static const char *
kernel_path(const struct vm_spec *spec)
{
	return spec->payload.kernel != NULL ? spec->payload.kernel :
	    spec->payload.firmware;
}

/* "fd=5" is no path, but 5; -1: it is one ("./fd=5", too). */
static int
inherited_fd(const char *path)
{
	uint64_t n;

	if (path == NULL || strncmp(path, "fd=", 3) != 0 ||
	    value_u64(span_of(path + 3), &n) != 0 || n < 3 || n > 1048575)
		return -1;
	return (int)n;
}

/* What makes something comes last, so that a mistake elsewhere makes nothing. */
void
paths_list(struct vm *vm)
{
	const struct vm_spec *spec = &vm->spec;

	vm->npaths = vm->npaths_asked = vm->npaths_done = 0;
	if (!vm->vmm_opened && spec->log.file != NULL)
		add(vm, PATH_LOG, 0);
	if (!vm->vmm_opened && spec->events.path != NULL)
		add(vm, PATH_EVENTS, 0);
	if (!vm->vmm_opened && spec->api.path != NULL)
		add(vm, PATH_API, 0);
	if (vm->state != VM_STARTING)
		return;
	add(vm, PATH_KVM, 0);
	if (inherited_fd(kernel_path(spec)) < 0)
		add(vm, PATH_KERNEL, 0);
	if (spec->payload.initramfs != NULL &&
	    inherited_fd(spec->payload.initramfs) < 0)
		add(vm, PATH_INITRAMFS, 0);
	for (uint32_t i = 0; i < spec->ndisks; i++)
		if (!spec->disks[i].vhost.on &&
		    inherited_fd(spec->disks[i].path) < 0)
			add(vm, PATH_DISK, i);
	add(vm, PATH_RNG, 0);
	for (uint32_t i = 0; i < VM_PORTS; i++)
		if (port_of(vm, i)->mode == PORT_FILE ||
		    port_of(vm, i)->mode == PORT_PTY ||
		    port_of(vm, i)->mode == PORT_SOCKET)
			add(vm, PATH_PORT, i);
	for (uint32_t i = 0; i < spec->nnets; i++)
		if (spec->nets[i].vhost.on &&
		    spec->nets[i].vhost.mode == VHOST_SERVER)
			add(vm, PATH_BACK_END, i);
	for (uint32_t i = 0; i < spec->nnets; i++)
		if (spec->nets[i].nfds == 0 && !spec->nets[i].user &&
		    !spec->nets[i].vhost.on)
			add(vm, PATH_TAP, i);
}

bool
paths_makes(const struct vm *vm, uint32_t n)
{
	return vm->paths[n].use == PATH_PORT || vm->paths[n].use == PATH_TAP ||
	    vm->paths[n].use == PATH_BACK_END;
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
		(void)snprintf(buf, size, "--api-socket %s", s->api.path);
		return;
	case PATH_EVENTS:
		(void)snprintf(buf, size, "--event-monitor %s",
		    s->events.path);
		return;
	case PATH_KVM:
		(void)snprintf(buf, size, "/dev/kvm");
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
		(void)snprintf(buf, size, "--disk path=%s", s->disks[index].path);
		return;
	case PATH_RNG:
		(void)snprintf(buf, size, "--rng src=%s", s->rng.src);
		return;
	case PATH_PORT:
		port = port_of(vm, index);
		(void)snprintf(buf, size, "--%s %s%s", port_names[index],
		    port->mode == PORT_PTY ? "pty" :
		    port->mode == PORT_FILE ? "file=" : "socket=",
		    port->path != NULL ? port->path : "");
		return;
	case PATH_BACK_END:
		(void)snprintf(buf, size, "--net socket=%s",
		    s->nets[index].vhost.socket);
		return;
	case PATH_TAP:
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
	case PROC_RNG:
		option_of(vm, PATH_RNG, 0, buf, size);
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
fill_tap(struct vm *vm, uint32_t index, Bh__TapConfig *tap,
    struct guard_addresses *ips)
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
	guard_ask(vm, index, tap, ips);
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
	case PATH_RNG:
		open.kind = BH__OPEN_KIND__OPEN_KIND_RANDOM;
		open.path = constless(s->rng.src);
		break;
	case PATH_PORT:
		fill_port(port_of(vm, item->index), &open);
		break;
	case PATH_BACK_END:
		open.kind = BH__OPEN_KIND__OPEN_KIND_LISTEN;
		open.path = constless(s->nets[item->index].vhost.socket);
		break;
	case PATH_TAP:
		open.kind = BH__OPEN_KIND__OPEN_KIND_TAP;
		open.path = constless(s->nets[item->index].tap != NULL ?
		    s->nets[item->index].tap : "");
		fill_tap(vm, item->index, &tap, &ips);
		open.tap = &tap;
		break;
	}
	child_send(opener, &p, NULL, 0, n, OPEN_SECONDS);
}

/* ---- answers ----------------------------------------------------------------------- */

static int
refuse(struct vm *vm, const struct path_item *item, const char *text)
{
	char option[4200];

	option_of(vm, item->use, item->index, option, sizeof(option));
	life_fail(vm, "%s: %s", option, text);
	return -EINVAL;
}

static const char *
remedy(const struct vm *vm, const struct path_item *item, int error)
{
	bool disk = item->use == PATH_DISK &&
	    !vm->spec.disks[item->index].readonly;

	switch (error) {
	case ENOENT:
		return item->use == PATH_API ? "; make the directory first" :
		    item->use == PATH_KVM ? "; load kvm-intel or kvm-amd, and "
		    "enable virtualization in the firmware" :
		    item->use == PATH_PORT ? "; make the directory first" :
		    item->use == PATH_TAP ? "" : "; check the path";
	case EACCES:
	case EPERM:
		return item->use == PATH_KVM ? "; add the user to group kvm" :
		    item->use == PATH_TAP ? "" :
		    disk ? "; give the user the right to write, or add "
		    "readonly=on" : "; give the user the right to it";
	case EROFS:
		return disk ? "; add readonly=on" : "; choose another path";
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

	(void)snprintf(text, sizeof(text), "%.480s%s", failed->text,
	    remedy(vm, &vm->paths[n], failed->error));
	(void)refuse(vm, &vm->paths[n], text);
}

int
paths_lock(int fd, bool readonly, uint64_t size)
{
	/* The end may be anywhere; behind it are the locks of paths_watch(). */
	struct flock lock = { .l_type = readonly ? F_RDLCK : F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_len = size != 0 ? (off_t)size : LOCK_END };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EAGAIN : -errno;
}

static int
own_lock(int fd, int command, uint64_t sentinel, short *type)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			      .l_start = (off_t)sentinel, .l_len = 1 };
	int rc = fcntl(fd, command, &lock) < 0 ? -errno : 0;

	*type = lock.l_type;
	return rc;
}

bool
paths_io_ended(const struct backend *b)
{
	short type = F_UNLCK;

	return own_lock(b->fds[0], F_OFD_GETLK, b->sentinel, &type) != 0 ||
	    type == F_UNLCK;
}

int
paths_own(struct vm *vm, uint32_t index, int fd)
{
	const struct disk_spec *disk = &vm->spec.disks[index];
	struct backend *b = &vm->disks[index];
	short type;
	int rc;

	if (b->sentinel == 0)
		b->sentinel = LOCK_END + 1 + (vm->host.random ^
		    (uint64_t)(index + 1) * 2654435761u) % LOCK_END / 2;
	b->own = fd;
	rc = paths_lock(fd, disk->readonly,
	    disk->lock_granularity == LOCK_FULL ? 0 : b->size);
	/* A file system without locks has no end of I/O to see, either. */
	if (rc == 0)
		(void)own_lock(fd, F_OFD_SETLK, b->sentinel, &type);
	return rc;
}

static int
lock_disk(struct vm *vm, const struct path_item *item, int fd, int own)
{
	const struct disk_spec *disk = &vm->spec.disks[item->index];
	int rc = own >= 0 ? paths_own(vm, item->index, own) :
	    paths_lock(fd, disk->readonly, disk->lock_granularity == LOCK_FULL ?
	    0 : vm->disks[item->index].size);

	if (rc == -EAGAIN)
		return refuse(vm, item, "locked by another VM (or another "
		    "--disk); stop that, or add readonly=on to both");
	if (rc == 0)
		return 0;
	log_warn("--disk path=%s: cannot be locked: %s; see to it that nobody "
	    "else uses it", vm->spec.disks[item->index].path,
	    log_errtext(rc));
	return 0;
}

static int
take_disk(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, int fd, int folder, int own)
{
	struct backend *b = &vm->disks[item->index];
	char text[120];

	b->own = own;
	b->fds[b->nfds++] = fd;
	b->folder = folder;
	b->size = opened->size;
	b->block_size = opened->block_size;
	b->block = opened->block;
	bh__blk_shape__init(&b->shape);
	if (opened->shape != NULL)
		b->shape = *opened->shape;
	b->device = opened->device;
	b->inode = opened->inode;
	if (b->size == 0)
		return refuse(vm, item, "empty; make it larger (truncate -s)");
	if (b->block_size < 512 || b->block_size > MAX_SECTOR)
		return refuse(vm, item, "its sectors are neither 512 nor 4096 "
		    "bytes; use another disk");
	/* Of others the worker says what they are. */
	if (vm->spec.disks[item->index].image_type == IMAGE_RAW &&
	    b->size % b->block_size != 0) {
		(void)snprintf(text, sizeof(text), "its size of %llu bytes is not a "
		    "multiple of %u; extend it (truncate -s %%%u)",
		    (unsigned long long)b->size, b->block_size, b->block_size);
		return refuse(vm, item, text);
	}
	return lock_disk(vm, item, fd, own);
}

static int
disk_opened(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, struct chan_msg *msg)
{
	bool folder = broker_may_want(&vm->spec.disks[item->index]);
	bool direct = vm->spec.disks[item->index].direct;
	int fd;

	if (msg->nfds != 1u + folder + direct)
		return -EPROTO;
	fd = chan_take_fd(msg, 0);
	return take_disk(vm, item, opened, fd,
	    folder ? chan_take_fd(msg, 1) : -1,
	    direct ? chan_take_fd(msg, msg->nfds - 1) : -1);
}

/* ---- inherited files --------------------------------------------------------------- */

/* What the opener would say of it. */
static int
measure(int fd, bool block, Bh__Opened *o)
{
	struct stat st;
	int sector = 512;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !(block && S_ISBLK(st.st_mode)))
		return -EINVAL;
	o->device = st.st_dev;
	o->inode = st.st_ino;
	o->size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && (ioctl(fd, BLKGETSIZE64, &o->size) < 0 ||
	    ioctl(fd, BLKSSZGET, &sector) < 0))
		return -errno;
	o->block_size = (uint32_t)sector;
	return 0;
}

/* A duplicate of the fd that @path names, for this boot; -1 with the line said. */
static int
adopt(struct vm *vm, const struct path_item *item, const char *path,
    Bh__Opened *o)
{
	int fd = inherited_fd(path);
	bool ours = (unsigned int)fd >= HOST_INHERITED ||
	    (vm->inherited[fd / 8] & 1u << fd % 8) == 0;
	int rc = ours ? -EBADF : measure(fd, item->use == PATH_DISK, o), own;

	if (rc == 0) {
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (own >= 0) {
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
			return own;
		}
		rc = -errno;
	}
	(void)refuse(vm, item, rc == -EBADF ? "there is no such fd; pass it on" :
	    rc == -EINVAL ? "not a file; pass an open one" : log_errtext(rc));
	return -1;
}

/* How it was opened is for good: it must be what the option says. */
static int
adopt_disk(struct vm *vm, uint32_t index)
{
	const struct disk_spec *disk = &vm->spec.disks[index];
	struct path_item item = { PATH_DISK, index };
	Bh__Opened o = BH__OPENED__INIT;
	int fd = adopt(vm, &item, disk->path, &o), flags;

	if (fd < 0)
		return -EBADF;
	flags = fcntl(fd, F_GETFL);
	if (!disk->readonly && (flags & O_ACCMODE) != O_RDWR) {
		close(fd);
		return refuse(vm, &item, "open for reading only; add "
		    "readonly=on, or pass it open for both");
	}
	if (disk->direct != ((flags & O_DIRECT) != 0)) {
		close(fd);
		return refuse(vm, &item, disk->direct ? "not opened with "
		    "O_DIRECT; leave out direct=on" : "opened with O_DIRECT; "
		    "add direct=on");
	}
	return take_disk(vm, &item, &o, fd, -1, -1);
}

int
paths_adopt_files(struct vm *vm)
{
	const struct vm_spec *spec = &vm->spec;
	Bh__Opened o = BH__OPENED__INIT;
	int rc = 0;

	if (inherited_fd(kernel_path(spec)) >= 0) {
		struct path_item item = { PATH_KERNEL, 0 };

		vm->kernel = adopt(vm, &item, kernel_path(spec), &o);
		vm->kernel_size = o.size;
		rc = vm->kernel < 0 ? -EBADF : 0;
	}
	if (rc == 0 && inherited_fd(spec->payload.initramfs) >= 0) {
		struct path_item item = { PATH_INITRAMFS, 0 };

		vm->initramfs = adopt(vm, &item, spec->payload.initramfs, &o);
		vm->initramfs_size = o.size;
		rc = vm->initramfs < 0 ? -EBADF : 0;
	}
	for (uint32_t i = 0; rc == 0 && i < spec->ndisks; i++)
		if (!spec->disks[i].vhost.on &&
		    inherited_fd(spec->disks[i].path) >= 0)
			rc = adopt_disk(vm, i);
	return rc;
}

/* The spawner unlinks the socket when the VM is over, however it ends. */
static void
remember(struct vm *vm, const Bh__Opened *opened, int dir)
{
	Bh__Remember body = BH__REMEMBER__INIT;
	CHAN_PACKET(p, REMEMBER, remember, &body);
	int rc;

	body.name = opened->name;
	body.device = opened->device;
	body.inode = opened->inode;
	rc = chan_send(&vm->spawner, &p, &dir, 1);
	if (rc < 0)
		life_fail(vm, "the spawner cannot be reached: %s",
		    log_errtext(rc));
}

/* The socket goes to each api-worker that there will be; its lock stays here. */
static int
api_opened(struct vm *vm, const Bh__Opened *opened, struct chan_msg *msg)
{
	Bh__Opened lock = *opened;
	char name[300];

	if (msg->nfds != 3)
		return -EPROTO;
	vm->api_listen = chan_take_fd(msg, 0);
	vm->api_lock = chan_take_fd(msg, 2);
	remember(vm, opened, msg->fds[1]);
	(void)snprintf(name, sizeof(name), "%.128s.lock", opened->name);
	lock.name = name;
	lock.device = opened->lock_device;
	lock.inode = opened->lock_inode;
	remember(vm, &lock, msg->fds[1]);
	return 0;
}

static int
port_opened(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, struct chan_msg *msg)
{
	uint32_t mode = port_of(vm, item->index)->mode;

	if (mode == PORT_SOCKET) {
		if (msg->nfds != 2)
			return -EPROTO;
		vm->port_in[item->index] = chan_take_fd(msg, 0);
		remember(vm, opened, msg->fds[1]);
		return 0;
	}
	vm->port_out[item->index] = chan_take_fd(msg, 0);
	if (mode == PORT_PTY)
		output_user("--%s pty: %s", port_names[item->index],
		    opened->name);
	return 0;
}

static int
listening(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, struct chan_msg *msg)
{
	struct backend *b = &vm->nets[item->index];

	if (msg->nfds != 2)
		return -EPROTO;
	b->fds[b->nfds++] = chan_take_fd(msg, 0);
	remember(vm, opened, msg->fds[1]);
	log_warn("--net socket=%s: waiting for the back end to connect",
	    vm->spec.nets[item->index].vhost.socket);
	return 0;
}

static int
tap_opened(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, struct chan_msg *msg)
{
	struct backend *b = &vm->nets[item->index];
	uint32_t pairs = vm->spec.nets[item->index].num_queues / 2;

	if (msg->nfds != pairs + guard_fds(opened))
		return -EPROTO;
	while (b->nfds < pairs) {
		b->fds[b->nfds] = chan_take_fd(msg, b->nfds);
		b->nfds++;
	}
	b->tap_offloads = opened->tap_offloads;
	if (opened->tap_mac.len == 6)
		memcpy(plan_net(&vm->plan, item->index)->mac,
		    opened->tap_mac.data, 6);
	log_info("--net: tap %s%s", opened->name,
	    opened->tap_created ? ", new" : "");
	return guard_opened(vm, item->index, opened, msg, pairs);
}

int
paths_opened(struct vm *vm, uint32_t n, const Bh__Opened *opened,
    struct chan_msg *msg)
{
	const struct path_item *item = &vm->paths[n];

	switch (item->use) {
	case PATH_LOG:
		output_to(chan_take_fd(msg, 0));
		return 0;
	case PATH_API:
		return api_opened(vm, opened, msg);
	case PATH_EVENTS:
		vm->api_events = chan_take_fd(msg, 0);
		return 0;
	case PATH_KVM:
		vm->kvm = chan_take_fd(msg, 0);
		return 0;
	case PATH_KERNEL:
		vm->kernel = chan_take_fd(msg, 0);
		vm->kernel_size = opened->size;
		return 0;
	case PATH_INITRAMFS:
		vm->initramfs = chan_take_fd(msg, 0);
		vm->initramfs_size = opened->size;
		return 0;
	case PATH_DISK:
		return disk_opened(vm, item, opened, msg);
	case PATH_RNG:
		vm->rng.fds[vm->rng.nfds++] = chan_take_fd(msg, 0);
		return 0;
	case PATH_PORT:
		return port_opened(vm, item, opened, msg);
	case PATH_BACK_END:
		return listening(vm, item, opened, msg);
	case PATH_TAP:
		return tap_opened(vm, item, opened, msg);
	}
	return -EINVAL;
}

int
paths_adopt_taps(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->spec.nnets; i++) {
		const struct net_spec *net = &vm->spec.nets[i];
		struct backend *b = &vm->nets[i];

		for (uint32_t k = 0; k < net->nfds; k++) {
			struct path_item item = { PATH_TAP, i };
			const char *why = NULL;
			int rc = tap_adopt(net->fds[k], &b->tap_offloads, &why);

			if (rc != 0)
				return refuse(vm, &item, why != NULL ? why :
				    log_errtext(rc));
			if (!net->mac.given)
				(void)tap_macvtap_mac(net->fds[k],
				    plan_net(&vm->plan, i)->mac);
			(void)fcntl(net->fds[k], F_SETFD, FD_CLOEXEC);
			b->fds[b->nfds++] = net->fds[k];
			b->borrowed = true;
		}
	}
	return 0;
}
