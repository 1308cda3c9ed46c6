// SPDX-License-Identifier: Apache-2.0
//
// Every option of Cloud Hypervisor, and what Bulkhead does with it. The order is
// that of --help. A row that says LATER is known and refused by name, so that a
// user learns what is missing and not that he mistyped.
#include "controller/options.h"

#define AT(type, field) ((uint32_t)offsetof(struct type, field))
#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))

#define LATER(n) { .name = n, .type = SUB_LATER }
#define TEXT(n, s, f, most, h)						\
	{ .name = n, .type = SUB_TEXT, .offset = AT(s, f), .min = 1,	\
	  .max = most, .meta = "<text>", .help = h }
#define PATH(n, s, f, h)						\
	{ .name = n, .type = SUB_PATH, .offset = AT(s, f), .min = 1,	\
	  .max = 4095, .meta = "<path>", .help = h }
#define U32(n, s, f, lo, hi, h)						\
	{ .name = n, .type = SUB_U32, .offset = AT(s, f), .min = lo,	\
	  .max = hi, .meta = "<n>", .help = h }
#define SIZE(n, s, f, lo, h)						\
	{ .name = n, .type = SUB_SIZE, .offset = AT(s, f), .min = lo,	\
	  .max = 1ull << 46, .meta = "<size>", .help = h }
#define TOGGLE(n, s, f, h)						\
	{ .name = n, .type = SUB_TOGGLE, .offset = AT(s, f),		\
	  .meta = "on|off", .help = h }
#define WORDS(n, s, f, w, m, h)						\
	{ .name = n, .type = SUB_ENUM, .offset = AT(s, f), .words = w,	\
	  .meta = m, .help = h }
/* In place of the path f: an fd. */
#define PATH_FD(s, f)							\
	{ .name = "fd", .type = SUB_PATH_FD, .offset = AT(s, f),	\
	  .min = 3, .max = 1048575, .meta = "<n>",			\
	  .help = "in place of a path: an inherited fd" }
#define MODE(n, m, h)							\
	{ .name = n, .type = SUB_MODE, .offset = AT(port_spec, mode),	\
	  .max = m, .help = h }
#define MODE_PATH(n, m, h)						\
	{ .name = n, .type = SUB_MODE_PATH, .max = m, .meta = "<path>",	\
	  .help = h }

/* What every device on PCI has (struct pci_spec is named pci in each). */
#define PCI(s)								\
	TEXT("id", s, pci.id, 64, "name of the device"),			\
	U32("pci_device_id", s, pci.slot, 1, 31, "PCI slot; next free one"),	\
	U32("pci_segment", s, pci.segment, 0, SPEC_MAX_SEGMENTS - 1,		\
	    "PCI segment; 0, the first that has room"),			\
	TOGGLE("packed", s, pci.packed, "offer packed rings; off"),		\
	LATER("iommu")

#define LIMITER(s)							\
	SIZE("bw_size", s, limit.bw.size, 0,				\
	    "bytes in a refill time; 0, unlimited"),			\
	SIZE("bw_one_time_burst", s, limit.bw.burst, 0,			\
	    "more bytes, once; 0"),					\
	U32("bw_refill_time", s, limit.bw.refill_ms, 0,			\
	    SPEC_MAX_REFILL_MS, "ms; with bw_size"),			\
	SIZE("ops_size", s, limit.ops.size, 0,				\
	    "operations in a refill time; 0, unlimited"),		\
	SIZE("ops_one_time_burst", s, limit.ops.burst, 0,		\
	    "more operations, once; 0"),				\
	U32("ops_refill_time", s, limit.ops.refill_ms, 0,		\
	    SPEC_MAX_REFILL_MS, "ms; with ops_size")

#define VHOST_SOCKET(s, h) PATH("socket", s, vhost.socket, h)
#define VHOST(s)							\
	TOGGLE("vhost_user", s, vhost.on, "an external back end; off"),	\
	VHOST_SOCKET(s, "its socket, with vhost_user")

static const char *const core_scheduling_words[] = { "vm", "vcpu", "off", NULL };
static const char *const lock_words[] = {
	[LOCK_BYTE_RANGE] = "byte-range", [LOCK_FULL] = "full",
	[LOCK_FULL + 1] = NULL,
};

