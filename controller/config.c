// SPDX-License-Identifier: Apache-2.0
//
// Configuration messages, see config.h.
#include "controller/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_id.h"
#include "controller/dimms.h"
#include "controller/front.h"
#include "controller/memory.h"
#include "controller/numa.h"
#include "controller/numa_message.h"
#include "controller/pmem.h"
#include "controller/snapshot.h"
#include "controller/start.h"
#include "controller/supervise.h"
#include "ipc/log.h"

#define WAIT_SECONDS (10u * 365 * 86400)
#define ALLOW_BATCH 200u	/* fds of one AllowPaths */
#define VSOCK_QUEUE_SIZE 256u
#define CONFIG_SECONDS 60u	/* includes a loader's reading of the initramfs */
#define WATCHDOG_SECONDS 20u	/* as Cloud Hypervisor's */

/* protobuf-c has no const in its structs, and does not write to them. */
static char *
text(const char *s)
{
	union { const char *in; char *out; } u = { .in = s != NULL ? s : "" };

	return u.out;
}

Bh__SeccompMode
config_seccomp(const struct vm *vm)
{
	return (Bh__SeccompMode)vm->spec.seccomp;
}

/* Room for all regions. */
static uint64_t
reserve(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->plan.nregions; i++)
		sum += vm->plan.regions[i].size;
	/* They come and go in pieces, and leave gaps. */
	return sum + 2 * vm->plan.dimm_size;
}

void
config_send_memory(struct child *child)
{
	const struct vm *vm = child->vm;

	for (uint32_t i = 0; i < vm->plan.nregions; i++) {
		const struct plan_region *r = &vm->plan.regions[i];
		const struct zone_memory *zone = &vm->zones[r->zone];
		Bh__MemoryRegion region = BH__MEMORY_REGION__INIT;
		Bh__AddMemory add = BH__ADD_MEMORY__INIT;
		CHAN_PACKET(p, ADD_MEMORY, add_memory, &add);

		/* Nothing of it is there when the guest begins. */
		if (r->hot && (child->kind == PROC_LOADER ||
		    child->kind == PROC_MIGRATION))
			continue;
		region.slot = i;
		region.gpa = r->gpa;
		region.size = r->size;
		region.offset = r->offset;
		add.region = &region;
		child_send(child, &p, r->hot ? &zone->hot : &zone->ram, 1, 0,
		    CONFIG_SECONDS);
	}
}

static void
fill_topology(const struct vm *vm, Bh__Topology *t)
{
	t->threads = vm->plan.topology.threads;
	t->cores = vm->plan.topology.cores;
	t->dies = vm->plan.topology.dies;
	t->packages = vm->plan.topology.packages;
}

/* ---- device workers ---------------------------------------------------------------- */

/* Room for the messages of one limit. */
struct limit_message {
	Bh__RateLimit limit;
	Bh__TokenBucket bandwidth, ops;
};

static Bh__TokenBucket *
fill_bucket(const struct bucket_spec *from, Bh__TokenBucket *to)
{
	bh__token_bucket__init(to);
	to->size = from->size;
	to->one_time_burst = from->burst;
	to->refill_ms = from->refill_ms;
	return from->size != 0 ? to : NULL;
}

/* NULL: there is no limit. */
static Bh__RateLimit *
fill_limit(const struct limit_spec *from, struct limit_message *m)
{
	bh__rate_limit__init(&m->limit);
	m->limit.bandwidth = fill_bucket(&from->bw, &m->bandwidth);
	m->limit.ops = fill_bucket(&from->ops, &m->ops);
	return from->bw.size != 0 || from->ops.size != 0 ? &m->limit : NULL;
}

/* The further files of an image, which an earlier worker asked for. */
struct parts_message {
	Bh__BlkFile file[FD_BACKEND_COUNT], *list[FD_BACKEND_COUNT];
};

