// SPDX-License-Identifier: Apache-2.0
//
// Snapshots, see snapshot.h and docs/protocol.md: the way of one, step by step.
#include "controller/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/config.h"
#include "controller/deaths.h"
#include "controller/describe.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/report.h"
#include "controller/snapshot_inside.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define OPEN_SECONDS 60u	/* a slow network file system */
#define SAVE_VM_SECONDS 60u
/* The slowest disk that is waited for writes so many bytes a second. */
#define SLOWEST (8ull << 20)
#define MOST_DEVICES 100u	/* so that all messages have room in the socket */

/* The file that has the records of this kind, or none: it is in no snapshot yet. */
static Bh__SnapshotFile
file_of(enum process_kind kind)
{
	static const uint8_t files[PROC_KIND_COUNT] = {
		[PROC_BLK] = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_BLK,
		[PROC_NET] = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_NET,
		[PROC_RNG] = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_RNG,
		[PROC_CONSOLE] = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONSOLE,
		[PROC_BALLOON] = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_BALLOON,
		[PROC_WATCHDOG] = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_WATCHDOG,
		[PROC_RTC] = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_RTC,
	};

	return (Bh__SnapshotFile)files[kind];	/* 0: MANIFEST */
}

static void
let_go(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
snapshot_close(struct vm *vm)
{
	struct snapshot *s = &vm->snapshot;

	let_go(&s->dir);
	let_go(&s->state);
	for (uint32_t i = 0; i < s->nfiles; i++)
		close(s->files[i]);
	s->nfiles = 0;
}

const char *
snapshot_path(const char *url)
{
	return strncmp(url, "file:///", 8) == 0 ? url + 7 : NULL;
}

/* ---- the two processes ------------------------------------------------------------- */

static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

void
snapshot_open(struct vm *vm, Bh__OpenKind kind)
{
	struct snapshot *s = &vm->snapshot;
	Bh__Open open = BH__OPEN__INIT;
	CHAN_PACKET(p, OPEN, open, &open);

	if (s->opener == NULL) {
		s->opener = child_new(vm, PROC_SNAPSHOT, NULL);
		s->opener->spare = true;
		if (child_spawn(s->opener, NULL, NULL, 0) != 0)
			return;
		config_send_opener(s->opener);
	}
	open.kind = kind;
	open.path = constless(s->path);
	child_send(s->opener, &p, &s->dir, s->dir >= 0 ? 1 : 0, 0, OPEN_SECONDS);
}

bool
snapshot_spawn(struct vm *vm)
{
	struct snapshot *s = &vm->snapshot;

	s->worker = child_new(vm, PROC_MIGRATION, NULL);
	s->worker->spare = true;
	s->worker->configured = true;
	return child_spawn(s->worker, NULL, NULL, 0) == 0;
}

void
snapshot_send_files(struct child *child)
{
	struct snapshot *s = &child->vm->snapshot;
	Bh__SnapshotFiles files = BH__SNAPSHOT_FILES__INIT;
	CHAN_PACKET(p, SNAPSHOT_FILES, snapshot_files, &files);

	files.n_files = s->nfiles;
	files.files = s->names;
	child_send(child, &p, s->files, s->nfiles, 0, 0);
}

static void
send_part(struct child *child, Bh__SnapshotFile file, uint32_t index, int fd,
    bool any)
{
	Bh__SnapshotPart part = BH__SNAPSHOT_PART__INIT;
	CHAN_PACKET(p, SNAPSHOT_PART, snapshot_part, &part);
	struct stat st = { .st_size = 0 };

	(void)fstat(fd, &st);
	part.file = file;
	part.index = index;
	part.size = any ? 0 : (uint64_t)st.st_size;
	child_send(child, &p, &fd, 1, 0, 0);
}

void
snapshot_send_parts(struct child *child, bool load)
{
	struct vm *vm = child->vm;

	send_part(child, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_VCPU, 0,
	    vm->snapshot.state, load);
	for (uint32_t i = 0; i < FD_DEVICE_COUNT; i++)
		for (uint32_t k = 0; k < vm->nchildren; k++) {
			const struct child *c = &vm->children[k];

			if (c->dev != NULL && c->index == i && c->record >= 0)
				send_part(child, file_of(c->kind), i, c->record,
				    false);
		}
	/* What is on its way between serial port and far end. */
	send_part(child, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONSOLE,
	    FD_DEVICE_COUNT - 1, vm->rings, false);
	config_send_memory(child);
}

void
snapshot_send_job(struct child *child, Bh__SnapshotVerb verb)
{
	Bh__SnapshotJob job = BH__SNAPSHOT_JOB__INIT;
	CHAN_PACKET(p, SNAPSHOT_JOB, snapshot_job, &job);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < child->vm->plan.nzones; i++)
		bytes += child->vm->plan.zones[i].size;
	job.seccomp = config_seccomp(child->vm);
	job.verb = verb;
	child_send(child, &p, NULL, 0, 0,
	    OPEN_SECONDS + (unsigned int)(bytes / SLOWEST));
}

