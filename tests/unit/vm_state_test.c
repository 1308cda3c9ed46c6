/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a VM: saved, loaded and saved again it is the same; cut off and flipped
 * at every byte it is refused, or taken as another valid one; what does not fit is
 * named.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/vm_fixture.h"

#define MAX_BYTES ((size_t)1 << 18)
#define ECAM 0xe8000000ull

static uint8_t first[MAX_BYTES], second[MAX_BYTES];

/* The PM timer stands still, in this process. */
int
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = (struct timespec){ .tv_sec = 1000 };
	return 0;
}

static void
wr(uint64_t addr, uint32_t len, uint64_t value)
{
	uint8_t data[8];

	bus_put(data, len, value);
	assert_true(bus_write(&fixture.mmio, addr, data, len));
}

static void
out(uint64_t port, uint8_t value)
{
	assert_true(bus_write(&fixture.ports, port, &value, 1));
}

/* A guest with a driver, interrupts, a watchdog that runs, and registers. */
static void
dirty(void)
{
	const uint64_t config = ECAM + (FIXTURE_BDF << 12);
	uint64_t bar = pci_get32(&fixture_device.vp.fn, PCI_CFG_BAR0) & ~0xfull;

	wr(config + PCI_CFG_COMMAND, 2, 6);
	wr(config + 0x42, 2, 0x8000);
	wr(bar + 0x14, 1, 3);
	wr(bar + 0x0c, 4, 1u << 5);
	wr(bar + 0x08, 4, 1);
	wr(bar + 0x0c, 4, 1);
	wr(bar + 0x14, 1, 11);
	wr(bar + 0x1a, 2, 1);
	wr(bar + 0x20, 4, 0x10000);
	wr(bar + 0x28, 4, 0x11000);
	wr(bar + 0x30, 4, 0x12000);
	wr(bar + 0x1c, 2, 1);
	wr(bar + 0x14, 1, 15);
	wr(bar + 0x2002, 1, 0x5a);
	wr(bar + 0x2004, 4, 7);
	/* Vector 1 stays masked, and its queue has a signal. */
	wr(bar + 0x4010, 4, 0xfee00000);
	wr(bar + 0x4018, 4, 0x55);
	assert_int_equal(eventfd_write(fixture_fds[1], 1), 0);
	wr(0xfec00000, 4, 0x14);
	wr(0xfec00010, 4, 0x8055);
	out(0x3f8 + 1, 1);
	out(0x3f8 + 7, 0x77);
	out(0x70, 0x40);
	out(0x71, 0x99);
	out(0x64, 0xaa);
	fixture.watchdog.stage = 1;
	fixture.watchdog.left = 12345678;
	fixture.watchdog.preload[1] = 99;
	fixture_clock = 777;
	for (uint32_t i = 0; i < FIXTURE_VCPUS; i++) {
		struct arch_vcpu_saved *s = &fixture_hv[i];

		s->regs.rip = 0x1234 + i;
		s->regs.gpr[X86_R9] = ~0ull;
		s->regs.cs = (struct x86_segment){ .base = 1, .limit = 2, .selector = 8,
			.type = 11, .present = true, .l = true };
		s->nmsrs = 2;
		s->msr_index[1] = 0xc0000081, s->msr_value[1] = 0x1122334455667788;
		s->xsave[100] = 0xab;
		s->lapic[0x20] = (uint8_t)i;
		s->mp_state = i == 0 ? X86_MP_HALTED : X86_MP_NOT_STARTED;
		s->events.nmi_flags = X86_NMI_PENDING;
		s->tsc = 1ull << 40;
	}
}

