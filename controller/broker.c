// SPDX-License-Identifier: Apache-2.0
//
// The broker of image files, see broker.h.
#include "controller/broker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/config.h"
#include "controller/paths.h"
#include "controller/recover.h"
#include "controller/requests.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define OPEN_SECONDS 60u	/* a slow network file system */

bool
broker_may_want(const struct disk_spec *disk)
{
	switch ((enum image_type)disk->image_type) {
	case IMAGE_DETECT:
	case IMAGE_UNKNOWN:
	case IMAGE_VMDK:
		return true;
	case IMAGE_QCOW2:
		return disk->backing_files;
	case IMAGE_RAW:
	case IMAGE_VHD:
	case IMAGE_VHDX:
	case IMAGE_FIXED_VHD:
		break;
	}
	return false;
}

/* protobuf-c has no const in its structs, and does not write to them. */
static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

static struct child *
worker_of(struct vm *vm, uint32_t index)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		if (vm->children[i].kind == PROC_BLK &&
		    vm->children[i].dev != NULL &&
		    vm->children[i].dev->index == index &&
		    child_alive(&vm->children[i]))
			return &vm->children[i];
	return NULL;
}

/* ---- answers to the worker ------------------------------------------------------- */

static void
send(struct vm *vm, uint32_t index, Bh__GiveFile *give, int fd)
{
	CHAN_PACKET(p, GIVE_FILE, give_file, give);
	struct child *child = worker_of(vm, index);

	vm->disks[index].want.asked = false;
	if (child == NULL)
		return;
	/* Each file may take as long as the first. */
	request_extend(child, BH__PACKET__BODY_DEVICE_CONFIG, OPEN_SECONDS);
	child_send(child, &p, &fd, fd >= 0 ? 1 : 0, 0, 0);
}

/* "its backing file base.qcow2: no such file or directory; put it there". */
static void
refuse(struct vm *vm, uint32_t index, int error, const char *what,
    const char *remedy)
{
	const struct want_file *want = &vm->disks[index].want;
	Bh__GiveFile give = BH__GIVE_FILE__INIT;
	size_t len = strnlen(want->name, sizeof(want->name));
	size_t most = 200, from = 0;
	char text[481];

	/* The end of a long name says more than its beginning. */
	if (len > most)
		from = len - most;
	while ((want->name[from] & 0xc0) == 0x80)
		from++;
	(void)snprintf(text, sizeof(text), "its %s %s%s: %s%s",
	    want->extent ? "extent" : "backing file", from > 0 ? "..." : "",
	    want->name + from, what, remedy);
	give.error = error;
	give.text = text;
	send(vm, index, &give, -1);
}

/* ---- questions -------------------------------------------------------------------- */

/*
 * Writing is more than reading, and a detected format is the image's word alone:
 * such an image gets extents only that are called as itself, "disk-flat.vmdk" for
 * "disk.vmdk".
 */
static bool
is_own_name(const char *path, const char *name)
{
	const char *base = strrchr(path, '/'), *dot;
	size_t stem;

	base = base != NULL ? base + 1 : path;
	dot = strrchr(base, '.');
	stem = dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base);
	return strchr(name, '/') == NULL && strncmp(name, base, stem) == 0 &&
	    name[stem] == '-';
}

/* What the user typed may be another name of the folder: what is after it counts. */
static const char *
without_folder(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) + 1 : 0;

	if (path[0] != '/' || strncmp(path, name, len) != 0 || name[len] == '/')
		return name;
	return name + len;
}

static bool
have_opener(struct vm *vm)
{
	if (vm->broker != NULL && vm->broker->kind == PROC_OPENER &&
	    child_alive(vm->broker) && !vm->broker->told_quit)
		return true;
	vm->broker = child_new(vm, PROC_OPENER, NULL);
	if (child_spawn(vm->broker, NULL, NULL, 0) != 0)
		return false;
	config_send_opener(vm->broker);
	return true;
}

static void
ask(struct vm *vm, uint32_t index)
{
	const struct disk_spec *disk = &vm->spec.disks[index];
	struct backend *b = &vm->disks[index];
	Bh__Open open = BH__OPEN__INIT;
	CHAN_PACKET(p, OPEN, open, &open);

	if (b->folder < 0) {	/* the disk came as an fd */
		refuse(vm, index, EACCES, "its folder is not known",
		    "; give the image by its path");
		return;
	}
	if (!have_opener(vm))
		return;
	open.kind = b->want.extent && !disk->readonly ?
	    BH__OPEN_KIND__OPEN_KIND_DISK : BH__OPEN_KIND__OPEN_KIND_DISK_READONLY;
	open.path = constless(without_folder(disk->path, b->want.name));
	open.direct = disk->direct;
	open.below = true;
	child_send(vm->broker, &p, &b->folder, 1, index, OPEN_SECONDS);
}

void
broker_reopen(struct vm *vm, uint32_t index)
{
	const struct disk_spec *disk = &vm->spec.disks[index];
	Bh__Open open = BH__OPEN__INIT;
	CHAN_PACKET(p, OPEN, open, &open);

	if (!have_opener(vm))
		return;
	open.kind = disk->readonly ? BH__OPEN_KIND__OPEN_KIND_DISK_READONLY :
	    BH__OPEN_KIND__OPEN_KIND_DISK;
	open.direct = disk->direct;
	open.own = true;
	child_send(vm->broker, &p, &vm->disks[index].fds[0], 1, index,
	    OPEN_SECONDS);
}