static void
fill_parts(const struct backend *b, Bh__BlkConfig *blk, struct parts_message *m)
{
	for (uint32_t i = 0; i + 1 < b->nfds; i++) {
		const struct image_part *part = &b->parts[i];

		bh__blk_file__init(&m->file[i]);
		m->file[i].size = part->size;
		m->file[i].device = part->device;
		m->file[i].inode = part->inode;
		m->file[i].readonly = part->readonly;
		m->file[i].block = part->block;
		m->list[i] = &m->file[i];
		blk->n_files++;
	}
	blk->files = m->list;
}

static void
fill_image(const struct disk_spec *disk, Bh__BlkConfig *blk)
{
	static const Bh__ImageType types[] = {
		[IMAGE_DETECT] = BH__IMAGE_TYPE__IMAGE_TYPE_DETECT,
		[IMAGE_RAW] = BH__IMAGE_TYPE__IMAGE_TYPE_RAW,
		[IMAGE_QCOW2] = BH__IMAGE_TYPE__IMAGE_TYPE_QCOW2,
		[IMAGE_VHD] = BH__IMAGE_TYPE__IMAGE_TYPE_VHD,
		[IMAGE_VHDX] = BH__IMAGE_TYPE__IMAGE_TYPE_VHDX,
		[IMAGE_VMDK] = BH__IMAGE_TYPE__IMAGE_TYPE_VMDK,
		[IMAGE_FIXED_VHD] = BH__IMAGE_TYPE__IMAGE_TYPE_VHD,
		[IMAGE_UNKNOWN] = BH__IMAGE_TYPE__IMAGE_TYPE_DETECT,
	};

	blk->image_type = types[disk->image_type];
	blk->backing_files = disk->backing_files;
}

struct blk_message {
	Bh__BlkShape shape;
	uint32_t cpus[SPEC_MAX_AFFINITY_CPUS];
};

/* One thread serves all queues: it may run where any of them may. */
static void
fill_engine(const struct disk_spec *disk, const struct backend *b,
    Bh__BlkConfig *blk, struct blk_message *m)
{
	const struct affinity_list *list = &disk->queue_affinity;

	blk->disable_io_uring = disk->disable_io_uring;
	m->shape = b->shape;
	blk->shape = &m->shape;
	blk->host_cpus = m->cpus;
	for (uint32_t i = 0; i < list->n; i++)
		for (uint32_t k = 0; k < list->of[i].ncpus &&
		    blk->n_host_cpus < SPEC_MAX_AFFINITY_CPUS; k++)
			m->cpus[blk->n_host_cpus++] = list->of[i].cpus[k];
	/* Those of a queue that is not listed are any. */
	if (list->n < disk->num_queues)
		blk->n_host_cpus = 0;
	if (list->n > 0 && (list->n > 1 || blk->n_host_cpus == 0))
		log_warn("--disk path=%s,queue_affinity: one thread serves all of "
		    "its queues; it may run on %s", disk->path,
		    blk->n_host_cpus == 0 ? "any CPU, since a queue is not listed" :
		    "the CPUs of all of them");
}

static void
fill_blk(const struct vm *vm, const struct plan_device *dev,
    Bh__BlkConfig *blk, char serial[21], struct limit_message *limit,
    struct parts_message *parts, struct blk_message *m)
{
	const struct disk_spec *disk = &vm->spec.disks[dev->index];
	const struct backend *b = &vm->disks[dev->index];
	int group = spec_limit_group(&vm->spec, disk);

