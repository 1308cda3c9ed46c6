// SPDX-License-Identifier: Apache-2.0
//
// Fds kept for file system workers, see keeper.h.
#include "controller/keeper.h"

#include <errno.h>
#include <unistd.h>

#include "controller/supervise.h"
#include "ipc/log.h"

static struct kept *
find(struct vm *vm, uint32_t device, uint32_t id)
{
	for (uint32_t i = 0; i < vm->nkept; i++)
		if (vm->kept[i].device == device && vm->kept[i].id == id)
			return &vm->kept[i];
	return NULL;
}

static void
drop(struct vm *vm, struct kept *k)
{
	close(k->fd);
	*k = vm->kept[--vm->nkept];
}

int
keeper_take(struct child *child, const Bh__KeepFile *keep, struct chan_msg *msg)
{
	struct vm *vm = child->vm;
	struct kept *k;
	uint32_t of_it = 0;

	if (child->kind != PROC_FS || child->dev == NULL)
		return -EPROTO;
	k = find(vm, child->index, keep->id);
	if (k != NULL)
		drop(vm, k);
	if (msg->nfds == 0)
		return 0;
	for (uint32_t i = 0; i < vm->nkept; i++)
		of_it += vm->kept[i].device == child->index;
	if (vm->nkept == VM_MAX_KEPT || of_it >= VM_MAX_KEPT_EACH) {
		log_guest("%s: too many open files to be kept: a successor would "
		    "lose some", child->name);
		return 0;
	}
	vm->kept[vm->nkept++] = (struct kept){ .device = child->index,
	    .id = keep->id, .fd = chan_take_fd(msg, 0) };
	return 0;
}

/* In few messages: a worker that is being made does not read yet. */
void
keeper_give(struct child *child)
{
	const struct vm *vm = child->vm;
	uint32_t ids[KEPT_LIMIT], at = 0;
	int fds[KEPT_LIMIT];

	while (at < vm->nkept) {
		Bh__KeptFile kept = BH__KEPT_FILE__INIT;
		CHAN_PACKET(p, KEPT_FILE, kept_file, &kept);
		unsigned int n = 0;

		for (; at < vm->nkept && n < KEPT_LIMIT; at++)
			if (vm->kept[at].device == child->index) {
				ids[n] = vm->kept[at].id;
				fds[n++] = vm->kept[at].fd;
			}
		kept.n_ids = n;
		kept.ids = ids;
		if (n > 0)
			child_send(child, &p, fds, n, 0, 0);
	}
}

void
keeper_drop(const struct child *child)
{
	struct vm *vm = child->vm;

	for (uint32_t i = vm->nkept; i-- > 0;)
		if (vm->kept[i].device == child->index)
			drop(vm, &vm->kept[i]);
}
