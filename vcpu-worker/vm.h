/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vcpu-worker: one VM, its vCPU threads and the main thread beside them.
 *
 * main.c	the process: messages of the controller, log, end
 * setup.c	from the configuration to running vCPUs, memory that comes and goes
 * vcpu.c	the vCPU threads, what they come back for, the standstill
 * devbus.c	the channels to the device workers
 * save.c, load.c	what the VM holds, to a memfd and back
 *
 * The main thread owns everything here but what is marked; vCPU threads reach
 * devices through the buses, whose devices have locks of their own.
 */
#ifndef BULKHEAD_VCPU_WORKER_VM_H
#define BULKHEAD_VCPU_WORKER_VM_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"
#include "arch/hypervisor.h"
#include "ipc/chan.h"
#include "ipc/gmem.h"
#include "ipc/loop.h"
#include "ipc/slots.h"
#include "vcpu-worker/bus.h"
#include "vcpu-worker/i6300esb.h"
#include "vcpu-worker/pci.h"
#include "vcpu-worker/pvpanic.h"
#include "vcpu-worker/span_map.h"
#include "vcpu-worker/virtio_pci.h"

/* The signal that gets a vCPU out of KVM_RUN: the first that glibc leaves free
 * (SIGRTMIN, which is no constant). */
#define VCPU_KICK_SIGNAL 34

struct vm;

/* Whether a vCPU runs. One that shall come later has a thread already: later there
 * is a filter, and it lets nobody make threads. */
enum vcpu_place {
	VCPU_OUT,		/* its thread waits */
	VCPU_IN,
	VCPU_LEAVING,		/* the guest has let it go, its thread comes back */
};

struct vcpu {
	struct vm *vm;
	uint32_t index;
	struct hv_vcpu *hv;
	cpu_set_t *affinity;		/* NULL: anywhere */
	pid_t tid;
	int error;			/* of the thread's start, negative */
	_Atomic enum vcpu_place place;	/* changed under start_lock */
	bool ran;			/* what it last left for may be undone */
};

/* A device on PCI and the channel to its worker. */
struct device {
	struct vm *vm;			/* NULL: this place is free */
	uint32_t index;			/* as the controller calls it */
	bool dead;			/* it has no number any more, and no worker */
	uint32_t first_gsi, first_event, nevents;
	struct virtio_pci vp;
	struct chan bus;
	struct loop_source src;
	bool gone;			/* its worker hung up */
	bool driven;			/* DriverRuns was posted */
	bool has_held;			/* a post that found the channel full */
	struct virtio_pci_post held;
	uint32_t activate_seq, reset_seq;	/* not answered; 0: none */
	atomic_bool posted;		/* any thread: posts wait */
};

/* Why the guest stopped; the first one counts. */
struct vm_stop {
	Bh__StopReason reason;
	char text[160];
};

struct vm {
	struct loop loop;
	struct chan ctl;
	struct chan_buffers *buffers;
	struct loop_source ctl_src, wake_src, rings_src, timer_src;

	/* Lines come from every thread. */
	pthread_mutex_t log_lock;
	struct chan log;

	Bh__SeccompMode seccomp;
	Bh__CoreScheduling core_scheduling;
	struct hv_caps caps;
	struct arch_cpu_config cpus;
	struct hv_vm *hv;
	struct gmem mem;
	pthread_mutex_t mem_lock;	/* of where it is, for vCPU threads */
	uint64_t ram_end;		/* of what the guest boots with */
	struct bus ports, mmio;
	struct pci_host pci;
	struct pvpanic pvpanic;
	struct i6300esb watchdog;
	struct bytering_page *rings;
	bool serial, debug_console;
	uint16_t debug_console_port;

	struct device *device[FD_DEVICE_COUNT];
	uint8_t *config_pages;		/* reserve of a page a device */
	atomic_bool ejected;		/* the guest has let one go */
	struct span_map gsis;
	struct span_map events;		/* from FD_DEVICE_EVENT on */

