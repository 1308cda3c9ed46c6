// SPDX-License-Identifier: Apache-2.0
//
// Another size for a disk of a running VM, see resize.h.
#include "controller/resize.h"

#include <errno.h>
#include <unistd.h>

#include "controller/paths.h"
#include "controller/requests.h"
#include "controller/supervise.h"
#include "ipc/log.h"

/* What is in flight has to end first. */
#define RESIZE_SECONDS 60u

static int
check(const struct vm *vm, uint32_t disk, uint64_t size, const char **why)
{
	const struct disk_spec *spec = &vm->spec.disks[disk];
	const struct backend *b = &vm->disks[disk];

	*why = "the VM is not running";
	if (vm->state != VM_RUNNING)
		return -EBUSY;
	*why = "another resize of it is under way";
	if (b->resizing != 0)
		return -EBUSY;
	*why = "it is behind a vhost-user back end, which has to do it";
	if (b->nfds == 0)
		return -EOPNOTSUPP;
	*why = "it is read only";
	if (spec->readonly)
		return -EROFS;
	*why = "not a multiple of its block size";
	if (size == 0 || size > INT64_MAX || size % b->block_size != 0)
		return -EINVAL;
	return 0;
}

static struct child *
worker_of(struct vm *vm, uint32_t disk)
{
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		struct child *c = &vm->children[i];

		if (c->kind == PROC_BLK && c->dev != NULL &&
		    c->dev->index == disk && child_alive(c))
			return c;
	}
	return NULL;
}

/* Make the file as large as it shall be; a block device is as large as it is. */
static int
grow(struct vm *vm, uint32_t disk, const char **why)
{
	const struct backend *b = &vm->disks[disk];

	if (b->resizing <= b->size || b->block)
		return 0;
	*why = "what it would grow by is locked by another VM";
	if (vm->spec.disks[disk].lock_granularity != LOCK_FULL &&
	    paths_lock(b->fds[0], false, b->resizing) == -EAGAIN)
		return -EAGAIN;
	*why = "the file cannot grow";
	return ftruncate(b->fds[0], (off_t)b->resizing) != 0 ? -errno : 0;
}

/* An image's worker does it all; that of a raw disk has to be given the room. */
static void
ask(const struct vm *vm, struct child *worker, uint32_t disk, uint64_t size)
{
	Bh__ResizeDisk resize = BH__RESIZE_DISK__INIT;
	CHAN_PACKET(p, RESIZE_DISK, resize_disk, &resize);

	resize.size = size;
	resize.image = !vm->disks[disk].is_raw;
	child_send(worker, &p, NULL, 0, disk, RESIZE_SECONDS);
}

int
resize_disk(struct vm *vm, uint32_t disk, uint64_t size, resize_done_fn *done,
    const char **why)
{
	struct backend *b;
	struct child *worker;
	int rc;

	*why = "there is no such disk";
	if (disk >= vm->spec.ndisks)
		return -ENOENT;
	b = &vm->disks[disk];
	rc = check(vm, disk, size, why);
	if (rc != 0)
		return rc;
	*why = "its worker is gone";
	worker = worker_of(vm, disk);
	if (worker == NULL)
		return -ENODEV;
	b->resizing = size;
	b->resized = done;
	b->is_raw = vm->spec.disks[disk].image_type == IMAGE_RAW;
	/* One that was detected: nobody but the worker knows what it is. */
	if (!b->is_raw) {
		ask(vm, worker, disk, size);
		return 0;
	}
	rc = grow(vm, disk, why);
	if (rc == 0)
		ask(vm, worker, disk, size);
	else
		b->resizing = 0;
	return rc;
}

static void
finish(struct vm *vm, uint32_t disk, int rc, const char *text)
{
	struct backend *b = &vm->disks[disk];

	b->resizing = 0;
	log_info("--disk path=%s: %s%s", vm->spec.disks[disk].path,
	    rc == 0 ? "resized" : "not resized: ", text);
	if (b->resized != NULL)
		b->resized(vm, disk, rc, text);
}

/* It is raw. */
static void
go_on(struct vm *vm, uint32_t disk)
{
	struct child *worker = worker_of(vm, disk);
	const char *why = "its worker is gone";
	int rc = worker != NULL ? grow(vm, disk, &why) : -ENODEV;

	vm->disks[disk].is_raw = true;
	if (rc == 0)
		ask(vm, worker, disk, vm->disks[disk].resizing);
	else
		finish(vm, disk, rc, why);
}

void
resize_answered(struct vm *vm, uint32_t disk, const Bh__Failed *failed)
{
	struct backend *b = &vm->disks[disk];
	const char *text = failed != NULL ? failed->text : "";
	uint64_t old = b->size, size = b->resizing;
	int rc = failed != NULL ? -failed->error : 0;

	if (size == 0)
		return;
	if (!b->is_raw && rc == -ENOTBLK) {
		go_on(vm, disk);
		return;
	}
	/* Of an image it is the file's size, which is its worker's. */
	if (rc == 0 && b->is_raw)
		b->size = size;
	/* Nobody uses what is behind the smaller of the two: any more, or yet. */
	if (b->is_raw && (rc == 0) == (size < old) && size != old && !b->block &&
	    ftruncate(b->fds[0], (off_t)b->size) != 0)
		log_warn("--disk path=%s: cannot be cut to %llu bytes: %s",
		    vm->spec.disks[disk].path, (unsigned long long)b->size,
		    log_errtext(errno));
	finish(vm, disk, rc, text);
}

void
resize_successor(const struct child *child)
{
	struct vm *vm = child->vm;
	Bh__Failed failed = BH__FAILED__INIT;
	static char text[] = "its worker has died";
	uint32_t disk;

	if (child->kind != PROC_BLK || child->dev == NULL)
		return;
	disk = child->dev->index;
	if (vm->disks[disk].resizing == 0 ||
	    child_waiting(child, BH__PACKET__BODY_RESIZE_DISK) > 0)
		return;
	if (!child->lost && !child->isolated) {
		ask(vm, worker_of(vm, disk), disk, vm->disks[disk].resizing);
		return;
	}
	failed.error = ENODEV;
	failed.text = text;
	resize_answered(vm, disk, &failed);
}