	/* As Cloud Hypervisor: without a serial number it comes of the file. */
	(void)snprintf(serial, 21, "%llu%llu", (unsigned long long)b->device,
	    (unsigned long long)b->inode);
	blk->size = b->size;
	blk->block_size = b->block_size;
	blk->readonly = disk->readonly;
	blk->serial = disk->serial != NULL ? text(disk->serial) : serial;
	blk->num_queues = disk->num_queues;
	blk->queue_size = disk->queue_size;
	blk->direct = disk->direct;
	blk->sparse = disk->sparse;
	fill_image(disk, blk);
	fill_engine(disk, b, blk, m);
	fill_parts(b, blk, parts);
	blk->rate_limit = fill_limit(group < 0 ? &disk->limit :
	    &vm->spec.limit_groups[group].limit, limit);
	limit->limit.shared = group >= 0;
}

/* TUN_F_ bits of <linux/if_tun.h> that the user wants; USO goes with UFO. */
static uint32_t
wanted_offloads(const struct net_spec *net)
{
	return (net->offload_csum ? 0x01u : 0) |
	    (net->offload_tso ? 0x0eu : 0) | (net->offload_ufo ? 0x70u : 0);
}

static void
fill_net(struct vm *vm, const struct plan_device *dev, Bh__NetConfig *net,
    struct limit_message *limit)
{
	const struct net_spec *spec = &vm->spec.nets[dev->index];
	union { const uint8_t *in; uint8_t *out; } mac = { .in = dev->mac };

	net->mac = (ProtobufCBinaryData){ sizeof(dev->mac), mac.out };
	net->mtu = spec->mtu;
	net->queue_pairs = spec->num_queues / 2;
	net->queue_size = spec->queue_size;
	if (spec->user)
		net->backend = BH__NET_BACKEND__NET_BACKEND_STREAM;
	net->tap_offloads = vm->nets[dev->index].tap_offloads &
	    wanted_offloads(spec);
	net->mac_fixed = vm->nets[dev->index].guarded;
	net->rate_limit = fill_limit(&spec->limit, limit);
}

static void
fill_console(const struct vm *vm, Bh__ConsoleConfig *console)
{
	const struct vm_spec *s = &vm->spec;

	console->console = (Bh__PortKind)s->console.mode;
	console->serial = (Bh__PortKind)s->serial.mode;
	console->debug_console = (Bh__PortKind)s->debug_console.mode;
	terminal_size(&vm->terminal, &console->columns, &console->rows);
	console->escape = vm->terminal.tty >= 0;
}

static void
fill_fs(const struct fs_spec *spec, Bh__FsConfig *fs)
{
	fs->tag = text(spec->tag);
	fs->num_queues = spec->num_queues;
	fs->queue_size = spec->queue_size;
	fs->readonly = spec->readonly;
	fs->cache = (Bh__FsCache)spec->cache;
	fs->writeback = spec->writeback;
	fs->posix_acl = spec->posix_acl;
	fs->only_uids = spec->uid_map.n != 0;
	fs->only_gids = spec->gid_map.n != 0;
}

static void
fill_balloon(const struct vm *vm, const struct balloon_spec *spec,
    Bh__BalloonConfig *balloon)
{
	struct stat st;

	balloon->size = spec->size;
	balloon->deflate_on_oom = spec->deflate_on_oom;
	balloon->free_page_reporting = spec->free_page_reporting;
	balloon->host_page = 4096;
	/* hugetlbfs says the size of its pages so; the largest fits all zones. */
	for (uint32_t i = 0; i < vm->plan.nzones; i++)
		if (vm->plan.zones[i].hugepages &&
		    fstat(vm->zones[i].ram, &st) == 0 &&
		    (uint64_t)st.st_blksize > balloon->host_page)
			balloon->host_page = (uint64_t)st.st_blksize;
	balloon->queue_size = 128;
}

static void
fill_mem(const struct vm *vm, uint32_t zone, Bh__MemConfig *mem)
{
	mem->start = vm->plan.zones[zone].hot_gpa;
	mem->size = vm->plan.zones[zone].hot_size;
	mem->block = memory_block(vm, zone);
	mem->requested = vm->plan.zones[zone].hot_wanted;
	mem->queue_size = 128;
	mem->has_node = vm->spec.nnuma != 0;
	mem->node = vm->plan.zones[zone].node;
}

