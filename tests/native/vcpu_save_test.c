// SPDX-License-Identifier: Apache-2.0
/*
 * bulkhead-test-vcpu-save VCPU-WORKER: SaveVm and LoadVm of the shipped vcpu-worker in
 * its jail, on this machine's own KVM. Prints TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "arch/x86_64/layout.h"
#include "tests/native/vcpu_drive.h"

#define ROUNDS 4
#define MAX_STATE ((size_t)1 << 20)
#define AP_COUNTER(ap) (0x7000u + (uint32_t)(ap) * 0x1000u + 0x100u)

/* Where the guest of below and the test meet. */
enum place {
	READY = 0x200000, GO = 0x200010, COUNTER = 0x200020, ERRORS = 0x200024,
	PATTERN = 0x200100, SSE_OUT = 0x200200, STAR_OUT = 0x200210, IRR_OUT = 0x200220,
	PAT_OUT = 0x200228, KVMCLOCK = 0x200300,
};

static const char *program;

static int64_t
now_ns(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint32_t
peek(const struct drive *d, uint32_t addr)
{
	return __atomic_load_n((const uint32_t *)(const void *)(d->ram + addr),
	    __ATOMIC_SEQ_CST);
}

/* At most 5 s. */
static bool
await_more(const struct drive *d, uint32_t addr, uint32_t than)
{
	for (int i = 0; i < 5000; i++) {
		if (peek(d, addr) - than - 1 < UINT32_MAX / 2)
			return true;
		usleep(1000);
	}
	printf("# 0x%x stays at %u\n", addr, peek(d, addr));
	return false;
}

static bool
set_paused(struct drive *d, bool paused)
{
	Bh__SetPaused m = BH__SET_PAUSED__INIT;
	CHAN_PACKET(p, SET_PAUSED, set_paused, &m);

	m.paused = paused;
	return drive_request(d, &p, NULL, 0);
}

static int
state_file(void)
{
	return memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static void
seal(int fd)
{
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
}

static bool
save(struct drive *d, int fd)
{
	Bh__SaveVm m = BH__SAVE_VM__INIT;
	CHAN_PACKET(p, SAVE_VM, save_vm, &m);

	return drive_request(d, &p, &fd, 1);
}

static bool
load(struct drive *d, int fd)
{
	Bh__LoadVm m = BH__LOAD_VM__INIT;
	CHAN_PACKET(p, LOAD_VM, load_vm, &m);

	return drive_request(d, &p, &fd, 1);
}

/* A state of @len bytes, sealed. */
static bool
load_bytes(struct drive *d, const uint8_t *bytes, size_t len)
{
	int fd = state_file();
	bool ok = write(fd, bytes, len) == (ssize_t)len;

	seal(fd);
	ok = ok && load(d, fd);
	close(fd);
	return ok;
}

static bool
start_to_load(struct drive *d)
{
	Bh__StartVm m = BH__START_VM__INIT;
	CHAN_PACKET(p, START_VM, start_vm, &m);

	m.load = true;
	return drive_request(d, &p, NULL, 0);
}

/* A VM that waits for its state, with the memory of @from. */
static bool
prepare(struct drive *d, const struct drive *from, uint32_t vcpus)
{
	if (!drive_start(d, program))
		return false;
	if (from != NULL) {
		munmap(d->ram, GUEST_MEMORY);
		close(d->memory);
		d->memory = fcntl(from->memory, F_DUPFD_CLOEXEC, 0);
		d->ram = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
		    d->memory, 0);
	}
	return drive_configure(d, vcpus);
}

/* ---- The guest ---- */

static void
op(struct drive *d, const char *code, uint32_t len, uint32_t addr)
{
	asm_bytes(d, code, len);
	asm_bytes(d, &addr, 4);
}

static void
asm_wrmsr(struct drive *d, uint32_t index, uint32_t low, uint32_t high)
{
	op(d, "\xb9", 1, index);
	op(d, "\xb8", 1, low);
	op(d, "\xba", 1, high);
	asm_bytes(d, "\x0f\x30", 2);
}

static void
asm_rdmsr(struct drive *d, uint32_t index, uint32_t addr)
{
	op(d, "\xb9", 1, index);
	asm_bytes(d, "\x0f\x32", 2);
	op(d, "\xa3", 1, addr);			/* mov [addr], eax */
	op(d, "\x89\x15", 2, addr + 4);		/* mov [addr], edx */
}

#define LAPIC_REG(offset) (LAYOUT_LAPIC + (offset))
#define STAR 0xc0000081u
#define PAT 0x277u

/* Each AP counts in a page of its own, in real mode. */
static void
asm_start_aps(struct drive *d, uint32_t vcpus)
{
	for (uint32_t ap = 1; ap < vcpus; ap++) {
		uint8_t *page = d->ram + ((size_t)7 + ap) * 0x1000;

		/* inc word [cs:0x100]; jmp back */
		memcpy(page, "\x2e\xff\x06\x00\x01\xeb\xf9", 7);
		asm_write(d, LAPIC_REG(0x310), ap << 24, 32);
		asm_write(d, LAPIC_REG(0x300), 0x4500, 32);
		asm_write(d, LAPIC_REG(0x310), ap << 24, 32);
		asm_write(d, LAPIC_REG(0x300), 0x4600 | (7 + ap), 32);
	}
}

/*
 * Count, and see to it that what toggles at every read does so, however often the
 * VM is saved in between: an access that is done twice, or half, is an error.
 */
static void
asm_count(struct drive *d)
{
	uint32_t start;

	asm_bytes(d, "\xe4\x61\x88\xc7", 4);	/* in al, 0x61; mov bh, al */
	asm_write(d, READY, 1, 32);
	start = d->code;
	asm_bytes(d, "\xe4\x61\x88\xc3\x30\xfb", 6);	/* ...; bl = al ^ bh */
	asm_bytes(d, "\x80\xe3\x30\x80\xfb\x30\x74\x06", 8);
	op(d, "\xff\x05", 2, ERRORS);		/* unless they differ by 0x30 */
	asm_bytes(d, "\x88\xc7", 2);		/* mov bh, al */
	op(d, "\xff\x05", 2, COUNTER);
	op(d, "\x80\x3d", 2, GO);		/* cmp byte [GO], 0; je start */
	asm_bytes(d, "\x00\x74", 2);
	asm_bytes(d, &(uint8_t){ (uint8_t)(start - (d->code + 1)) }, 1);
}

static void
asm_guest(struct drive *d, uint32_t vcpus)
{
	for (uint32_t i = 0; i < 16; i++)
		d->ram[PATTERN + i] = (uint8_t)(0xa0 + i);
	/* cr4 |= OSFXSR; movups xmm3, [PATTERN] */
	asm_bytes(d, "\x0f\x20\xe0\x0d\x00\x02\x00\x00\x0f\x22\xe0", 11);
	op(d, "\x0f\x10\x1d", 3, PATTERN);
	asm_wrmsr(d, STAR, 0x11223344, 0x55667788);
	asm_wrmsr(d, PAT, 0x00070406, 0x00070401);
	/* The local APIC on; a message to itself, which waits: no one takes it. */
	asm_write(d, LAPIC_REG(0xf0), 0x1ff, 32);
	asm_write(d, LAPIC_REG(0x300), 0x40041, 32);
	/* A timer that ends while the VM is saved, or after it: 1 tick is 1 ns. */
	asm_write(d, LAPIC_REG(0x3e0), 0xb, 32);
	asm_write(d, LAPIC_REG(0x320), 0x42, 32);
	asm_write(d, LAPIC_REG(0x380), 400000000, 32);
	asm_start_aps(d, vcpus);
	asm_count(d);
	op(d, "\x0f\x11\x1d", 3, SSE_OUT);	/* movups [SSE_OUT], xmm3 */
	asm_rdmsr(d, STAR, STAR_OUT);
	asm_rdmsr(d, PAT, PAT_OUT);
	/* Both are asked for: vectors 0x41 and 0x42 of the third word of the IRR. */
	asm_await8(d, LAPIC_REG(0x220), 0x06, 0x06);
	op(d, "\xa1", 1, LAPIC_REG(0x220));
	op(d, "\xa3", 1, IRR_OUT);
	asm_power_off(d);
}

/* ---- Tests ---- */

/* @from is gone; *to goes on with what it held. */
static bool
move(struct drive *from, struct drive *to, uint32_t vcpus)
{
	uint32_t count, ap_count[8];
	int fd = state_file();
	bool ok = set_paused(from, true);
	int64_t at = now_ns(), saved;

	ok = ok && save(from, fd);
	saved = now_ns() - at;

	count = peek(from, COUNTER);
	for (uint32_t ap = 1; ap < vcpus; ap++)
		ap_count[ap] = peek(from, AP_COUNTER(ap)) & 0xffff;
	ok = ok && prepare(to, from, vcpus) && start_to_load(to);
	drive_end(from);
	seal(fd);
	at = now_ns();
	ok = ok && load(to, fd);
	printf("# saved in %lld us, loaded in %lld us\n", (long long)saved / 1000,
	    (long long)(now_ns() - at) / 1000);
	ok = ok && peek(to, COUNTER) == count && set_paused(to, false);
	close(fd);
	ok = ok && await_more(to, COUNTER, count);
	for (uint32_t ap = 1; ok && ap < vcpus; ap++)
		for (int i = 0; ok && i < 5000 &&
		    (peek(to, AP_COUNTER(ap)) & 0xffff) == ap_count[ap]; i++) {
			usleep(1000);
			ok = i < 4999;
		}
	return ok;
}

static void
test_registers(uint32_t vcpus)
{
	static const uint64_t star = 0x5566778811223344, pat = 0x0007040100070406;
	struct drive d[2];
	bool ok;
	int at = 0;

	ok = prepare(&d[0], NULL, vcpus);
	asm_guest(&d[0], vcpus);
	ok = ok && drive_run(&d[0]) && await_more(&d[0], READY, 0);
	for (uint32_t ap = 1; ok && ap < vcpus; ap++)
		ok = await_more(&d[0], AP_COUNTER(ap), 0);
	drive_check(ok, &d[0], "a guest counts");
	for (int i = 0; ok && i < ROUNDS; i++) {
		ok = move(&d[at], &d[1 - at], vcpus);
		at = 1 - at;
	}
	drive_check(ok, &d[at], "it is saved, killed and loaded, and counts on");
	if (!ok) {
		drive_end(&d[at]);
		return;
	}
	d[at].ram[GO] = 1;
	drive_check(drive_await_stop(&d[at]), &d[at], "it comes to its end");
	drive_check(peek(&d[at], ERRORS) == 0, &d[at], "no access was done twice");
	drive_check(memcmp(d[at].ram + SSE_OUT, d[at].ram + PATTERN, 16) == 0, &d[at],
	    "xmm3 is what it was");
	drive_check(memcmp(d[at].ram + STAR_OUT, &star, 8) == 0 &&
	    memcmp(d[at].ram + PAT_OUT, &pat, 8) == 0, &d[at], "so are MSRs");
	drive_check((peek(&d[at], IRR_OUT) & 6) == 6, &d[at],
	    "an interrupt that waited still waits, and the timer has come");
	drive_quit(&d[at]);
	drive_end(&d[at]);
}

static size_t
saved_bytes(struct drive *d, uint8_t *bytes)
{
	int fd = state_file();
	ssize_t n = save(d, fd) ? pread(fd, bytes, MAX_STATE, 0) : -1;

	close(fd);
	return n < 0 ? 0 : (size_t)n;
}

static void
test_refusals(void)
{
	uint8_t *bytes = calloc(1, MAX_STATE), was;
	struct drive d, to;
	unsigned int taken = 0;
	size_t len;
	int fd;

	if (bytes == NULL)
		return;
	prepare(&d, NULL, 1);
	asm_guest(&d, 1);
	drive_run(&d);
	(void)await_more(&d, READY, 0);
	fd = state_file();
	drive_check(!save(&d, fd) && d.failed == EBUSY, &d, "a VM that runs is not saved");
	drive_check(!load(&d, fd) && d.failed == EBUSY, &d, "nor loaded");
	set_paused(&d, true);
	len = saved_bytes(&d, bytes);
	drive_check(len > 4096, &d, "one that stands still is");
	printf("# %zu bytes\n", len);

	prepare(&to, &d, 2);
	start_to_load(&to);
	drive_check(!load_bytes(&to, bytes, len) && strstr(to.text, "up to 1 vCPU") != NULL, &to,
	    "a VM with other vCPUs is named");
	drive_end(&to);

	prepare(&to, &d, 1);
	start_to_load(&to);
	drive_check(!set_paused(&to, false), &to, "one without its state does not run");
	(void)!ftruncate(fd, 0);
	(void)!pwrite(fd, bytes, len, 0);
	drive_check(!load(&to, fd) && strstr(to.text, "sealed") != NULL, &to,
	    "a file that can change is refused");
	was = bytes[1], bytes[1] = 77;
	drive_check(!load_bytes(&to, bytes, len) && strstr(to.text, "version 77") != NULL, &to,
	    "an unknown version is named");
	bytes[1] = was;
	for (size_t n = 0; n < len; n += n < 64 || n > len - 64 ? 1 : 97)
		taken += load_bytes(&to, bytes, n);
	drive_check(taken == 0, &to, "a state that ends early is refused, wherever it does");
	bytes[len] = 0;
	drive_check(!load_bytes(&to, bytes, len + 1), &to, "one that goes on is");
	drive_check(load_bytes(&to, bytes, len), &to, "the whole one is taken after all");
	drive_check(!load_bytes(&to, bytes, len) && to.failed == EBUSY, &to, "once");
	drive_check(set_paused(&to, false) && await_more(&to, COUNTER, peek(&to, COUNTER)),
	    &to, "and runs");
	drive_quit(&to);
	drive_end(&to);
	drive_end(&d);
	close(fd);
	free(bytes);
}

/* ---- Clocks ---- */

#define MSR_KVMCLOCK 0x4b564d01u
#define PAUSE_MS 500
#define GUEST_STOPPED 2u

/* Its time when KVM last wrote it: at the end of a pause (struct pvclock_vcpu_time_info). */
static int64_t
kvmclock(const struct drive *d)
{
	int64_t ns;

	memcpy(&ns, d->ram + KVMCLOCK + 16, sizeof(ns));
	return ns;
}

/* @lived: ns that the guest has had; the pause is none of them. */
static void
check_clock(const struct drive *d, int64_t lived, const char *what)
{
	int64_t ns = kvmclock(d);

	drive_check(ns > 0 && ns < lived + (int64_t)PAUSE_MS * 500000 &&
	    (d->ram[KVMCLOCK + 29] & GUEST_STOPPED) != 0, d, what);
	printf("# the guest's clock: %lld ms of %lld\n", (long long)ns / 1000000,
	    (long long)lived / 1000000);
}

static void
test_clock(void)
{
	int64_t begin = now_ns(), lived, paused;
	struct drive d, to;
	int fd = state_file();
	bool ok;

	prepare(&d, NULL, 1);
	asm_wrmsr(&d, MSR_KVMCLOCK, KVMCLOCK | 1, 0);
	asm_count(&d);
	asm_spin(&d);
	ok = drive_run(&d) && await_more(&d, READY, 0) && set_paused(&d, true);
	lived = now_ns() - begin;
	usleep(PAUSE_MS * 1000);
	paused = now_ns();
	d.ram[KVMCLOCK + 29] = 0;
	ok = ok && set_paused(&d, false) && await_more(&d, COUNTER, peek(&d, COUNTER));
	drive_check(ok, &d, "a pause ends");
	check_clock(&d, lived, "kvmclock stood still, and the guest is told");

	ok = ok && set_paused(&d, true) && save(&d, fd);
	lived += now_ns() - paused;
	usleep(PAUSE_MS * 1000);
	seal(fd);
	ok = ok && prepare(&to, &d, 1) && start_to_load(&to) && load(&to, fd);
	drive_end(&d);
	close(fd);
	if (!ok) {
		drive_check(ok, &d, "it is saved and loaded");
		return;
	}
	to.ram[KVMCLOCK + 29] = 0;
	ok = set_paused(&to, false) && await_more(&to, COUNTER, peek(&to, COUNTER));
	drive_check(ok, &to, "another worker goes on");
	check_clock(&to, lived, "kvmclock goes on where it was saved, and the guest is told");
	drive_end(&to);
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	program = argv[1];
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	test_registers(1);
	test_registers(4);
	test_clock();
	test_refusals();
	return drive_checked();
}
