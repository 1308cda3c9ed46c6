// SPDX-License-Identifier: Apache-2.0
//
// Requests that ask: vm.info, vm.counters, what has died, and a start's times. See manage_inside.h.
#include "controller/manage_inside.h"

#include "controller/balloon.h"
#include "controller/count.h"
#include "controller/deaths.h"
#include "controller/describe.h"
#include "controller/holes.h"
#include "controller/memory.h"
#include "controller/timeline.h"

static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

struct info {
	struct vm *vm;
	uint32_t seq;
};

static void
info_part(void *arg, size_t n, Bh__ApiOption **options)
{
	struct info *info = arg;
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;

	answer.status = 200;
	answer.more = true;
	answer.n_options = n;
	answer.options = options;
	manage_answer(info->vm, info->seq, &answer);
}

void
manage_answer_timeline(struct vm *vm, uint32_t seq)
{
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;
	struct info info = { vm, seq };

	timeline_list(vm, info_part, &info);
	answer.status = 200;
	manage_answer(vm, seq, &answer);
}

void
manage_answer_counters(struct vm *vm, uint32_t seq)
{
	struct info info = { vm, seq };

	count_devices(vm, info_part, &info);
	balloon_refresh(vm);
	manage_done(vm, seq, 200);
}

void
manage_answer_info(struct vm *vm, uint32_t seq)
{
	static Bh__ApiDevice devices[PLAN_MAX_DEVICES + 3];
	static Bh__ApiDevice *list[PLAN_MAX_DEVICES + 3];
	/* What the vcpu-worker has by itself. */
	const struct { const char *id; uint32_t bdf; } registers[] = {
		{ "__pvpanic", vm->plan.pvpanic_bdf },
		{ "__watchdog", vm->plan.i6300esb_bdf },
	};
	static struct vm_spec spec;
	static struct vm_plan plan;
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;
	struct info info = { vm, seq };

	spec = vm->spec;
	plan = vm->plan;
	holes_squeeze(&spec, &plan);
	describe_spec(&spec, &plan, info_part, &info);
	answer.status = 200;
	answer.state = vm->pause == PAUSE_FULL || vm->pause == PAUSE_ENDING ?
	    BH__API_STATE__API_STATE_PAUSED : vm->state > VM_STARTING ?
	    BH__API_STATE__API_STATE_RUNNING :
	    BH__API_STATE__API_STATE_CREATED;
	answer.memory_size = memory_actual(vm) - balloon_actual(vm);
	for (uint32_t i = 0; i < vm->plan.ndevices; i++) {
		const struct plan_device *dev = &vm->plan.devices[i];

		if (!dev->on_pci)
			continue;
		bh__api_device__init(&devices[i]);
		devices[i].id = constless(dev->id);
		devices[i].bdf = dev->bdf;
		devices[i].worker = constless(
		    process_kinds[dev->kind].binary);
		list[answer.n_devices++] = &devices[i];
	}
	for (uint32_t i = 0; i < 2; i++) {
		Bh__ApiDevice *dev = &devices[vm->plan.ndevices + i];

		if (registers[i].bdf == 0)
			continue;
		bh__api_device__init(dev);
		dev->id = constless(registers[i].id);
		dev->bdf = registers[i].bdf;
		list[answer.n_devices++] = dev;
	}
	answer.devices = list;
	manage_answer(vm, seq, &answer);
}

void
manage_answer_crashes(struct vm *vm, uint32_t seq)
{
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;

	answer.status = 200;
	answer.n_deaths = deaths_list(&answer.deaths);
	manage_answer(vm, seq, &answer);
}
