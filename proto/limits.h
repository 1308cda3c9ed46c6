/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits that messages and the code behind them share. Nothing but numbers: the
 * validators may not depend on the modules whose messages they check, which pin
 * their own names to these by static_assert.
 */
#ifndef BULKHEAD_PROTO_LIMITS_H
#define BULKHEAD_PROTO_LIMITS_H

#define GMEM_LIMIT_REGIONS 64u		/* GMEM_MAX_REGIONS */
#define DEVICE_LIMIT_QUEUES 64u		/* DEVICE_MAX_QUEUES */
#define DEVICE_LIMIT_CONFIG 256u	/* DEVICE_MAX_CONFIG */
#define DEVICE_LIMIT_STATE 28672u	/* DEVICE_MAX_STATE */
#define VIRTQ_LIMIT_SIZE 1024u		/* VIRTQ_MAX_SIZE */
#define NET_LIMIT_GUARD_IPS 8u		/* of each family: GUARD_MAX_IPS */
#define FILE_NAME_LIMIT 1023u		/* bytes of a name in a disk image */
#define FS_LIMIT_ID_RANGES 8u		/* of a share's uids, and of its gids */
#define API_LIMIT_FDS 16u		/* of one request */
#define BUCKET_LIMIT_SIZE (1ull << 46)	/* tokens of a rate limit */
#define BUCKET_LIMIT_REFILL_MS 86400000u	/* a day */
#define BALLOON_LIMIT_SIZE (0xffffffffull << 12)	/* bytes: 32 bits of pages */
#define WATCHDOG_LIMIT_SECONDS 3600u
#define VSOCK_LIMIT_BUFFER (1u << 20)	/* bytes of one connection's */
#define USER_NET_LIMIT_PORTS 32u	/* that one passt publishes */
#define PCI_LIMIT_SEGMENTS 96u		/* LAYOUT_PCI_SEGMENTS */

/* VmState: what is written, and the oldest that is read. */
#define VM_STATE_VERSION 1u
#define VM_STATE_OLDEST 1u
#define VM_LIMIT_RECORD 65536u		/* bytes of one record */
#define VM_LIMIT_CPUID 256u		/* ARCH_MAX_CPUID */
#define VM_LIMIT_MSRS 512u		/* ARCH_SAVED_MSRS */
#define VM_LIMIT_XSAVE 16384u		/* ARCH_SAVED_XSAVE */
#define VM_LIMIT_POSTS 32u		/* VIRTIO_PCI_MAX_POSTS */

/* virtio-mem: what it has noted, in a memfd of its own, a bit a block behind a page. */
#define NUMA_LIMIT_NODES 32u		/* of the guest */
#define MEM_LIMIT_ALIGN (128u << 20)	/* bytes: of its region */
#define KEPT_LIMIT 200u			/* fds of a KeptFile */
#define DIMM_LIMIT 16u			/* ARCH_DIMMS */
#define MEM_STATE_BITS_AT 4096u
#define MEM_STATE_SIZE(nblocks)						\
	(MEM_STATE_BITS_AT + (((nblocks) / 8 + 4096) & ~4095ull))

/* The record of a device (device-workers/lib/record.h): its head, then a part for
 * each queue. */
#define RECORD_QUEUE_SIZE 65536u
#define RECORD_SIZE(nqueues) (RECORD_QUEUE_SIZE * (1ull + (nqueues)))

/* Of a snapshot: its files, one of each SnapshotFile, and the parts in them. */
#define SNAPSHOT_LIMIT_FILES 13u
#define SNAPSHOT_LIMIT_PARTS 160u
#define SNAPSHOT_LIMIT_CONFIG 60000u	/* bytes of one part of it */

/* Bytes of the record that a vhost-user back end keeps of what it has in flight: 64
 * queues of 1024 entries take half of them. */
#define FRONT_LIMIT_INFLIGHT (4u << 20)

#endif
