/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPU threads: the loop around hv_vcpu_run, and how all of them come to a
 * standstill. A thread makes no system call but KVM_RUN for a common exit, and
 * allocates nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/log.h"
#include "vcpu-worker/vm.h"

#ifdef BULKHEAD_SANITIZED
#define STACK_SIZE (512u << 10)
#else
#define STACK_SIZE (48u << 10)	/* 1024 of them stay within JAIL_GROWTH */
#endif

void
vm_wake(struct vm *vm)
{
	const uint64_t one = 1;

	(void)vm;
	/* Non-blocking; a full counter wakes, too. */
	if (write(FD_WAKE, &one, sizeof(one)) < 0)
		return;
}

void
vm_stop(struct vm *vm, Bh__StopReason reason, const char *fmt, ...)
{
	va_list ap;

	if (atomic_flag_test_and_set(&vm->stop_taken))
		return;
	vm->stop.reason = reason;
	va_start(ap, fmt);
	(void)vsnprintf(vm->stop.text, sizeof(vm->stop.text), fmt, ap);
	va_end(ap);
	/* Release: reason and text before the flag that they are there. */
	atomic_store_explicit(&vm->stopping, true, memory_order_release);
	vm_wake(vm);
}

/* Stand still for good; the end is the process' exit. */
static _Noreturn void
park(struct vcpu *v)
{
	struct vm *vm = v->vm;

	if (atomic_fetch_add(&vm->parked, 1) + 1 == vm->cpus.max_vcpus)
		vm_wake(vm);
	pthread_mutex_lock(&vm->start_lock);
	for (;;)
		pthread_cond_wait(&vm->start_cond, &vm->start_lock);
}

static void
port_access(struct vcpu *v, const struct hv_exit *e)
{
	const struct bus *bus = &v->vm->ports;
	uint8_t *data = e->data;

	for (uint32_t i = 0; i < e->count; i++, data += e->len) {
		bool known = e->write ? bus_write(bus, e->addr, data, e->len) :
		    bus_read(bus, e->addr, data, e->len);

		if (!known)
			log_guest_at(LOG_INFO, "%s of unknown port 0x%llx",
			    e->write ? "write" : "read",
			    (unsigned long long)e->addr);
	}
}

/*
 * Where KVM emulates an instruction, it takes memory for a device's whose page the host
 * cannot provide: a file that is cut short, or has no room left under it.
 */
static bool
is_memory(struct vm *vm, uint64_t addr, bool write)
{
	bool there = false;

	pthread_mutex_lock(&vm->mem_lock);
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		const struct gmem_region *r = &vm->mem.region[i];

		there |= addr - r->gpa < r->size && !(write && r->readonly);
	}
	pthread_mutex_unlock(&vm->mem_lock);
	return there;
}

static void
memory_access(struct vcpu *v, const struct hv_exit *e)
{
	const struct bus *bus = &v->vm->mmio;
	bool known = e->write ? bus_write(bus, e->addr, e->data, e->len) :
	    bus_read(bus, e->addr, e->data, e->len);

	if (known)
		return;
	if (is_memory(v->vm, e->addr, e->write))
		vm_stop(v->vm, BH__STOP_REASON__STOP_REASON_ERROR,
		    "vCPU %u: the host cannot provide guest memory at 0x%llx: a file "
		    "is cut short, or has no room", v->index,
		    (unsigned long long)e->addr);
	else
		log_guest_at(LOG_INFO, "%s of unknown address 0x%llx",
		    e->write ? "write" : "read", (unsigned long long)e->addr);
}

static void
handle(struct vcpu *v, const struct hv_exit *e)
{
	struct vm *vm = v->vm;

	switch (e->kind) {
	case HV_EXIT_IO:
		port_access(v, e);
		break;
	case HV_EXIT_MMIO:
		memory_access(v, e);
		break;
	case HV_EXIT_EOI:
		arch_eoi((uint32_t)e->addr);
		break;
	case HV_EXIT_INTERRUPTED:
	case HV_EXIT_HALT:
		break;
	case HV_EXIT_TRIPLE_FAULT:
		vm_stop(vm, BH__STOP_REASON__STOP_REASON_TRIPLE_FAULT,
		    "vCPU %u: triple fault", v->index);
		break;
	case HV_EXIT_SHUTDOWN:
		vm_stop(vm, BH__STOP_REASON__STOP_REASON_SHUTDOWN,
		    "vCPU %u: shutdown", v->index);
		break;
	case HV_EXIT_RESET:
		vm_stop(vm, BH__STOP_REASON__STOP_REASON_RESET,
		    "vCPU %u: reset", v->index);
		break;
	case HV_EXIT_ERROR:
		vm_stop(vm, BH__STOP_REASON__STOP_REASON_ERROR,
		    "vCPU %u at 0x%llx: %s (%llu)", v->index,
		    (unsigned long long)arch_vcpu_pc(v->hv), e->what,
		    (unsigned long long)e->code);
		break;
	}
}

/*
 * The guest has not got what its last access read until the next run: what is saved
 * now would do the access again.
 */
