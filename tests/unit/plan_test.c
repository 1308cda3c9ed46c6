// SPDX-License-Identifier: Apache-2.0
//
// The plan: where RAM, the PCI window and devices go.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/layout.h"
#include "controller/numa.h"
#include "controller/options.h"
#include "controller/plan.h"
#include "ipc/slots.h"

#define GIB (1ull << 30)

static struct vm_spec spec;
static struct vm_plan plan;
static struct spec_error err;
static const struct plan_host host = { .phys_bits = 48,
				       .random = 0x010203040506ull };

static int
setup(void **state)
{
	(void)state;
	spec_free(&spec);
	spec_init(&spec);
	spec.cpus.max = spec.cpus.boot;
	return 0;
}

static void
ram_below_and_above_the_hole(void **state)
{
	static const struct {
		uint64_t size, low, high, window;
	} rows[] = {
		{ 512ull << 20, 512ull << 20, 0, 4 * GIB },
		{ 3 * GIB, 3 * GIB, 0, 4 * GIB },
		{ 3 * GIB + 4096, 3 * GIB, 4096, 5 * GIB },
		{ 5 * GIB, 3 * GIB, 2 * GIB, 6 * GIB },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		spec.memory.size = rows[i].size;
		assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
		assert_int_equal(plan.regions[0].gpa, 0);
		assert_int_equal(plan.regions[0].size, rows[i].low);
		assert_int_equal(plan.nregions, rows[i].high != 0 ? 2 : 1);
		if (rows[i].high != 0) {
			assert_int_equal(plan.regions[1].gpa, 4 * GIB);
			assert_int_equal(plan.regions[1].size, rows[i].high);
			assert_int_equal(plan.regions[1].offset, 3 * GIB);
		}
		assert_int_equal(plan.mmio64_base, rows[i].window);
		/* max_phys_bits=46 is less than the host's 48 */
		assert_int_equal(plan.mmio64_base + plan.mmio64_size,
		    1ull << 46);
	}
}

static void
ram_beyond_the_address_space(void **state)
{
	struct plan_host small = { .phys_bits = 36 };

	(void)state;
	spec.memory.size = 62 * GIB;
	assert_int_equal(plan_make(&plan, &spec, &small, &err), 0);
	spec.memory.size = 63 * GIB;
	assert_true(plan_make(&plan, &spec, &small, &err) < 0);
	assert_non_null(strstr(err.line, "--memory"));
	assert_non_null(strstr(err.line, "max_phys_bits"));
}

/* Behind RAM, where Linux takes it in whatever blocks; the window is behind it. */
static void
memory_to_come(void **state)
{
	(void)state;
	spec.memory.size = 5 * GIB;
	spec.memory.hotplug_size = 3 * GIB;
	spec.memory.hotplugged_size = GIB;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.nregions, 2);
	assert_int_equal(plan.dimm_gpa, 6 * GIB);
	assert_int_equal(plan.dimm_size, 3 * GIB);
	assert_int_equal(plan.mmio64_base, 9 * GIB);
	spec.memory.hotplug_method = HOTPLUG_VIRTIO_MEM;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.nregions, 3);
	assert_true(plan.regions[2].hot && !plan.regions[1].hot);
	assert_int_equal(plan.regions[2].gpa, 6 * GIB);
	assert_int_equal(plan.regions[2].size, 3 * GIB);
	assert_int_equal(plan.ram_end, 6 * GIB);
	assert_int_equal(plan.mmio64_base, 9 * GIB);
	assert_int_equal(plan.zones[0].hot_wanted, GIB);
	assert_int_equal(plan.devices[plan.ndevices - 1].kind, PROC_MEM);
	assert_string_equal(plan.devices[plan.ndevices - 1].id, "mem0");
	spec.memory.hotplug_size = 1ull << 46;
	assert_true(plan_make(&plan, &spec, &host, &err) < 0);
	spec.memory.hotplug_size = spec.memory.hotplugged_size = 0;
	spec.memory.hotplug_method = HOTPLUG_ACPI;
}

