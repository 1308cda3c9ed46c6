/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user asked for, as a plain struct: written by the option parser
 * (options.h), checked by spec_check() and read by everything after. It holds no
 * fd, no pid and nothing that was computed (that is the plan, plan.h).
 *
 * Strings belong to the spec and live until spec_free(). NULL: not given.
 */
#ifndef BULKHEAD_CONTROLLER_SPEC_H
#define BULKHEAD_CONTROLLER_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define SPEC_MAX_DISKS 248u
#define SPEC_MAX_NETS 248u
#define SPEC_MAX_LIMIT_GROUPS 64u
#define SPEC_MAX_FS 32u
#define SPEC_MAX_VSOCKS 1u
#define SPEC_MAX_GENERICS 32u
#define SPEC_MAX_PMEMS 32u
#define SPEC_MAX_ZONES 8u
#define SPEC_MAX_ZONE_ID 52u	/* with a prefix it is a device's */
#define SPEC_MAX_NODES NUMA_LIMIT_NODES
#define SPEC_MAX_QUEUES DEVICE_LIMIT_QUEUES
#define SPEC_MAX_QUEUE_PAIRS 8u	/* tap fds of one worker: FD_BACKEND_COUNT */
#define SPEC_MAX_GUARD_IPS NET_LIMIT_GUARD_IPS	/* of each family */
#define SPEC_MAX_LANDLOCK_RULES 64u
#define SPEC_MAX_OEM_STRINGS 32u
#define SPEC_MAX_REFILL_MS BUCKET_LIMIT_REFILL_MS
#define SPEC_MAX_VCPUS 1024u	/* FD_VCPU_COUNT */
#define SPEC_MAX_AFFINITY_CPUS 1024u

/* What every device on PCI has. */
struct pci_spec {
	const char *id;		/* NULL: given by the plan */
	uint32_t segment;	/* 0: the first that has room */
	uint32_t slot;		/* 1..31; 0: given by the plan */
	bool packed;		/* offer packed rings */
	bool gone;		/* of a running VM: a hole, holes.h */
};

/* One token bucket; size 0: none. */
struct bucket_spec {
	uint64_t size;		/* bytes, or requests */
	uint64_t burst;
	uint32_t refill_ms;
};

struct limit_spec {
	struct bucket_spec bw, ops;
};

struct limit_group_spec {
	const char *id;
	struct limit_spec limit;
};

enum vhost_mode { VHOST_CLIENT, VHOST_SERVER };

/* An external vhost-user back end. */
struct vhost_spec {
	bool on;
	const char *socket;
	uint32_t mode;		/* enum vhost_mode: who connects, we or it */
};

struct payload_spec {
	const char *kernel;
	const char *firmware;
	const char *initramfs;
	const char *cmdline;
};

struct topology_spec {
	uint32_t threads, cores, dies, packages;	/* all 0: not given */
};

/* Where a vCPU, or who serves a queue of a disk, may run. */
struct affinity_spec {
	uint32_t which;		/* vCPU or queue */
	uint32_t ncpus;
	uint32_t *cpus;		/* belongs to the spec */
};

struct affinity_list {
	uint32_t n;
	struct affinity_spec *of;	/* belongs to the spec */
};

enum core_scheduling { CORE_SCHED_VM, CORE_SCHED_VCPU, CORE_SCHED_OFF };

struct cpus_spec {
	uint32_t boot;
	uint32_t max;		/* 0: as boot; set by spec_check() */
	struct topology_spec topology;
	uint32_t max_phys_bits;
	struct affinity_list affinity;
	bool nested;
	uint32_t core_scheduling;
};

enum hotplug_method { HOTPLUG_ACPI, HOTPLUG_VIRTIO_MEM };

struct memory_spec {
	uint64_t size;		/* bytes */
	bool hugepages;
	uint64_t hugepage_size;	/* bytes; 0: the system's default */
	bool prefault;
	bool reserve;
	bool thp;
	bool shared;		/* means nothing: memory is always shared */
	bool mergeable;		/* refused */
	uint32_t hotplug_method;	/* enum hotplug_method */
	uint64_t hotplug_size;	/* bytes that may come; 0: none */
	uint64_t hotplugged_size;	/* ... and are there at boot */
};

#define SPEC_NO_NODE UINT32_MAX

