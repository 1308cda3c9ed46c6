// SPDX-License-Identifier: Apache-2.0
//
// The balloon, see balloon.h.
#include "controller/balloon.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "controller/manage.h"
#include "controller/memory.h"
#include "controller/supervise.h"

#define PAGE 4096u
#define ACTUAL_AT 4		/* in its configuration space (virtio 1.2, 5.5.4) */

static const struct child *
worker_of(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		const struct child *c = &vm->children[i];

		if (c->kind == PROC_BALLOON && c->dev != NULL)
			return c;
	}
	return NULL;
}

/* Who is not there, or not ready, is told by its configuration or has nothing. */
static struct child *
listener(const struct vm *vm)
{
	union { const struct child *in; struct child *out; } u = {
		.in = worker_of(vm),
	};

	return u.in != NULL && child_alive(u.in) && u.in->ready &&
	    !u.in->told_quit && !u.in->isolated ? u.out : NULL;
}

static void
tell(const struct vm *vm)
{
	Bh__SetBalloon set = BH__SET_BALLOON__INIT;
	CHAN_PACKET(p, SET_BALLOON, set_balloon, &set);
	struct child *worker = listener(vm);

	set.size = vm->spec.balloons[0].size;
	if (worker != NULL)
		child_send(worker, &p, NULL, 0, 0, 0);
}

void
balloon_ready(const struct child *worker)
{
	uint32_t pages;

	if (worker->kind != PROC_BALLOON ||
	    worker->device.config_len < sizeof(pages))
		return;
	memcpy(&pages, worker->device.config, sizeof(pages));
	if (pages != worker->vm->spec.balloons[0].size / PAGE)
		tell(worker->vm);
}

int
balloon_resize(struct vm *vm, uint64_t size, const char **why)
{
	*why = "the VM has no balloon; start it with --balloon";
	if (vm->spec.nballoons == 0)
		return -ENODEV;
	*why = "not less than the guest's memory";
	if (size >= memory_wanted(vm) || size > BALLOON_LIMIT_SIZE)
		return -EINVAL;
	*why = "not a multiple of 4096";
	if (size % PAGE != 0)
		return -EINVAL;
	vm->spec.balloons[0].size = size;
	tell(vm);
	manage_event(vm, "vm", "resized");
	return 0;
}

uint64_t
balloon_actual(const struct vm *vm)
{
	const struct child *worker = worker_of(vm);
	uint32_t pages = 0;
	uint64_t size;

	if (worker == NULL || worker->config_page < 0 || pread(worker->config_page,
	    &pages, sizeof(pages), ACTUAL_AT) != (ssize_t)sizeof(pages))
		return 0;
	size = (uint64_t)pages * PAGE;
	return size < memory_actual(vm) ? size : memory_actual(vm);
}

void
balloon_refresh(const struct vm *vm)
{
	Bh__RefreshStatistics refresh = BH__REFRESH_STATISTICS__INIT;
	CHAN_PACKET(p, REFRESH_STATISTICS, refresh_statistics, &refresh);
	struct child *worker = listener(vm);

	if (worker != NULL)
		child_send(worker, &p, NULL, 0, 0, 0);
}