/* One behind the other, around the hole; each has its own part for more. */
static void
zones_and_their_nodes(void **state)
{
	static const char *names[] = { "a", "b" };

	(void)state;
	spec.memory.size = 0;
	spec.memory.hotplug_method = HOTPLUG_VIRTIO_MEM;
	spec.nzones = 3;
	for (uint32_t i = 0; i < 3; i++)
		spec.zones[i] = zone_default;
	spec.zones[0].id = "a";
	spec.zones[0].size = 2 * GIB;
	spec.zones[1].id = "b";
	spec.zones[1].size = 2 * GIB;
	spec.zones[1].hotplug_size = 3 * GIB;
	spec.zones[2].id = "c";
	spec.zones[2].size = GIB;
	spec.zones[2].hotplug_size = spec.zones[2].hotplugged_size = GIB;
	spec.nnuma = 2;
	spec.numa[0] = (struct numa_spec){ .node = 1, .zones = { names[1] },
		.nzones = 1, .cpus = { 2 }, .distances = { 33 } };
	spec.numa[1] = (struct numa_spec){ .node = 0, .zones = { names[0] },
		.nzones = 1, .segments = { 2 } };
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.nzones, 3);
	assert_int_equal(plan.nregions, 6);
	assert_int_equal(plan.regions[1].gpa, 2 * GIB);
	assert_int_equal(plan.regions[1].size, GIB);
	assert_int_equal(plan.regions[2].gpa, 4 * GIB);
	assert_int_equal(plan.regions[2].offset, GIB);
	assert_int_equal(plan.regions[3].gpa, 5 * GIB);
	assert_int_equal(plan.zones[1].hot_gpa, 6 * GIB);
	assert_int_equal(plan.zones[2].hot_gpa, 10 * GIB);
	assert_int_equal(plan.zones[2].hot_wanted, GIB);
	assert_int_equal(plan.zones[0].node, 0);
	assert_int_equal(plan.zones[1].node, 1);
	assert_int_equal(plan.zones[2].node, 0);
	assert_string_equal(plan.devices[plan.ndevices - 1].id, "__mem_c");
	assert_int_equal(numa_node_of_cpu(&spec, 1), 1);
	assert_int_equal(numa_node_of_cpu(&spec, 2), 0);
	assert_int_equal(numa_node_of_segment(&spec, 1), 0);
	assert_int_equal(numa_distance(&spec, 0, 0), 10);
	assert_int_equal(numa_distance(&spec, 0, 1), 33);
	assert_int_equal(numa_distance(&spec, 1, 0), 33);
	assert_int_equal(spec_ram(&spec), 5 * GIB);
	spec.zones[2].size = 1ull << 46;
	assert_true(plan_make(&plan, &spec, &host, &err) < 0);
	assert_non_null(strstr(err.line, "--memory-zone"));
	spec.nzones = spec.nnuma = 0;
	spec.memory.hotplug_method = HOTPLUG_ACPI;
	spec.memory.size = GIB;
}

static void
names_count_on(void **state)
{
	(void)state;
	spec.ndisks = 2;
	spec.disks[0] = spec.disks[1] = disk_default;
	spec.disks[1].pci.id = "data";
	spec.nnets = 1;
	spec.nets[0] = net_default;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.ndevices, 5);
	assert_string_equal(plan.devices[0].id, "__console");
	assert_string_equal(plan.devices[1].id, "_disk0");
	assert_string_equal(plan.devices[2].id, "data");
	assert_string_equal(plan.devices[3].id, "_net1");
	assert_string_equal(plan.devices[4].id, "__rng");
}

static void
slots_are_honoured_and_unique(void **state)
{
	static bool seen[SPEC_MAX_SEGMENTS << 8];

	(void)state;
	spec.ndisks = 200;
	for (uint32_t i = 0; i < spec.ndisks; i++)
		spec.disks[i] = disk_default;
	spec.disks[150].pci.slot = 1;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[151].bdf, 1 << 3);
	/* the console has to move on */
	assert_int_equal(plan.devices[0].bdf, 2 << 3);
	/* as many segments as they need, and none is taken twice */
	assert_int_equal(plan.nsegments, 7);
	for (uint32_t i = 0; i < plan.ndevices; i++) {
		uint32_t bdf = plan.devices[i].bdf;

		assert_true(bdf >> 8 < plan.nsegments && (bdf >> 3 & 31) != 0);
		assert_false(seen[bdf]);
		seen[bdf] = true;
		/* what is in a slot leaves together */
		assert_int_equal(bdf & 7, 0);
	}
}