/* ---- its end ----------------------------------------------------------------------- */

void
snapshot_finish(struct vm *vm, const char *why)
{
	struct snapshot *s = &vm->snapshot;
	snapshot_done_fn *done = s->done;
	char line[sizeof(s->why)];

	if (s->step == SNAPSHOT_NONE)
		return;
	(void)snprintf(line, sizeof(line), "%s", why != NULL ? why : "");
	if (s->opener != NULL)
		child_quit(s->opener);
	s->opener = s->worker = NULL;
	s->step = SNAPSHOT_NONE;
	s->done = NULL;
	snapshot_close(vm);
	if (done != NULL)
		done(vm, why == NULL ? NULL : line);
}

/* What there is of it is taken away; then the end. */
static void
fail(struct vm *vm, const char *why)
{
	struct snapshot *s = &vm->snapshot;

	if (s->step == SNAPSHOT_DROP)
		return;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
	if (s->worker != NULL)
		child_kill(s->worker);
	if (s->dir < 0) {
		snapshot_finish(vm, s->why);
		return;
	}
	s->step = SNAPSHOT_DROP;
	snapshot_open(vm, BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_DROP);
}

/* ---- begin -------------------------------------------------------------------------- */

const char *
snapshot_lacks(const struct vm_plan *plan)
{
	for (uint32_t i = 0; i < plan->ndevices; i++)
		if (file_of(plan->devices[i].kind) ==
		    BH__SNAPSHOT_FILE__SNAPSHOT_FILE_MANIFEST)
			return "not supported yet: a snapshot of a VM with --fs, "
			    "--pmem, --vsock, --generic-vhost-user, vhost_user=on "
			    "or virtio-mem";
	return plan->ndevices <= MOST_DEVICES ? NULL : "not supported yet: a "
	    "snapshot of a VM of more than 100 devices";
}

static const char *
refuse_device(const struct child *c)
{
	if (c->dev == NULL || !c->dev->on_pci)
		return NULL;
	if (c->removed || c->hot || c->died_at != 0 || !child_alive(c))
		return "a device comes, goes, or gets another worker; try again";
	if (c->lost || c->isolated)
		return "a device was given up after its worker had died too often";
	return NULL;
}

static const char *
refuse(const struct vm *vm)
{
	const char *why = NULL;

	if (vm->pause != PAUSE_FULL)
		return "Trying to snapshot while VM is running";
	if (vm->hot.changed || vm->vcpus != vm->spec.cpus.boot ||
	    vm->vcpus_leaving)
		return "not supported yet: a snapshot of a VM that has got or lost "
		    "devices or vCPUs since it was booted";
	for (uint32_t i = 0; i < DIMM_LIMIT; i++)
		if (vm->dimms[i].state != DIMM_NONE)
			return "not supported yet: a snapshot of a VM with memory "
			    "that came later";
	for (uint32_t i = 0; i < vm->spec.nnets; i++)
		if (vm->spec.nets[i].nfds > 0)
			return "not supported yet: a snapshot of a VM with --net fd=";
	why = snapshot_lacks(&vm->plan);
	for (uint32_t i = 0; why == NULL && i < vm->nchildren; i++)
		why = refuse_device(&vm->children[i]);
	return why;
}

