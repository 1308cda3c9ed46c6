/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the vcpu-worker: main thread and vCPU threads share them. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/mman.h>

#include "ipc/slots.h"
#include "sandbox/policy.h"
#include "vcpu-worker/vm.h"

#define VCPUS SB_FDS(0, FD_VCPU, FD_VCPU_COUNT)
#define VM SB_FD(0, FD_VM)
#define REQUEST(r) SB_EQ32(1, r)
#define SAVE(request, why) SB_ALLOW2(ioctl, VCPUS, REQUEST(request), why)
/* A filter tests a range with a mask: that of the device eventfds is two. */
#define EVENTS_LOW SB_FDS(0, FD_DEVICE_EVENT, FD_DEVICE_EVENT_HIGH - FD_DEVICE_EVENT)
#define EVENTS_HIGH							\
	SB_FDS(0, FD_DEVICE_EVENT_HIGH, FD_DEVICE_EVENT_END - FD_DEVICE_EVENT_HIGH)

_Static_assert(FD_DEVICE_EVENT_HIGH == 2 * FD_DEVICE_EVENT &&
    FD_DEVICE_EVENT_END == 4 * FD_DEVICE_EVENT &&
    (FD_DEVICE_EVENT & (FD_DEVICE_EVENT - 1)) == 0, "two ranges, of powers of two");