static void
same_bytes(void **state)
{
	const char *why = "";
	bool touched;
	size_t len, again;
	struct virtio_pci_post p;

	(void)state;
	fixture_make();
	dirty();
	len = fixture_save(first, MAX_BYTES);
	assert_true(len > 4096);
	fixture_loads = 0;
	fixture_make();
	assert_int_equal(fixture_load(first, len, &touched, &why), 0);
	assert_true(touched);
	assert_int_equal(fixture_loads, FIXTURE_VCPUS);
	assert_int_equal(fixture_hv[1].msr_value[1], 0x1122334455667788);
	assert_int_equal(fixture_hv[0].regs.cs.type, 11);
	assert_true(fixture_hv[0].regs.cs.l);
	assert_int_equal(fixture_clock, 777);
	/* The device: where it was, at work, with its signal, and told so. */
	assert_true(fixture_device.vp.active);
	assert_int_equal(fixture_device.vp.activation.queue[0].driver, 0x11000);
	assert_true(fixture_device.vp.msix.pending[1]);
	assert_int_equal(fixture_page[2], 0x5a);
	assert_true(virtio_pci_take(&fixture_device.vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_RESUME);
	assert_true(virtio_pci_take(&fixture_device.vp, &p));
	assert_int_equal(p.kind, VIRTIO_POST_CONFIG);
	assert_int_equal(p.data[0], 7);
	assert_int_equal(fake_hv_io_at(fixture_device.vp.fn.bar_base + 0x3000),
	    fixture_fds[0]);
	assert_true(fake_hv.has_route[2]);
	assert_int_equal(fake_hv.mistakes, 0);

	fixture_make();
	assert_int_equal(fixture_load(first, len, &touched, &why), 0);
	again = fixture_save(second, MAX_BYTES);
	assert_int_equal(again, len);
	assert_memory_equal(first, second, len);
}

/* Every byte, but of the zeros of register areas, which are most of it: some. */
static size_t
step(size_t at)
{
	static const uint8_t zeros[32];

	return memcmp(first + at, zeros, sizeof(zeros)) == 0 ? 31 : 1;
}

static void
cut_off(void **state)
{
	const char *why = "";
	bool touched;
	size_t len;

	(void)state;
	fixture_make();
	dirty();
	len = fixture_save(first, MAX_BYTES);
	fixture_make();
	for (size_t n = 0; n < len; n += step(n)) {
		assert_true(fixture_load(first, n, &touched, &why) < 0);
		assert_false(touched);
		assert_true(why != NULL && *why != '\0');
	}
}

/* A flip in a value is another value; one of the form is refused, and touches nothing. */
static void
flipped(void **state)
{
	unsigned int refused = 0;
	const char *why = "";
	bool touched;
	size_t len;

	(void)state;
	fixture_make();
	dirty();
	len = fixture_save(first, MAX_BYTES);
	for (size_t n = 0; n < len; n += step(n)) {
		int rc;

		fixture_make();
		first[n] ^= (uint8_t)(1u << n % 8);
		rc = fixture_load(first, len, &touched, &why);
		first[n] ^= (uint8_t)(1u << n % 8);
		assert_true(rc == 0 || !touched);
		refused += rc < 0;
		assert_int_equal(fake_hv.mistakes, 0);
	}
	assert_true(refused > 100);
}

/* Refused, with this in the reason; the VM is as it was. */
static void
refuses(size_t len, const char *text)
{
	const char *why = "";
	bool touched;

	assert_true(fixture_load(first, len, &touched, &why) < 0);
	assert_false(touched);
	if (strstr(why, text) == NULL)
		print_message("%s\n", why);
	assert_non_null(strstr(why, text));
}

static void
names(void **state)
{
	size_t len;

	(void)state;
	fixture_make();
	dirty();
	len = fixture_save(first, MAX_BYTES);
	fixture_make();
	fixture_cpuid.entry[1].ecx = 0;
	refuses(len, "no avx");
	fixture_make();
	fixture_cpuid.entry[0].ebx = 0x68747541;
	refuses(len, "another vendor");
	fixture_make();
	fixture_device.vp.features = 1ull << 32;
	refuses(len, "device 3, PCI 0000:00:02.0: its driver uses features");
	fixture_make();
	fixture_device.vp.nqueues = 1;
	refuses(len, "other queues");
	fixture_make();
	fixture.cpus.max_vcpus = 1;
	refuses(len, "up to 2 vCPUs");
	fixture_make();
	fixture.watchdog.fn.host = NULL;
	refuses(len, "6300ESB watchdog: it is in one");
	fixture_make();
	first[1] = 9;
	refuses(len, "state version 9; this program reads 1 to 1");
}

static void
unsealed(void **state)
{
	const char *why = "";
	bool touched = false;

	(void)state;
	fixture_make();
	fixture_file(first, 10, false);
	assert_int_equal(vm_load(&fixture, &touched, &why), -EINVAL);
	assert_non_null(strstr(why, "sealed"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes), cmocka_unit_test(cut_off),
		cmocka_unit_test(flipped), cmocka_unit_test(names),
		cmocka_unit_test(unsealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