static void
fill_pmem(const struct vm *vm, uint32_t index, Bh__PmemConfig *pmem)
{
	pmem->start = vm->pmem_gpa[index];
	pmem->size = vm->spec.pmems[index].size != 0 ?
	    vm->spec.pmems[index].size : vm->pmems[index].size;
	pmem->discard_writes = vm->spec.pmems[index].discard_writes;
	pmem->queue_size = 128;
}

struct small_message {
	Bh__RngConfig rng;
	Bh__WatchdogConfig watchdog;
	Bh__RtcConfig rtc;
	struct limit_message limit;
};

static void
fill_small(const struct vm_spec *spec, const struct plan_device *dev,
    Bh__DeviceConfig *config, struct small_message *m)
{
	if (dev->kind == PROC_RNG) {
		bh__rng_config__init(&m->rng);
		m->rng.queue_size = 256;
		m->rng.rate_limit = fill_limit(&spec->rng.limit, &m->limit);
		config->packed = spec->rng.pci.packed;
		config->device_case = BH__DEVICE_CONFIG__DEVICE_RNG;
		config->rng = &m->rng;
	} else if (dev->kind == PROC_WATCHDOG) {
		bh__watchdog_config__init(&m->watchdog);
		m->watchdog.seconds = spec->watchdog.seconds != 0 ?
		    spec->watchdog.seconds : WATCHDOG_SECONDS;
		config->packed = spec->watchdog.pci.packed;
		config->device_case = BH__DEVICE_CONFIG__DEVICE_WATCHDOG;
		config->watchdog = &m->watchdog;
	} else {
		bh__rtc_config__init(&m->rtc);
		config->packed = spec->rtcs[dev->index].pci.packed;
		config->device_case = BH__DEVICE_CONFIG__DEVICE_RTC;
		config->rtc = &m->rtc;
	}
}

static void
fill_vsock(const struct vsock_spec *spec, Bh__VsockConfig *vsock)
{
	vsock->cid = spec->cid;
	vsock->queue_size = VSOCK_QUEUE_SIZE;
	vsock->buffer = (uint32_t)spec->buffer;
}

