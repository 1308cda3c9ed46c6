// SPDX-License-Identifier: Apache-2.0
//
// When each process was how far, see timeline.h.
#include "controller/timeline.h"

#include <string.h>
#include <time.h>

#include "controller/supervise.h"
#include "ipc/log.h"

#define PART 32u		/* processes a message */

static const char *const names[BOOT_STAGES] = {
	[BOOT_ASKED] = "asked_us", [BOOT_RUNS] = "runs_us",
	[BOOT_JAILED] = "jailed_us", [BOOT_READY] = "ready_us",
	[BOOT_GUEST] = "guest_us",
};

static struct part {
	Bh__ApiOption processes[PART], *list[PART];
	Bh__ApiValue values[PART][BOOT_STAGES], *pointers[PART][BOOT_STAGES];
	size_t n;
} part;

void
timeline_exec(struct vm *vm)
{
	struct timespec used;

	vm->boot_from = vm->boot_at[BOOT_RUNS] = now_ns();
	/* Nothing waits for anything before main(), so that all of its time is there. */
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
		vm->boot_from -= (uint64_t)used.tv_sec * SECOND + (uint64_t)used.tv_nsec;
	vm->boot_at[BOOT_ASKED] = vm->boot_from;
}

void
timeline_begin(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->nchildren; i++)
		memset(vm->children[i].boot_at, 0, sizeof(vm->children[i].boot_at));
	memset(vm->boot_at, 0, sizeof(vm->boot_at));
	vm->boot_from = vm->boot_at[BOOT_ASKED] = now_ns();
}

void
timeline_own(struct vm *vm, enum boot_stage stage)
{
	if (vm->boot_at[stage] == 0)
		vm->boot_at[stage] = now_ns();
}

void
timeline_mark(struct child *child, enum boot_stage stage)
{
	const struct vm *vm = child->vm;
	uint64_t us;

	if (child->boot_at[stage] != 0)
		return;
	child->boot_at[stage] = now_ns();
	us = (child->boot_at[stage] - vm->boot_from) / 1000;
	log_debug("boot: %s: %.*s after %llu.%03llu ms", child->name,
	    (int)strlen(names[stage]) - 3, names[stage],
	    (unsigned long long)us / 1000, (unsigned long long)us % 1000);
}

void
timeline_guest(struct vm *vm)
{
	uint64_t us;

	timeline_own(vm, BOOT_GUEST);
	timeline_mark(vm->vcpu, BOOT_GUEST);
	us = (vm->boot_at[BOOT_GUEST] - vm->boot_from) / 1000;
	log_info("boot: the guest runs after %llu.%03llu ms",
	    (unsigned long long)us / 1000, (unsigned long long)us % 1000);
}

/* A protobuf string that nobody writes to. */
static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

static void
put(const char *name, const uint64_t *at, uint64_t from)
{
	Bh__ApiOption *process = &part.processes[part.n];

	bh__api_option__init(process);
	process->option = constless(name);
	process->values = part.pointers[part.n];
	for (size_t i = 0; i < BOOT_STAGES; i++) {
		Bh__ApiValue *v = &part.values[part.n][process->n_values];

		if (at[i] == 0)
			continue;
		bh__api_value__init(v);
		v->name = constless(names[i]);
		v->value_case = BH__API_VALUE__VALUE_NUMBER;
		v->number = at[i] > from ? (at[i] - from) / 1000 : 0;
		process->values[process->n_values++] = v;
	}
	if (process->n_values > 0)
		part.list[part.n++] = process;
}

void
timeline_list(const struct vm *vm, count_part_fn *part_done, void *arg)
{
	part.n = 0;
	put("controller", vm->boot_at, vm->boot_from);
	for (uint32_t i = 0; i < vm->nchildren; i++) {
		if (part.n == PART) {
			part_done(arg, part.n, part.list);
			part.n = 0;
		}
		put(vm->children[i].name, vm->children[i].boot_at, vm->boot_from);
	}
	part_done(arg, part.n, part.list);
}
