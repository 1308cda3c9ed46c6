// SPDX-License-Identifier: Apache-2.0
//
// The tables, see schema.h, in the order in which vm.info shows them.
#include "controller/api/schema.h"

#include <stddef.h>
#include <string.h>

#define COUNT(a) ((unsigned int)(sizeof(a) / sizeof((a)[0])))

#define BOOL(j, d) { .json = j, .type = FIELD_BOOL, .shown = true, .plain = d }
#define NUMBER(j, d)							\
	{ .json = j, .type = FIELD_NUMBER, .shown = true, .plain = d }
#define NEEDED(j, n, d)							\
	{ .json = j, .name = n, .type = FIELD_NUMBER, .shown = true,	\
	  .required = true, .plain = d }
/* Shown where it was given. */
#define GIVEN(j) { .json = j, .type = FIELD_NUMBER, .plain = -1 }
#define TEXT(j) { .json = j, .type = FIELD_TEXT }
#define TEXT_AS(j, n) { .json = j, .name = n, .type = FIELD_TEXT }
#define WORD(j, n, w, d)						\
	{ .json = j, .name = n, .type = FIELD_WORD, .words = w,		\
	  .shown = true, .plain_text = d }
#define OTHER(j, n, l)							\
	{ .json = j, .name = n, .type = FIELD_OTHER, .plain = l }

#define PCI								\
	TEXT("id"), NUMBER("pci_segment", 0), GIVEN("pci_device_id"),	\
	BOOL("iommu", false),						\
	{ .json = "packed", .type = FIELD_BOOL }

static const struct word scheduling_words[] = {
	{ "Vm", "vm" }, { "Vcpu", "vcpu" }, { "Off", "off" }, { NULL, NULL },
};
static const struct word hotplug_words[] = {
	{ "Acpi", "acpi" }, { "VirtioMem", "virtio-mem" }, { NULL, NULL },
};
static const struct word image_words[] = {
	{ "FixedVhd", "vhd" }, { "Qcow2", "qcow2" }, { "Raw", "raw" },
	{ "Vhdx", "vhdx" }, { "Vmdk", "vmdk" }, { "Unknown", NULL },
	{ NULL, NULL },
};
static const struct word lock_words[] = {
	{ "ByteRange", "byte-range" }, { "Full", "full" }, { NULL, NULL },
};
static const struct word vhost_words[] = {
	{ "Client", "client" }, { "Server", "server" }, { NULL, NULL },
};
static const struct word mode_words[] = {
	{ "Off", "off" }, { "Null", "null" }, { "Tty", "tty" },
	{ "Pty", "pty" }, { "File", "file" }, { "Socket", "socket" },
	{ NULL, NULL },
};
static const struct word profile_words[] = {
	{ "Host", "host" }, { "host", "host" }, { NULL, NULL },
};

static const struct field cpus[] = {
	NEEDED("boot_vcpus", "boot", 1),
	NEEDED("max_vcpus", "max", 1),
	{ .json = "topology", .type = FIELD_TOPOLOGY },
	BOOL("kvm_hyperv", false),
	NUMBER("max_phys_bits", 46),
	{ .json = "affinity", .type = FIELD_AFFINITY },
	OTHER("features", "features", false),
	BOOL("nested", true),
	WORD("core_scheduling", NULL, scheduling_words, "vm"),
	{ .json = "profile", .type = FIELD_WORD, .words = profile_words,
	  .plain_text = "host" },
};

static const struct field memory[] = {
	NEEDED("size", NULL, 512LL << 20),
	BOOL("mergeable", false),
	WORD("hotplug_method", NULL, hotplug_words, "acpi"),
	GIVEN("hotplug_size"), GIVEN("hotplugged_size"),
	BOOL("shared", false), BOOL("hugepages", false),
	GIVEN("hugepage_size"),
	BOOL("prefault", false), BOOL("reserve", false), BOOL("thp", true),
	{ .json = "zones", .name = "memory-zone", .type = FIELD_LIST },
};

static const struct field zone[] = {
	{ .json = "id", .type = FIELD_TEXT, .required = true },
	{ .json = "size", .type = FIELD_NUMBER, .required = true, .shown = true,
	  .plain = 512LL << 20 },
	TEXT("file"),
	BOOL("mergeable", false), BOOL("shared", false),
	BOOL("hugepages", false), GIVEN("hugepage_size"),
	GIVEN("host_numa_node"), GIVEN("hotplug_size"),
	GIVEN("hotplugged_size"),
	BOOL("prefault", false), BOOL("reserve", false),
};

static const struct field numa[] = {
	{ .json = "guest_numa_id", .type = FIELD_NUMBER, .required = true,
	  .shown = true },
	{ .json = "cpus", .type = FIELD_NUMBERS },
	{ .json = "distances", .type = FIELD_DISTANCES },
	{ .json = "memory_zones", .type = FIELD_TEXTS },
	{ .json = "pci_segments", .type = FIELD_NUMBERS },
	TEXT("device_id"),
};