static void
send_device_config(struct child *child)
{
	struct vm *vm = child->vm;
	const struct plan_device *dev = child->dev;
	Bh__BlkConfig blk = BH__BLK_CONFIG__INIT;
	Bh__NetConfig net = BH__NET_CONFIG__INIT;
	Bh__FsConfig fs = BH__FS_CONFIG__INIT;
	Bh__BalloonConfig balloon = BH__BALLOON_CONFIG__INIT;
	Bh__PmemConfig pmem = BH__PMEM_CONFIG__INIT;
	Bh__MemConfig mem = BH__MEM_CONFIG__INIT;
	Bh__VsockConfig vsock = BH__VSOCK_CONFIG__INIT;
	Bh__ConsoleConfig console = BH__CONSOLE_CONFIG__INIT;
	Bh__DeviceConfig config = BH__DEVICE_CONFIG__INIT;
	CHAN_PACKET(p, DEVICE_CONFIG, device_config, &config);
	unsigned int seconds = CONFIG_SECONDS;
	struct front_message front;
	struct limit_message limit;
	struct small_message small;
	struct parts_message parts;
	Bh__DeviceReady known;
	static struct blk_message engine;
	char serial[21];

	config.suspect = child->suspect;
	if (child->isolated) {
		start_fill_ready(child, &known);
		config.isolated = &known;
	}
	config.id = text(dev->id);
	config.seccomp = config_seccomp(vm);
	config.memory_reserve = dev->on_pci ? reserve(vm) : 0;
	config.regions = dev->on_pci ? vm->plan.nregions + dimms_regions(vm) : 0;
	if (dev->kind == PROC_BLK) {
		fill_blk(vm, dev, &blk, serial, &limit, &parts, &engine);
		config.packed = vm->spec.disks[dev->index].pci.packed;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_BLK;
		config.blk = &blk;
	} else if (dev->kind == PROC_NET) {
		fill_net(vm, dev, &net, &limit);
		config.packed = vm->spec.nets[dev->index].pci.packed;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_NET;
		config.net = &net;
	} else if (dev->kind == PROC_RNG || dev->kind == PROC_WATCHDOG ||
	    dev->kind == PROC_RTC) {
		fill_small(&vm->spec, dev, &config, &small);
	} else if (dev->kind == PROC_FS) {
		fill_fs(&vm->spec.fs[dev->index], &fs);
		config.packed = vm->spec.fs[dev->index].pci.packed;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_FS;
		config.fs = &fs;
	} else if (dev->kind == PROC_BALLOON) {
		fill_balloon(vm, &vm->spec.balloons[dev->index], &balloon);
		config.packed = vm->spec.balloons[dev->index].pci.packed;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_BALLOON;
		config.balloon = &balloon;
	} else if (dev->kind == PROC_MEM) {
		fill_mem(vm, dev->index, &mem);
		config.device_case = BH__DEVICE_CONFIG__DEVICE_MEM;
		config.mem = &mem;
	} else if (dev->kind == PROC_PMEM) {
		fill_pmem(vm, dev->index, &pmem);
		config.packed = vm->spec.pmems[dev->index].pci.packed;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_PMEM;
		config.pmem = &pmem;
	} else if (dev->kind == PROC_VSOCK) {
		fill_vsock(&vm->spec.vsocks[dev->index], &vsock);
		config.packed = vm->spec.vsocks[dev->index].pci.packed;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_VSOCK;
		config.vsock = &vsock;
	} else if (dev->kind == PROC_FRONT) {
		config.packed = front_fill(&vm->spec, dev, &front);
		front.front.successor = child->known_once;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_FRONT;
		config.front = &front.front;
		/* Who listens waits for as long as it takes. */
		if (front.front.listens)
			seconds = WAIT_SECONDS;
	} else {
		fill_console(vm, &console);
		config.packed = vm->spec.console.pci.packed;
		config.device_case = BH__DEVICE_CONFIG__DEVICE_CONSOLE;
		config.console = &console;
	}
	child_send(child, &p, NULL, 0, 0, seconds);
	if (!dev->on_pci)
		return;
	config_send_memory(child);
	dimms_send(child, CONFIG_SECONDS);
}

/* ---- loader and vcpu-worker --------------------------------------------------------- */

static void
fill_smbios(const struct platform_spec *from, Bh__Smbios *to,
    char *oem[SPEC_MAX_OEM_STRINGS])
{
	to->manufacturer = text(from->manufacturer);
	to->product_name = text(from->product_name);
	to->version = text(from->version);
	to->serial_number = text(from->serial_number);
	to->uuid = text(from->uuid);
	to->sku_number = text(from->sku_number);
	to->family = text(from->family);
	to->chassis_asset_tag = text(from->chassis_asset_tag);
	for (uint32_t i = 0; i < from->noem_strings; i++)
		oem[i] = text(from->oem_strings[i]);
	to->n_oem_strings = from->noem_strings;
	to->oem_strings = oem;
}

struct segments {
	Bh__PciSegment segments[SPEC_MAX_SEGMENTS], *list[SPEC_MAX_SEGMENTS];
};

static Bh__PciSegment **
fill_segments(const struct vm *vm, struct segments *to)
{
	for (uint32_t i = 0; i < vm->plan.nsegments; i++) {
		const struct plan_segment *s = &vm->plan.segments[i];

		bh__pci_segment__init(&to->segments[i]);
		to->segments[i].mmio32_base = s->mmio32_base;
		to->segments[i].mmio32_size = s->mmio32_size;
		to->segments[i].mmio64_base = s->mmio64_base;
		to->segments[i].mmio64_size = s->mmio64_size;
		to->segments[i].node = numa_node_of_segment(&vm->spec, i);
		to->list[i] = &to->segments[i];
	}
	return to->list;
}

