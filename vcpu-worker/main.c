/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vcpu-worker's process: the channel to the controller, the log, the wake-ups
 * of its own threads, and the end. See vm.h for the rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <fcntl.h>
#include <unistd.h>

#include "ipc/log.h"
#include "sandbox/control.h"
#include "vcpu-worker/save.h"

static struct chan_buffers ctl_buffers, log_buffers;

static struct vm the_vm = {
	.log_lock = PTHREAD_MUTEX_INITIALIZER,
	.start_lock = PTHREAD_MUTEX_INITIALIZER,
	.mem_lock = PTHREAD_MUTEX_INITIALIZER,
	.start_cond = PTHREAD_COND_INITIALIZER,
	.stop_taken = ATOMIC_FLAG_INIT,
};
/* Any thread. */
static void
log_to_channel(enum log_level level, const char *line, void *arg)
{
	struct vm *vm = arg;

	pthread_mutex_lock(&vm->log_lock);
	control_log(level, line, &vm->log);
	pthread_mutex_unlock(&vm->log_lock);
}

/* Of a controller that does not read there is nothing to wait for. */
static void
must_send(int rc)
{
	if (rc < 0)
		_exit(1);
}

static void
answer(struct vm *vm, uint32_t seq, int rc, const char *why)
{
	if (rc < 0)
		must_send(chan_send_failed(&vm->ctl, seq, -rc, why));
	else
		must_send(chan_send_ack(&vm->ctl, seq));
}

/* Until the VM runs, a request that fails is the end. */
static void
answer_or_end(struct vm *vm, uint32_t seq, int rc, const char *why)
{
	answer(vm, seq, rc, why);
	if (rc < 0 && !vm->started)
		_exit(1);
}

static void
report_stop(struct vm *vm)
{
	Bh__GuestStopped stopped = BH__GUEST_STOPPED__INIT;
	CHAN_PACKET(p, GUEST_STOPPED, guest_stopped, &stopped);

	stopped.reason = vm->stop.reason;
	stopped.text = vm->stop.text;
	vm->reported = true;
	must_send(chan_send(&vm->ctl, &p, NULL, 0));
}

/* Before a stop is told: the guest panics first, and resets then. */
static void
report_panic(struct vm *vm)
{
	Bh__GuestPanicked panicked = BH__GUEST_PANICKED__INIT;
	CHAN_PACKET(p, GUEST_PANICKED, guest_panicked, &panicked);

	panicked.events = pvpanic_take(&vm->pvpanic);
	if (panicked.events != 0)
		must_send(chan_send(&vm->ctl, &p, NULL, 0));
}

static void
timer_ready(struct loop_source *src, uint32_t events)
{
	struct vm *vm = src->owner;
	Bh__WatchdogExpired expired = BH__WATCHDOG_EXPIRED__INIT;
	CHAN_PACKET(p, WATCHDOG_EXPIRED, watchdog_expired, &expired);

	(void)events;
	if (i6300esb_timer(&vm->watchdog) && vm->started)
		must_send(chan_send(&vm->ctl, &p, NULL, 0));
}

/* Something asked for a standstill: go on with it, and say so when it is one. */
static void
look_at_stop(struct vm *vm)
{
	if (!vm->started || !atomic_load_explicit(&vm->stopping,
	    memory_order_acquire) || !vcpus_standstill(vm))
		return;
	if (vm->quitting)
		_exit(0);
	if (!vm->reported)
		report_stop(vm);
}

static void
quit(struct vm *vm)
{
	if (!vm->started)
		_exit(0);
	vm->quitting = true;
	vm->ctl.states = PROTO_CLOSING;
	vm_stop(vm, BH__STOP_REASON__STOP_REASON_SHUTDOWN, "asked to quit");
	look_at_stop(vm);
}

/* The vCPUs have come to where a pause wants them: say so. */
static void
look_at_pause(struct vm *vm)
{
	if (vm->pause_seq == 0 || !vcpus_paused(vm))
		return;
	hv_clock_stop(vm->hv);
	for (uint32_t i = 0; i < vm->cpus.max_vcpus; i++)
		hv_vcpu_was_away(vm->vcpu[i].hv);
	answer(vm, vm->pause_seq, 0, NULL);
	vm->pause_seq = 0;
}