static void
segments(void **state)
{
	const uint64_t low_end = LAYOUT_MMIO32 + LAYOUT_MMIO32_SIZE;
	struct plan_device *dev, what = { .kind = PROC_BLK, .index = 3 };

	(void)state;
	spec.payload.kernel = "k";
	spec.platform.segments = 3;
	spec.ndisks = 3;
	for (uint32_t i = 0; i < 4; i++) {
		spec.disks[i] = disk_default;
		spec.disks[i].path = "d";
	}
	spec.disks[1].pci.segment = 2;
	spec.disks[2].pci.segment = 2;
	spec.disks[2].pci.slot = 9;
	spec.nsegments = 1;
	spec.segments[0] = (struct segment_spec){ 2, 6, 2 };
	assert_int_equal(spec_check(&spec, &err), 0);
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.nsegments, 3);
	assert_int_equal(plan.devices[1].bdf, 2 << 3);
	assert_int_equal(plan.devices[2].bdf, 2 << 8 | 1 << 3);
	assert_int_equal(plan.devices[3].bdf, 2 << 8 | 9 << 3);
	/* By weight, one behind the other, within the windows. */
	assert_int_equal(plan.segments[0].mmio32_base, LAYOUT_MMIO32);
	assert_int_equal(plan.segments[1].mmio32_base,
	    LAYOUT_MMIO32 + plan.segments[0].mmio32_size);
	assert_int_equal(plan.segments[2].mmio32_size / 0x100000,
	    6 * (plan.segments[1].mmio32_size / 0x100000));
	assert_true(plan.segments[2].mmio32_base + plan.segments[2].mmio32_size <=
	    low_end);
	assert_int_equal(plan.segments[0].mmio64_base, plan.mmio64_base);
	assert_true(plan.segments[2].mmio64_base + plan.segments[2].mmio64_size <=
	    plan.mmio64_base + plan.mmio64_size);
	assert_true(plan.segments[2].mmio64_size > plan.segments[1].mmio64_size);
	/* One more, while the VM runs: in its segment, or in the first with room. */
	spec.ndisks = 4;
	spec.disks[3].pci.segment = 2;
	assert_int_equal(plan_add(&plan, &spec, &host, &what, &dev, &err), 0);
	assert_int_equal(dev->bdf, 2 << 8 | 2 << 3);
	spec.disks[3].pci = (struct pci_spec){ .segment = 2, .slot = 9 };
	assert_true(plan_add(&plan, &spec, &host, &what, &dev, &err) < 0);
	spec.disks[3].pci = (struct pci_spec){ .segment = 3 };
	assert_true(plan_add(&plan, &spec, &host, &what, &dev, &err) < 0);
	assert_non_null(strstr(err.line, "num_pci_segments"));
	spec.disks[3].pci.segment = 0;
	plan.dead_slots[0] = ~1u;
	assert_int_equal(plan_add(&plan, &spec, &host, &what, &dev, &err), 0);
	assert_int_equal(dev->bdf, 1 << 8 | 1 << 3);
	/* What cannot be. */
	spec.ndisks = 3;
	spec.disks[0].pci = (struct pci_spec){ .segment = 2, .slot = 9 };
	assert_true(spec_check(&spec, &err) < 0);
	assert_non_null(strstr(err.line, "pci_device_id=9"));
	spec.disks[0].pci = (struct pci_spec){ .segment = 3 };
	assert_true(spec_check(&spec, &err) < 0);
	assert_non_null(strstr(err.line, "pci_segment=3"));
	spec.disks[0].pci.segment = 0;
	spec.segments[0].number = 3;
	assert_true(spec_check(&spec, &err) < 0);
	spec.segments[0].number = 2;
	spec.segments[1] = spec.segments[0];
	spec.nsegments = 2;
	assert_true(spec_check(&spec, &err) < 0);
	assert_non_null(strstr(err.line, "twice"));
	spec.nsegments = 1;
	spec.segments[0].weight32 = UINT32_MAX;
	assert_int_equal(spec_check(&spec, &err), 0);
	assert_true(plan_make(&plan, &spec, &host, &err) < 0);
	assert_non_null(strstr(err.line, "too small"));
	spec.segments[0].weight32 = 1;
	spec.segments[0].weight64 = UINT32_MAX;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	/* More than a segment has slots. */
	spec.ndisks = 40;
	for (uint32_t i = 0; i < spec.ndisks; i++) {
		spec.disks[i] = spec.disks[0];
		spec.disks[i].pci.segment = 1;
	}
	assert_true(plan_make(&plan, &spec, &host, &err) < 0);
	assert_non_null(strstr(err.line, "pci_segment=1"));
	/* All there can be. */
	spec.ndisks = spec.nsegments = 0;
	spec.platform.segments = SPEC_MAX_SEGMENTS;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_true(plan.segments[95].mmio32_size >= 1u << 20 &&
	    plan.segments[95].mmio32_base + plan.segments[95].mmio32_size <= low_end);
	assert_true(plan.segments[95].mmio64_size >= 1u << 20);
}