static void
send_load_config(struct child *child)
{
	static struct numa_message numa;
	struct segments segments;
	struct vm *vm = child->vm;
	const struct vm_spec *s = &vm->spec;
	char *oem[SPEC_MAX_OEM_STRINGS];
	Bh__Smbios smbios;
	Bh__Topology topology = BH__TOPOLOGY__INIT;
	Bh__LoadConfig load = BH__LOAD_CONFIG__INIT;
	CHAN_PACKET(p, LOAD_CONFIG, load_config, &load);

	fill_topology(vm, &topology);
	bh__smbios__init(&smbios);
	fill_smbios(&s->platform, &smbios, oem);
	load.kind = s->payload.kernel != NULL ?
	    BH__KERNEL_KIND__KERNEL_KIND_KERNEL :
	    BH__KERNEL_KIND__KERNEL_KIND_FIRMWARE;
	load.kernel_size = vm->kernel_size;
	load.has_initramfs = s->payload.initramfs != NULL;
	load.initramfs_size = vm->initramfs_size;
	load.cmdline = text(s->payload.cmdline);
	load.boot_vcpus = s->cpus.boot;
	load.max_vcpus = s->cpus.max;
	load.topology = &topology;
	load.mmio64_base = vm->mmio64_base;
	load.mmio64_size = vm->mmio64_size;
	load.n_segments = vm->plan.nsegments;
	load.segments = fill_segments(vm, &segments);
	load.smbios = &smbios;
	load.serial = s->serial.mode != PORT_OFF;
	load.dimms = vm->plan.dimm_size != 0;
	load.numa = numa_fill(s, &vm->plan, &numa);
	load.seccomp = config_seccomp(vm);
	config_send_memory(child);
	child_send(child, &p, NULL, 0, 0, CONFIG_SECONDS);
}

/* Bit 0 read, bit 1 write. */
static uint32_t
access_of(enum landlock_access access)
{
	return access == LANDLOCK_READ ? 1 : access == LANDLOCK_WRITE ? 2 : 3;
}

static void
send_allowed(struct child *child, uint32_t *access, const int *fds, uint32_t n)
{
	Bh__AllowPaths allow = BH__ALLOW_PATHS__INIT;
	CHAN_PACKET(p, ALLOW_PATHS, allow_paths, &allow);

	allow.n_access = n;
	allow.access = access;
	if (n > 0)
		child_send(child, &p, fds, n, 0, 0);
}

/*
 * What an opener may open while the guest runs: files that are open already (a disk's
 * once more), and what the rules say. As fds: a path may lead elsewhere by now.
 */
static void
send_landlock(struct child *child)
{
	const struct vm *vm = child->vm;
	uint32_t access[ALLOW_BATCH], n = 0;
	int fds[ALLOW_BATCH];

	for (uint32_t i = 0; i < vm->spec.nlandlock_rules; i++) {
		fds[n] = vm->rules[i];
		access[n++] = access_of((enum landlock_access)
		    vm->spec.landlock_rules[i].access);
	}
	for (uint32_t i = 0; i < vm->spec.ndisks; i++) {
		if (vm->disks[i].nfds == 0)
			continue;
		if (n == ALLOW_BATCH) {
			send_allowed(child, access, fds, n);
			n = 0;
		}
		fds[n] = vm->disks[i].fds[0];
		access[n++] = vm->spec.disks[i].readonly ? 1 : 3;
	}
	send_allowed(child, access, fds, n);
}