static const struct sb_rule rules[] = {
	SB_ALLOW2(ioctl, VCPUS, REQUEST(KVM_RUN), "run the guest"),
	SB_ALLOW2(ioctl, VCPUS, REQUEST(KVM_GET_REGS),
	    "where a guest stood that cannot go on"),
	SB_ALLOW2(ioctl, VCPUS, REQUEST(KVM_GET_SREGS), "the same"),
	SB_ALLOW2(ioctl, VCPUS, REQUEST(KVM_KVMCLOCK_CTRL),
	    "the guest was paused: no lockup of its own"),
	SB_ALLOW2(ioctl, VCPUS, REQUEST(KVM_SET_MP_STATE),
	    "the guest has let it go: it starts anew if it comes again"),
	SB_ALLOW2(ioctl, VM, REQUEST(KVM_GET_CLOCK), "stop its clock meanwhile"),
	SB_ALLOW2(ioctl, VM, REQUEST(KVM_SET_CLOCK), "... and let it go on"),
	SB_ALLOW2(ioctl, VM, REQUEST(KVM_SIGNAL_MSI),
	    "IOAPIC pins, NMI, vectors that were pending when unmasked"),
	SB_ALLOW2(ioctl, VM, REQUEST(KVM_SET_GSI_ROUTING),
	    "the guest programs MSI-X vectors"),
	SB_ALLOW2(ioctl, VM, REQUEST(KVM_IRQFD), "... masks and unmasks them"),
	SB_ALLOW2(ioctl, VM, REQUEST(KVM_IOEVENTFD),
	    "the guest starts a device or moves its BAR"),
	SB_ALLOW2(ioctl, VM, REQUEST(KVM_SET_USER_MEMORY_REGION),
	    "memory that comes and goes"),
	/* Only while the VM is saved or loaded: a few milliseconds at a standstill. */
	SAVE(KVM_GET_SREGS2, "SaveVm: what a vCPU holds"),
	SAVE(KVM_GET_XSAVE, "..."), SAVE(KVM_GET_XSAVE2, "..."),
	SAVE(KVM_GET_XCRS, "..."), SAVE(KVM_GET_DEBUGREGS, "..."),
	SAVE(KVM_GET_LAPIC, "..."), SAVE(KVM_GET_MSRS, "..."),
	SAVE(KVM_GET_MP_STATE, "..."), SAVE(KVM_GET_VCPU_EVENTS, "..."),
	SAVE(KVM_GET_TSC_KHZ, "..."), SAVE(KVM_GET_DEVICE_ATTR, "... its TSC's offset"),
	SAVE(KVM_SET_CPUID2, "LoadVm: before it has run"),
	SAVE(KVM_SET_REGS, "..."), SAVE(KVM_SET_SREGS2, "..."),
	SAVE(KVM_SET_XSAVE, "..."), SAVE(KVM_SET_XCRS, "..."),
	SAVE(KVM_SET_DEBUGREGS, "..."), SAVE(KVM_SET_LAPIC, "..."),
	SAVE(KVM_SET_MSRS, "..."), SAVE(KVM_SET_VCPU_EVENTS, "..."),
	SAVE(KVM_SET_TSC_KHZ, "..."), SAVE(KVM_SET_DEVICE_ATTR, "... its TSC's offset"),
	SB_ALLOW2(dup3, SB_FD(1, FD_VM_STATE), SB_EQ32(2, O_CLOEXEC),
	    "the memfd of the state to its place"),
	SB_ALLOW1(pwrite64, SB_FD(0, FD_VM_STATE), "SaveVm"),
	SB_ALLOW1(pread64, SB_FD(0, FD_VM_STATE), "LoadVm"),
	SB_ALLOW2(fcntl, SB_FD(0, FD_VM_STATE), SB_EQ32(1, F_GET_SEALS),
	    "LoadVm: the state must stay what it is"),
	SB_ALLOW(futex, "locks of devices, standstill"),
	SB_ALLOW1(epoll_wait, SB_FD(0, FD_EPOLL), "main thread: sleep"),
	SB_ALLOW1(epoll_ctl, SB_FD(0, FD_EPOLL),
	    "main thread: a bus that is full, or gone"),
	SB_ALLOW1(recvmsg, SB_FD(0, FD_CTL), "messages of the controller"),
	SB_ALLOW1(recvmsg, SB_FDS(0, FD_DEVICE_BUS, FD_DEVICE_COUNT),
	    "messages of device workers"),
	SB_ALLOW1(sendmsg, SB_FD(0, FD_CTL), "answers, log lines"),
	SB_ALLOW1(sendmsg, SB_FDS(0, FD_DEVICE_BUS, FD_DEVICE_COUNT),
	    "activate, reset, configuration writes"),
	SB_ALLOW1(read, SB_FD(0, FD_WAKE), "vCPU threads woke the main one"),
	SB_ALLOW1(timerfd_settime, SB_FD(0, FD_TIMER),
	    "the guest has set its watchdog, or served it"),
	SB_ALLOW1(read, SB_FD(0, FD_TIMER), "it has not"),
	SB_ALLOW1(read, SB_FD(0, FD_RINGS_TO_GUEST), "serial input, or room"),
	SB_ALLOW1(read, EVENTS_LOW, "interrupts of masked vectors"),
	SB_ALLOW1(read, EVENTS_HIGH, "interrupts of masked vectors"),
	SB_ALLOW1(write, SB_FD(0, FD_WAKE), "wake the main thread"),
	SB_ALLOW1(write, SB_FD(0, FD_RINGS_TO_FAR), "serial output"),
	SB_ALLOW1(write, EVENTS_LOW,
	    "kicks without ioeventfd, DEVICE_NEEDS_RESET"),
	SB_ALLOW1(write, EVENTS_HIGH,
	    "kicks without ioeventfd, DEVICE_NEEDS_RESET"),
	SB_ALLOW2(fcntl, SB_EQ32(1, F_DUPFD_CLOEXEC), SB_EQ32(2, FD_INCOMING),
	    "received memory to its place"),
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ | PROT_WRITE),
	    SB_EQ32(3, MAP_SHARED | MAP_FIXED),
	    SB_FDS(4, FD_INCOMING, FD_INCOMING_COUNT),
	    "guest memory, dirty bitmap"),
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ),
	    SB_EQ32(3, MAP_SHARED | MAP_FIXED),
	    SB_FDS(4, FD_INCOMING, FD_INCOMING_COUNT),
	    "guest memory that is read only"),
	SB_ALLOW3(mmap, SB_EQ32(2, PROT_READ | PROT_WRITE),
	    SB_EQ32(3, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED),
	    SB_FDS(4, FD_INCOMING, FD_INCOMING_COUNT),
	    "persistent memory whose writes are discarded"),
	SB_ALLOW2(mmap, SB_EQ32(2, PROT_NONE),
	    SB_EQ32(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
	    MAP_FIXED), "let guest memory go"),
	SB_ALLOW2(tgkill, SB_EQ32(0, 1), SB_EQ32(2, VCPU_KICK_SIGNAL),
	    "get own vCPU threads out of KVM_RUN"),
	SB_ALLOW(rt_sigreturn, "... and they come back from its handler"),
	SB_ALLOW2(fcntl, EVENTS_LOW, SB_EQ32(1, F_GETFL),
	    "a device that comes: its events must not block"),
	SB_ALLOW2(fcntl, EVENTS_HIGH, SB_EQ32(1, F_GETFL), "the same"),
	SB_ALLOW2(fcntl, SB_FDS(0, FD_INCOMING, FD_INCOMING_COUNT),
	    SB_EQ32(1, F_GET_SEALS), "... and its page must not shrink"),
	SB_ALLOW2(dup3, SB_FDS(1, FD_DEVICE_EVENT, FD_DEVICE_EVENT_HIGH -
	    FD_DEVICE_EVENT), SB_EQ32(2, O_CLOEXEC), "events of a device that comes"),
	SB_ALLOW2(dup3, SB_FDS(1, FD_DEVICE_EVENT_HIGH, FD_DEVICE_EVENT_END -
	    FD_DEVICE_EVENT_HIGH), SB_EQ32(2, O_CLOEXEC), "the same"),
	SB_ALLOW2(dup3, SB_FDS(1, FD_DEVICE_BUS, FD_DEVICE_COUNT),
	    SB_EQ32(2, O_CLOEXEC), "the bus of a new device worker"),
	SB_ALLOW(close, "received fds, the bus of a dead worker"),
	SB_ALLOW(clock_gettime, "PM timer, RTC, rate of log lines, where the "
	    "vdso cannot"),
	SB_ALLOW(exit_group, "the end"),
};

