// SPDX-License-Identifier: Apache-2.0
//
// The api-worker's coming and going, see manage.h: one that dies is started again.
// What it asks for is manage.c's.
#include "controller/deaths.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/service.h"
#include "controller/start.h"
#include "controller/supervise.h"

#define AGAIN_NS (SECOND / 10)	/* between two api-workers */
#define AGAIN_MOST 100u		/* ... of which the second died at once: 10 s */

void
manage_start(struct vm *vm)
{
	vm->api_again = 0;
	if (vm->api_listen < 0 && vm->api_events < 0)
		return;
	vm->api = child_new(vm, PROC_API, NULL);
	start_spawn(vm->api);
}

void
manage_down(struct vm *vm)
{
	const struct child *api = vm->api;

	vm->api = NULL;
	vm->pending.any = false;
	if (vm->state == VM_OVER || (vm->state == VM_STOPPING &&
	    vm->after == AFTER_EXIT) || !vm->api_ready)
		return;
	/*
	 * One that dies again and again is started again less and less often; one
	 * that served for longer than was waited for it begins anew.
	 */
	if (api->ready && now_ns() - vm->api_since >= vm->api_deaths * AGAIN_NS)
		vm->api_deaths = 0;
	if (vm->api_deaths < AGAIN_MOST)
		vm->api_deaths++;
	vm->api_again = now_ns() + vm->api_deaths * AGAIN_NS;
	deaths_acted(api, ACTION_RESTARTED);
	vm->api_last_death = api->last_death;
	life_arm_timer(vm);
}

void
manage_up(struct vm *vm)
{
	vm->api->ready = true;
	vm->api_since = now_ns();
	if (vm->api_ready) {
		manage_event_id(vm, "worker", "restarted", vm->api->name);
		vm->api->last_death = vm->api_last_death;
		deaths_replaced(vm->api);
	}
	vm->api_ready = true;
	/* A VM of the command line is ready when its guest runs. */
	if (vm->state == VM_NONE)
		service_ready();
	manage_send_events(vm);
}