int
broker_want(struct child *child, const Bh__WantFile *want)
{
	struct vm *vm = child->vm;
	uint32_t index = child->kind == PROC_BLK ? child->dev->index : 0;
	const struct disk_spec *disk = &vm->spec.disks[index];
	struct backend *b = &vm->disks[index];
	bool extent = want->use == BH__FILE_USE__FILE_USE_EXTENT;

	/* The worker knows all this, unless the image has taken it over. */
	if (child->kind != PROC_BLK || !broker_may_want(disk) || b->want.asked ||
	    (!extent && !disk->backing_files))
		return -EPROTO;
	b->want.asked = true;
	b->want.extent = extent;
	memcpy(b->want.name, want->name, strlen(want->name) + 1);
	log_info("%s asks for its %s %s", child->name,
	    extent ? "extent" : "backing file", want->name);
	if (b->nfds == FD_BACKEND_COUNT)
		refuse(vm, index, E2BIG, "more than 8 files",
		    "; join them (qemu-img convert)");
	else if (extent && disk->image_type != IMAGE_VMDK &&
	    !is_own_name(disk->path, want->name))
		refuse(vm, index, EPERM, "not called as the image itself",
		    "; add image_type=vmdk if it may be written to");
	else
		ask(vm, index);
	return 0;
}

/* ---- the opener's answers ---------------------------------------------------------- */

static const char *
remedy(const struct want_file *want, int error)
{
	switch (error) {
	case EXDEV:
		return want->extent ? "; move it there, and name it without a "
		    "folder in the image" : "; move it there, and name it "
		    "without a folder (qemu-img rebase -u -b FILE -F FORMAT)";
	case ENOENT:
		return "; put it into the folder of the image, and check its name";
	case ELOOP:
		return "; put the file itself into the folder of the image";
	case EACCES:
	case EPERM:
		return "; give the user the right to it";
	case EMFILE:
		return "; raise the limit of open files (ulimit -n)";
	default:
		return "";
	}
}

void
broker_failed(struct vm *vm, uint32_t index, const Bh__Failed *failed)
{
	char what[120];

	if (index < vm->spec.ndisks && vm->disks[index].reopening) {
		(void)recover_reopened(vm, index, -1, failed->text);
		return;
	}
	if (index >= vm->spec.ndisks || !vm->disks[index].want.asked)
		return;
	(void)snprintf(what, sizeof(what), "%.100s", failed->text);
	refuse(vm, index, failed->error, what,
	    remedy(&vm->disks[index].want, failed->error));
}

/* Is it the disk itself, or one that was given before? */
static bool
is_known(const struct backend *b, const Bh__Opened *o)
{
	if (o->device == b->device && o->inode == b->inode)
		return true;
	for (uint32_t i = 0; i + 1 < b->nfds; i++)
		if (o->device == b->parts[i].device &&
		    o->inode == b->parts[i].inode)
			return true;
	return false;
}

static void
keep(struct vm *vm, uint32_t index, const Bh__Opened *opened, int fd,
    bool readonly)
{
	struct backend *b = &vm->disks[index];
	Bh__GiveFile give = BH__GIVE_FILE__INIT;
	Bh__BlkFile file = BH__BLK_FILE__INIT;

	b->parts[b->nfds - 1] = (struct image_part){
		.size = opened->size,
		.device = opened->device,
		.inode = opened->inode,
		.readonly = readonly,
		.block = opened->block,
	};
	b->fds[b->nfds++] = fd;
	file.size = opened->size;
	file.device = opened->device;
	file.inode = opened->inode;
	file.readonly = readonly;
	file.block = opened->block;
	give.file = &file;
	send(vm, index, &give, fd);
}

int
broker_opened(struct vm *vm, uint32_t index, const Bh__Opened *opened,
    struct chan_msg *msg)
{
	struct backend *b;
	bool readonly;
	int rc;

	if (index < vm->spec.ndisks && msg->nfds == 1 &&
	    vm->disks[index].reopening)
		return recover_reopened(vm, index, chan_take_fd(msg, 0), "");
	if (index >= vm->spec.ndisks || msg->nfds != 1 ||
	    !vm->disks[index].want.asked)
		return -EPROTO;
	b = &vm->disks[index];
	readonly = !b->want.extent || vm->spec.disks[index].readonly;
	if (is_known(b, opened)) {
		refuse(vm, index, ELOOP, "the image consists of it already",
		    "; make one without a cycle");
		return 0;
	}
	rc = paths_lock(msg->fds[0], readonly, 0);
	if (rc == -EAGAIN) {
		refuse(vm, index, EAGAIN, "locked by another VM (or another "
		    "--disk)", readonly ? ", which writes to it; stop that" :
		    "; stop that, or add readonly=on to both");
		return 0;
	}
	if (rc != 0)
		log_warn("--disk path=%s: %s cannot be locked: %s; see to it "
		    "that nobody else writes to it", vm->spec.disks[index].path,
		    b->want.name, log_errtext(rc));
	keep(vm, index, opened, chan_take_fd(msg, 0), readonly);
	return 0;
}

void
broker_settle(struct vm *vm)
{
	if (vm->broker == NULL || vm->broker->kind != PROC_OPENER)
		return;
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		const struct child *c = &vm->children[i];

		if (c->kind == PROC_BLK && c->phase != CHILD_GONE && !c->ready)
			return;
	}
	child_quit(vm->broker);
}
