// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the files, sockets and taps that the opener has opened, or that
// were inherited, see paths.h; and the locks on disks. Asks for nothing.
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
#include "controller/guard.h"
#include "controller/life.h"
#include "controller/opener/opened.h"
#include "controller/output.h"
#include "controller/paths_inside.h"
#include "controller/pmem.h"
#include "ipc/log.h"

/* Of files, where locks on their bytes end: no file is as long. */
#define LOCK_END (1ll << 61)

#define MAX_SECTOR 4096u

/* ---- locks ------------------------------------------------------------------------- */

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

/* ---- disks ------------------------------------------------------------------------- */

static int
lock_disk(struct vm *vm, const struct path_item *item, int fd, int own)
{
	const struct disk_spec *disk = &vm->spec.disks[item->index];
	int rc = own >= 0 ? paths_own(vm, item->index, own) :
	    paths_lock(fd, disk->readonly, disk->lock_granularity == LOCK_FULL ?
	    0 : vm->disks[item->index].size);

	if (rc == -EAGAIN)
		return path_refuse(vm, item, "locked by another VM (or another "
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
		return path_refuse(vm, item, "empty; make it larger (truncate -s)");
	if (b->block_size < 512 || b->block_size > MAX_SECTOR)
		return path_refuse(vm, item, "its sectors are neither 512 nor 4096 "
		    "bytes; use another disk");
	/* Of others the worker says what they are. */
	if (vm->spec.disks[item->index].image_type == IMAGE_RAW &&
	    b->size % b->block_size != 0) {
		(void)snprintf(text, sizeof(text), "its size of %llu bytes is not a "
		    "multiple of %u; extend it (truncate -s %%%u)",
		    (unsigned long long)b->size, b->block_size, b->block_size);
		return path_refuse(vm, item, text);
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
	int fd = path_fd(path);
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
	(void)path_refuse(vm, item, rc == -EBADF ? "there is no such fd; pass it on" :
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
		return path_refuse(vm, &item, "open for reading only; add "
		    "readonly=on, or pass it open for both");
	}
	if (disk->direct != ((flags & O_DIRECT) != 0)) {
		close(fd);
		return path_refuse(vm, &item, disk->direct ? "not opened with "
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

	if (path_fd(path_kernel(spec)) >= 0) {
		struct path_item item = { PATH_KERNEL, 0 };

		vm->kernel = adopt(vm, &item, path_kernel(spec), &o);
		vm->kernel_size = o.size;
		rc = vm->kernel < 0 ? -EBADF : 0;
	}
	if (rc == 0 && path_fd(spec->payload.initramfs) >= 0) {
		struct path_item item = { PATH_INITRAMFS, 0 };

		vm->initramfs = adopt(vm, &item, spec->payload.initramfs, &o);
		vm->initramfs_size = o.size;
		rc = vm->initramfs < 0 ? -EBADF : 0;
	}
	for (uint32_t i = 0; rc == 0 && i < spec->ndisks; i++)
		if (!spec->disks[i].vhost.on &&
		    path_fd(spec->disks[i].path) >= 0)
			rc = adopt_disk(vm, i);
	return rc;
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
				return path_refuse(vm, &item, why != NULL ? why :
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

/* ---- the other answers ------------------------------------------------------------- */

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
	uint32_t mode = path_port(vm, item->index)->mode;

	if (mode == PORT_SOCKET) {
		if (msg->nfds != 2)
			return -EPROTO;
		vm->port_in[item->index] = chan_take_fd(msg, 0);
		remember(vm, opened, msg->fds[1]);
		return 0;
	}
	vm->port_out[item->index] = chan_take_fd(msg, 0);
	if (mode == PORT_PTY) {
		output_user("--%s pty: %s", path_port_names[item->index],
		    opened->name);
		(void)snprintf(vm->pty[item->index], sizeof(vm->pty[0]), "%s",
		    opened->name);
		paths_set_pty(vm, item->index, vm->pty[item->index]);
	}
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

	if (msg->nfds != pairs)
		return -EPROTO;
	while (b->nfds < pairs) {
		b->fds[b->nfds] = chan_take_fd(msg, b->nfds);
		b->nfds++;
	}
	b->tap_offloads = opened->tap_offloads;
	b->tap_index = opened->tap_index;
	b->tap_created = opened->tap_created;
	b->tap_egress = opened->guard_egress;
	if (opened->tap_mac.len == 6)
		memcpy(plan_net(&vm->plan, item->index)->mac,
		    opened->tap_mac.data, 6);
	log_info("--net: tap %s%s", opened->name,
	    opened->tap_created ? ", new" : "");
	return 0;
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
	case PATH_SHARE:
		vm->shares[item->index].fds[vm->shares[item->index].nfds++] =
		    chan_take_fd(msg, 0);
		return 0;
	case PATH_PMEM:
		return pmem_opened(vm, item, opened, chan_take_fd(msg, 0));
	case PATH_RNG:
		vm->rng.fds[vm->rng.nfds++] = chan_take_fd(msg, 0);
		return 0;
	case PATH_PORT:
		return port_opened(vm, item, opened, msg);
	case PATH_RULE:
		vm->rules[item->index] = chan_take_fd(msg, 0);
		return 0;
	case PATH_BACK_END:
		return listening(vm, item, opened, msg);
	case PATH_TAP:
		return tap_opened(vm, item, opened, msg);
	case PATH_GUARD:
		return guard_opened(vm, item->index, opened, msg);
	}
	return -EINVAL;
}
