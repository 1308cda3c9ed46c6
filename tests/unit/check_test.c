/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validators: for each message a valid one, and each field in turn made
 * what it may not be. A validator that is forgotten lets its bad one through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/chan.h"
#include "ipc/slots.h"
#include "proto/check.h"
#include "proto/limits.h"

#define GOOD(p) assert_null(proto_check(&(p)))
#define BAD(p, why) assert_string_equal(proto_check(&(p)), why)

/* With @field set to @value for a moment, the packet is refused for @why. */
#define BAD_WITH(p, field, value, why) do {				\
	__typeof__(field) was_ = (field);				\
	(field) = (value);						\
	BAD(p, why);							\
	(field) = was_;							\
	GOOD(p);							\
} while (0)

static char long_string[5000];

static void
memory_regions(void **state)
{
	Bh__MemoryRegion r = BH__MEMORY_REGION__INIT;
	Bh__AddMemory add = BH__ADD_MEMORY__INIT;
	CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);

	(void)state;
	r.size = 4096;
	add.region = &r;
	GOOD(p);
	BAD_WITH(p, add.region, NULL, "no region");
	BAD_WITH(p, r.slot, 64, "memory slot out of range");
	BAD_WITH(p, r.size, 0, "memory region not page aligned");
	BAD_WITH(p, r.size, 4097, "memory region not page aligned");
	BAD_WITH(p, r.gpa, 1, "memory region not page aligned");
	BAD_WITH(p, r.offset, 512, "memory region not page aligned");
	BAD_WITH(p, r.gpa, UINT64_MAX - 4095, "memory region wraps");
	BAD_WITH(p, r.offset, UINT64_MAX - 4095, "memory region wraps");
}

static void
removal(void **state)
{
	Bh__RemoveMemory rm = BH__REMOVE_MEMORY__INIT;
	CHAN_PACKET(p, REMOVE_MEMORY, remove_memory, &rm);

	(void)state;
	GOOD(p);
	BAD_WITH(p, rm.slot, 64, "slot");
}

static void
machines(void **state)
{
	Bh__Topology t = BH__TOPOLOGY__INIT;
	Bh__VmConfig vm = BH__VM_CONFIG__INIT;
	Bh__LoadConfig load = BH__LOAD_CONFIG__INIT;
	CHAN_PACKET(p, VM_CONFIG, vm_config, &vm);
	CHAN_PACKET(q, LOAD_CONFIG, load_config, &load);
	Bh__PciSegment segment = BH__PCI_SEGMENT__INIT;
	Bh__PciSegment *segments[PCI_LIMIT_SEGMENTS + 1];

	(void)state;
	for (size_t i = 0; i <= PCI_LIMIT_SEGMENTS; i++)
		segments[i] = &segment;
	vm.boot_vcpus = load.boot_vcpus = 1;
	vm.max_vcpus = load.max_vcpus = 4;
	t.threads = t.dies = t.packages = 1;
	t.cores = 4;
	vm.topology = load.topology = &t;
	segment.mmio32_size = 1u << 20;
	vm.n_segments = load.n_segments = 1;
	vm.segments = load.segments = segments;
	GOOD(p);
	GOOD(q);
	BAD_WITH(p, vm.n_segments, 0, "number of PCI segments");
	BAD_WITH(q, load.n_segments, 0, "number of PCI segments");
	BAD_WITH(q, load.n_segments, PCI_LIMIT_SEGMENTS + 1, "number of PCI segments");
	BAD_WITH(p, segment.mmio32_size, 0, "32-bit window of a PCI segment");
	BAD_WITH(p, segment.mmio32_base, 1ull << 32, "32-bit window of a PCI segment");
	BAD_WITH(q, segment.mmio32_size, (1ull << 32) + 1,
	    "32-bit window of a PCI segment");
	segment.mmio64_size = 2;
	BAD_WITH(p, segment.mmio64_base, UINT64_MAX - 1,
	    "64-bit window of a PCI segment");
	BAD_WITH(p, vm.boot_vcpus, 0, "vCPU counts out of range");
	BAD_WITH(p, vm.boot_vcpus, 5, "vCPU counts out of range");
	BAD_WITH(q, load.max_vcpus, 1025, "vCPU counts out of range");
	BAD_WITH(p, t.dies, 0, "topology with a zero");
	BAD_WITH(p, t.dies, 2, "topology does not multiply to the vCPUs");
	BAD_WITH(p, t.dies, 0x80000000u,
	    "topology does not multiply to the vCPUs");
	BAD_WITH(p, vm.mmio64_base, 1, "PCI window not aligned");
	BAD_WITH(p, vm.memory_reserve, 1, "reserve not page aligned");
	BAD_WITH(p, vm.max_phys_bits, 65, "max_phys_bits");
	BAD_WITH(p, vm.debug_console_port, 65536, "debug console port");
	vm.mmio64_size = 4096;
	BAD_WITH(p, vm.mmio64_base, UINT64_MAX - 4095,
	    "PCI window not aligned");
	BAD_WITH(p, vm.seccomp, (Bh__SeccompMode)99, "unknown enum value");
}

