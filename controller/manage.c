// SPDX-License-Identifier: Apache-2.0
//
// The api-worker's place in the controller, and what a request comes to; see
// manage.h. Where a request is answered later, it is the one that is pending:
// who comes meanwhile with another change is told to try again.
#include "controller/manage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/change.h"
#include "controller/hotplug.h"
#include "controller/life.h"
#include "controller/manage_inside.h"
#include "controller/memory.h"
#include "controller/pause.h"
#include "controller/resize.h"
#include "controller/resize_vm.h"
#include "controller/service.h"
#include "controller/supervise.h"
#include "ipc/log.h"

/* ---- verbs ----------------------------------------------------------------------- */

enum {
	IN_NONE = 1u << 0, IN_CREATED = 1u << 1, IN_RUNNING = 1u << 2,
	CHANGES = 1u << 3,	/* one at a time */
};

static const struct verb {
	const char *name;	/* for who has to wait */
	const char *failed;	/* as Cloud Hypervisor's ApiError says it */
	unsigned int where;	/* states where it can be done, and CHANGES */
	bool later;		/* not supported yet, where it could be done */
} verbs[] = {
	[BH__API_VERB__API_VERB_PING] = { "vmm.ping", "", 7, false },
	[BH__API_VERB__API_VERB_VMM_SHUTDOWN] = { "vmm.shutdown",
	    "The VMM could not shutdown", 7, false },
	[BH__API_VERB__API_VERB_CREATE] = { "vm.create",
	    "The VM could not be created", 7 | CHANGES, false },
	[BH__API_VERB__API_VERB_BOOT] = { "vm.boot", "The VM could not boot",
	    IN_CREATED | IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_DELETE] = { "vm.delete",
	    "The VM could not be deleted", 7 | CHANGES, false },
	[BH__API_VERB__API_VERB_INFO] = { "vm.info",
	    "The VM info is not available", IN_CREATED | IN_RUNNING, false },
	[BH__API_VERB__API_VERB_COUNTERS] = { "vm.counters",
	    "The VM counters are not available", IN_RUNNING, false },
	[BH__API_VERB__API_VERB_PAUSE] = { "vm.pause",
	    "The VM could not be paused", IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_RESUME] = { "vm.resume",
	    "The VM could not resume", IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_SHUTDOWN] = { "vm.shutdown",
	    "The VM could not shutdown", IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_REBOOT] = { "vm.reboot",
	    "The VM could not reboot", IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_POWER_BUTTON] = { "vm.power-button",
	    "Error triggering power button", IN_RUNNING, false },
	[BH__API_VERB__API_VERB_NMI] = { "vm.nmi", "Error triggering NMI",
	    IN_RUNNING, false },
	[BH__API_VERB__API_VERB_ADD] = { "vm.add",
	    "The device could not be added to the VM",
	    IN_CREATED | IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_REMOVE] = { "vm.remove-device",
	    "The device could not be removed from the VM",
	    IN_CREATED | IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_RESIZE] = { "vm.resize",
	    "The VM could not be resized", IN_CREATED | IN_RUNNING | CHANGES,
	    false },
	[BH__API_VERB__API_VERB_RESIZE_DISK] = { "vm.resize-disk",
	    "The disk could not be resized", IN_CREATED | IN_RUNNING | CHANGES,
	    false },
	[BH__API_VERB__API_VERB_RESIZE_ZONE] = { "vm.resize-zone",
	    "The memory zone could not be resized",
	    IN_CREATED | IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_SNAPSHOT] = { "vm.snapshot",
	    "The VM could not be snapshotted", IN_RUNNING | CHANGES, false },
	[BH__API_VERB__API_VERB_CRASHES] = { "bulkhead.crashes", "", 7, false },
	[BH__API_VERB__API_VERB_TIMELINE] = { "bulkhead.boot-timeline", "", 7, false },
	[BH__API_VERB__API_VERB_RESTORE] = { "vm.restore",
	    "The VM could not be restored", 7 | CHANGES, false },
	[BH__API_VERB__API_VERB_COREDUMP] = { "vm.coredump",
	    "The VM could not be coredumped", IN_RUNNING, true },
	[BH__API_VERB__API_VERB_SEND_MIGRATION] = { "vm.send-migration",
	    "Error starting migration sender", 7 | CHANGES, true },
	[BH__API_VERB__API_VERB_RECEIVE_MIGRATION] = { "vm.receive-migration",
	    "Error starting migration receiver", 7 | CHANGES, true },
	[BH__API_VERB__API_VERB_UPGRADE_WORKER] = { "bulkhead.upgrade-worker",
	    "The worker could not be upgraded", IN_RUNNING | CHANGES, false },
};