/* The controller asks for one at a time, and for what is not so yet. */
static void
set_paused(struct vm *vm, uint32_t seq, bool paused)
{
	if (!paused && vm->loading) {
		answer(vm, seq, -EINVAL, "its state has not been loaded");
		return;
	}
	i6300esb_pause(&vm->watchdog, paused);
	if (paused) {
		vm->pause_seq = seq;
		vcpus_pause(vm);
		look_at_pause(vm);
		return;
	}
	hv_clock_go(vm->hv);
	vcpus_resume(vm);
	answer(vm, seq, 0, NULL);
}

/* The memfd of a state, where the filter knows it. */
static int
place_state(struct chan_msg *msg)
{
	int fd = chan_take_fd(msg, 0), rc = 0;

	if (dup3(fd, FD_VM_STATE, O_CLOEXEC) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static void
save_vm(struct vm *vm, uint32_t seq, struct chan_msg *msg)
{
	const char *why = "the VM does not stand still";
	int rc = -EBUSY;

	if (!vm->loading && vm->pause_seq == 0 && vcpus_paused(vm) &&
	    !atomic_load(&vm->stopping)) {
		why = "the memfd of the state";
		rc = place_state(msg);
		if (rc == 0)
			rc = vm_save(vm, &why);
		close(FD_VM_STATE);
	}
	answer(vm, seq, rc, why);
}

/* What did not fit before anything changed may be followed by what does. */
static void
load_vm(struct vm *vm, uint32_t seq, struct chan_msg *msg)
{
	const char *why = "this VM was not made to be loaded, or has been";
	bool touched = false;
	int rc = -EBUSY;

	if (vm->loading && !vm->spoilt) {
		why = "the memfd of the state";
		rc = place_state(msg);
		if (rc == 0)
			rc = vm_load(vm, &touched, &why);
		close(FD_VM_STATE);
		vm->spoilt = touched && rc < 0;
	}
	if (rc == 0) {
		vm->loading = false;
		vm->told_vcpus = vcpus_in(vm);
		devices_flush(vm);
	}
	answer(vm, seq, rc, why);
}

static void
resize_vcpus(struct vm *vm, uint32_t seq, uint32_t want)
{
	const char *why = "";
	int rc = vcpus_resize(vm, want, &why);

	/* What came is there; the answer says it. */
	vm->told_vcpus = vcpus_in(vm);
	answer(vm, seq, rc, why);
}

/* The guest has let devices go. */
static void
report_ejected(struct vm *vm)
{
	Bh__DeviceEjected ejected = BH__DEVICE_EJECTED__INIT;
	CHAN_PACKET(p, DEVICE_EJECTED, device_ejected, &ejected);

	if (!atomic_exchange(&vm->ejected, false))
		return;
	while (device_forget_ejected(&ejected.bdf))
		must_send(chan_send(&vm->ctl, &p, NULL, 0));
}

/* The guest has let vCPUs go, or will not. */
static void
report_vcpus(struct vm *vm)
{
	Bh__VcpusChanged changed = BH__VCPUS_CHANGED__INIT;
	CHAN_PACKET(p, VCPUS_CHANGED, vcpus_changed, &changed);

	changed.count = vcpus_in(vm);
	changed.refused = atomic_exchange(&vm->vcpu_stays, false);
	if (changed.count == vm->told_vcpus && !changed.refused)
		return;
	vm->told_vcpus = changed.count;
	must_send(chan_send(&vm->ctl, &p, NULL, 0));
}

/* It has let memory go, or will not. */
static void
report_dimms(struct vm *vm)
{
	uint32_t gone = atomic_exchange(&vm->dimms_gone, 0);
	uint32_t kept = atomic_exchange(&vm->dimms_kept, 0) & ~gone;

	for (uint32_t left = gone | kept; left != 0; left &= left - 1) {
		Bh__DimmChanged changed = BH__DIMM_CHANGED__INIT;
		CHAN_PACKET(p, DIMM_CHANGED, dimm_changed, &changed);

		changed.index = (uint32_t)__builtin_ctz(left);
		changed.gone = (gone >> changed.index & 1) != 0;
		must_send(chan_send(&vm->ctl, &p, NULL, 0));
	}
}

static void
start(struct vm *vm, uint32_t seq, const Bh__StartVm *request)
{
	const char *why = "";
	int listener = -1;
	int rc = vm_start(vm, request->load ? NULL : request->boot, &listener, &why);

	if (rc == 0)
		must_send(control_listener(&vm->ctl, listener));
	answer_or_end(vm, seq, rc, why);
	vm->started = true;
	vm->told_vcpus = vm->cpus.boot_vcpus;
	vm->ctl.states = PROTO_RUNNING;
	vcpus_go(vm);
}

static int
set_dirty_log(struct vm *vm, const Bh__SetDirtyLog *request,
    struct chan_msg *msg)
{
	int fd = -1, rc;

	if (msg->nfds == 1) {
		fd = fcntl(msg->fds[0], F_DUPFD_CLOEXEC, FD_INCOMING);
		if (fd < 0)
			return -errno;
	}
	rc = gmem_set_dirty_log(&vm->mem, fd, request->size);
	if (fd >= 0)
		close(fd);
	return rc;
}

static void
pong(struct vm *vm, uint32_t number)
{
	Bh__Pong pong = BH__PONG__INIT;
	CHAN_PACKET(p, PONG, pong, &pong);

	pong.number = number;
	must_send(chan_send(&vm->ctl, &p, NULL, 0));
}

static int
watch(struct vm *vm, struct loop_source *src, int fd, loop_fn *ready)
{
	*src = (struct loop_source){ .fd = fd, .ready = ready, .owner = vm };
	return loop_add(&vm->loop, src, EPOLLIN);
}

static void
handle(struct vm *vm, struct chan_msg *msg)
{
	const Bh__Packet *p = msg->packet;
	const char *why = "";
	int rc;

	switch ((int)p->body_case) {
	case BH__PACKET__BODY_VM_CONFIG:
		rc = vm_configure(vm, p->vm_config, &why);
		if (rc == 0 && p->vm_config->i6300esb_bdf != 0)
			rc = watch(vm, &vm->timer_src, FD_TIMER, timer_ready);
		answer_or_end(vm, p->seq, rc, why);
		vm->ctl.states = PROTO_CONFIGURING;
		break;
	case BH__PACKET__BODY_ADD_MEMORY:
		rc = vm_add_memory(vm, p->add_memory->region, msg->fds[0],
		    &why);
		answer_or_end(vm, p->seq, rc, why);
		break;
	case BH__PACKET__BODY_REMOVE_MEMORY:
		rc = vm_remove_memory(vm, p->remove_memory->slot, &why);
		answer(vm, p->seq, rc, why);
		break;
	case BH__PACKET__BODY_SET_DIRTY_LOG:
		rc = set_dirty_log(vm, p->set_dirty_log, msg);
		answer(vm, p->seq, rc, "cannot map the dirty bitmap");
		break;
	case BH__PACKET__BODY_PCI_DEVICE:
		rc = device_add(vm, p->pci_device, msg, &why);
		answer_or_end(vm, p->seq, rc, why);
		break;
	case BH__PACKET__BODY_REPLACE_DEVICE:
		rc = device_replace(vm, p->replace_device, msg, &why);
		answer(vm, p->seq, rc, why);
		break;
	case BH__PACKET__BODY_LOSE_DEVICE:
		rc = device_lose(vm, p->lose_device->index, &why);
		answer(vm, p->seq, rc, why);
		break;
	case BH__PACKET__BODY_UNPLUG_DEVICE:
		rc = device_unplug(vm, p->unplug_device->index,
		    p->unplug_device->force, &why);
		answer(vm, p->seq, rc, why);
		break;
	case BH__PACKET__BODY_START_VM:
		start(vm, p->seq, p->start_vm);
		break;
	case BH__PACKET__BODY_POWER_BUTTON:
		arch_power_button();
		break;
	case BH__PACKET__BODY_INJECT_NMI:
		arch_nmi(vm->hv, &vm->cpus);
		break;
	case BH__PACKET__BODY_RESIZE_VCPUS:
		resize_vcpus(vm, p->seq, p->resize_vcpus->count);
		break;
	case BH__PACKET__BODY_PLUG_DIMM:
		rc = arch_dimm_add(p->plug_dimm->index, p->plug_dimm->start,
		    p->plug_dimm->size, vm->started);
		answer_or_end(vm, p->seq, rc, "cannot add memory");
		break;
	case BH__PACKET__BODY_UNPLUG_DIMM:
		rc = arch_dimm_ask(p->unplug_dimm->index);
		answer(vm, p->seq, rc, "there is no such memory");
		break;
	case BH__PACKET__BODY_SET_PAUSED:
		set_paused(vm, p->seq, p->set_paused->paused);
		break;
	case BH__PACKET__BODY_SAVE_VM:
		save_vm(vm, p->seq, msg);
		break;
	case BH__PACKET__BODY_LOAD_VM:
		load_vm(vm, p->seq, msg);
		break;
	case BH__PACKET__BODY_PING:
		pong(vm, p->ping->number);
		break;
	case BH__PACKET__BODY_QUIT:
		quit(vm);
		break;
	default:
		break;		/* the table lets nothing else in */
	}
}

static void
ctl_ready(struct loop_source *src, uint32_t events)
{
	struct vm *vm = src->owner;
	struct chan_msg msg;
	const char *why = "";
	int rc;

	(void)events;
	while ((rc = chan_recv(&vm->ctl, &msg, &why)) == 1) {
		handle(vm, &msg);
		chan_done(&msg);
	}
	if (rc == -EPROTO)
		(void)chan_send_failed(&vm->ctl, 0, EPROTO, why);
	/* Without a controller there is no VM. */
	if (rc < 0)
		_exit(1);
}

static void
wake_ready(struct loop_source *src, uint32_t events)
{
	struct vm *vm = src->owner;
	uint64_t count;

	(void)events;
	/* Taken before the looks below, so that what comes after wakes again. */
	if (read(FD_WAKE, &count, sizeof(count)) < 0)
		return;
	devices_flush(vm);
	look_at_pause(vm);
	if (vm->started) {
		report_vcpus(vm);
		report_dimms(vm);
		report_ejected(vm);
	}
	report_panic(vm);
	look_at_stop(vm);
}

static void
rings_ready(struct loop_source *src, uint32_t events)
{
	const struct vm *vm = src->owner;
	uint64_t count;

	(void)events;
	if (read(FD_RINGS_TO_GUEST, &count, sizeof(count)) < 0)
		return;
	if (vm->started)
		arch_rings_ready();
}

/* The fixed fd numbers go up to 12287; shells give 1024. */
static void
raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int
make_wake(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0 || (fd != FD_WAKE && dup3(fd, FD_WAKE, O_CLOEXEC) < 0))
		return -errno;
	if (fd != FD_WAKE)
		close(fd);
	return 0;
}

static int
make_loop(struct vm *vm)
{
	int rc = loop_init(&vm->loop, FD_EPOLL);

	if (rc == 0)
		rc = make_wake();
	if (rc == 0)
		rc = watch(vm, &vm->ctl_src, FD_CTL, ctl_ready);
	if (rc == 0)
		rc = watch(vm, &vm->wake_src, FD_WAKE, wake_ready);
	/* There only with a serial port or a debug console. */
	if (rc == 0 && fcntl(FD_RINGS_TO_GUEST, F_GETFD) >= 0)
		rc = watch(vm, &vm->rings_src, FD_RINGS_TO_GUEST, rings_ready);
	return rc;
}

int
main(void)
{
	struct vm *vm = &the_vm;
	int rc;

	vm->buffers = &ctl_buffers;
	chan_init(&vm->ctl, FD_CTL, PEER_VCPU, PEER_CONTROLLER, &ctl_buffers);
	chan_init(&vm->log, FD_CTL, PEER_VCPU, PEER_CONTROLLER, &log_buffers);
	log_open(LOG_INFO, log_to_channel, vm);
	raise_fd_limit();
	must_send(control_hello(&vm->ctl));
	rc = make_loop(vm);
	if (rc == 0)
		rc = loop_run(&vm->loop);
	(void)chan_send_failed(&vm->ctl, 0, rc < 0 ? -rc : EIO, "event loop");
	return 1;
}