static void
settle(struct vcpu *v)
{
	struct hv_exit e = { 0 };

	while (v->ran && !atomic_load(&v->vm->stopping) && hv_vcpu_settle(v->hv, &e))
		handle(v, &e);
	v->ran = false;
}

/*
 * Stand still until the pause is over, or the VM. The flag of the next run is
 * taken back before those that made it are looked at: whoever sets them later
 * sets it again after them.
 */
static void
wait_paused(struct vcpu *v)
{
	struct vm *vm = v->vm;

	settle(v);
	pthread_mutex_lock(&vm->start_lock);
	if (++vm->paused == vm->cpus.max_vcpus)
		vm_wake(vm);
	while (atomic_load(&vm->pausing) && !atomic_load(&vm->stopping))
		pthread_cond_wait(&vm->start_cond, &vm->start_lock);
	vm->paused--;
	pthread_mutex_unlock(&vm->start_lock);
	hv_vcpu_resume(v->hv);
}

/* Not in the machine, or not any more: wait until it is, or something else is up. */
static void
wait_plugged(struct vcpu *v)
{
	struct vm *vm = v->vm;

	if (atomic_load(&v->place) == VCPU_LEAVING) {
		(void)hv_vcpu_unplugged(v->hv);
		hv_vcpu_resume(v->hv);
	}
	pthread_mutex_lock(&vm->start_lock);
	if (v->place == VCPU_LEAVING) {
		v->place = VCPU_OUT;
		vm_wake(vm);
	}
	while (v->place == VCPU_OUT && !atomic_load(&vm->pausing) &&
	    !atomic_load(&vm->stopping))
		pthread_cond_wait(&vm->start_cond, &vm->start_lock);
	pthread_mutex_unlock(&vm->start_lock);
}

static void
own_core_cookie(struct vm *vm)
{
	if (vm->core_scheduling == BH__CORE_SCHEDULING__CORE_SCHEDULING_VCPU)
		(void)prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0,
		    PR_SCHED_CORE_SCOPE_THREAD, 0);
}

/* What a thread does before the filter is there; then wait for all others. */
static void
enter(struct vcpu *v)
{
	struct vm *vm = v->vm;

	v->tid = (pid_t)syscall(SYS_gettid);
	if (v->affinity != NULL && sched_setaffinity(0, sizeof(*v->affinity),
	    v->affinity) != 0)
		v->error = -errno;
	own_core_cookie(vm);
	pthread_mutex_lock(&vm->start_lock);
	vm->ready++;
	pthread_cond_broadcast(&vm->start_cond);
	while (!vm->go)
		pthread_cond_wait(&vm->start_cond, &vm->start_lock);
	pthread_mutex_unlock(&vm->start_lock);
}

static void *
vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	struct hv_exit e = { 0 };

	enter(v);
	for (;;) {
		/* Pausing first: it takes back the flag that stopping sets. */
		while (atomic_load(&v->vm->pausing) &&
		    !atomic_load(&v->vm->stopping))
			wait_paused(v);
		if (atomic_load(&v->vm->stopping))
			park(v);
		if (atomic_load(&v->place) != VCPU_IN) {
			wait_plugged(v);
			continue;
		}
		hv_vcpu_run(v->hv, &e);
		v->ran = true;
		handle(v, &e);
	}
	return NULL;
}

int
vcpus_create(struct vm *vm, const struct arch_boot *boot, const char **why)
{
	for (uint32_t i = 0; i < vm->cpus.max_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];
		int rc;

		v->vm = vm;
		v->index = i;
		v->place = i < vm->cpus.boot_vcpus ? VCPU_IN : VCPU_OUT;
		*why = "cannot create a vCPU";
		rc = hv_create_vcpu(vm->hv, i, arch_vcpu_id(&vm->cpus, i),
		    &v->hv);
		if (rc < 0)
			return rc;
		*why = "cannot set up a vCPU";
		rc = arch_vcpu_init(v->hv, i, boot);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The signal only has to interrupt the ioctl. */
static void
kicked(int sig)
{
	(void)sig;
}

/*
 * Hyperthreads of a core run only threads with the same cookie. A host without
 * SMT (ENODEV) has no need for it.
 */
static void
share_core_cookie(const struct vm *vm)
{
	uint64_t cookie = 0;

	if (vm->core_scheduling == BH__CORE_SCHEDULING__CORE_SCHEDULING_OFF)
		return;
	/* One for the whole VM comes from the controller, by fork and exec. */
	if (vm->core_scheduling == BH__CORE_SCHEDULING__CORE_SCHEDULING_VM &&
	    prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, PR_SCHED_CORE_SCOPE_THREAD,
	    &cookie) == 0 && cookie != 0)
		return;
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0,
	    PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0) == 0 || errno == ENODEV)
		return;
	/* vm is the default: who did not ask is not told at every start. */
	log_at(vm->core_scheduling == BH__CORE_SCHEDULING__CORE_SCHEDULING_VM ?
	    LOG_INFO : LOG_WARN, "--cpus core_scheduling: this kernel has none "
	    "(%s); vCPUs may share a core with others", log_errname(errno));
}

