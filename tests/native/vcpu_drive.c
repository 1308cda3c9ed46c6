// SPDX-License-Identifier: Apache-2.0
/*
 * The controller's side of one vcpu-worker, see vcpu_drive.h.
 */
#include "tests/native/vcpu_drive.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arch/x86_64/layout.h"
#include "ipc/slots.h"

#define WAIT_MS 5000
#define NSLOTS 5

static struct chan_buffers buffers;

static void
die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
memfd(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
		die("memfd");
	return fd;
}

static void *
map(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static int
event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		die("eventfd");
	return fd;
}

/* The child: fds to their slots, then exec, once the parent has mapped ids. */
static _Noreturn void
exec_worker(const char *program, int go, const int *fds, const int *slots)
{
	char name[] = "bulkhead-vcpu";
	char *argv[] = { name, NULL };
	char *envp[] = { NULL };
	int at[NSLOTS];
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(120);
	for (int i = 0; i < NSLOTS; i++)
		at[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 200);
	if (close_range(3, 199, 0) != 0)
		_exit(121);
	for (int i = 0; i < NSLOTS; i++)
		if (dup2(at[i], slots[i]) < 0)
			_exit(122);
	execve(program, argv, envp);
	_exit(123);
}

static void
write_file(pid_t pid, const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static pid_t
spawn(const char *program, const int *fds, const int *slots)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID, .exit_signal = SIGCHLD,
	};
	char ids[32];
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) != 0)
		die("pipe");
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die("clone3");
	if (pid == 0)
		exec_worker(program, go[0], fds, slots);
	write_file(pid, "setgroups", "deny");
	snprintf(ids, sizeof(ids), "0 %u 1", (unsigned)geteuid());
	write_file(pid, "uid_map", ids);
	snprintf(ids, sizeof(ids), "0 %u 1", (unsigned)getegid());
	write_file(pid, "gid_map", ids);
	if (write(go[1], "g", 1) != 1)
		die("pipe");
	close(go[0]);
	close(go[1]);
	return pid;
}

/* ---- Talking ---- */

static void
take(struct drive *d, struct chan_msg *msg)
{
	const Bh__Packet *p = msg->packet;

	switch ((int)p->body_case) {
	case BH__PACKET__BODY_ACK:
		d->answered = p->seq;
		d->failed = 0;
		break;
	case BH__PACKET__BODY_FAILED:
		d->answered = p->seq;
		d->failed = p->failed->error;
		snprintf(d->text, sizeof(d->text), "%s", p->failed->text);
		break;
	case BH__PACKET__BODY_GUEST_STOPPED:
		d->stopped = true;
		d->reason = (int)p->guest_stopped->reason;
		snprintf(d->text, sizeof(d->text), "%s",
		    p->guest_stopped->text);
		break;
	case BH__PACKET__BODY_SECCOMP_LISTENER:
		d->listener = chan_take_fd(msg, 0);
		break;
	case BH__PACKET__BODY_LOG:
		d->log_lines++;
		snprintf(d->log, sizeof(d->log), "%s", p->log->text);
		printf("# %s\n", p->log->text);
		break;
	default:
		break;
	}
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Take in messages until @seq is answered, or (0) the guest has stopped. */
static bool
await(struct drive *d, uint32_t seq)
{
	int64_t end = now_ms() + WAIT_MS;

	while (!d->gone && (seq != 0 ? d->answered != seq : !d->stopped)) {
		struct pollfd p[2] = {
			{ .fd = d->ctl.fd, .events = POLLIN },
			{ .fd = d->listener, .events = POLLIN },
		};
		struct chan_msg msg;
		const char *why = "";
		int rc, left = (int)(end - now_ms());

		if (left <= 0 || poll(p, 2, left) <= 0) {
			printf("# nothing within %d ms\n", WAIT_MS);
			return false;
		}
		if ((p[1].revents & POLLIN) != 0) {
			printf("# the worker made a call that is denied\n");
			return false;
		}
		rc = chan_recv(&d->ctl, &msg, &why);
		if (rc == 1) {
			take(d, &msg);
			chan_done(&msg);
		} else if (rc < 0) {
			printf("# the worker hung up %s\n", why);
			d->gone = true;
		}
	}
	return !d->gone && (seq == 0 || d->failed == 0);
}

bool
drive_request(struct drive *d, Bh__Packet *p, const int *fds, unsigned int nfds)
{
	p->seq = chan_next_seq(&d->ctl);
	if (chan_send(&d->ctl, p, fds, nfds) < 0)
		return false;
	return await(d, p->seq);
}

bool
drive_start(struct drive *d, const char *program)
{
	int pair[2], kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), rings, fds[NSLOTS];
	static const int slots[NSLOTS] = { FD_CTL, FD_KVM, FD_RINGS,
		FD_RINGS_TO_FAR, FD_RINGS_TO_GUEST };

	memset(d, 0, sizeof(*d));
	d->listener = -1;
	if (kvm < 0)
		die("/dev/kvm");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair) != 0)
		die("socketpair");
	d->memory = memfd("ram", GUEST_MEMORY);
	d->ram = map(d->memory, GUEST_MEMORY);
	rings = memfd("rings", sizeof(struct bytering_page));
	d->rings = map(rings, sizeof(struct bytering_page));
	bytering_init(&d->serial_out, &d->rings->serial_out);
	bytering_init(&d->serial_in, &d->rings->serial_in);
	bytering_init(&d->debug_out, &d->rings->debug_out);
	d->to_far = event();
	d->to_guest = event();
	fds[0] = pair[1];
	fds[1] = kvm;
	fds[2] = rings;
	fds[3] = d->to_far;
	fds[4] = d->to_guest;
	d->pid = spawn(program, fds, slots);
	close(pair[1]);
	close(kvm);
	close(rings);
	chan_init(&d->ctl, pair[0], PEER_CONTROLLER, PEER_VCPU, &buffers);
	d->ctl.states = PROTO_ANY;
	return true;
}

