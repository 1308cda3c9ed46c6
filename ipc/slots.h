/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fd numbers of every child process, fixed so that seccomp policies, which
 * are built with the program, can name them. The spawner puts fds there before
 * exec; what a process makes or receives later it moves to its place itself.
 * Ranges start at multiples of their power-of-two size: a filter tests such a
 * range with one mask.
 */
#ifndef BULKHEAD_IPC_SLOTS_H
#define BULKHEAD_IPC_SLOTS_H

enum fd_slot {
	/* 0, 1, 2: /dev/null (a sanitizer build keeps standard error) */
	FD_CTL = 3,		/* channel to the controller, every child */
	FD_BUS = 4,		/* device worker: channel to the vcpu-worker */
	FD_EPOLL = 5,
	FD_TIMER = 6,
	FD_LISTENER = 7,	/* own seccomp listener, until it is sent */

	FD_BACKEND = 8,		/* 8..15: the device's back end, see its folder */
	FD_BACKEND_COUNT = 8,

	/* vcpu-worker */
	FD_KVM = 8,		/* closed once the VM is created */
	FD_VM = 9,
	FD_WAKE = 10,		/* eventfd: a vCPU thread tells the main thread */

	/* loader */
	FD_KERNEL = 8,
	FD_INITRAMFS = 9,

	/* Serial port and debug console: vcpu-worker and console worker */
	FD_RINGS = 16,		/* memfd of the byte rings, ipc/bytering.h */
	FD_RINGS_TO_FAR = 17,	/* eventfd: bytes for the far end, or room */
	FD_RINGS_TO_GUEST = 18,	/* eventfd: bytes for the guest, or room */
	FD_LOG_MAP = 19,	/* dirty bitmap, while it is being mapped */

	/* Block worker */
	FD_LIMIT = 20,		/* memfd: what a rate limit group has left */
	FD_BLK_RING = 26,	/* its io_uring */
	FD_BLK_DONE = 27,	/* eventfd: something in it is done */

	/* Device worker whose driver may write to its configuration space */
	FD_CONFIG_PAGE = 36,	/* memfd of what it wrote; closed once mapped */
	/* Device worker: what its successor is to know; closed once mapped */
	FD_RECORD = 37,
	/* api-worker */
	FD_API = 30,		/* the listening socket of the API */
	FD_API_EVENTS = 31,	/* where the event monitor's events go */

	/* vcpu-worker: memfd of a VmState, while it is saved or loaded */
	FD_VM_STATE = 51,

	/* Entropy worker */
	FD_RNG_AGAIN = 55,	/* timerfd: ask a source that cannot be watched */

	/* File system worker */
	FD_FS_TABLE = 56,	/* memfd: what the guest knows of it; closed once mapped */

	/* Vsock worker */
	FD_VSOCK_EPOLL = 58,	/* its connections, an epoll of their own */

	/* virtio-mem worker */
	FD_MEM_STATE = 60,	/* memfd: which blocks are plugged; closed once mapped */

	FD_KICK = 64,		/* 64..127: kick eventfd of queue 0..63 */
	FD_CALL = 128,		/* 128..191: call eventfd of queue 0..63 */
	FD_QUEUE_COUNT = 64,

	/* Received memory fds are here until mapped */
	FD_INCOMING = 256,	/* 256..511 */
	FD_INCOMING_COUNT = 256,

	/* vcpu-worker only */
	FD_DEVICE_BUS = 512,	/* 512..1023: bus channel of device 0..511 */
	FD_DEVICE_COUNT = 512,
	FD_VCPU = 1024,		/* 1024..2047: KVM's fd of vCPU 0..1023 */
	FD_VCPU_COUNT = 1024,
	/* Kick and call eventfds of devices. From here on, so that a VM of a few
	 * devices can do with 4096 fds, the least hard limit that is usual. */
	FD_DEVICE_EVENT = 2048,
	FD_DEVICE_EVENT_HIGH = 4096,	/* the second power of two of the range */
	FD_DEVICE_EVENT_END = 8192,
};

#endif