uint32_t
snapshot_save(struct vm *vm, const char *url, snapshot_done_fn *done,
    const char **why)
{
	struct snapshot *s = &vm->snapshot;
	const char *path = snapshot_path(url);

	*why = "destination_url: not file:///<directory>";
	if (path == NULL || strlen(path) >= sizeof(s->path))
		return 400;
	*why = refuse(vm);
	if (*why != NULL)
		return 500;
	*why = "another upgrade or snapshot is under way; try again";
	if (s->step != SNAPSHOT_NONE || vm->upgrade.step != UPGRADE_NONE)
		return 429;
	*s = (struct snapshot){ .step = SNAPSHOT_OPEN, .done = done, .dir = -1,
	    .state = -1 };
	memcpy(s->path, path, strlen(path) + 1);
	manage_event(vm, "vm", "snapshotting");
	snapshot_open(vm, BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_NEW);
	return 0;
}

/* ---- the steps ---------------------------------------------------------------------- */

/* The directory and its files are there: what do the vCPUs and registers hold? */
static int
opened(struct vm *vm, struct chan_msg *msg)
{
	struct snapshot *s = &vm->snapshot;
	Bh__SaveVm save = BH__SAVE_VM__INIT;
	CHAN_PACKET(p, SAVE_VM, save_vm, &save);

	if (msg->nfds != SNAPSHOT_LIMIT_FILES + 1)
		return -EPROTO;
	s->dir = chan_take_fd(msg, 0);
	for (uint32_t i = 0; i < SNAPSHOT_LIMIT_FILES; i++) {
		s->names[i] = (Bh__SnapshotFile)i;
		s->files[s->nfiles++] = chan_take_fd(msg, i + 1);
	}
	s->state = memfd_create("bulkhead-vm-state", MFD_CLOEXEC);
	if (s->state < 0) {
		fail(vm, "no memory for the state of the vCPUs");
		return 0;
	}
	s->step = SNAPSHOT_SAVE_VM;
	child_send(vm->vcpu, &p, &s->state, 1, 0, SAVE_VM_SECONDS);
	return 0;
}

struct config_parts {
	struct child *child;
	uint32_t n;
	bool failed;
};

static void
config_part(void *arg, size_t n, Bh__ApiOption **options)
{
	static uint8_t bytes[SNAPSHOT_LIMIT_CONFIG];
	struct config_parts *parts = arg;
	Bh__SnapshotConfig config = BH__SNAPSHOT_CONFIG__INIT;
	size_t len;
	int fd;

	config.n_options = n;
	config.options = options;
	len = bh__snapshot_config__get_packed_size(&config);
	fd = memfd_create("bulkhead-config", MFD_CLOEXEC);
	if (fd < 0 || len > sizeof(bytes) ||
	    write(fd, bytes, bh__snapshot_config__pack(&config, bytes)) !=
	    (ssize_t)len)
		parts->failed = true;
	else
		send_part(parts->child, BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONFIG,
		    parts->n++, fd, false);
	if (fd >= 0)
		close(fd);
}

void
snapshot_vm_saved(struct vm *vm, const char *failed)
{
	struct snapshot *s = &vm->snapshot;
	struct config_parts parts = { .child = NULL };

	if (s->step != SNAPSHOT_SAVE_VM)
		return;
	if (failed != NULL) {
		fail(vm, failed);
		return;
	}
	s->step = SNAPSHOT_WRITE;
	if (!snapshot_spawn(vm))
		return;
	parts.child = s->worker;
	snapshot_send_files(s->worker);
	describe_spec(&vm->spec, &vm->plan, config_part, &parts);
	snapshot_send_parts(s->worker, false);
	if (parts.failed)
		fail(vm, "no memory for the configuration");
	else
		snapshot_send_job(s->worker,
		    BH__SNAPSHOT_VERB__SNAPSHOT_VERB_SAVE);
}

/* ---- answers ------------------------------------------------------------------------ */

bool
snapshot_takes(const struct child *child)
{
	const struct snapshot *s = &child->vm->snapshot;

	return child == s->opener || child->kind == PROC_MIGRATION;
}

