/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the native tests of block, network and console worker share: results in
 * TAP, and the kinds of ring that each is tried on.
 */
#ifndef BULKHEAD_TESTS_NATIVE_DEVICE_TEST_H
#define BULKHEAD_TESTS_NATIVE_DEVICE_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device-workers/lib/virtq.h"
#include "ipc/slots.h"
#include "tests/native/fakevm.h"

static unsigned int number, failures;

static void
result(bool good, const struct fakevm *vm, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %u - %s\n", good ? "" : "not ", number, name);
	if (good)
		return;
	printf("# failed \"%s\", denied \"%s\", log \"%s\", needs reset %u\n",
	    vm->failed, vm->denied, vm->log, vm->needs_reset);
}

/* Fails the test function it stands in: returns false. */
#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			return false;					\
		}							\
	} while (0)

static const struct {
	const char *name;
	uint64_t features;
} rings[] = {
	{ "split", 0 },
	{ "split, indirect, event index",
	  1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX },
	{ "packed", 1ull << VIRTIO_F_RING_PACKED },
	{ "packed, indirect, event index", 1ull << VIRTIO_F_RING_PACKED |
	  1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX },
};

#define NRINGS (sizeof(rings) / sizeof(rings[0]))
#define RING_FEATURES (1ull << VIRTIO_F_RING_PACKED |			\
	1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX)

/* Activate on the @i-th kind of ring, with all of the device's own features. */
static int
activate(struct fakevm *vm, size_t i, unsigned int nqueues)
{
	return fakevm_activate(vm,
	    (vm->features & ~RING_FEATURES) | rings[i].features, nqueues, 0);
}

static int
finish(void)
{
	printf("1..%u\n", number);
	return failures != 0 || number == 0;
}

#endif