static const struct sb_fd fds[] = {
	SB_SLOTS(0, 3, SB_IS_NULL, "standard input, output and error"),
	SB_SLOT(FD_CTL, SB_IS_CHANNEL, "channel to the controller"),
	SB_SLOTS(FD_BUS, 1, SB_IS_NULL, "not used here"),
	SB_SLOT(FD_EPOLL, SB_IS_EPOLL, "what to wake up for"),
	SB_SLOT(FD_TIMER, SB_IS_TIMER | SB_IS_NULL, "timer"),
	SB_SLOT(FD_VM, SB_IS_VM, "the VM; /dev/kvm is closed by now"),
	SB_SLOT(FD_WAKE, SB_IS_EVENT, "vCPU threads wake the main one"),
	SB_SLOT(FD_RINGS, SB_IS_MEMFD, "byte rings of the serial port"),
	SB_SLOT(FD_RINGS_TO_FAR, SB_IS_EVENT, "serial output"),
	SB_SLOT(FD_RINGS_TO_GUEST, SB_IS_EVENT, "serial input"),
	SB_SLOT(FD_VM_STATE, SB_IS_MEMFD, "state of the VM, while saved or loaded"),
	SB_SLOTS(FD_DEVICE_BUS, FD_DEVICE_COUNT, SB_IS_CHANNEL,
	    "channels to the device workers"),
	SB_SLOTS(FD_VCPU, FD_VCPU_COUNT, SB_IS_VCPU, "the vCPUs"),
	SB_SLOTS(FD_DEVICE_EVENT, FD_DEVICE_EVENT_END - FD_DEVICE_EVENT,
	    SB_IS_EVENT, "kicks and interrupts of the devices"),
};

const struct sb_policy sb_policy = {
	.kind = "vcpu",
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(rules[0]),
	.fds = fds,
	.nfds = sizeof(fds) / sizeof(fds[0]),
	.ram = SB_RAM_WRITE,
	.rlimit_fsize = 64u << 20,	/* a state: 1024 vCPUs and 512 devices are less */
	.rlimit_nofile = FD_DEVICE_EVENT_END,
	/* One a vCPU, the main thread, and the worker that KVM (6.14) makes at
	 * the first KVM_RUN as a thread of the process. */
	.rlimit_nproc = FD_VCPU_COUNT + 2,
};