static void
spawning(void **state)
{
	uint32_t slots[] = { 3, 8, 64 };
	Bh__Spawn spawn = BH__SPAWN__INIT;
	CHAN_PACKET(p, SPAWN, spawn, &spawn);

	(void)state;
	spawn.n_slots = 3;
	spawn.slots = slots;
	GOOD(p);
	BAD_WITH(p, slots[0], 4, "the control channel is not first");
	BAD_WITH(p, slots[1], 64, "fd slot twice");
	BAD_WITH(p, slots[1], 2, "fd slot out of range");
	BAD_WITH(p, slots[1], 256, "fd slot out of range");
	BAD_WITH(p, spawn.n_slots, 0, "the control channel is not first");
}

static void
file_names(void **state)
{
	static char good[] = "sock", slash[] = "../x", none[] = "";
	Bh__Remember rem = BH__REMEMBER__INIT;
	CHAN_PACKET(p, REMEMBER, remember, &rem);

	(void)state;
	rem.name = good;
	GOOD(p);
	BAD_WITH(p, rem.name, slash, "file name");
	BAD_WITH(p, rem.name, none, "file name");
	BAD_WITH(p, rem.name, long_string, "string too long");
}

static void
filters(void **state)
{
	Bh__RememberFilter m = BH__REMEMBER_FILTER__INIT;
	CHAN_PACKET(p, REMEMBER_FILTER, remember_filter, &m);

	(void)state;
	m.ifindex = 7;
	GOOD(p);
	BAD_WITH(p, m.ifindex, 0, "interface");
	BAD_WITH(p, m.ifindex, 1u << 31, "interface");
}

static void
opening(void **state)
{
	static uint8_t four[4], six[6], many[9 * 16];
	Bh__TapConfig tap = BH__TAP_CONFIG__INIT;
	Bh__Open open = BH__OPEN__INIT;
	Bh__Opened opened = BH__OPENED__INIT;
	CHAN_PACKET(p, OPEN, open, &open);
	CHAN_PACKET(q, OPENED, opened, &opened);

	(void)state;
	GOOD(p);
	BAD_WITH(p, open.tap, &tap, "tap settings without a tap");
	BAD_WITH(p, open.path, long_string, "string too long");
	BAD_WITH(p, open.folder, true, "a folder for what is no disk");
	BAD_WITH(p, open.below, true, "a folder for what is no disk");
	open.kind = BH__OPEN_KIND__OPEN_KIND_DISK;
	open.folder = true;
	GOOD(p);
	BAD_WITH(p, open.below, true, "a folder below a folder");
	open.folder = false;
	BAD_WITH(p, open.tap, &tap, "tap settings without a tap");
	open.kind = BH__OPEN_KIND__OPEN_KIND_TAP;
	BAD(p, "no tap");
	open.tap = &tap;
	tap.queue_pairs = 1;
	BAD(p, "guest_mac");
	tap.guest_mac = (ProtobufCBinaryData){ 6, six };
	GOOD(p);
	BAD_WITH(p, tap.queue_pairs, 0, "queue pairs");
	BAD_WITH(p, tap.queue_pairs, 33, "queue pairs");
	BAD_WITH(p, tap.mtu, 65536, "mtu");
	tap.ip = (ProtobufCBinaryData){ 4, four };
	BAD(p, "mask");
	tap.mask = tap.ip;
	GOOD(p);
	BAD_WITH(p, tap.ip.len, 3, "ip");
	BAD_WITH(p, tap.host_mac, ((ProtobufCBinaryData){ 4, four }),
	    "host_mac");
	BAD_WITH(p, tap.guest_mac.len, 5, "guest_mac");
	BAD_WITH(p, tap.guard_ip4, ((ProtobufCBinaryData){ 6, many }),
	    "guard_ip4");
	BAD_WITH(p, tap.guard_ip4, ((ProtobufCBinaryData){ 9 * 4, many }),
	    "guard_ip4");
	BAD_WITH(p, tap.guard_ip6, ((ProtobufCBinaryData){ 4, many }),
	    "guard_ip6");
	BAD_WITH(p, tap.guard_ip6, ((ProtobufCBinaryData){ 9 * 16, many }),
	    "guard_ip6");
	GOOD(q);
	BAD_WITH(q, opened.tap_mac, ((ProtobufCBinaryData){ 4, four }), "tap_mac");
	BAD_WITH(q, opened.block_size, 513, "block size");
	BAD_WITH(q, opened.block_size, 131072, "block size");
}