/* ---- answers ------------------------------------------------------------------------ */

static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

void
manage_answer(struct vm *vm, uint32_t seq, Bh__ApiAnswer *answer)
{
	CHAN_PACKET(p, API_ANSWER, api_answer, answer);

	p.seq = seq;
	if (vm->api != NULL)
		child_send(vm->api, &p, NULL, 0, 0, 0);
}

void
manage_done(struct vm *vm, uint32_t seq, uint32_t status)
{
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;

	answer.status = status;
	manage_answer(vm, seq, &answer);
}

/* The chain of errors, as Cloud Hypervisor prints one. */
static void
refuse(struct vm *vm, uint32_t seq, Bh__ApiVerb verb, uint32_t status,
    const char *why)
{
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;
	char *errors[] = { constless("Error from API"),
	    constless(verbs[verb].failed), constless(why) };

	log_info("%s: %s", verbs[verb].name, why);
	answer.status = status;
	answer.n_errors = 3;
	answer.errors = errors;
	manage_answer(vm, seq, &answer);
}

void
manage_settle(struct vm *vm, uint32_t status, const char *why)
{
	if (!vm->pending.any)
		return;
	vm->pending.any = false;
	if (status < 300)
		manage_done(vm, vm->pending.seq, status);
	else
		refuse(vm, vm->pending.seq, vm->pending.verb, status, why);
}

/* ---- where the VM is ------------------------------------------------------------------ */

static unsigned int
where(const struct vm *vm)
{
	switch (vm->state) {
	case VM_NONE:
		return IN_NONE;
	case VM_CREATED:
		return IN_CREATED;
	case VM_STARTING:
	case VM_RUNNING:
	case VM_RESETTING:
	case VM_STOPPING:
	case VM_OVER:
		break;
	}
	return IN_RUNNING;
}

/* ---- requests ------------------------------------------------------------------------- */

/* Nothing is under way: what can be done at once is, the rest is pending. */
static void
transition(struct vm *vm, uint32_t seq, Bh__ApiVerb verb)
{
	vm->pending.any = true;
	vm->pending.seq = seq;
	vm->pending.verb = verb;
	switch ((int)verb) {
	case BH__API_VERB__API_VERB_BOOT:
		if (vm->state == VM_CREATED)
			life_boot(vm);
		else
			manage_settle(vm, 500, "VM is already running");
		return;
	case BH__API_VERB__API_VERB_SHUTDOWN:
		life_stop(vm, STOP_SHUTDOWN);
		return;
	case BH__API_VERB__API_VERB_REBOOT:
		life_reset(vm);
		return;
	case BH__API_VERB__API_VERB_PAUSE:
		if (vm->pause == PAUSE_NONE)
			pause_begin(vm);
		else
			manage_settle(vm, 500, "Invalid transition: "
			    "InvalidStateTransition(Paused, Paused)");
		return;
	case BH__API_VERB__API_VERB_RESUME:
		if (vm->pause == PAUSE_FULL)
			pause_end(vm);
		else
			manage_settle(vm, 405, "VM is not paused");
		return;
	case BH__API_VERB__API_VERB_DELETE:
		if (vm->state == VM_CREATED) {
			manage_forget(vm);
			(void)life_enter(vm, VM_NONE);
			manage_event(vm, "vm", "deleted");
		}
		if (vm->state == VM_NONE)
			manage_settle(vm, 204, "");
		else
			life_stop(vm, STOP_DELETE);
		return;
	default:
		manage_settle(vm, 500, "not supported yet");
		return;
	}
}

static void
shut_down(struct vm *vm, uint32_t seq)
{
	manage_settle(vm, 500, "the VMM is shut down");
	vm->pending.any = true;
	vm->pending.seq = seq;
	vm->pending.verb = BH__API_VERB__API_VERB_VMM_SHUTDOWN;
	life_stop(vm, STOP_ASKED);
}