/* Memory of one kind. */
struct zone_spec {
	const char *id;
	uint64_t size;		/* bytes at boot */
	bool hugepages;
	uint64_t hugepage_size;	/* bytes; 0: the system's default */
	bool prefault, reserve;
	bool shared, mergeable;	/* as --memory */
	uint32_t host_node;	/* it is from this NUMA node; SPEC_NO_NODE: any */
	uint64_t hotplug_size, hotplugged_size;
};

/* A NUMA node of the guest; a bit a vCPU or PCI segment. */
struct numa_spec {
	uint32_t node;		/* SPEC_NO_NODE: not given */
	uint64_t cpus[SPEC_MAX_VCPUS / 64];
	uint64_t segments[2];
	uint8_t distances[SPEC_MAX_NODES];	/* 0: not given */
	const char *zones[SPEC_MAX_ZONES];
	uint32_t nzones;
};

enum image_type {		/* the order of the words of image_type= */
	IMAGE_DETECT,
	IMAGE_RAW,
	IMAGE_QCOW2,
	IMAGE_VHD,
	IMAGE_VHDX,
	IMAGE_VMDK,
	IMAGE_FIXED_VHD,	/* as Cloud Hypervisor's API calls them */
	IMAGE_UNKNOWN,
};

enum lock_granularity { LOCK_BYTE_RANGE, LOCK_FULL };

struct disk_spec {
	struct pci_spec pci;
	const char *path;
	bool readonly;
	bool direct;
	bool sparse;
	uint32_t num_queues;
	uint32_t queue_size;
	const char *serial;
	uint32_t image_type;	/* enum image_type */
	bool backing_files;	/* a qcow2 image may have one */
	struct limit_spec limit;
	const char *limit_group;	/* NULL: none */
	struct vhost_spec vhost;
	struct affinity_list queue_affinity;
	uint32_t lock_granularity;	/* enum lock_granularity */
	bool disable_io_uring;
	bool disable_aio;	/* means nothing: there is no such engine */
};

struct address_spec {
	uint8_t len;		/* 0, 4 or 16 */
	uint8_t bytes[16];	/* network order */
};

struct mac_spec {
	bool given;
	uint8_t bytes[6];
};

struct published_port {
	bool udp;
	struct address_spec address;	/* on the host; len 0: all */
	uint16_t host, guest;
};

/* What --net user=on is given: addresses are passt's choice unless given. */
struct user_net_spec {
	bool host;		/* the gateway's address leads to the host */
	struct address_spec address, mask, gateway, dns;
	uint32_t nports;
	struct published_port ports[USER_NET_LIMIT_PORTS];
};

enum net_guard {
	NET_GUARD_OFF,
	NET_GUARD_ON,
	NET_GUARD_DEFAULT,	/* for root, where it can be */
};

struct net_spec {
	struct pci_spec pci;
	bool user;		/* rootless, by passt */
	struct user_net_spec user_net;
	const char *tap;	/* NULL: a new one, named by the kernel */
	struct address_spec ip, mask;
	struct mac_spec mac, host_mac;
	uint32_t mtu;		/* 0: leave */
	uint32_t nfds;
	int fds[SPEC_MAX_QUEUE_PAIRS];	/* inherited taps */
	uint32_t num_queues;	/* two a queue pair */
	uint32_t queue_size;
	bool offload_tso, offload_ufo, offload_csum;
	uint32_t guard;		/* enum net_guard */
	struct address_spec guard_ips[2 * SPEC_MAX_GUARD_IPS];
	uint32_t nguard_ips;
	struct limit_spec limit;	/* of each direction */
	struct vhost_spec vhost;
};

/* The guest's ids from @guest on are the host's from @host on. */
struct id_range_spec {
	uint32_t guest, host, count;
};

struct id_map_spec {
	struct id_range_spec range[FS_LIMIT_ID_RANGES];
	uint32_t n;		/* 0: not given */
};

struct fs_spec {
	struct pci_spec pci;
	const char *tag;
	const char *path;	/* of the directory; or: */
	struct vhost_spec vhost;	/* on where there is no path */
	bool readonly, writeback, posix_acl;
	struct id_map_spec uid_map, gid_map;
	uint32_t cache;		/* Bh__FsCache */
	uint32_t num_queues;	/* for requests; one more has high priority */
	uint32_t queue_size;
};