bool
drive_configure(struct drive *d, uint32_t vcpus)
{
	Bh__VmConfig c = BH__VM_CONFIG__INIT;
	Bh__PciSegment segment = BH__PCI_SEGMENT__INIT, *segments[] = { &segment };
	CHAN_PACKET(p, VM_CONFIG, vm_config, &c);

	c.boot_vcpus = vcpus;
	c.max_vcpus = vcpus;
	c.memory_reserve = 64ull << 20;
	c.mmio64_base = 0x100000000ull;
	c.mmio64_size = 0x100000000ull;
	segment.mmio32_base = LAYOUT_MMIO32;
	segment.mmio32_size = LAYOUT_MMIO32_SIZE;
	c.n_segments = 1;
	c.segments = segments;
	c.core_scheduling = BH__CORE_SCHEDULING__CORE_SCHEDULING_OFF;
	c.serial = true;
	c.debug_console = true;
	c.debug_console_port = LAYOUT_PORT_DEBUGCON;
	return drive_request(d, &p, NULL, 0) &&
	    drive_add_memory(d, 0, 0, GUEST_MEMORY);
}

bool
drive_add_memory(struct drive *d, uint32_t slot, uint64_t gpa, uint64_t size)
{
	Bh__MemoryRegion r = BH__MEMORY_REGION__INIT;
	Bh__AddMemory add = BH__ADD_MEMORY__INIT;
	CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);

	r.slot = slot;
	r.gpa = gpa;
	r.size = size;
	add.region = &r;
	return drive_request(d, &p, &d->memory, 1);
}

bool
drive_remove_memory(struct drive *d, uint32_t slot)
{
	Bh__RemoveMemory r = BH__REMOVE_MEMORY__INIT;
	CHAN_PACKET(p, REMOVE_MEMORY, remove_memory, &r);

	r.slot = slot;
	return drive_request(d, &p, NULL, 0);
}