static const char *const image_words[] = {
	[IMAGE_DETECT] = "detect", [IMAGE_RAW] = "raw",
	[IMAGE_QCOW2] = "qcow2", [IMAGE_VHD] = "vhd", [IMAGE_VHDX] = "vhdx",
	[IMAGE_VMDK] = "vmdk", [IMAGE_FIXED_VHD] = "fixed_vhd",
	[IMAGE_UNKNOWN] = "unknown", [IMAGE_UNKNOWN + 1] = NULL,
};
static const char *const fs_cache_words[] = { "auto", "never", "always", NULL };
static const char *const guard_words[] = { "off", "on", NULL };
static const char *const hotplug_words[] = {
	[HOTPLUG_ACPI] = "acpi", [HOTPLUG_VIRTIO_MEM] = "virtio-mem",
	[HOTPLUG_VIRTIO_MEM + 1] = NULL,
};
static const char *const vhost_mode_words[] = { "client", "server", NULL };
static const char *const seccomp_words[] = { "true", "log", "errno", "false",
					     NULL };

/* Nothing is nobody's word: whoever gives none is told to. */
static const char *const access_words[] = {
	[LANDLOCK_NOT_GIVEN] = "", [LANDLOCK_READ] = "r",
	[LANDLOCK_WRITE] = "w", [LANDLOCK_READ_WRITE] = "rw",
	[LANDLOCK_WRITE_READ] = "wr", [LANDLOCK_WRITE_READ + 1] = NULL,
};

static const char *const failure_words[] = { "restart", "isolate", "stop",
					     NULL };

static const struct sub_option failure_subs[] = {
	U32("deaths", failure_spec, deaths, 1, 1000000, "so many; 5"),
	U32("seconds", failure_spec, seconds, 1, 86400, "in so many seconds; 60"),
	U32("hang", failure_spec, hang, 0, 86400,
	    "no answer for so many seconds is a death, too; 0: never; 10"),
};

static const struct sub_option cpus_subs[] = {
	U32("boot", cpus_spec, boot, 1, SPEC_MAX_VCPUS, "vCPUs at boot; 1"),
	U32("max", cpus_spec, max, 1, SPEC_MAX_VCPUS,
	    "vCPUs at most; as boot"),
	{ .name = "topology", .type = SUB_TOPOLOGY,
	  .offset = AT(cpus_spec, topology), .meta = "t:c:d:p",
	  .help = "threads a core, cores a die, dies a package, packages" },
	{ .name = "affinity", .type = SUB_AFFINITY,
	  .offset = AT(cpus_spec, affinity), .max = SPEC_MAX_VCPUS - 1,
	  .meta = "[vcpu@[cpus],..]",
	  .help = "host CPUs that a vCPU may run on" },
	U32("max_phys_bits", cpus_spec, max_phys_bits, 36, 52,
	    "physical address bits at most; 46"),
	TOGGLE("nested", cpus_spec, nested, "VMX or SVM for the guest; on"),
	WORDS("core_scheduling", cpus_spec, core_scheduling,
	    core_scheduling_words, "vm|vcpu|off",
	    "who may share a core with the VM's vCPUs; vm"),
	LATER("kvm_hyperv"), LATER("features"), LATER("profile"),
};

static const struct sub_option memory_subs[] = {
	SIZE("size", memory_spec, size, 0, "RAM; 512M"),
	TOGGLE("hugepages", memory_spec, hugepages, "back RAM by hugetlbfs; off"),
	SIZE("hugepage_size", memory_spec, hugepage_size, 4096,
	    "2M or 1G; the system's default"),
	TOGGLE("prefault", memory_spec, prefault,
	    "allocate all RAM at start; off"),
	TOGGLE("reserve", memory_spec, reserve,
	    "fail at start rather than overcommit; off"),
	TOGGLE("thp", memory_spec, thp, "transparent huge pages; on"),
	TOGGLE("shared", memory_spec, shared,
	    "accepted: guest memory is always shared"),
	{ .name = "mergeable", .type = SUB_TOGGLE,
	  .offset = AT(memory_spec, mergeable), .meta = "off",
	  .help = "shared memory cannot be merged" },
	WORDS("hotplug_method", memory_spec, hotplug_method, hotplug_words,
	    "acpi|virtio-mem", "how memory comes and goes; acpi"),
	SIZE("hotplug_size", memory_spec, hotplug_size, 0,
	    "memory that may come; none"),
	SIZE("hotplugged_size", memory_spec, hotplugged_size, 0,
	    "... of which there is at boot; 0"),
};