static const struct field limit_group[] = {
	TEXT("id"),
	{ .json = "rate_limiter_config", .type = FIELD_LIMITER,
	  .required = true },
};

static const struct field disk[] = {
	TEXT("path"),
	BOOL("readonly", false), BOOL("direct", false),
	NUMBER("num_queues", 1), NUMBER("queue_size", 128),
	BOOL("vhost_user", false), TEXT_AS("vhost_socket", "socket"),
	{ .json = "rate_limiter_config", .type = FIELD_LIMITER },
	TEXT("rate_limit_group"), TEXT("serial"),
	{ .json = "queue_affinity", .type = FIELD_AFFINITY },
	BOOL("backing_files", false), BOOL("sparse", true),
	{ .json = "image_type", .type = FIELD_WORD, .words = image_words },
	WORD("lock_granularity", NULL, lock_words, "byte-range"),
	{ .json = "disable_io_uring", .name = "_disable_io_uring",
	  .type = FIELD_BOOL },
	{ .json = "disable_aio", .name = "_disable_aio", .type = FIELD_BOOL },
	PCI,
};

static const struct field net[] = {
	TEXT("tap"), TEXT("ip"), TEXT("mask"), TEXT("mac"), TEXT("host_mac"),
	GIVEN("mtu"),
	NUMBER("num_queues", 2), NUMBER("queue_size", 256),
	BOOL("vhost_user", false), TEXT_AS("vhost_socket", "socket"),
	WORD("vhost_mode", NULL, vhost_words, "client"),
	{ .json = "rate_limiter_config", .type = FIELD_LIMITER },
	BOOL("offload_tso", true), BOOL("offload_ufo", true),
	BOOL("offload_csum", true),
	{ .json = "fds", .name = "fd", .type = FIELD_FDS },
	/* Our own. */
	{ .json = "user", .type = FIELD_BOOL }, TEXT("publish"),
	{ .json = "user_host", .type = FIELD_BOOL, .plain = true },
	TEXT("user_address"), TEXT("user_mask"), TEXT("user_gateway"),
	TEXT("user_dns"), TEXT("guard"), TEXT("guard_ips"),
	PCI,
};

static const struct field rng[] = {
	{ .json = "src", .type = FIELD_TEXT, .required = true, .shown = true,
	  .plain_text = "/dev/urandom" },
	{ .json = "rate_limiter_config", .type = FIELD_LIMITER },
	PCI,
};

static const struct field rtc[] = { PCI };

static const struct word watchdog_words[] = {
	{ "Virtio", "virtio" }, { "I6300esb", "i6300esb" }, { NULL, NULL },
};
static const struct field watchdog[] = {
	{ .json = "model", .type = FIELD_WORD, .words = watchdog_words,
	  .plain_text = "virtio" },
	GIVEN("timeout"),
	PCI,
};

#define MODE(d)								\
	{ .json = "mode", .name = "mode", .type = FIELD_MODE,		\
	  .words = mode_words, .required = true, .shown = true,		\
	  .plain_text = d },						\
	{ .json = "file", .type = FIELD_MODE_PATH }

static const struct field console[] = {
	MODE("tty"), { .json = "socket", .type = FIELD_MODE_PATH }, PCI,
};

static const struct field serial[] = {
	MODE("null"), { .json = "socket", .type = FIELD_MODE_PATH },
};

static const struct field debug_console[] = {
	MODE("off"), NUMBER("iobase", 0xe9),
};

static const struct field platform[] = {
	NUMBER("num_pci_segments", 1),
	OTHER("iommu_segments", "iommu_segments", true),
	{ .json = "iommu_address_width_bits", .name = "iommu_address_width",
	  .type = FIELD_NUMBER, .plain = 64 },
	TEXT("system_manufacturer"), TEXT("system_product_name"),
	TEXT("system_version"), TEXT("system_serial_number"),
	TEXT("system_uuid"), TEXT("system_sku_number"), TEXT("system_family"),
	TEXT("chassis_asset_tag"),
	/* The older names of two of these. */
	TEXT_AS("serial_number", "system_serial_number"),
	TEXT_AS("uuid", "system_uuid"),
	{ .json = "oem_strings", .type = FIELD_TEXTS },
	{ .json = "tdx", .type = FIELD_BOOL },
	{ .json = "sev_snp", .type = FIELD_BOOL },
	{ .json = "iommufd", .type = FIELD_BOOL },
	{ .json = "vfio_p2p_dma", .type = FIELD_BOOL, .plain = true },
};

static const struct field segment[] = {
	{ .json = "pci_segment", .type = FIELD_NUMBER, .required = true, .shown = true },
	NUMBER("mmio32_aperture_weight", 1), NUMBER("mmio64_aperture_weight", 1),
};

/* `payload` is four options of their own: request.c and answer.c know it. */
static const struct field payload[] = {
	TEXT("firmware"), TEXT("kernel"), TEXT("cmdline"), TEXT("initramfs"),
	TEXT("igvm"), TEXT_AS("host_data", "host-data"),
};