bool
drive_add_device(struct drive *d, struct drive_device *dev, uint32_t index,
    uint32_t bdf, uint32_t nqueues)
{
	static uint8_t config[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint32_t queue_max[MAX_TEST_QUEUES];
	int fds[2 + 2 * MAX_TEST_QUEUES], pair[2];
	Bh__DeviceReady ready = BH__DEVICE_READY__INIT;
	Bh__PciDevice device = BH__PCI_DEVICE__INIT;
	CHAN_PACKET(p, PCI_DEVICE, pci_device, &device);
	bool ok;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair) != 0)
		die("socketpair");
	chan_init(&dev->bus, pair[0], PEER_DEVICE, PEER_VCPU, &buffers);
	dev->bus.states = PROTO_RUNNING;
	fds[0] = pair[1];
	for (uint32_t q = 0; q < nqueues; q++) {
		fds[1 + 2 * q] = dev->kick[q] = event();
		fds[2 + 2 * q] = dev->call[q] = event();
		queue_max[q] = 64;
	}
	fds[1 + 2 * nqueues] = dev->config_call = event();
	ready.virtio_id = 4;
	ready.features = 1ull << 32 | 1ull << 28;
	ready.n_queue_max = nqueues;
	ready.queue_max = queue_max;
	ready.config.data = config;
	ready.config.len = sizeof(config);
	device.index = index;
	device.bdf = bdf;
	device.device = &ready;
	ok = drive_request(d, &p, fds, 2 + 2 * nqueues);
	close(pair[1]);
	return ok;
}

bool
drive_replace_device(struct drive *d, struct drive_device *dev, uint32_t index,
    uint32_t nqueues)
{
	static uint8_t config[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint32_t queue_max[MAX_TEST_QUEUES];
	Bh__DeviceReady ready = BH__DEVICE_READY__INIT;
	Bh__ReplaceDevice replace = BH__REPLACE_DEVICE__INIT;
	CHAN_PACKET(p, REPLACE_DEVICE, replace_device, &replace);
	int pair[2];
	bool ok;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0, pair) != 0)
		die("socketpair");
	chan_init(&dev->bus, pair[0], PEER_DEVICE, PEER_VCPU, &buffers);
	dev->bus.states = PROTO_RUNNING;
	for (uint32_t q = 0; q < nqueues; q++)
		queue_max[q] = 64;
	ready.virtio_id = 4;
	ready.features = 1ull << 32 | 1ull << 28;
	ready.n_queue_max = nqueues;
	ready.queue_max = queue_max;
	ready.config.data = config;
	ready.config.len = sizeof(config);
	replace.index = index;
	replace.device = &ready;
	ok = drive_request(d, &p, &pair[1], 1);
	close(pair[1]);
	return ok;
}

bool
drive_lose_device(struct drive *d, uint32_t index)
{
	Bh__LoseDevice lose = BH__LOSE_DEVICE__INIT;
	CHAN_PACKET(p, LOSE_DEVICE, lose_device, &lose);

	lose.index = index;
	return drive_request(d, &p, NULL, 0);
}

bool
drive_run(struct drive *d)
{
	Bh__BootState boot = BH__BOOT_STATE__INIT;
	Bh__StartVm start = BH__START_VM__INIT;
	CHAN_PACKET(p, START_VM, start_vm, &start);

	boot.protocol = BH__BOOT_PROTOCOL__BOOT_PROTOCOL_PVH;
	boot.entry = GUEST_CODE;
	boot.param = LAYOUT_PVH_START_INFO;
	start.boot = &boot;
	return drive_request(d, &p, NULL, 0);
}

void
drive_power_button(struct drive *d)
{
	Bh__PowerButton button = BH__POWER_BUTTON__INIT;
	CHAN_PACKET(p, POWER_BUTTON, power_button, &button);

	(void)chan_send(&d->ctl, &p, NULL, 0);
}

bool
drive_await_stop(struct drive *d)
{
	return await(d, 0);
}

int
drive_quit(struct drive *d)
{
	Bh__Quit quit = BH__QUIT__INIT;
	CHAN_PACKET(p, QUIT, quit, &quit);
	int status;

	(void)chan_send(&d->ctl, &p, NULL, 0);
	for (int i = 0; i < WAIT_MS; i++) {
		if (waitpid(d->pid, &status, WNOHANG) == d->pid) {
			d->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) :
			    -WTERMSIG(status);
		}
		usleep(1000);
	}
	return -1000;
}