	struct vcpu *vcpu;		/* cpus.max_vcpus of them */
	uint32_t told_vcpus;		/* what the controller knows to be in */
	atomic_bool vcpu_stays;		/* the guest will not let one go */
	atomic_uint dimms_gone, dimms_kept;	/* a bit each, for the main thread */
	pthread_mutex_t start_lock;	/* of ready and go */
	pthread_cond_t start_cond;
	uint32_t ready;
	bool go;

	/* Any thread */
	atomic_flag stop_taken;		/* who sets it fills in stop */
	struct vm_stop stop;
	atomic_bool stopping;		/* stop is filled in */
	atomic_uint parked;		/* threads at a standstill for good */
	atomic_bool pausing;		/* vCPUs stand still until it is false */

	bool loading;			/* made to be loaded, and not loaded yet */
	bool spoilt;			/* ... and half loaded */
	uint32_t paused;		/* threads that do; under start_lock */
	uint32_t pause_seq;		/* SetPaused that is not answered; 0: none */
	bool started, kicked, reported, quitting;
};

/* setup.c: 0, or -errno and *why, static text or vm->stop.text. */
int vm_configure(struct vm *vm, const Bh__VmConfig *config, const char **why);
int vm_add_memory(struct vm *vm, const Bh__MemoryRegion *region, int fd,
    const char **why);
int vm_remove_memory(struct vm *vm, uint32_t slot, const char **why);
/* @boot NULL: the state is loaded when this is done; until then vCPUs stand still. */
int vm_start(struct vm *vm, const Bh__BootState *boot, int *listener,
    const char **why);

/* devbus.c */
/* Address space for what devices bring along. */
int devices_reserve(struct vm *vm);
int device_add(struct vm *vm, const Bh__PciDevice *config,
    struct chan_msg *msg, const char **why);
/* The fd of the message is the new bus. An error: the device has no worker. */
int device_replace(struct vm *vm, const Bh__ReplaceDevice *replace,
    struct chan_msg *msg, const char **why);
int device_lose(struct vm *vm, uint32_t index, const char **why);
/*
 * Ask the guest to let a device go. With @force its worker is not needed any more when
 * this returns: what the guest still sees of it is dead.
 */
int device_unplug(struct vm *vm, uint32_t index, bool force, const char **why);
/* Any thread: the guest has let the devices of a slot go. */
void devices_ejected(struct vm *vm, uint32_t bus, uint32_t slot);
/* Main thread: forget one that is gone, and where it was. False: there is none. */
bool device_forget_ejected(uint32_t *bdf);
/* Is one dead that the guest still has? */
bool devices_dead(const struct vm *vm);
/* Send what waits, of all devices. */
void devices_flush(struct vm *vm);

/* vcpu.c */
int vcpus_create(struct vm *vm, const struct arch_boot *boot,
    const char **why);
/* Start the threads; they wait until vcpus_go. */
int vcpus_spawn(struct vm *vm, const char **why);
void vcpus_go(struct vm *vm);

/* Any thread: bring the VM to a standstill, for this reason. */
void vm_stop(struct vm *vm, Bh__StopReason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Any thread: get the main thread to look. */
void vm_wake(struct vm *vm);
/* Main thread: go on with the standstill; true: all vCPUs stand still. */
bool vcpus_standstill(struct vm *vm);
/* Main thread: a standstill that has an end. Wakes the main thread when it is one. */
void vcpus_pause(struct vm *vm);
bool vcpus_paused(struct vm *vm);
void vcpus_resume(struct vm *vm);

/*
 * Main thread: the guest shall have @want vCPUs. Those that come run at once; those
 * that go the guest lets go, see vcpus_in(). EINVAL, EBUSY and *why: nothing changed.
 */
int vcpus_resize(struct vm *vm, uint32_t want, const char **why);
/* Any thread: the guest has let vCPU @cpu go, or will not. */
void vcpus_let_go(struct vm *vm, uint32_t cpu, bool gone);
/* Main thread: how many run, or have not stopped yet. */
uint32_t vcpus_in(struct vm *vm);

#endif
