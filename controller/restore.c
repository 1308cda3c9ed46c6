// SPDX-License-Identifier: Apache-2.0
//
// A VM of a snapshot, see snapshot.h. It starts as any other, but that a
// bulkhead-migration takes the loader's place, that the other processes wait until that
// one has filled their records, and that the vcpu-worker gets a state and no entry point.
#include "controller/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "controller/change.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/pause.h"
#include "controller/snapshot_inside.h"
#include "controller/supervise.h"
#include "controller/timeline.h"
#include "ipc/log.h"

#define LOAD_VM_SECONDS 60u
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

bool
snapshot_restores(const struct vm *vm)
{
	return vm->snapshot.step >= SNAPSHOT_RESTORES;
}

uint32_t
snapshot_restore(struct vm *vm, const char *url, bool resume,
    snapshot_done_fn *done, const char **why)
{
	struct snapshot *s = &vm->snapshot;
	const char *path = snapshot_path(url);

	*why = "VM is already created";
	if (vm->state != VM_NONE)
		return 500;
	*why = "source_url: not file:///<directory>";
	if (path == NULL || strlen(path) >= sizeof(s->path))
		return 400;
	*why = "another restore is under way; try again";
	if (s->step != SNAPSHOT_NONE)
		return 429;
	*s = (struct snapshot){ .step = SNAPSHOT_OLD, .done = done, .dir = -1,
	    .state = -1, .resume = resume };
	memcpy(s->path, path, strlen(path) + 1);
	manage_event(vm, "vm", "restoring");
	snapshot_open(vm, BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_OLD);
	return 0;
}

static void
given_done(struct vm *vm, const char *why)
{
	if (why != NULL)
		life_fail(vm, "--restore: %s", why);
}

void
snapshot_restore_given(struct vm *vm)
{
	const char *url = vm->spec.restore.source_url, *why = "";

	if (url != NULL && vm->state == VM_NONE &&
	    snapshot_restore(vm, url, vm->spec.restore.resume, given_done, &why) != 0)
		given_done(vm, why);
}

/* ---- before there is a VM ----------------------------------------------------------- */

void
restore_opened(struct vm *vm, const Bh__Opened *opened, struct chan_msg *msg)
{
	struct snapshot *s = &vm->snapshot;

	if (opened->n_files != msg->nfds ||
	    msg->nfds > SNAPSHOT_LIMIT_FILES) {
		restore_failed(vm, "the opener's answer is none");
		return;
	}
	for (unsigned int i = 0; i < msg->nfds; i++) {
		s->names[i] = opened->files[i];
		s->files[s->nfiles++] = chan_take_fd(msg, i);
	}
	child_quit(s->opener);
	s->opener = NULL;
	s->step = SNAPSHOT_CONFIG;
	change_restore_begin(vm);
	if (!snapshot_spawn(vm))
		return;
	snapshot_send_files(s->worker);
	snapshot_send_job(s->worker, BH__SNAPSHOT_VERB__SNAPSHOT_VERB_CONFIG);
}

int
snapshot_config(struct child *child, const Bh__SnapshotConfig *config)
{
	struct snapshot *s = &child->vm->snapshot;

	if (child != s->worker || s->step != SNAPSHOT_CONFIG)
		return -EPROTO;
	change_restore_part(config->n_options, config->options);
	return 0;
}

void
restore_failed(struct vm *vm, const char *text)
{
	if (vm->state == VM_NONE)
		snapshot_finish(vm, text);
	else
		life_fail(vm, "restore of %.500s: %s", vm->snapshot.path, text);
}

/* ---- its start ---------------------------------------------------------------------- */

static void
configured(struct vm *vm)
{
	struct spec_error err = { .line = "" };
	const char *lacks;

	vm->snapshot.worker = NULL;
	if (change_restore_end(vm, &err) >= 300) {
		char line[sizeof(vm->snapshot.why)];

		(void)snprintf(line, sizeof(line), "config: %.280s", err.line);
		snapshot_finish(vm, line);
		return;
	}
	lacks = snapshot_lacks(&vm->plan);
	if (lacks != NULL) {
		manage_forget(vm);
		(void)life_enter(vm, VM_NONE);
		snapshot_finish(vm, lacks);
		return;
	}
	vm->snapshot.step = SNAPSHOT_LOAD;
	life_boot(vm);
}

void
snapshot_send_load(struct child *child)
{
	struct vm *vm = child->vm;
	struct snapshot *s = &vm->snapshot;

	s->state = memfd_create("bulkhead-vm-state", MFD_CLOEXEC |
	    MFD_ALLOW_SEALING);
	if (s->state < 0) {
		restore_failed(vm, "no memory for the state of the vCPUs");
		return;
	}
	snapshot_send_files(child);
	snapshot_send_parts(child, true);
	snapshot_send_job(child, BH__SNAPSHOT_VERB__SNAPSHOT_VERB_LOAD);
}

void
restore_worker_done(struct vm *vm)
{
	struct snapshot *s = &vm->snapshot;

	if (s->step == SNAPSHOT_CONFIG) {
		configured(vm);
	} else if (s->step == SNAPSHOT_LOAD && vm->loader != NULL) {
		if (fcntl(s->state, F_ADD_SEALS, SEALS) != 0) {
			restore_failed(vm, "the state of the vCPUs cannot be sealed");
			return;
		}
		vm->loaded = true;
		timeline_mark(vm->loader, BOOT_READY);
	}
}

void
snapshot_load_vm(struct vm *vm)
{
	Bh__LoadVm load = BH__LOAD_VM__INIT;
	CHAN_PACKET(p, LOAD_VM, load_vm, &load);

	child_send(vm->vcpu, &p, &vm->snapshot.state, 1, 0, LOAD_VM_SECONDS);
}

/* The vCPUs stand still; the devices have begun where they were, and shall, too. */
void
snapshot_loaded(struct vm *vm)
{
	vm->snapshot.step = SNAPSHOT_PAUSE;
	vm->pause = PAUSE_CPUS;
	vm->vcpu->paused = true;
	pause_answered(vm->vcpu);
}

void
snapshot_paused(struct vm *vm)
{
	struct snapshot *s = &vm->snapshot;

	if (s->step == SNAPSHOT_PAUSE && vm->pause == PAUSE_FULL && s->resume) {
		s->step = SNAPSHOT_RESUME;
		pause_end(vm);
	} else if ((s->step == SNAPSHOT_PAUSE && vm->pause == PAUSE_FULL) ||
	    (s->step == SNAPSHOT_RESUME && vm->pause == PAUSE_NONE)) {
		snapshot_finish(vm, NULL);
	}
}