/* As Cloud Hypervisor's PciDeviceInfo. */
static void
device_added(struct vm *vm, uint32_t status, const struct plan_device *dev,
    const char *why)
{
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;
	Bh__ApiDevice device = BH__API_DEVICE__INIT, *list[] = { &device };

	if (!vm->pending.any || vm->pending.verb != BH__API_VERB__API_VERB_ADD)
		return;
	if (dev == NULL) {
		manage_settle(vm, status, why);
		return;
	}
	vm->pending.any = false;
	device.id = constless(dev->id);
	device.bdf = dev->bdf;
	device.worker = constless(process_kinds[dev->kind].binary);
	answer.status = status;
	answer.n_devices = 1;
	answer.devices = list;
	manage_answer(vm, vm->pending.seq, &answer);
}

void
manage_removed(struct vm *vm, const char *failed)
{
	if (vm->pending.verb == BH__API_VERB__API_VERB_REMOVE)
		manage_settle(vm, failed == NULL ? 204 : 500, failed);
}

/* One that changes what there is, without the guest: create, add. */
static void
change(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg)
{
	struct spec_error err = { .line = "" };
	struct plan_device *added = NULL;
	uint32_t status = where(vm) == IN_RUNNING ?
	    change_take_running(vm, seq, req, msg, &err, &added) :
	    change_take(vm, seq, req, msg, &err);

	if (status == 0)
		return;		/* a part; the rest follows */
	if (status >= 300) {
		refuse(vm, seq, req->verb, status, err.line);
	} else if (added != NULL) {
		vm->pending.any = true;
		vm->pending.seq = seq;
		vm->pending.verb = req->verb;
		hotplug_add(vm, added, device_added);
	} else {
		manage_done(vm, seq, status);
	}
}

static void
resized(struct vm *vm, uint32_t disk, int rc, const char *text)
{
	(void)disk;
	if (vm->pending.verb == BH__API_VERB__API_VERB_RESIZE_DISK)
		manage_settle(vm, rc == 0 ? 204 : 500, text);
}

const Bh__ApiValue *
manage_value(const Bh__ApiRequest *req, const char *name,
    Bh__ApiValue__ValueCase type)
{
	for (size_t i = 0; req->n_options == 1 &&
	    i < req->options[0]->n_values; i++)
		if (strcmp(req->options[0]->values[i]->name, name) == 0 &&
		    req->options[0]->values[i]->value_case == type)
			return req->options[0]->values[i];
	return NULL;
}

static void
remove_device(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req)
{
	const Bh__ApiValue *id = manage_value(req, "id",
	    BH__API_VALUE__VALUE_TEXT);
	const Bh__ApiValue *force = manage_value(req, "force",
	    BH__API_VALUE__VALUE_NUMBER);
	struct spec_error err = { .line = "" };
	const char *why = "no device is named";
	uint32_t status = 400;

	if (id != NULL && where(vm) == IN_RUNNING) {
		status = hotplug_remove(vm, id->text, force != NULL,
		    &why);
	} else if (id != NULL) {
		status = change_remove(vm, id->text, &err);
		why = err.line;
	}
	if (status >= 300) {
		refuse(vm, seq, req->verb, status, why);
	} else if (status != 0) {
		manage_done(vm, seq, status);
	} else {
		vm->pending.any = true;
		vm->pending.seq = seq;
		vm->pending.verb = req->verb;
	}
}

static void
resize(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req)
{
	const Bh__ApiValue *id = manage_value(req, "id",
	    BH__API_VALUE__VALUE_TEXT);
	const Bh__ApiValue *size = manage_value(req, "size",
	    BH__API_VALUE__VALUE_NUMBER);
	const struct plan_device *dev = NULL;
	const char *why = "";

	for (uint32_t i = 0; id != NULL && i < vm->plan.ndevices; i++)
		if (vm->plan.devices[i].kind == PROC_BLK &&
		    strcmp(vm->plan.devices[i].id, id->text) == 0)
			dev = &vm->plan.devices[i];
	if (dev == NULL || size == NULL) {
		refuse(vm, seq, req->verb, 404, "there is no such disk");
		return;
	}
	vm->pending.any = true;
	vm->pending.seq = seq;
	vm->pending.verb = req->verb;
	if (resize_disk(vm, dev->index, size->number, resized, &why) != 0)
		manage_settle(vm, 500, why);
}