/* Any virtio device whose back end speaks vhost-user. */
struct generic_spec {
	struct pci_spec pci;
	uint32_t device_type;	/* of the virtio specification; 0: not given */
	struct vhost_spec vhost;	/* always on */
	uint32_t nqueues;
	uint32_t queue_sizes[SPEC_MAX_QUEUES];
};

struct balloon_spec {
	struct pci_spec pci;
	uint64_t size;		/* bytes */
	bool deflate_on_oom, free_page_reporting;
};

struct pmem_spec {
	struct pci_spec pci;
	const char *file;
	uint64_t size;		/* bytes; 0: all of the file */
	bool discard_writes;
};

struct vsock_spec {
	struct pci_spec pci;
	uint32_t cid;		/* the guest's; 0: not given */
	const char *socket;	/* path of the listening socket, prefix of others */
	uint64_t buffer;	/* bytes a connection may have on the way to the host */
};

struct rng_spec {
	struct pci_spec pci;
	const char *src;
	struct limit_spec limit;
};

enum watchdog_model { WATCHDOG_VIRTIO, WATCHDOG_I6300ESB };

struct watchdog_spec {
	bool on;
	struct pci_spec pci;
	uint32_t model;		/* enum watchdog_model */
	uint32_t seconds;	/* 0: not given */
};

struct rtc_spec {
	struct pci_spec pci;
};

enum port_mode {		/* as Bh__PortKind */
	PORT_OFF,
	PORT_NULL,
	PORT_FILE,
	PORT_TTY,
	PORT_PTY,
	PORT_SOCKET,
};

struct port_spec {
	struct pci_spec pci;	/* --console only */
	uint32_t mode;		/* enum port_mode */
	const char *path;	/* of a file or socket */
	uint32_t iobase;	/* --debug-console only */
};

#define SPEC_MAX_SEGMENTS 96u

/* Of a segment's parts of the PCI windows. */
struct segment_spec {
	uint32_t number;
	uint32_t weight32, weight64;
};

struct platform_spec {
	uint32_t segments;	/* PCI segments at least; 1 or more */
	const char *manufacturer, *product_name, *version, *serial_number;
	const char *uuid, *sku_number, *family, *chassis_asset_tag;
	uint32_t noem_strings;
	const char *oem_strings[SPEC_MAX_OEM_STRINGS];
};

enum failure_action {
	FAILURE_RESTART,
	FAILURE_ISOLATE,
	FAILURE_STOP,
};

/* What becomes of a device whose worker dies. */
struct failure_spec {
	uint32_t action;	/* enum failure_action */
	uint32_t deaths;	/* so many within ... */
	uint32_t seconds;	/* ... are too many to restart once more */
	uint32_t hang;		/* so many seconds without an answer; 0: for ever */
};

/* What may be done to a path: bit 0 read, bit 1 write, but for the last two. */
enum landlock_access {		/* the order of the words of access= */
	LANDLOCK_NOT_GIVEN,
	LANDLOCK_READ,
	LANDLOCK_WRITE,
	LANDLOCK_READ_WRITE,
	LANDLOCK_WRITE_READ,	/* the same */
};

struct landlock_spec {
	const char *path;	/* a file, or a directory with all below it */
	uint32_t access;	/* enum landlock_access */
};

enum seccomp_mode {		/* as Bh__SeccompMode */
	SECCOMP_ENFORCE,
	SECCOMP_LOG,
	SECCOMP_ERRNO,
	SECCOMP_OFF,
};

struct log_spec {
	const char *file;	/* NULL: standard error */
	const char *format;	/* NULL: the default */
	uint32_t verbosity;	/* how many -v */
};

/* A file or socket: by path, or by an fd that was inherited (0: by path). */
struct place_spec {
	const char *path;	/* NULL, and fd 0: not given */
	uint32_t fd;
};

struct spec_text {
	struct spec_text *next;
	char text[];
};

/* --restore */
struct restore_spec {
	const char *source_url;	/* NULL: no */
	bool resume;
};