void
config_send_opener(struct child *child)
{
	Bh__OpenerConfig config = BH__OPENER_CONFIG__INIT;
	CHAN_PACKET(p, OPENER_CONFIG, opener_config, &config);

	config.seccomp = config_seccomp(child->vm);
	/* The first opens what the configuration names, before there is a guest. */
	config.landlock = child->vm->spec.landlock && !child->vm->opening &&
	    child->kind != PROC_GUARD;
	if (config.landlock)
		send_landlock(child);
	child_send(child, &p, NULL, 0, 0, 0);
}

static void
send_vm_config(struct child *child)
{
	static Bh__VcpuAffinity affinity[SPEC_MAX_VCPUS];
	static Bh__VcpuAffinity *list[SPEC_MAX_VCPUS];
	struct vm *vm = child->vm;
	const struct cpus_spec *cpus = &vm->spec.cpus;
	Bh__Topology topology = BH__TOPOLOGY__INIT;
	Bh__VmConfig config = BH__VM_CONFIG__INIT;
	struct segments segments;
	CHAN_PACKET(p, VM_CONFIG, vm_config, &config);

	fill_topology(vm, &topology);
	for (uint32_t i = 0; i < cpus->affinity.n; i++) {
		bh__vcpu_affinity__init(&affinity[i]);
		affinity[i].vcpu = cpus->affinity.of[i].which;
		affinity[i].n_host_cpus = cpus->affinity.of[i].ncpus;
		affinity[i].host_cpus = cpus->affinity.of[i].cpus;
		list[i] = &affinity[i];
	}
	config.seccomp = config_seccomp(vm);
	config.boot_vcpus = cpus->boot;
	config.max_vcpus = cpus->max;
	config.topology = &topology;
	config.max_phys_bits = cpus->max_phys_bits;
	config.nested = cpus->nested;
	config.core_scheduling = (Bh__CoreScheduling)cpus->core_scheduling;
	config.n_affinity = cpus->affinity.n;
	config.affinity = list;
	config.memory_reserve = reserve(vm) + pmem_size(vm);
	config.ram_end = vm->plan.ram_end;
	config.mmio64_base = vm->mmio64_base;
	config.mmio64_size = vm->mmio64_size;
	config.n_segments = vm->plan.nsegments;
	config.segments = fill_segments(vm, &segments);
	config.serial = vm->spec.serial.mode != PORT_OFF;
	config.debug_console = vm->spec.debug_console.mode != PORT_OFF;
	config.debug_console_port = vm->spec.debug_console.iobase;
	config.pvpanic_bdf = vm->plan.pvpanic_bdf;
	config.i6300esb_bdf = vm->plan.i6300esb_bdf;
	config.watchdog_fired = vm->watchdog_fired;
	vm->watchdog_fired = false;
	child_send(child, &p, NULL, 0, 0, CONFIG_SECONDS);
	config_send_memory(child);
	pmem_send(child, CONFIG_SECONDS);
	dimms_send(child, CONFIG_SECONDS);
}

static void
send_api_start(struct child *child)
{
	struct vm *vm = child->vm;
	Bh__ApiStart start = BH__API_START__INIT;
	CHAN_PACKET(p, API_START, api_start, &start);

	start.seccomp = config_seccomp(vm);
	start.version = text(BULKHEAD_VERSION[0] != '\0' ? BULKHEAD_VERSION :
	    "0.0.0");
	start.build = text(BULKHEAD_BUILD_ID);
	start.pid = vm->pid;
	start.listens = vm->api_listen >= 0;
	start.events = vm->api_events >= 0;
	child_send(child, &p, NULL, 0, 0, CONFIG_SECONDS);
}

void
config_send(struct child *child)
{
	if (child->dev != NULL)
		send_device_config(child);
	else if (child->kind == PROC_LOADER)
		send_load_config(child);
	else if (child->kind == PROC_MIGRATION)
		snapshot_send_load(child);
	else if (child->kind == PROC_VCPU)
		send_vm_config(child);
	else if (child->kind == PROC_API)
		send_api_start(child);
}