static void
image_files(void **state)
{
	static char name[1025], none[] = "", bell[] = "a\a";
	Bh__WantFile want = BH__WANT_FILE__INIT;
	Bh__GiveFile give = BH__GIVE_FILE__INIT;
	Bh__BlkFile file = BH__BLK_FILE__INIT;
	CHAN_PACKET(p, WANT_FILE, want_file, &want);
	CHAN_PACKET(q, GIVE_FILE, give_file, &give);

	(void)state;
	memset(name, 'n', 1023);
	want.name = name;
	GOOD(p);
	BAD_WITH(p, want.name, none, "no file name");
	BAD_WITH(p, want.name, bell, "string is not printable UTF-8");
	BAD_WITH(p, want.use, (Bh__FileUse)7, "unknown enum value");
	name[1023] = 'n';
	BAD(p, "string too long");
	BAD(q, "a file and an error");
	give.file = &file;
	GOOD(q);
	BAD_WITH(q, give.error, 1, "a file and an error");
	BAD_WITH(q, give.error, -1, "errno");
	BAD_WITH(q, give.error, 4096, "errno");
	give.file = NULL;
	give.error = 1;
	GOOD(q);
	BAD_WITH(q, give.text, name, "string too long");
}

static void
slots(void **state)
{
	Bh__UnplugDevice unplug = BH__UNPLUG_DEVICE__INIT;
	Bh__DeviceEjected ejected = BH__DEVICE_EJECTED__INIT;
	CHAN_PACKET(u, UNPLUG_DEVICE, unplug_device, &unplug);
	CHAN_PACKET(e, DEVICE_EJECTED, device_ejected, &ejected);
	Bh__DriverRuns runs = BH__DRIVER_RUNS__INIT;
	CHAN_PACKET(d, DRIVER_RUNS, driver_runs, &runs);

	(void)state;
	GOOD(u);
	BAD_WITH(u, unplug.index, FD_DEVICE_COUNT, "device index");
	GOOD(e);
	BAD_WITH(e, ejected.bdf, 1u << 16, "PCI address");
	GOOD(d);
	BAD_WITH(d, runs.index, FD_DEVICE_COUNT, "device index");
}

static void
dimms(void **state)
{
	Bh__PlugDimm plug = BH__PLUG_DIMM__INIT;
	Bh__UnplugDimm unplug = BH__UNPLUG_DIMM__INIT;
	Bh__DimmChanged changed = BH__DIMM_CHANGED__INIT;
	CHAN_PACKET(p, PLUG_DIMM, plug_dimm, &plug);
	CHAN_PACKET(u, UNPLUG_DIMM, unplug_dimm, &unplug);
	CHAN_PACKET(c, DIMM_CHANGED, dimm_changed, &changed);

	(void)state;
	plug.start = 1ull << 32;
	plug.size = 128 << 20;
	GOOD(p);
	BAD_WITH(p, plug.index, DIMM_LIMIT, "DIMM");
	BAD_WITH(p, plug.start, 4096, "place of a DIMM");
	BAD_WITH(p, plug.size, 0, "place of a DIMM");
	BAD_WITH(p, plug.size, 129 << 20, "place of a DIMM");
	GOOD(u);
	BAD_WITH(u, unplug.index, DIMM_LIMIT, "DIMM");
	GOOD(c);
	BAD_WITH(c, changed.index, DIMM_LIMIT, "DIMM");
}