static const struct sub_option zone_subs[] = {
	TEXT("id", zone_spec, id, SPEC_MAX_ZONE_ID, "its name"),
	SIZE("size", zone_spec, size, 0, "RAM; 512M"),
	LATER("file"),
	TOGGLE("shared", zone_spec, shared,
	    "accepted: guest memory is always shared"),
	TOGGLE("hugepages", zone_spec, hugepages, "back it by hugetlbfs; off"),
	SIZE("hugepage_size", zone_spec, hugepage_size, 4096,
	    "2M or 1G; the system's default"),
	U32("host_numa_node", zone_spec, host_node, 0, 1023,
	    "of the host, whose memory it is; any"),
	SIZE("hotplug_size", zone_spec, hotplug_size, 0,
	    "memory that may come, by virtio-mem; none"),
	SIZE("hotplugged_size", zone_spec, hotplugged_size, 0,
	    "... of which there is at boot; 0"),
	TOGGLE("prefault", zone_spec, prefault, "allocate it at start; off"),
	TOGGLE("reserve", zone_spec, reserve,
	    "fail at start rather than overcommit; off"),
	{ .name = "mergeable", .type = SUB_TOGGLE,
	  .offset = AT(zone_spec, mergeable), .meta = "off",
	  .help = "shared memory cannot be merged" },
};

static const struct sub_option numa_subs[] = {
	U32("guest_numa_id", numa_spec, node, 0, SPEC_MAX_NODES - 1,
	    "the node: 0, 1 and so on"),
	{ .name = "cpus", .type = SUB_BITS, .offset = AT(numa_spec, cpus),
	  .max = SPEC_MAX_VCPUS - 1, .meta = "[<n>,<n>-<n>,..]",
	  .help = "its vCPUs; whom no node has is of node 0" },
	{ .name = "distances", .type = SUB_DISTANCES, .meta = "[<node>@<n>,..]",
	  .help = "11 to 254; 20" },
	{ .name = "memory_zones", .type = SUB_ZONES, .meta = "[<id>,..]",
	  .help = "its memory; what no node has is of node 0" },
	{ .name = "pci_segments", .type = SUB_BITS,
	  .offset = AT(numa_spec, segments), .max = SPEC_MAX_SEGMENTS - 1,
	  .meta = "[<n>,..]", .help = "its PCI segments; 0 is of node 0" },
	LATER("device_id"),
};

static const struct sub_option disk_subs[] = {
	PATH("path", disk_spec, path, "disk image or block device"),
	PATH_FD(disk_spec, path),
	TOGGLE("readonly", disk_spec, readonly, "off"),
	TOGGLE("direct", disk_spec, direct, "bypass the page cache; off"),
	U32("num_queues", disk_spec, num_queues, 1, 63, "at most one a vCPU; 1"),
	U32("queue_size", disk_spec, queue_size, 2, 1024,
	    "a power of two; 128"),
	TEXT("serial", disk_spec, serial, 20, "serial number; from the path"),
	TOGGLE("sparse", disk_spec, sparse, "punch holes for discards; on"),
	WORDS("image_type", disk_spec, image_type, image_words,
	    "raw|qcow2|vhd|vhdx|vmdk|detect",
	    "format; detect: what is found to be raw refuses a write to its "
	    "first or last sector that would make it another"),
	TOGGLE("backing_files", disk_spec, backing_files,
	    "a qcow2 image may have one, in its own folder; off"),
	TEXT("rate_limit_group", disk_spec, limit_group, 64,
	    "share the limit of a --rate-limit-group"),
	PCI(disk_spec), LIMITER(disk_spec),
	{ .name = "queue_affinity", .type = SUB_AFFINITY,
	  .offset = AT(disk_spec, queue_affinity), .max = 63,
	  .meta = "[queue@[cpus],..]",
	  .help = "host CPUs; one thread serves all queues, on any of these" },
	WORDS("lock_granularity", disk_spec, lock_granularity, lock_words,
	    "byte-range|full", "lock the disk's bytes, or the whole file; "
	    "byte-range"),
	TOGGLE("_disable_io_uring", disk_spec, disable_io_uring, "off"),
	TOGGLE("_disable_aio", disk_spec, disable_aio,
	    "means nothing: there is no such engine"),
	VHOST(disk_spec),
};

