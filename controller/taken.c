// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the files, sockets and taps that the opener has opened, see
// paths.h; and the locks on disks. Asks for nothing.
#include "controller/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

int
path_take_disk(struct vm *vm, const struct path_item *item,
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
	return path_take_disk(vm, item, opened, fd,
	    folder ? chan_take_fd(msg, 1) : -1,
	    direct ? chan_take_fd(msg, msg->nfds - 1) : -1);
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

/* A socket, and the lock beside it. */
static void
remember_locked(struct vm *vm, const Bh__Opened *opened, int dir)
{
	Bh__Opened lock = *opened;
	char name[300];

	remember(vm, opened, dir);
	(void)snprintf(name, sizeof(name), "%.128s.lock", opened->name);
	lock.name = name;
	lock.device = opened->lock_device;
	lock.inode = opened->lock_inode;
	remember(vm, &lock, dir);
}

/* The socket goes to each api-worker that there will be; its lock stays here. */
static int
api_opened(struct vm *vm, const Bh__Opened *opened, struct chan_msg *msg)
{
	if (msg->nfds != 3)
		return -EPROTO;
	vm->api_listen = chan_take_fd(msg, 0);
	vm->api_lock = chan_take_fd(msg, 2);
	remember_locked(vm, opened, msg->fds[1]);
	return 0;
}

/* As the API's: of the stream socket, then of the other. */
static int
vsock_opened(struct vm *vm, const struct path_item *item,
    const Bh__Opened *opened, struct chan_msg *msg)
{
	struct backend *b = &vm->vsock;

	if (msg->nfds != 3 || b->nfds != item->index)
		return -EPROTO;
	b->fds[b->nfds++] = chan_take_fd(msg, 0);
	vm->vsock_locks[item->index] = chan_take_fd(msg, 2);
	remember_locked(vm, opened, msg->fds[1]);
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
	case PATH_LIBEXEC:
		return -EINVAL;
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
	case PATH_VSOCK:
		return vsock_opened(vm, item, opened, msg);
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