static void
failed(struct child *child, const char *text)
{
	struct vm *vm = child->vm;
	struct snapshot *s = &vm->snapshot;
	char line[sizeof(s->why)];

	if (child->kind == PROC_MIGRATION) {
		child->failed = true;
		deaths_blame(child, DEATH_SAID, text);
	}
	if (child != s->opener && child != s->worker && child != vm->loader)
		return;
	(void)snprintf(line, sizeof(line), "%.200s%s%.90s", child == s->opener ?
	    s->path : "", child == s->opener ? ": " : "", text);
	if (s->step >= SNAPSHOT_RESTORES)
		restore_failed(vm, line);
	else if (s->step == SNAPSHOT_DROP)
		snapshot_finish(vm, s->why);
	else
		fail(vm, line);
}

static int
opener_answered(struct vm *vm, const Bh__Opened *answer, struct chan_msg *msg)
{
	struct snapshot *s = &vm->snapshot;

	switch (s->step) {
	case SNAPSHOT_OPEN:
		return opened(vm, msg);
	case SNAPSHOT_KEEP:
		manage_event(vm, "vm", "snapshotted");
		snapshot_finish(vm, NULL);
		return 0;
	case SNAPSHOT_DROP:
		snapshot_finish(vm, s->why);
		return 0;
	case SNAPSHOT_OLD:
		restore_opened(vm, answer, msg);
		return 0;
	case SNAPSHOT_NONE:
	case SNAPSHOT_SAVE_VM:
	case SNAPSHOT_WRITE:
	case SNAPSHOT_RESTORES:
	case SNAPSHOT_CONFIG:
	case SNAPSHOT_LOAD:
	case SNAPSHOT_PAUSE:
	case SNAPSHOT_RESUME:
		break;
	}
	return 0;
}

static void
worker_done(struct child *child)
{
	struct vm *vm = child->vm;
	struct snapshot *s = &vm->snapshot;

	if (s->step >= SNAPSHOT_RESTORES && (child == s->worker ||
	    child == vm->loader)) {
		restore_worker_done(vm);
	} else if (child == s->worker && s->step == SNAPSHOT_WRITE) {
		s->worker = NULL;
		s->step = SNAPSHOT_KEEP;
		snapshot_open(vm, BH__OPEN_KIND__OPEN_KIND_SNAPSHOT_KEEP);
	}
}

int
snapshot_answered(struct child *child, const Bh__Packet *packet,
    struct chan_msg *msg, const struct request *req)
{
	if (packet->body_case == BH__PACKET__BODY_FAILED)
		failed(child, packet->failed->text[0] != '\0' ?
		    packet->failed->text : log_errtext(packet->failed->error));
	else if (packet->body_case == BH__PACKET__BODY_OPENED)
		return opener_answered(child->vm, packet->opened, msg);
	else if (packet->body_case != BH__PACKET__BODY_ACK)
		return -EPROTO;
	else if (req->type == BH__PACKET__BODY_SNAPSHOT_JOB)
		worker_done(child);
	return 0;
}

void
snapshot_exited(struct child *child)
{
	struct vm *vm = child->vm;
	struct snapshot *s = &vm->snapshot;
	char end[64], line[160];

	/* Its successor writes to the record. */
	if (child->dev != NULL && (s->step == SNAPSHOT_SAVE_VM ||
	    s->step == SNAPSHOT_WRITE))
		fail(vm, "a device worker died meanwhile; try again");
	if (s->step == SNAPSHOT_NONE ||
	    (child != s->opener && child != s->worker))
		return;
	report_end(child, end, sizeof(end));
	(void)snprintf(line, sizeof(line), "its process (%s) died: %s",
	    process_kinds[child->kind].binary, end);
	if (child == s->opener)
		s->opener = NULL;
	else
		s->worker = NULL;
	if (s->step == SNAPSHOT_DROP && s->opener == NULL)
		snapshot_finish(vm, s->why);
	else if (s->step >= SNAPSHOT_RESTORES)
		restore_failed(vm, line);
	else
		fail(vm, line);
}

void
snapshot_cancel(struct vm *vm)
{
	if (vm->snapshot.step != SNAPSHOT_NONE &&
	    vm->snapshot.step < SNAPSHOT_RESTORES)
		fail(vm, "the VM was stopped meanwhile");
}

void
snapshot_release(struct vm *vm)
{
	if (vm->snapshot.step != SNAPSHOT_NONE)
		snapshot_close(vm);
	vm->snapshot.step = SNAPSHOT_NONE;
	vm->snapshot.opener = vm->snapshot.worker = NULL;
}