static void
device_configs(void **state)
{
	static char serial[] = "123456789012345678901";
	static uint8_t mac[8];
	Bh__BlkConfig blk = BH__BLK_CONFIG__INIT;
	Bh__NetConfig net = BH__NET_CONFIG__INIT;
	Bh__TokenBucket bw = BH__TOKEN_BUCKET__INIT, ops = BH__TOKEN_BUCKET__INIT;
	Bh__RateLimit limit = BH__RATE_LIMIT__INIT;
	Bh__RngConfig rng = BH__RNG_CONFIG__INIT;
	Bh__WatchdogConfig watchdog = BH__WATCHDOG_CONFIG__INIT;
	Bh__RtcConfig rtc = BH__RTC_CONFIG__INIT;
	Bh__FsConfig fs = BH__FS_CONFIG__INIT;
	Bh__BalloonConfig balloon = BH__BALLOON_CONFIG__INIT;
	Bh__PmemConfig pmem = BH__PMEM_CONFIG__INIT;
	Bh__MemConfig mem = BH__MEM_CONFIG__INIT;
	static char tag[] = "share";
	static char tag_37[] = "1234567890123456789012345678901234567";
	Bh__ConsoleConfig con = BH__CONSOLE_CONFIG__INIT;
	Bh__VsockConfig vsock = BH__VSOCK_CONFIG__INIT;
	Bh__DeviceConfig dev = BH__DEVICE_CONFIG__INIT;
	CHAN_PACKET(p, DEVICE_CONFIG, device_config, &dev);

	(void)state;
	BAD(p, "no device");
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
	dev.blk = &blk;
	blk.block_size = 512;
	blk.num_queues = 1;
	blk.queue_size = 128;
	GOOD(p);
	BAD_WITH(p, dev.regions, 65, "too many memory regions");
	BAD_WITH(p, dev.memory_reserve, 5, "reserve not page aligned");
	BAD_WITH(p, blk.block_size, 256, "block size");
	BAD_WITH(p, blk.block_size, 8192, "block size");
	BAD_WITH(p, blk.block_size, 1000, "block size");
	BAD_WITH(p, blk.num_queues, 0, "queues");
	BAD_WITH(p, blk.num_queues, 65, "queues");
	BAD_WITH(p, blk.queue_size, 127, "queue size");
	BAD_WITH(p, blk.queue_size, 2048, "queue size");
	BAD_WITH(p, blk.serial, serial, "serial");
	blk.rate_limit = &limit;
	limit.bandwidth = &bw;
	bw.size = ops.size = bw.refill_ms = ops.refill_ms = 1;
	GOOD(p);
	BAD_WITH(p, bw.size, 0, "bucket size");
	BAD_WITH(p, bw.size, (1ull << 46) + 1, "bucket size");
	BAD_WITH(p, bw.one_time_burst, (1ull << 46) + 1, "bucket burst");
	BAD_WITH(p, bw.refill_ms, 0, "refill time");
	BAD_WITH(p, bw.refill_ms, 86400001, "refill time");
	limit.ops = &ops;
	GOOD(p);
	BAD_WITH(p, ops.size, 0, "bucket size");
	BAD_WITH(p, ops.refill_ms, 0, "refill time");
	limit.shared = true;
	GOOD(p);
	limit.shared = false;
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	dev.net = &net;
	net.mac = (ProtobufCBinaryData){ 6, mac };
	net.queue_pairs = 1;
	net.queue_size = 256;
	GOOD(p);
	BAD_WITH(p, net.mac.len, 5, "mac");
	net.rate_limit = &limit;
	GOOD(p);
	BAD_WITH(p, ops.refill_ms, 0, "refill time");
	BAD_WITH(p, limit.shared, true, "a shared rate limit");
	BAD_WITH(p, net.mtu, 65536, "mtu");
	BAD_WITH(p, net.queue_pairs, 0, "queue pairs");
	BAD_WITH(p, net.queue_pairs, 9, "queue pairs");
	BAD_WITH(p, net.queue_size, 0, "queue size");
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_RNG;
	dev.rng = &rng;
	BAD(p, "queue size");
	rng.queue_size = 64;
	GOOD(p);
	rng.rate_limit = &limit;
	GOOD(p);
	BAD_WITH(p, ops.refill_ms, 0, "refill time");
	BAD_WITH(p, limit.shared, true, "a shared rate limit");
	rng.rate_limit = NULL;
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_WATCHDOG;
	dev.watchdog = &watchdog;
	BAD(p, "seconds");
	watchdog.seconds = 1;
	GOOD(p);
	BAD_WITH(p, watchdog.seconds, 3601, "seconds");
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_RTC;
	dev.rtc = &rtc;
	GOOD(p);
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_PMEM;
	dev.pmem = &pmem;
	pmem.start = 5ull << 30;
	pmem.size = 2 << 20;
	pmem.queue_size = 128;
	GOOD(p);
	BAD_WITH(p, pmem.start, 4096, "place of persistent memory");
	BAD_WITH(p, pmem.size, 0, "place of persistent memory");
	BAD_WITH(p, pmem.size, 4096, "place of persistent memory");
	BAD_WITH(p, pmem.size, 0ull - (2 << 20), "place of persistent memory");
	BAD_WITH(p, pmem.queue_size, 3, "queue size");
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_MEM;
	dev.mem = &mem;
	mem.start = 1ull << 32;
	mem.size = 256 << 20;
	mem.block = 2 << 20;
	mem.requested = 128 << 20;
	mem.queue_size = 128;
	GOOD(p);
	BAD_WITH(p, mem.start, 2 << 20, "place of virtio-mem");
	BAD_WITH(p, mem.start, 0ull - (128 << 20), "place of virtio-mem");
	BAD_WITH(p, mem.size, 0, "place of virtio-mem");
	BAD_WITH(p, mem.size, 2 << 20, "place of virtio-mem");
	BAD_WITH(p, mem.block, 0, "block of virtio-mem");
	BAD_WITH(p, mem.block, 3 << 20, "block of virtio-mem");
	BAD_WITH(p, mem.block, 512 << 20, "block of virtio-mem");
	BAD_WITH(p, mem.requested, 257 << 20, "size of virtio-mem");
	BAD_WITH(p, mem.requested, 1 << 20, "size of virtio-mem");
	BAD_WITH(p, mem.node, 1 << 16, "NUMA node");
	BAD_WITH(p, mem.queue_size, 3, "queue size");
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_BALLOON;
	dev.balloon = &balloon;
	balloon.host_page = 4096;
	balloon.queue_size = 128;
	GOOD(p);
	BAD_WITH(p, balloon.size, 4095, "size of a balloon");
	BAD_WITH(p, balloon.size, 1ull << 44, "size of a balloon");
	BAD_WITH(p, balloon.host_page, 0, "pages of the host");
	BAD_WITH(p, balloon.host_page, 8192, "pages of the host");
	BAD_WITH(p, balloon.host_page, 3 << 20, "pages of the host");
	BAD_WITH(p, balloon.queue_size, 0, "queue size");
	dev.memory_reserve = 3 << 20;
	BAD_WITH(p, balloon.host_page, 2 << 20, "pages of the host");
	dev.memory_reserve = 4 << 20;
	balloon.host_page = 2 << 20;
	GOOD(p);
	dev.memory_reserve = 0;
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_FS;
	dev.fs = &fs;
	BAD(p, "tag");
	fs.tag = tag;
	BAD(p, "queues");
	fs.num_queues = 63;
	BAD(p, "queue size");
	fs.queue_size = 1024;
	GOOD(p);
	BAD_WITH(p, fs.num_queues, 64, "queues");
	BAD_WITH(p, fs.queue_size, 2048, "queue size");
	BAD_WITH(p, fs.tag, tag_37, "tag");
	BAD_WITH(p, fs.cache, (Bh__FsCache)3, "unknown enum value");
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_VSOCK;
	dev.vsock = &vsock;
	vsock.cid = 3;
	vsock.queue_size = 256;
	vsock.buffer = 4096;
	GOOD(p);
	BAD_WITH(p, vsock.cid, 2, "cid");
	BAD_WITH(p, vsock.cid, UINT32_MAX, "cid");
	BAD_WITH(p, vsock.queue_size, 100, "queue size");
	BAD_WITH(p, vsock.buffer, 4095, "buffer");
	BAD_WITH(p, vsock.buffer, (1u << 20) + 1, "buffer");
	dev.device_case = BH__DEVICE_CONFIG__DEVICE_CONSOLE;
	dev.console = &con;
	GOOD(p);
	BAD_WITH(p, con.rows, 65536, "terminal size");
	BAD_WITH(p, con.serial, (Bh__PortKind)-1, "unknown enum value");
}