struct vm_spec {
	struct payload_spec payload;
	struct cpus_spec cpus;
	struct memory_spec memory;
	struct zone_spec zones[SPEC_MAX_ZONES];
	uint32_t nzones;
	struct numa_spec numa[SPEC_MAX_NODES];
	uint32_t nnuma;
	struct disk_spec disks[SPEC_MAX_DISKS];
	uint32_t ndisks;
	struct net_spec nets[SPEC_MAX_NETS];
	uint32_t nnets;
	struct fs_spec fs[SPEC_MAX_FS];
	uint32_t nfs;
	struct generic_spec generics[SPEC_MAX_GENERICS];
	uint32_t ngenerics;
	struct pmem_spec pmems[SPEC_MAX_PMEMS];
	uint32_t npmems;
	struct balloon_spec balloons[1];
	uint32_t nballoons;
	struct vsock_spec vsocks[SPEC_MAX_VSOCKS];
	uint32_t nvsocks;
	struct segment_spec segments[SPEC_MAX_SEGMENTS];
	uint32_t nsegments;
	struct limit_group_spec limit_groups[SPEC_MAX_LIMIT_GROUPS];
	uint32_t nlimit_groups;
	struct rng_spec rng;
	struct watchdog_spec watchdog;
	struct rtc_spec rtcs[1];
	uint32_t nrtcs;
	struct port_spec console, serial, debug_console;
	struct platform_spec platform;
	bool landlock;
	struct landlock_spec landlock_rules[SPEC_MAX_LANDLOCK_RULES];
	uint32_t nlandlock_rules;
	/* The VMM's own; the same whatever VM it has. */
	uint32_t seccomp;	/* enum seccomp_mode */
	struct failure_spec worker_failure;
	struct log_spec log;
	struct place_spec api, events, cgroup;
	struct place_spec kvm, libexec;	/* by fd alone */
	bool pvpanic;
	struct restore_spec restore;
	bool no_shutdown;

	uint64_t given;		/* bit n: row n of the option table was used */
	struct spec_text *texts;
	/* Where there is an arena, texts and arrays are taken from it: who is
	 * jailed gets no memory. A copy of the spec shares what is below used. */
	uint8_t *arena;
	size_t arena_size, arena_used;
};

/* One line for the user, without the program's name and newline. */
struct spec_error {
	char line[512];
};

/* Make @spec the defaults of every option. */
void spec_init(struct vm_spec *spec);
void spec_free(struct vm_spec *spec);

/*
 * A copy of the first @len bytes of @text that lives as long as the spec; NULL
 * when there is no memory.
 */
char *spec_text(struct vm_spec *spec, const char *text, size_t len);

/* @n zeroed objects of @size bytes that live as long as the spec, or NULL. */
void *spec_array(struct vm_spec *spec, size_t n, size_t size);

/* Which of spec->limit_groups a disk is in, or -1: in none. */
int spec_limit_group(const struct vm_spec *spec, const struct disk_spec *disk);

/*
 * Take memory from @arena of @size bytes from now on. Of the same lifetime as the
 * spec; spec_free() empties it.
 */
void spec_use_arena(struct vm_spec *spec, void *arena, size_t size);

/*
 * "fd=5" is no path, but an fd that was passed on: 5. -1: it is a path ("./fd=5",
 * too), or NULL.
 */
int spec_fd(const char *path);

/*
 * Every value of @spec that is given and may be such: by the option, the name in
 * front of the value ("path=", ""), and where it is. Ends with what @fn returns
 * if that is not 0.
 */
typedef int spec_file_fn(void *arg, const char *option, const char *name,
    const char **text);
int spec_each_file(struct vm_spec *spec, spec_file_fn *fn, void *arg);

/*
 * Guest memory by zones: those of --memory-zone, or one that is all of --memory.
 * What it has at boot, in bytes.
 */
uint32_t spec_nzones(const struct vm_spec *spec);
struct zone_spec spec_zone(const struct vm_spec *spec, uint32_t n);
uint64_t spec_ram(const struct vm_spec *spec);

/* Make @spec the defaults, but for what is the VMM's own, its memory included. */
void spec_init_vm(struct vm_spec *spec);

/* Does the command line describe a VM, or a VMM that is to wait for one? */
bool spec_has_vm(const struct vm_spec *spec);

/* --restore, of a command line: it stands in the place of a VM's options. */
int spec_check_restore(const struct vm_spec *spec, struct spec_error *err);

/*
 * Everything that can be said of a spec without looking at the host: ranges that
 * depend on each other, what excludes what, names that must differ. Fills in
 * cpus.max. 0, or -EINVAL with the line.
 */
int spec_check(struct vm_spec *spec, struct spec_error *err);

#endif