bool
drive_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1 && (p.revents & POLLIN) != 0;
}

bool
drive_bus_recv(struct drive_device *dev, struct chan_msg *msg)
{
	const char *why = "";
	int rc;

	if (!drive_readable(dev->bus.fd))
		return false;
	rc = chan_recv(&dev->bus, msg, &why);
	if (rc < 0)
		printf("# bus: %s %s\n", strerror(-rc), why);
	return rc == 1;
}

void
drive_close_device(struct drive_device *dev, uint32_t nqueues)
{
	for (uint32_t q = 0; q < nqueues; q++) {
		close(dev->kick[q]);
		close(dev->call[q]);
	}
	close(dev->config_call);
	if (dev->bus.fd >= 0)
		close(dev->bus.fd);
}

void
drive_end(struct drive *d)
{
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	if (d->listener >= 0)
		close(d->listener);
	close(d->ctl.fd);
	close(d->memory);
	close(d->to_far);
	close(d->to_guest);
	munmap(d->ram, GUEST_MEMORY);
	munmap(d->rings, sizeof(struct bytering_page));
}

/* ---- The guest's code: 32-bit, flat. Intel SDM vol. 2 for the encodings ---- */

void
asm_bytes(struct drive *d, const void *code, uint32_t len)
{
	memcpy(d->ram + GUEST_CODE + d->code, code, len);
	d->code += len;
}

static void
byte(struct drive *d, uint8_t value)
{
	asm_bytes(d, &value, 1);
}

static void
word(struct drive *d, uint32_t value)
{
	asm_bytes(d, &value, 4);
}

void
asm_out8(struct drive *d, uint16_t port, uint8_t value)
{
	byte(d, 0xba);			/* mov edx, port */
	word(d, port);
	byte(d, 0xb0);			/* mov al, value */
	byte(d, value);
	byte(d, 0xee);			/* out dx, al */
}

void
asm_write(struct drive *d, uint32_t addr, uint32_t value, int bits)
{
	byte(d, 0xb8);			/* mov eax, value */
	word(d, value);
	if (bits == 16)
		byte(d, 0x66);
	byte(d, bits == 8 ? 0xa2 : 0xa3);	/* mov [addr], al / eax */
	word(d, addr);
}

static void
loop_unless(struct drive *d, uint32_t start, uint8_t mask, uint8_t value)
{
	byte(d, 0x24);			/* and al, mask */
	byte(d, mask);
	byte(d, 0x3c);			/* cmp al, value */
	byte(d, value);
	byte(d, 0x75);			/* jne start */
	byte(d, (uint8_t)(start - (d->code + 1)));
}

void
asm_await8(struct drive *d, uint32_t addr, uint8_t mask, uint8_t value)
{
	uint32_t start = d->code;

	byte(d, 0xa0);			/* mov al, [addr] */
	word(d, addr);
	loop_unless(d, start, mask, value);
}

void
asm_await_in8(struct drive *d, uint16_t port, uint8_t mask, uint8_t value)
{
	uint32_t start;

	byte(d, 0xba);			/* mov edx, port */
	word(d, port);
	start = d->code;
	byte(d, 0xec);			/* in al, dx */
	loop_unless(d, start, mask, value);
}

void
asm_power_off(struct drive *d)
{
	asm_out8(d, LAYOUT_PORT_ACPI_SLEEP, LAYOUT_ACPI_S5 << 2 | 1 << 5);
	asm_spin(d);
}

void
asm_spin(struct drive *d)
{
	byte(d, 0xeb);			/* jmp $ */
	byte(d, 0xfe);
}

/* ---- TAP ---- */

static int number, failures;

void
drive_check(bool ok, const struct drive *d, const char *what)
{
	number++;
	printf("%sok %d - %s\n", ok ? "" : "not ", number, what);
	if (!ok) {
		failures++;
		printf("# last text: %s; reason %d\n", d->text, d->reason);
	}
}

int
drive_checked(void)
{
	printf("1..%d\n", number);
	return failures != 0;
}