static void
devices(void **state)
{
	static uint8_t config[300];
	uint32_t max[65] = { 128, 128 };
	Bh__DeviceReady ready = BH__DEVICE_READY__INIT;
	Bh__PciDevice pci = BH__PCI_DEVICE__INIT;
	CHAN_PACKET(p, DEVICE_READY, device_ready, &ready);
	CHAN_PACKET(q, PCI_DEVICE, pci_device, &pci);

	(void)state;
	ready.virtio_id = 2;
	ready.n_queue_max = 2;
	ready.queue_max = max;
	ready.config = (ProtobufCBinaryData){ 256, config };
	GOOD(p);
	BAD_WITH(p, ready.virtio_id, 64, "virtio id");
	BAD_WITH(p, ready.n_queue_max, 65, "queues");
	BAD_WITH(p, max[1], 100, "queue size");
	BAD_WITH(p, max[1], 2048, "queue size");
	BAD_WITH(p, ready.config.len, 257, "configuration space");
	BAD(q, "no device");
	pci.device = &ready;
	GOOD(q);
	BAD_WITH(q, pci.index, 512, "device index");
	BAD_WITH(q, pci.bdf, 65536, "bdf");
	BAD_WITH(q, ready.virtio_id, 64, "virtio id");
}

static void
rings(void **state)
{
	Bh__Queue q0 = BH__QUEUE__INIT, q1 = BH__QUEUE__INIT;
	Bh__Queue *queues[65] = { &q0, &q1 };
	Bh__QueueState s0 = BH__QUEUE_STATE__INIT;
	Bh__QueueState *states[] = { &s0 };
	Bh__Activate act = BH__ACTIVATE__INIT;
	Bh__DeviceState ds = BH__DEVICE_STATE__INIT;
	CHAN_PACKET(p, ACTIVATE, activate, &act);
	CHAN_PACKET(d, DEVICE_STATE, device_state, &ds);

	(void)state;
	GOOD(p);
	q0.size = q1.size = 256;
	q1.index = 63;
	act.n_queues = 2;
	act.queues = queues;
	GOOD(p);
	BAD_WITH(p, q1.index, 64, "queue index");
	BAD_WITH(p, q1.index, 0, "queues not in order");
	BAD_WITH(p, q0.size, 0, "queue size");
	BAD_WITH(p, q0.size, 1025, "queue size");
	for (size_t i = 2; i < 65; i++)
		queues[i] = &q1;
	BAD_WITH(p, act.n_queues, 65, "queues");
	s0.size = 16;
	ds.n_queues = 1;
	ds.queues = states;
	GOOD(d);
	BAD_WITH(d, s0.next_avail, 65536, "ring position");
	BAD_WITH(d, s0.next_used, 65536, "ring position");
	BAD_WITH(d, s0.index, 64, "queue index");
	BAD_WITH(d, ds.device.len, 40000, "device state");
}