static int
await_threads(struct vm *vm, const char **why)
{
	pthread_mutex_lock(&vm->start_lock);
	while (vm->ready < vm->cpus.max_vcpus)
		pthread_cond_wait(&vm->start_cond, &vm->start_lock);
	pthread_mutex_unlock(&vm->start_lock);
	for (uint32_t i = 0; i < vm->cpus.max_vcpus; i++)
		if (vm->vcpu[i].error < 0) {
			*why = "--cpus affinity: a vCPU "
			    "may run on none of its CPUs; see taskset -p $$";
			return vm->vcpu[i].error;
		}
	return 0;
}

int
vcpus_spawn(struct vm *vm, const char **why)
{
	struct sigaction sa = { .sa_handler = kicked };
	pthread_attr_t attr;
	pthread_t thread;
	int rc = 0;

	*why = "cannot start vCPU threads";
	if (sigaction(VCPU_KICK_SIGNAL, &sa, NULL) != 0)
		return -errno;
	share_core_cookie(vm);
	pthread_attr_init(&attr);
	rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (uint32_t i = 0; rc == 0 && i < vm->cpus.max_vcpus; i++)
		rc = pthread_create(&thread, &attr, vcpu_main, &vm->vcpu[i]);
	pthread_attr_destroy(&attr);
	/* A positive error, of pthread functions. */
	return rc != 0 ? -rc : await_threads(vm, why);
}

void
vcpus_go(struct vm *vm)
{
	pthread_mutex_lock(&vm->start_lock);
	vm->go = true;
	pthread_cond_broadcast(&vm->start_cond);
	pthread_mutex_unlock(&vm->start_lock);
}

/*
 * The flag makes the next run return, the signal the one that is going on. 1: this
 * process is the init of a pid namespace of its own, which lets the filter name
 * the target.
 */
static void
kick(const struct vcpu *v)
{
	hv_vcpu_interrupt(v->hv);
	(void)syscall(SYS_tgkill, 1, v->tid, VCPU_KICK_SIGNAL);
}

static void
kick_all(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->cpus.max_vcpus; i++)
		kick(&vm->vcpu[i]);
}

static void
wake_waiting(struct vm *vm)
{
	pthread_mutex_lock(&vm->start_lock);
	pthread_cond_broadcast(&vm->start_cond);
	pthread_mutex_unlock(&vm->start_lock);
}

void
vcpus_pause(struct vm *vm)
{
	atomic_store(&vm->pausing, true);
	kick_all(vm);
	wake_waiting(vm);
}

bool
vcpus_paused(struct vm *vm)
{
	bool all;

	pthread_mutex_lock(&vm->start_lock);
	all = vm->paused == vm->cpus.max_vcpus;
	pthread_mutex_unlock(&vm->start_lock);
	return all;
}

void
vcpus_resume(struct vm *vm)
{
	atomic_store(&vm->pausing, false);
	wake_waiting(vm);
}

void
vcpus_let_go(struct vm *vm, uint32_t cpu, bool gone)
{
	struct vcpu *v = &vm->vcpu[cpu];

	if (gone) {
		pthread_mutex_lock(&vm->start_lock);
		if (v->place == VCPU_IN)
			v->place = VCPU_LEAVING;
		pthread_mutex_unlock(&vm->start_lock);
		kick(v);
	} else {
		atomic_store(&vm->vcpu_stays, true);
		vm_wake(vm);
	}
}

uint32_t
vcpus_in(struct vm *vm)
{
	uint32_t in = 0;

	for (uint32_t i = 0; i < vm->cpus.max_vcpus; i++)
		in += atomic_load(&vm->vcpu[i].place) != VCPU_OUT;
	return in;
}

static void
plug(void *arg, uint32_t cpu)
{
	struct vm *vm = arg;

	pthread_mutex_lock(&vm->start_lock);
	vm->vcpu[cpu].place = VCPU_IN;
	pthread_cond_broadcast(&vm->start_cond);
	pthread_mutex_unlock(&vm->start_lock);
}

int
vcpus_resize(struct vm *vm, uint32_t want, const char **why)
{
	int rc;

	*why = "a VM has from 1 vCPU to --cpus max=";
	if (want == 0 || want > vm->cpus.max_vcpus)
		return -EINVAL;
	*why = "the guest is still asked to let vCPUs go";
	for (uint32_t i = 0; i < vm->cpus.max_vcpus; i++)
		if (atomic_load(&vm->vcpu[i].place) == VCPU_LEAVING)
			return -EBUSY;
	rc = arch_vcpus_resize(want, plug, vm);
	if (rc != -EBUSY)
		*why = "this machine's vCPUs neither come nor go";
	return rc;
}

bool
vcpus_standstill(struct vm *vm)
{
	if (!vm->kicked) {
		kick_all(vm);
		wake_waiting(vm);
		vm->kicked = true;
	}
	return atomic_load(&vm->parked) == vm->cpus.max_vcpus;
}