static void
full_bus(void **state)
{
	(void)state;
	spec.ndisks = PLAN_MAX_DEVICES - 2;	/* with console and rng */
	for (uint32_t i = 0; i < spec.ndisks; i++)
		spec.disks[i] = disk_default;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.ndevices, PLAN_MAX_DEVICES);
	spec.payload.kernel = "k";
	for (uint32_t i = 0; i < spec.ndisks; i++)
		spec.disks[i].path = "d";
	assert_int_equal(spec_check(&spec, &err), 0);
	spec.disks[spec.ndisks] = spec.disks[0];
	spec.ndisks++;
	assert_true(spec_check(&spec, &err) < 0);
	assert_non_null(strstr(err.line, "248"));
}

static void
front_ends(void **state)
{
	(void)state;
	spec.ndisks = spec.nnets = spec.nfs = spec.ngenerics = 1;
	spec.disks[0] = disk_default;
	spec.disks[0].vhost.on = true;
	spec.nets[0] = net_default;
	spec.nets[0].vhost.on = true;
	spec.fs[0] = fs_default;
	spec.generics[0] = generic_default;
	spec.generics[0].nqueues = 3;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.ndevices, 6);
	for (unsigned int i = 1; i < 5; i++) {
		static const uint32_t queues[] = { 0, 1, 2, 2, 3 };

		assert_int_equal(plan.devices[i].kind, PROC_FRONT);
		assert_int_equal(plan.devices[i].front, FRONT_DISK + i - 1);
		assert_int_equal(plan.devices[i].nqueues, queues[i]);
	}
	assert_string_equal(plan.devices[1].id, "_disk0");
	assert_string_equal(plan.devices[3].id, "_fs2");
	assert_int_equal(plan.devices[2].mac[0] & 3, 2);
	spec.fs[0].path = "/srv";
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[3].kind, PROC_FS);
	assert_int_equal(plan.devices[3].nqueues, 2);
	assert_string_equal(plan.devices[3].id, "_fs2");
	spec.nballoons = 1;
	spec.balloons[0] = balloon_default;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[6].kind, PROC_BALLOON);
	assert_string_equal(plan.devices[6].id, "__balloon");
	assert_int_equal(plan.devices[6].nqueues, 3);
	spec.balloons[0].free_page_reporting = true;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[6].nqueues, 5);
	spec.vsocks[0] = vsock_default;
	spec.nvsocks = 1;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[5].kind, PROC_VSOCK);
	assert_int_equal(plan.devices[5].nqueues, 3);
	assert_string_equal(plan.devices[5].id, "_vsock4");
	assert_ptr_equal(plan_removable(&spec, &plan.devices[5]),
	    &spec.vsocks[0].pci);
	spec.nballoons = 0;
	spec.watchdog.on = true;
	spec.nrtcs = 1;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[7].kind, PROC_WATCHDOG);
	assert_string_equal(plan.devices[7].id, "__watchdog");
	assert_int_equal(plan.devices[8].kind, PROC_RTC);
	assert_string_equal(plan.devices[8].id, "__rtc");
	assert_int_equal(plan.devices[8].nqueues, 1);
	assert_null(plan_removable(&spec, &plan.devices[7]));
	assert_int_equal(plan.i6300esb_bdf, 0);
	/* By its registers alone: no worker, but a place. */
	spec.watchdog.model = WATCHDOG_I6300ESB;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[7].kind, PROC_RTC);
	assert_int_equal(plan.i6300esb_bdf, 9 << 3);
	spec.watchdog.pci.slot = 4;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.i6300esb_bdf, 4 << 3);
	for (uint32_t i = 0; i < plan.ndevices; i++)
		assert_int_not_equal(plan.devices[i].bdf, 4 << 3);
	spec.watchdog.on = false;
	spec.nrtcs = 0;
	spec.ndisks = spec.nnets = spec.nfs = spec.ngenerics = spec.nvsocks = 0;
}