static void
resize_all(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req)
{
	static const char *const names[RESIZE_COUNT] = {
		[RESIZE_VCPUS] = "cpus", [RESIZE_RAM] = "memory",
		[RESIZE_BALLOON] = "balloon",
	};
	const uint64_t *sizes[RESIZE_COUNT] = { NULL };
	const char *why = "";
	uint32_t status;

	for (unsigned int i = 0; i < RESIZE_COUNT; i++) {
		const Bh__ApiValue *value = manage_value(req, names[i],
		    BH__API_VALUE__VALUE_NUMBER);

		if (value != NULL)
			sizes[i] = &value->number;
	}
	vm->pending.any = true;
	vm->pending.seq = seq;
	vm->pending.verb = req->verb;
	status = resize_vm(vm, sizes, &why);
	if (status != 0)
		manage_settle(vm, status, why);
}

static void
resize_zone(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req)
{
	const Bh__ApiValue *id = manage_value(req, "id",
	    BH__API_VALUE__VALUE_TEXT);
	const Bh__ApiValue *size = manage_value(req, "size",
	    BH__API_VALUE__VALUE_NUMBER);
	const char *why = "id and desired_ram are needed";
	uint32_t status = 400;

	if (id != NULL && size != NULL)
		status = memory_resize_zone(vm, id->text, size->number, &why);
	if (status == 204)
		manage_done(vm, seq, 204);
	else
		refuse(vm, seq, req->verb, status, why);
}

void
manage_resized(struct vm *vm, uint32_t status, const char *why)
{
	if (vm->pending.verb == BH__API_VERB__API_VERB_RESIZE)
		manage_settle(vm, status, why);
}

/* Whether it cannot be now; then it is answered. */
static bool
out_of_place(struct vm *vm, uint32_t seq, const Bh__ApiRequest *req)
{
	const struct verb *v = &verbs[req->verb];
	char why[160];

	if ((v->where & CHANGES) != 0 && (vm->pending.any ||
	    vm->state == VM_STARTING || vm->state == VM_RESETTING ||
	    vm->state == VM_STOPPING) && !(vm->state == VM_STARTING &&
	    !vm->pending.any && req->verb == BH__API_VERB__API_VERB_SHUTDOWN)) {
		(void)snprintf(why, sizeof(why), "%s is under way; try again",
		    vm->pending.any ? verbs[vm->pending.verb].name :
		    "another change");
		refuse(vm, seq, req->verb, 429, why);
		return true;
	}
	if (vm->state == VM_NONE && (v->where & IN_NONE) == 0) {
		refuse(vm, seq, req->verb, 404, "VM is not created");
		return true;
	}
	if (vm->state == VM_CREATED && (v->where & IN_CREATED) == 0) {
		refuse(vm, seq, req->verb, 405, "VM is not running");
		return true;
	}
	/* One that starts, stops or is reset would never hear of it. */
	if (vm->state != VM_RUNNING &&
	    (req->verb == BH__API_VERB__API_VERB_NMI ||
	    req->verb == BH__API_VERB__API_VERB_POWER_BUTTON)) {
		refuse(vm, seq, req->verb, 405, "VM is not running");
		return true;
	}
	if (v->later) {
		(void)snprintf(why, sizeof(why), "not supported yet: %s", v->name);
		refuse(vm, seq, req->verb, 500, why);
		return true;
	}
	return false;
}

