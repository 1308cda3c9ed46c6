/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the user asked for to what is to be made: memory regions, the 64-bit
 * PCI window, every device with its name, PCI address, queues and MAC. Pure
 * functions: no system call, no allocation; what is random or of the host comes
 * in as an argument.
 */
#ifndef BULKHEAD_CONTROLLER_PLAN_H
#define BULKHEAD_CONTROLLER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/procs.h"
#include "controller/spec.h"

#define PLAN_SLOTS 31u			/* of a segment: 1..31; 0 is the host bridge's */
#define PLAN_MAX_DEVICES 248u
/* Two where memory is on both sides of the hole below 4 GiB, and virtio-mem's. */
#define PLAN_MAX_REGIONS (2u * SPEC_MAX_ZONES + 1u)
#define PLAN_ID_SIZE 65u

struct plan_region {
	uint64_t gpa, size;	/* bytes */
	uint64_t offset;	/* in the zone's memfd */
	uint32_t zone;
	bool hot;		/* virtio-mem's: of another memfd, and no boot RAM */
};

/* Memory of one kind: all of it, unless there are --memory-zone. */
struct plan_zone {
	const char *id;
	uint64_t size;		/* bytes at boot */
	bool hugepages, prefault, reserve;
	uint64_t hugepage_size;	/* bytes; 0: the system's default */
	uint64_t hot_size;	/* bytes of virtio-mem's region; 0: there is none */
	uint64_t hot_gpa, hot_wanted;	/* where; bytes that shall be plugged */
	uint32_t host_node;	/* SPEC_NO_NODE: any */
	uint32_t node;		/* the guest's */
};

/* A PCI segment's parts of the windows, in bytes. */
struct plan_segment {
	uint64_t mmio32_base, mmio32_size;
	uint64_t mmio64_base, mmio64_size;
};

/* Which option a front-end worker comes from. */
enum plan_front { FRONT_DISK, FRONT_NET, FRONT_FS, FRONT_GENERIC };

/* One device worker. */
struct plan_device {
	enum process_kind kind;
	enum plan_front front;	/* PROC_FRONT */
	uint32_t index;		/* in spec->disks, nets, fs, generics, vsocks; zones */
	char id[PLAN_ID_SIZE];
	bool on_pci;		/* a console worker may serve COM1 alone */
	uint32_t bdf;		/* segment << 8 | slot << 3 */
	uint32_t nqueues;	/* eventfd pairs to make; the worker may use fewer */
	uint8_t mac[6];		/* net */
};

struct vm_plan {
	struct plan_region regions[PLAN_MAX_REGIONS];
	uint32_t nregions;
	struct plan_zone zones[SPEC_MAX_ZONES];
	uint32_t nzones;
	uint64_t dimm_gpa, dimm_size;	/* where DIMMs may be; 0: nowhere */
	uint64_t ram_end;	/* what lies behind comes later than at boot */
	uint64_t mmio64_base, mmio64_size;	/* the 64-bit PCI window */
	struct plan_device devices[PLAN_MAX_DEVICES + 1];
	uint32_t ndevices;
	uint32_t pvpanic_bdf, i6300esb_bdf;	/* 0: none */
	struct plan_segment segments[SPEC_MAX_SEGMENTS];
	uint32_t nsegments;
	/* By segment, a bit a slot: removed by force, and the guest has not let go. */
	uint32_t dead_slots[SPEC_MAX_SEGMENTS];
	struct topology_spec topology;		/* never zero */
};

/* What the plan needs to know of the host. */
struct plan_host {
	uint32_t phys_bits;		/* of the CPU */
	uint64_t random;		/* seed of MAC addresses */
	uint64_t memory;		/* bytes, and swap; 0: not known */
	uint32_t cpus;			/* configured; 0: not known */
	bool landlock;
	bool root;			/* host_is_root() */
	uint32_t uid, gid;		/* of who started us */
};

/* Another seed, for another VM. */
void plan_next_random(struct plan_host *host);

/*
 * @spec has passed spec_check(). 0, or -EINVAL with the line for the user (RAM
 * does not fit the address space, a PCI slot cannot be had).
 */
int plan_make(struct vm_plan *plan, const struct vm_spec *spec,
    const struct plan_host *host, struct spec_error *err);

/*
 * The 64-bit window is elsewhere (where persistent memory lies before it): divide it
 * among the segments of a plan that was made.
 */
void plan_window64(struct vm_plan *plan, const struct vm_spec *spec, uint64_t base,
    uint64_t size);

/*
 * One device more for a running VM, in a slot of its own; all others stay as they are.
 * @what: kind, front and index. -EINVAL and the line.
 */
int plan_add(struct vm_plan *plan, const struct vm_spec *spec,
    const struct plan_host *host, const struct plan_device *what,
    struct plan_device **added, struct spec_error *err);

/*
 * Eventfds of a device: kick and call of each queue, then the configuration
 * change. All are the vcpu-worker's; of the device worker are those of the
 * queues: plan_event_slot() says at which slot it has the @n-th.
 */
uint32_t plan_nevents(const struct plan_device *dev);

/* The device of the @index-th --net. */
struct plan_device *plan_net(struct vm_plan *plan, uint32_t index);
uint32_t plan_event_slot(uint32_t n);

/*
 * Where @spec has what is said of @dev on PCI, if it is one that can be added and
 * removed; NULL: every VM has it.
 */
struct pci_spec *plan_removable(struct vm_spec *spec,
    const struct plan_device *dev);

#endif