static void
config_space(void **state)
{
	static uint8_t bytes[300];
	Bh__WriteConfig w = BH__WRITE_CONFIG__INIT;
	Bh__ConfigChanged c = BH__CONFIG_CHANGED__INIT;
	CHAN_PACKET(p, WRITE_CONFIG, write_config, &w);
	CHAN_PACKET(q, CONFIG_CHANGED, config_changed, &c);

	(void)state;
	w.data = (ProtobufCBinaryData){ 4, bytes };
	w.offset = 252;
	GOOD(p);
	BAD_WITH(p, w.offset, 253, "offset");
	BAD_WITH(p, w.offset, UINT32_MAX, "offset");
	BAD_WITH(p, w.data.len, 3, "width");
	BAD_WITH(p, w.data.len, 0, "width");
	GOOD(q);
	c.config = (ProtobufCBinaryData){ 257, bytes };
	BAD(q, "configuration space");
}

static void
the_rest(void **state)
{
	static char text[] = "it broke", lines[] = "a\nb";
	Bh__Failed failed = BH__FAILED__INIT;
	Bh__Log log = BH__LOG__INIT;
	Bh__Hello hello = BH__HELLO__INIT;
	Bh__GuestStopped stop = BH__GUEST_STOPPED__INIT;
	Bh__GuestPanicked panicked = BH__GUEST_PANICKED__INIT;
	Bh__ConsoleSize size = BH__CONSOLE_SIZE__INIT;
	Bh__StartVm start = BH__START_VM__INIT;
	Bh__BootState boot = BH__BOOT_STATE__INIT;
	Bh__Loaded loaded = BH__LOADED__INIT;
	Bh__Packet none = BH__PACKET__INIT;
	CHAN_PACKET(f, FAILED, failed, &failed);
	CHAN_PACKET(l, LOG, log, &log);
	CHAN_PACKET(h, HELLO, hello, &hello);
	CHAN_PACKET(g, GUEST_STOPPED, guest_stopped, &stop);
	CHAN_PACKET(k, GUEST_PANICKED, guest_panicked, &panicked);
	CHAN_PACKET(s, CONSOLE_SIZE, console_size, &size);
	CHAN_PACKET(v, START_VM, start_vm, &start);
	CHAN_PACKET(o, LOADED, loaded, &loaded);

	(void)state;
	failed.error = 1;
	failed.text = text;
	GOOD(f);
	BAD_WITH(f, failed.error, 0, "errno");
	BAD_WITH(f, failed.error, -1, "errno");
	BAD_WITH(f, failed.error, 4096, "errno");
	BAD_WITH(f, failed.text, lines, "string is not printable UTF-8");
	GOOD(l);
	BAD_WITH(l, log.text, long_string, "string too long");
	BAD_WITH(l, log.level, (Bh__LogLevel)4, "unknown enum value");
	GOOD(h);
	BAD_WITH(h, hello.build_id, long_string, "string too long");
	GOOD(g);
	BAD_WITH(g, stop.text, long_string, "string too long");
	panicked.events = 3;
	GOOD(k);
	BAD_WITH(k, panicked.events, 0, "events of pvpanic");
	BAD_WITH(k, panicked.events, 4, "events of pvpanic");
	GOOD(s);
	BAD_WITH(s, size.columns, 65536, "terminal size");
	BAD(v, "no boot state");
	start.load = true;
	GOOD(v);
	start.boot = &boot;
	BAD(v, "boot state");
	BAD(o, "no boot state");
	BAD(none, "no body");
}