static const struct sub_option net_subs[] = {
	TEXT("tap", net_spec, tap, 15,
	    "tap of the host, made if missing, or macvtap"),
	{ .name = "ip", .type = SUB_ADDRESS, .offset = AT(net_spec, ip),
	  .meta = "<address>", .help = "of the tap on the host" },
	{ .name = "mask", .type = SUB_ADDRESS, .offset = AT(net_spec, mask),
	  .meta = "<mask>", .help = "with ip" },
	{ .name = "mac", .type = SUB_MAC, .offset = AT(net_spec, mac),
	  .meta = "<mac>", .help = "of the guest; random" },
	{ .name = "host_mac", .type = SUB_MAC, .offset = AT(net_spec, host_mac),
	  .meta = "<mac>", .help = "of the tap" },
	U32("mtu", net_spec, mtu, 1280, 65535, "of both sides"),
	{ .name = "fd", .type = SUB_TAP_FDS, .meta = "[n,..]",
	  .help = "open taps, inherited, one a queue pair" },
	U32("num_queues", net_spec, num_queues, 2, 2ull * SPEC_MAX_QUEUE_PAIRS,
	    "receive and transmit queues; 2"),
	U32("queue_size", net_spec, queue_size, 2, 1024,
	    "a power of two; 256"),
	TOGGLE("offload_tso", net_spec, offload_tso, "on"),
	TOGGLE("offload_ufo", net_spec, offload_ufo, "on"),
	TOGGLE("offload_csum", net_spec, offload_csum, "on"),
	TOGGLE("user", net_spec, user,
	    "without a tap, as an ordinary user, by passt; off"),
	{ .name = "publish", .type = SUB_PUBLISH,
	  .meta = "[tcp:<host>:<guest>,..]",
	  .help = "with user: ports of the host that lead to the guest, tcp "
		  "or udp, an address before them or not" },
	TOGGLE("user_host", net_spec, user_net.host,
	    "with user: the gateway's address leads to the host; on"),
	{ .name = "user_address", .type = SUB_ADDRESS,
	  .offset = AT(net_spec, user_net.address), .meta = "<address>",
	  .help = "with user: of the guest; the host's" },
	{ .name = "user_mask", .type = SUB_ADDRESS,
	  .offset = AT(net_spec, user_net.mask), .meta = "<mask>",
	  .help = "with user_address" },
	{ .name = "user_gateway", .type = SUB_ADDRESS,
	  .offset = AT(net_spec, user_net.gateway), .meta = "<address>",
	  .help = "with user: the host's" },
	{ .name = "user_dns", .type = SUB_ADDRESS,
	  .offset = AT(net_spec, user_net.dns), .meta = "<address>",
	  .help = "with user: the host's" },
	WORDS("guard", net_spec, guard, guard_words, "on|off",
	    "drop frames that the guest sends in another's name; on for root"),
	{ .name = "guard_ips", .type = SUB_GUARD_IPS, .meta = "[<address>,..]",
	  .help = "the guest's addresses: guard these too, not its MAC alone" },
	PCI(net_spec), LIMITER(net_spec),
	VHOST(net_spec),
	WORDS("vhost_mode", net_spec, vhost.mode, vhost_mode_words,
	    "client|server", "server: the back end connects to us; client"),
};

#define ID_MAP(n, f, h)							\
	{ .name = n, .type = SUB_ID_MAP, .offset = AT(fs_spec, f),	\
	  .meta = "[<guest>:<host>:<count>,..]", .help = h }

static const struct sub_option fs_subs[] = {
	TEXT("tag", fs_spec, tag, 36, "name by which the guest mounts it"),
	PATH("path", fs_spec, path, "directory that is shared"),
	PATH_FD(fs_spec, path),
	TOGGLE("readonly", fs_spec, readonly, "off"),
	WORDS("cache", fs_spec, cache, fs_cache_words, "auto|never|always",
	    "for how long the guest believes what it has read: 1 s, 0, ever"),
	TOGGLE("writeback", fs_spec, writeback,
	    "the guest writes when it likes; off"),
	TOGGLE("posix_acl", fs_spec, posix_acl,
	    "access control lists; off"),
	ID_MAP("uid_map", uid_map, "the guest's uids that the host has, too; as root all, "
	    "else 0 as the user"),
	ID_MAP("gid_map", gid_map, "the same of gids"),
	VHOST_SOCKET(fs_spec, "of a vhost-user back end (virtiofsd), not path"),
	U32("num_queues", fs_spec, num_queues, 1, SPEC_MAX_QUEUES - 1,
	    "request queues; 1"),
	U32("queue_size", fs_spec, queue_size, 2, 1024,
	    "a power of two; 1024"),
	PCI(fs_spec),
};

static const struct sub_option generic_subs[] = {
	{ .name = "device_type", .type = SUB_DEVICE_TYPE,
	  .offset = AT(generic_spec, device_type), .meta = "<number|name>",
	  .help = "of virtio: 25 or sound" },
	VHOST_SOCKET(generic_spec, "of the back end"),
	{ .name = "queue_sizes", .type = SUB_QUEUE_SIZES, .meta = "[<n>,..]",
	  .help = "entries of each queue, powers of two" },
	PCI(generic_spec),
};

static const struct sub_option balloon_subs[] = {
	SIZE("size", balloon_spec, size, 0, "memory that the guest is to give up; 0"),
	TOGGLE("deflate_on_oom", balloon_spec, deflate_on_oom,
	    "the guest may take it back when it has no other; off"),
	TOGGLE("free_page_reporting", balloon_spec, free_page_reporting,
	    "the guest says which of its memory is free; off"),
	PCI(balloon_spec),
};