void
manage_request(struct child *api, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg)
{
	struct vm *vm = api->vm;

	if (api != vm->api || vm->state == VM_OVER)
		return;
	/* The parts that follow a refused one. */
	if (vm->refused != 0 && vm->refused == seq) {
		vm->refused = req->more ? seq : 0;
		return;
	}
	vm->refused = 0;
	if (out_of_place(vm, seq, req)) {
		vm->refused = req->more ? seq : 0;
		return;
	}
	switch (req->verb) {
	case BH__API_VERB__API_VERB_PING:
		manage_done(vm, seq, 200);
		return;
	case BH__API_VERB__API_VERB_VMM_SHUTDOWN:
		shut_down(vm, seq);
		return;
	case BH__API_VERB__API_VERB_INFO:
		manage_answer_info(vm, seq);
		return;
	case BH__API_VERB__API_VERB_CRASHES:
		manage_answer_crashes(vm, seq);
		return;
	case BH__API_VERB__API_VERB_TIMELINE:
		manage_answer_timeline(vm, seq);
		return;
	case BH__API_VERB__API_VERB_COUNTERS:
		manage_answer_counters(vm, seq);
		return;
	case BH__API_VERB__API_VERB_POWER_BUTTON:
		life_power_button(vm);
		manage_done(vm, seq, 204);
		return;
	case BH__API_VERB__API_VERB_NMI:
		life_nmi(vm);
		manage_done(vm, seq, 204);
		return;
	case BH__API_VERB__API_VERB_CREATE:
	case BH__API_VERB__API_VERB_ADD:
		change(vm, seq, req, msg);
		return;
	case BH__API_VERB__API_VERB_REMOVE:
		remove_device(vm, seq, req);
		return;
	case BH__API_VERB__API_VERB_RESIZE_DISK:
		resize(vm, seq, req);
		return;
	case BH__API_VERB__API_VERB_RESIZE:
		resize_all(vm, seq, req);
		return;
	case BH__API_VERB__API_VERB_RESIZE_ZONE:
		resize_zone(vm, seq, req);
		return;
	case BH__API_VERB__API_VERB_UPGRADE_WORKER:
	case BH__API_VERB__API_VERB_SNAPSHOT:
	case BH__API_VERB__API_VERB_RESTORE:
		manage_begin(vm, seq, req, msg);
		return;
	case BH__API_VERB__API_VERB_BOOT:
	case BH__API_VERB__API_VERB_DELETE:
	case BH__API_VERB__API_VERB_SHUTDOWN:
	case BH__API_VERB__API_VERB_REBOOT:
	case BH__API_VERB__API_VERB_PAUSE:
	case BH__API_VERB__API_VERB_RESUME:
	case BH__API_VERB__API_VERB_COREDUMP:
	case BH__API_VERB__API_VERB_SEND_MIGRATION:
	case BH__API_VERB__API_VERB_RECEIVE_MIGRATION:
	case _BH__API_VERB_IS_INT_SIZE:
	default:
		transition(vm, seq, req->verb);
		return;
	}
}

void
manage_progress(struct vm *vm)
{
	Bh__ApiVerb verb = vm->pending.verb;
	/* Who did not want it to stop has not got what he asked for. */
	bool starts = verb == BH__API_VERB__API_VERB_BOOT ||
	    verb == BH__API_VERB__API_VERB_REBOOT;
	bool stops = verb == BH__API_VERB__API_VERB_SHUTDOWN ||
	    verb == BH__API_VERB__API_VERB_DELETE ||
	    verb == BH__API_VERB__API_VERB_VMM_SHUTDOWN;
	const char *why = vm->failure[0] != '\0' ? vm->failure :
	    "the VM was stopped";

	switch (vm->state) {
	case VM_RUNNING:
		service_ready();
		if (starts)
			manage_settle(vm, 204, "");
		return;
	case VM_NONE:
	case VM_CREATED:
		manage_event(vm, "vm", "shutdown");
		if (vm->state == VM_NONE)
			manage_event(vm, "vm", "deleted");
		manage_settle(vm, stops ? 204 : 500, why);
		return;
	case VM_STOPPING:	/* for good */
		service_stopping();
		manage_event(vm, "vmm", "shutdown");
		manage_settle(vm, stops ? 204 : 500, why);
		return;
	case VM_RESETTING:
		if (verb == BH__API_VERB__API_VERB_PAUSE ||
		    verb == BH__API_VERB__API_VERB_RESUME ||
		    verb == BH__API_VERB__API_VERB_RESIZE)
			manage_settle(vm, 500, "the VM is reset");
		return;
	case VM_STARTING:
	case VM_OVER:
		return;
	}
}

void
manage_paused(struct vm *vm)
{
	if (vm->pending.verb == BH__API_VERB__API_VERB_PAUSE ||
	    vm->pending.verb == BH__API_VERB__API_VERB_RESUME)
		manage_settle(vm, 204, "");
}

void
manage_stuck(struct vm *vm)
{
	manage_settle(vm, 500, "a worker waits for the host's I/O and cannot be ended");
}

void
manage_forget(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->spec.nnets; i++)
		for (uint32_t k = 0; k < vm->spec.nets[i].nfds; k++)
			close(vm->spec.nets[i].fds[k]);
	spec_init_vm(&vm->spec);
	change_sweep(vm);
}