static void
utf8(void **state)
{
	static const struct { const char *s; int good; } cases[] = {
		{ "plain", 1 }, { "\xc3\xa9", 1 }, { "\xe2\x82\xac", 1 },
		{ "\xf0\x9f\x98\x80", 1 }, { "\x7f", 0 }, { "\x1b", 0 },
		{ "\xc2\x80", 0 }, { "\xc0\xaf", 0 }, { "\xe0\x80\xaf", 0 },
		{ "\xed\xa0\x80", 0 }, { "\xf4\x90\x80\x80", 0 },
		{ "\xc3", 0 }, { "\xe2\x82", 0 }, { "\x80", 0 }, { "\xff", 0 },
	};
	Bh__Log log = BH__LOG__INIT;
	CHAN_PACKET(p, LOG, log, &log);
	char buf[16];

	(void)state;
	log.text = buf;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strcpy(buf, cases[i].s);
		assert_int_equal(proto_check(&p) == NULL, cases[i].good);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_regions), cmocka_unit_test(removal),
		cmocka_unit_test(machines), cmocka_unit_test(spawning),
		cmocka_unit_test(file_names), cmocka_unit_test(filters),
		cmocka_unit_test(opening),
		cmocka_unit_test(image_files),
		cmocka_unit_test(slots), cmocka_unit_test(dimms), cmocka_unit_test(device_configs), cmocka_unit_test(devices),
		cmocka_unit_test(rings), cmocka_unit_test(config_space),
		cmocka_unit_test(the_rest), cmocka_unit_test(utf8),
	};

	memset(long_string, 'x', sizeof(long_string) - 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