static const struct sub_option pmem_subs[] = {
	PATH("file", pmem_spec, file, "what the guest's memory is"),
	PATH_FD(pmem_spec, file),
	SIZE("size", pmem_spec, size, 2u << 20, "a multiple of 2M; all of the file"),
	TOGGLE("discard_writes", pmem_spec, discard_writes,
	    "the file stays as it is; off"),
	PCI(pmem_spec),
};

static const struct sub_option vsock_subs[] = {
	U32("cid", vsock_spec, cid, 3, UINT32_MAX - 1,
	    "the guest's context id, 3 or more"),
	PATH("socket", vsock_spec, socket,
	    "unix socket by which the host connects to the guest's ports"),
	SIZE("buffer", vsock_spec, buffer, 4096,
	    "of a connection, for what the host has not read; 256K"),
	PCI(vsock_spec),
};

static const struct sub_option limit_group_subs[] = {
	TEXT("id", limit_group_spec, id, 64, "name, for --disk"),
	LIMITER(limit_group_spec),
};

#define FD								\
	{ .name = "fd", .type = SUB_FD, .offset = AT(place_spec, fd),	\
	  .min = 3, .max = 1048575, .meta = "<n>",			\
	  .help = "an inherited fd" }
static const struct sub_option place_subs[] = {
	PATH("path", place_spec, path, ""), FD,
};

static const struct sub_option fd_subs[] = { FD };

static const struct sub_option landlock_subs[] = {
	PATH("path", landlock_spec, path, "file, or directory with all below"),
	PATH_FD(landlock_spec, path),
	WORDS("access", landlock_spec, access, access_words, "r|w|rw",
	    "to read it, to write it, or both"),
};

static const struct sub_option rng_subs[] = {
	PATH("src", rng_spec, src, "source of entropy; /dev/urandom"),
	PATH_FD(rng_spec, src),
	PCI(rng_spec), LIMITER(rng_spec),
};

static const char *const watchdog_words[] = { "virtio", "i6300esb", NULL };

static const struct sub_option watchdog_subs[] = {
	WORDS("model", watchdog_spec, model, watchdog_words, "virtio|i6300esb",
	    "i6300esb is the one for which Linux has a driver; virtio"),
	U32("timeout", watchdog_spec, seconds, 1, WATCHDOG_LIMIT_SECONDS,
	    "of virtio: seconds from one ping to the next at most; 20"),
	PCI(watchdog_spec),
};

static const struct sub_option rtc_subs[] = {
	PCI(rtc_spec),
};

static const struct sub_option console_subs[] = {
	MODE("tty", PORT_TTY, "this terminal (the default)"),
	MODE("pty", PORT_PTY, "a new pseudo-terminal"),
	MODE_PATH("file", PORT_FILE, "output only"),
	MODE_PATH("socket", PORT_SOCKET, "a listening unix socket"),
	MODE("null", PORT_NULL, "a device that goes nowhere"),
	MODE("off", PORT_OFF, "no device"),
	PCI(port_spec),
};

static const struct sub_option serial_subs[] = {
	MODE("tty", PORT_TTY, "this terminal"),
	MODE("pty", PORT_PTY, "a new pseudo-terminal"),
	MODE_PATH("file", PORT_FILE, "output only"),
	MODE_PATH("socket", PORT_SOCKET, "a listening unix socket"),
	MODE("null", PORT_NULL, "a device that goes nowhere (the default)"),
	MODE("off", PORT_OFF, "no device"),
};

static const struct sub_option debug_console_subs[] = {
	MODE("tty", PORT_TTY, "this terminal"),
	MODE("pty", PORT_PTY, "a new pseudo-terminal"),
	MODE_PATH("file", PORT_FILE, ""),
	MODE("null", PORT_NULL, "a device that goes nowhere"),
	MODE("off", PORT_OFF, "no device (the default)"),
	{ .name = "iobase", .type = SUB_HEX, .offset = AT(port_spec, iobase),
	  .min = 1, .max = 0xffff, .meta = "<port>", .help = "0xe9" },
};

static const struct sub_option platform_subs[] = {
	TEXT("system_manufacturer", platform_spec, manufacturer, 255, ""),
	TEXT("system_product_name", platform_spec, product_name, 255, ""),
	TEXT("system_version", platform_spec, version, 255, ""),
	TEXT("system_serial_number", platform_spec, serial_number, 255, ""),
	TEXT("system_uuid", platform_spec, uuid, 36, ""),
	TEXT("system_sku_number", platform_spec, sku_number, 255, ""),
	TEXT("system_family", platform_spec, family, 255, ""),
	TEXT("chassis_asset_tag", platform_spec, chassis_asset_tag, 255, ""),
	{ .name = "oem_strings", .type = SUB_OEM_STRINGS, .max = 255,
	  .meta = "[<text>,..]", .help = "SMBIOS type 11" },
	U32("num_pci_segments", platform_spec, segments, 1, SPEC_MAX_SEGMENTS,
	    "at least so many, of 31 slots each; 1"),
	LATER("iommu_segments"),
	LATER("iommu_address_width"), LATER("iommufd"), LATER("iommufd_fd"),
	LATER("vfio_p2p_dma"), LATER("serial_number"), LATER("uuid"),
	LATER("tdx"), LATER("sev_snp"),
};