/* Its form before v28, which libvirt 9.0 sends whatever it is told of versions. */
static const struct field older_kernel[] = { TEXT_AS("path", "kernel") };
static const struct field older_initramfs[] = {
	TEXT_AS("path", "initramfs"),
};
static const struct field older_cmdline[] = { TEXT_AS("args", "cmdline") };

static const struct field fs[] = {
	{ .json = "tag", .type = FIELD_TEXT, .required = true },
	TEXT("socket"), TEXT("path"),	/* one of them; the path is our own */
	{ .json = "readonly", .type = FIELD_BOOL },
	TEXT("uid_map"), TEXT("gid_map"),
	NUMBER("num_queues", 1), NUMBER("queue_size", 1024),
	PCI,
};

static const struct field balloon[] = {
	{ .json = "size", .type = FIELD_NUMBER, .required = true, .shown = true },
	BOOL("deflate_on_oom", false), BOOL("free_page_reporting", false),
	PCI,
};

static const struct field pmem[] = {
	{ .json = "file", .type = FIELD_TEXT, .required = true },
	GIVEN("size"), BOOL("discard_writes", false),
	PCI,
};

static const struct field landlock_rule[] = {
	{ .json = "path", .type = FIELD_TEXT, .required = true },
	{ .json = "access", .type = FIELD_TEXT, .required = true },
};

static const struct field generic[] = {
	{ .json = "socket", .type = FIELD_TEXT, .required = true },
	{ .json = "device_type", .type = FIELD_DIGITS, .required = true },
	{ .json = "queue_sizes", .type = FIELD_NUMBERS, .required = true },
	PCI,
};

static const struct field vsock[] = {
	{ .json = "cid", .type = FIELD_NUMBER, .required = true },
	{ .json = "socket", .type = FIELD_TEXT, .required = true },
	PCI,
};

#define OBJECT(j, o, f)							\
	{ .json = j, .option = o, .shown = true, .fields = f,		\
	  .nfields = COUNT(f) }
#define LIST(j, o, f)							\
	{ .json = j, .option = o, .list = true, .fields = f,		\
	  .nfields = COUNT(f) }
#define NOT_YET(j, o) { .json = j, .option = o }
#define NOT_YET_LIST(j, o) { .json = j, .option = o, .list = true }
#define OLDER(j, o, f)							\
	{ .json = j, .option = o, .older = true, .fields = f,		\
	  .nfields = COUNT(f) }
#define FLAG(j, o) { .json = j, .option = o, .flag = true, .shown = true }

const struct member schema_members[] = {
	OBJECT("cpus", "cpus", cpus),
	OBJECT("memory", "memory", memory),
	{ .json = "zones", .option = "memory-zone", .list = true,
	  .within = true, .fields = zone, .nfields = COUNT(zone) },
	OBJECT("payload", "payload", payload),
	LIST("rate_limit_groups", "rate-limit-group", limit_group),
	LIST("disks", "disk", disk),
	LIST("net", "net", net),
	OBJECT("rng", "rng", rng),
	{ .json = "balloon", .option = "balloon", .fields = balloon,
	  .nfields = COUNT(balloon) },
	LIST("fs", "fs", fs),
	LIST("generic_vhost_user", "generic-vhost-user", generic),
	LIST("pmem", "pmem", pmem),
	OBJECT("serial", "serial", serial),
	OBJECT("console", "console", console),
	OBJECT("debug_console", "debug-console", debug_console),
	NOT_YET_LIST("devices", "device"),
	NOT_YET_LIST("user_devices", "user-device"),
	NOT_YET_LIST("vdpa", "vdpa"),
	{ .json = "vsock", .option = "vsock", .fields = vsock,
	  .nfields = COUNT(vsock) },
	FLAG("iommu", "iommu"),
	LIST("numa", "numa", numa),
	{ .json = "watchdog", .option = "watchdog", .flag = true, .shown = true,
	  .fields = watchdog, .nfields = COUNT(watchdog) },
	{ .json = "rtc", .option = "rtc", .fields = rtc, .nfields = COUNT(rtc) },
	FLAG("pvpanic", "pvpanic"),
	{ .json = "pvmemcontrol", .option = "pvmemcontrol" },
	LIST("pci_segments", "pci-segment", segment),
	{ .json = "platform", .option = "platform", .fields = platform,
	  .nfields = COUNT(platform) },
	NOT_YET("tpm", "tpm"),
	NOT_YET("ivshmem", "ivshmem"),
	FLAG("landlock_enable", "landlock"),
	LIST("landlock_rules", "landlock-rules", landlock_rule),
	OLDER("kernel", "payload", older_kernel),
	OLDER("initramfs", "payload", older_initramfs),
	OLDER("cmdline", "payload", older_cmdline),
};

const unsigned int schema_nmembers = COUNT(schema_members);

const struct member *
schema_member_of(const char *option)
{
	for (unsigned int i = 0; i < schema_nmembers; i++)
		if (strcmp(schema_members[i].option, option) == 0)
			return &schema_members[i];
	return NULL;
}

const char *
schema_name(const struct field *field)
{
	return field->name != NULL ? field->name : field->json;
}