static void
console_without_a_device(void **state)
{
	(void)state;
	spec.console.mode = PORT_OFF;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[0].kind, PROC_CONSOLE);
	assert_false(plan.devices[0].on_pci);
	assert_int_equal(plan_nevents(&plan.devices[0]), 0);
	assert_int_equal(plan.devices[1].bdf, 1 << 3);
	spec.serial.mode = PORT_OFF;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.devices[0].kind, PROC_RNG);
}

static void
macs(void **state)
{
	static const uint8_t own[6] = { 0x52, 0x54, 0, 1, 2, 3 };

	(void)state;
	spec.nnets = 3;
	spec.nets[0] = spec.nets[1] = spec.nets[2] = net_default;
	spec.nets[2].mac.given = true;
	memcpy(spec.nets[2].mac.bytes, own, 6);
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_memory_equal(plan.devices[3].mac, own, 6);
	/* unicast, locally administered, and two */
	assert_int_equal(plan.devices[1].mac[0] & 3, 2);
	assert_memory_not_equal(plan.devices[1].mac, plan.devices[2].mac, 6);
}

static void
event_slots(void **state)
{
	struct plan_device dev = { .on_pci = true, .nqueues = 3 };

	(void)state;
	assert_int_equal(plan_nevents(&dev), 7);
	assert_int_equal(plan_event_slot(0), FD_KICK);
	assert_int_equal(plan_event_slot(1), FD_CALL);
	assert_int_equal(plan_event_slot(4), FD_KICK + 2);
	assert_int_equal(plan_event_slot(5), FD_CALL + 2);
}

static void
topology_is_never_empty(void **state)
{
	(void)state;
	spec.cpus.boot = 2;
	spec.cpus.max = 6;
	assert_int_equal(plan_make(&plan, &spec, &host, &err), 0);
	assert_int_equal(plan.topology.threads * plan.topology.cores *
	    plan.topology.dies * plan.topology.packages, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ram_below_and_above_the_hole, setup),
		cmocka_unit_test_setup(ram_beyond_the_address_space, setup),
		cmocka_unit_test_setup(memory_to_come, setup),
		cmocka_unit_test_setup(zones_and_their_nodes, setup),
		cmocka_unit_test_setup(names_count_on, setup),
		cmocka_unit_test_setup(slots_are_honoured_and_unique, setup),
		cmocka_unit_test_setup(segments, setup),
		cmocka_unit_test_setup(full_bus, setup),
		cmocka_unit_test_setup(front_ends, setup),
		cmocka_unit_test_setup(console_without_a_device, setup),
		cmocka_unit_test_setup(macs, setup),
		cmocka_unit_test_setup(event_slots, setup),
		cmocka_unit_test_setup(topology_is_never_empty, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