static const struct sub_option restore_subs[] = {
	TEXT("source_url", restore_spec, source_url, 4000, "file:///<directory>"),
	TOGGLE("resume", restore_spec, resume, "and let it run; off"),
	LATER("prefault"), LATER("memory_restore_mode"), LATER("net_fds"),
	LATER("vfio_fds"), LATER("iommufd_fd"), LATER("zone_updates"),
};

static const struct sub_option segment_subs[] = {
	U32("pci_segment", segment_spec, number, 0, SPEC_MAX_SEGMENTS - 1, "0"),
	U32("mmio32_aperture_weight", segment_spec, weight32, 1, UINT32_MAX,
	    "share of the 32-bit window; 1"),
	U32("mmio64_aperture_weight", segment_spec, weight64, 1, UINT32_MAX,
	    "share of the 64-bit window; 1"),
};

const struct zone_spec zone_default = {
	.size = 512ull << 20, .host_node = SPEC_NO_NODE,
};

static const struct numa_spec numa_default = { .node = SPEC_NO_NODE };

const struct disk_spec disk_default = {
	.sparse = true, .num_queues = 1, .queue_size = 128,
};

const struct net_spec net_default = {
	.num_queues = 2, .queue_size = 256, .guard = NET_GUARD_DEFAULT,
	.offload_tso = true, .offload_ufo = true, .offload_csum = true,
	.user_net = { .host = true },
};

const struct fs_spec fs_default = {
	.vhost = { .on = true }, .num_queues = 1, .queue_size = 1024,
};

const struct generic_spec generic_default = { .vhost = { .on = true } };

const struct balloon_spec balloon_default = { .size = 0 };
const struct pmem_spec pmem_default = { .size = 0 };

const struct rtc_spec rtc_default = { .pci.slot = 0 };
const struct vsock_spec vsock_default = { .buffer = 256u << 10 };

static const struct landlock_spec landlock_default = { .path = NULL };

static const struct limit_group_spec limit_group_default = { .id = NULL };

static const struct segment_spec segment_default = {
	.weight32 = 1, .weight64 = 1,
};

#define STRING(n, f, m, h)						\
	{ .name = n, .kind = OPTION_STRING, .offset = AT(vm_spec, f),	\
	  .meta = m, .help = h }
#define PLACE(n, f, h)							\
	{ .name = n, .kind = OPTION_PLACE, .offset = AT(vm_spec, f),	\
	  .subs = place_subs, .nsubs = COUNT(place_subs), .meta = "<path>",	\
	  .help = h, .vmm = true }
#define BY_FD(n, f, h)							\
	{ .name = n, .kind = OPTION_SUBS, .offset = AT(vm_spec, f),	\
	  .subs = fd_subs, .nsubs = COUNT(fd_subs), .meta = "fd=<n>",	\
	  .help = h, .vmm = true }
#define SUBS(n, f, t, h)						\
	{ .name = n, .kind = OPTION_SUBS, .offset = AT(vm_spec, f),	\
	  .subs = t, .nsubs = COUNT(t), .help = h }
#define OPTION_IS_LATER(n) { .name = n, .kind = OPTION_LATER }
#define FLAG_IS_LATER(n) { .name = n, .kind = OPTION_LATER_FLAG }

const struct option_row option_rows[] = {
	STRING("kernel", payload.kernel, "<path>",
	    "bzImage, or ELF with a PVH note"),
	STRING("firmware", payload.firmware, "<path>",
	    "PVH ELF, in place of a kernel"),
	STRING("initramfs", payload.initramfs, "<path>", "for the kernel"),
	STRING("cmdline", payload.cmdline, "<text>", "the kernel's command line"),
	SUBS("cpus", cpus, cpus_subs, ""),
	SUBS("memory", memory, memory_subs, ""),
	{ .name = "memory-zone", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, zones), .count_offset = AT(vm_spec, nzones),
	  .element_size = sizeof(struct zone_spec),
	  .max_elements = SPEC_MAX_ZONES, .element_default = &zone_default,
	  .subs = zone_subs, .nsubs = COUNT(zone_subs),
	  .help = "with --memory size=0: what it is made of; several values may "
		  "follow" },
	{ .name = "numa", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, numa), .count_offset = AT(vm_spec, nnuma),
	  .element_size = sizeof(struct numa_spec),
	  .max_elements = SPEC_MAX_NODES, .element_default = &numa_default,
	  .subs = numa_subs, .nsubs = COUNT(numa_subs),
	  .help = "a NUMA node of the guest; several values may follow" },
	{ .name = "disk", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, disks), .count_offset = AT(vm_spec, ndisks),
	  .element_size = sizeof(struct disk_spec),
	  .max_elements = SPEC_MAX_DISKS, .element_default = &disk_default,
	  .subs = disk_subs, .nsubs = COUNT(disk_subs),
	  .help = "several values may follow" },
	{ .name = "net", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, nets), .count_offset = AT(vm_spec, nnets),
	  .element_size = sizeof(struct net_spec),
	  .max_elements = SPEC_MAX_NETS, .element_default = &net_default,
	  .subs = net_subs, .nsubs = COUNT(net_subs),
	  .help = "several values may follow" },
	{ .name = "fs", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, fs), .count_offset = AT(vm_spec, nfs),
	  .element_size = sizeof(struct fs_spec),
	  .max_elements = SPEC_MAX_FS, .element_default = &fs_default,
	  .subs = fs_subs, .nsubs = COUNT(fs_subs),
	  .help = "a shared directory, by virtiofs; several values may follow" },
	{ .name = "generic-vhost-user", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, generics),
	  .count_offset = AT(vm_spec, ngenerics),
	  .element_size = sizeof(struct generic_spec),
	  .max_elements = SPEC_MAX_GENERICS,
	  .element_default = &generic_default,
	  .subs = generic_subs, .nsubs = COUNT(generic_subs),
	  .help = "any virtio device behind a vhost-user socket; several "
		  "values may follow" },
	{ .name = "pmem", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, pmems), .count_offset = AT(vm_spec, npmems),
	  .element_size = sizeof(struct pmem_spec),
	  .max_elements = SPEC_MAX_PMEMS, .element_default = &pmem_default,
	  .subs = pmem_subs, .nsubs = COUNT(pmem_subs),
	  .help = "a file as persistent memory; several values may follow" },
	{ .name = "balloon", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, balloons), .count_offset = AT(vm_spec, nballoons),
	  .element_size = sizeof(struct balloon_spec),
	  .max_elements = 1, .element_default = &balloon_default,
	  .subs = balloon_subs, .nsubs = COUNT(balloon_subs),
	  .help = "memory goes back to the host" },
	{ .name = "vsock", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, vsocks), .count_offset = AT(vm_spec, nvsocks),
	  .element_size = sizeof(struct vsock_spec),
	  .max_elements = SPEC_MAX_VSOCKS, .element_default = &vsock_default,
	  .subs = vsock_subs, .nsubs = COUNT(vsock_subs),
	  .help = "sockets between host and guest; one" },
	{ .name = "pci-segment", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, segments), .count_offset = AT(vm_spec, nsegments),
	  .element_size = sizeof(struct segment_spec),
	  .max_elements = SPEC_MAX_SEGMENTS, .element_default = &segment_default,
	  .subs = segment_subs, .nsubs = COUNT(segment_subs),
	  .help = "its part of the windows for BARs; several values may follow" },
	{ .name = "rate-limit-group", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, limit_groups),
	  .count_offset = AT(vm_spec, nlimit_groups),
	  .element_size = sizeof(struct limit_group_spec),
	  .max_elements = SPEC_MAX_LIMIT_GROUPS,
	  .element_default = &limit_group_default,
	  .subs = limit_group_subs, .nsubs = COUNT(limit_group_subs),
	  .help = "a limit that several disks share; several values may "
		  "follow" },
	SUBS("rng", rng, rng_subs, "always there"),
	SUBS("console", console, console_subs, "the virtio console"),
	SUBS("serial", serial, serial_subs, "the 16550 at COM1"),
	SUBS("debug-console", debug_console, debug_console_subs,
	    "bytes written to an I/O port"),
	SUBS("platform", platform, platform_subs, "SMBIOS strings"),
	{ .name = "landlock", .kind = OPTION_FLAG,
	  .offset = AT(vm_spec, landlock),
	  .help = "what is opened while the guest runs is a disk's, or one of "
		  "--landlock-rules" },
	{ .name = "landlock-rules", .kind = OPTION_SUBS_LIST,
	  .offset = AT(vm_spec, landlock_rules),
	  .count_offset = AT(vm_spec, nlandlock_rules),
	  .element_size = sizeof(struct landlock_spec),
	  .max_elements = SPEC_MAX_LANDLOCK_RULES,
	  .element_default = &landlock_default,
	  .subs = landlock_subs, .nsubs = COUNT(landlock_subs),
	  .help = "what else may be opened, with --landlock; several values may "
		  "follow" },
	{ .name = "seccomp", .kind = OPTION_WORD,
	  .offset = AT(vm_spec, seccomp), .words = seccomp_words,
	  .vmm = true, .meta = "true|log|errno|false",
	  .help = "a denied system call kills its process, is logged, fails, "
		  "or is let through; true" },
	{ .name = "on-worker-failure", .kind = OPTION_WORD,
	  .offset = AT(vm_spec, worker_failure.action), .words = failure_words,
	  .meta = "restart|isolate|stop",
	  .help = "a device worker that dies is replaced, its device fails "
		  "every request from then on, or the VM stops; restart" },
	SUBS("worker-failure-limit", worker_failure, failure_subs,
	    "a device that fails more often is isolated; who hangs has failed"),
	{ .name = "pvpanic", .kind = OPTION_FLAG, .offset = AT(vm_spec, pvpanic),
	  .help = "a device by which the guest's kernel says that it panicked: "
		  "an event" },
	{ .name = "watchdog", .kind = OPTION_FLAG,
	  .offset = AT(vm_spec, watchdog), .subs = watchdog_subs,
	  .nsubs = COUNT(watchdog_subs), .meta = "[<..>]",
	  .help = "resets a guest that has hung" },
	{ .name = "rtc", .kind = OPTION_SUBS_LIST, .bare = true,
	  .offset = AT(vm_spec, rtcs), .count_offset = AT(vm_spec, nrtcs),
	  .element_size = sizeof(struct rtc_spec),
	  .max_elements = 1, .element_default = &rtc_default,
	  .subs = rtc_subs, .nsubs = COUNT(rtc_subs), .meta = "[<..>]",
	  .help = "the host's clocks, by virtio" },
	PLACE("api-socket", api, "the HTTP API, on a unix socket; without a "
	    "kernel the VMM waits there for one"),
	PLACE("event-monitor", events, "what happens to the VM, in JSON"),
	PLACE("cgroup", cgroup, "of version 2, in which the VM makes its own; that "
	    "in which it is started, where it may"),
	BY_FD("kvm", kvm, "/dev/kvm, open already"),
	BY_FD("libexec", libexec, "the directory of the other programs, open "
	    "already; passt too, if it is there"),
	{ .name = "restore", .kind = OPTION_SUBS, .vmm = true,
	  .offset = AT(vm_spec, restore), .subs = restore_subs,
	  .nsubs = COUNT(restore_subs),
	  .help = "a VM of a snapshot, in place of all the options above" },
	{ .name = "no-shutdown", .kind = OPTION_FLAG, .vmm = true,
	  .offset = AT(vm_spec, no_shutdown),
	  .help = "when the guest powers off, go on without it" },
	{ .name = "log-file", .kind = OPTION_STRING, .vmm = true,
	  .offset = AT(vm_spec, log.file), .meta = "<path>",
	  .help = "appended to; standard error" },
	{ .name = "log-format", .kind = OPTION_STRING, .vmm = true,
	  .offset = AT(vm_spec, log.format), .meta = "<template>",
	  .help = "with {boottime} {level} {thread} {location} {msg} {pid} and "
		  "more" },
	{ .name = "verbose", .letter = 'v', .kind = OPTION_COUNT, .vmm = true,
	  .offset = AT(vm_spec, log.verbosity),
	  .help = "log more; twice: still more" },
	{ .name = "version", .letter = 'V', .kind = OPTION_VERSION,
	  .help = "print the version" },
	{ .name = "help", .letter = 'h', .kind = OPTION_HELP,
	  .help = "print this" },
	OPTION_IS_LATER("dbus-object-path"), OPTION_IS_LATER("dbus-service-name"),
	FLAG_IS_LATER("dbus-system-bus"), OPTION_IS_LATER("device"),
	OPTION_IS_LATER("fw-cfg-config"), OPTION_IS_LATER("gdb"),
	OPTION_IS_LATER("host-data"),
	OPTION_IS_LATER("igvm"),
	OPTION_IS_LATER("ivshmem"),
	FLAG_IS_LATER("pvmemcontrol"),
	OPTION_IS_LATER("tpm"), OPTION_IS_LATER("user-device"),
	OPTION_IS_LATER("userfaultfd"), OPTION_IS_LATER("vdpa"),
};

const unsigned int option_nrows = COUNT(option_rows);

_Static_assert(COUNT(option_rows) <= 64, "vm_spec.given has a bit a row");
