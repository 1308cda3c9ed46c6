/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small vhost-user front end for tests of the back-end programs: one connection,
 * guest memory in a memfd, one ring (drvq). It behaves; tests make it lie.
 */
#ifndef BULKHEAD_TESTS_NATIVE_VHU_FRONT_H
#define BULKHEAD_TESTS_NATIVE_VHU_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "device-workers/lib/virtq.h"
#include "device-workers/vhost-user/wire.h"
#include "tests/native/drvq.h"

#define RAM (4u << 20)
#define RING 0x1000u
#define UVA 0x7f1200000000ull	/* where the front end says that it maps RAM */
#define QUEUE 64u
#define WAIT_MS 5000
#define FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << VHU_F_PROTOCOL_FEATURES | \
	1ull << VIRTIO_F_INDIRECT_DESC)

extern struct vhu_front {
	int conn, ram_fd, log_fd, kick, call, err;
	uint32_t ring;			/* number of the one that there is */
	uint8_t *ram, *log;
	struct drvq q;
	pid_t pid;
	char dir[64], socket[96], disk[96];
	uint64_t more_features;		/* beside FEATURES */
} t;

/* In a function that returns bool. */
#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			printf("# line %d: %s\n", __LINE__, #condition); \
			return false;					\
		}							\
	} while (0)

struct packet {
	struct vhu_header header;
	union vhu_payload payload;
} __attribute__((packed));

bool send_raw(const void *data, size_t len, const int *fds, unsigned int nfds);
bool post(uint32_t request, uint32_t flags, const void *payload, uint32_t size,
    const int *fds, unsigned int nfds);
/* The next bytes: false when the connection is closed or nothing comes. */
bool recv_all(void *to, size_t len);
bool ask(uint32_t request, const void *payload, uint32_t size,
    struct packet *answer);

/* With REPLY_ACK: 0: done, 1: refused, -1: no answer. */
int set(uint32_t request, const void *payload, uint32_t size, const int *fds,
    unsigned int nfds);
int set_u64(uint32_t request, uint64_t value);
int set_vring(uint32_t request, uint32_t index, uint32_t num);
int set_fd(uint32_t request, uint64_t value, int fd);
int set_table(uint32_t n, const struct vhu_region *regions, const int *fds);
int set_addr(uint32_t q, uint64_t desc, uint64_t avail, uint64_t used);

bool front_end_connect(void);
bool negotiate(void);
bool set_memory(void);
bool prepare_ring(uint32_t base);	/* all but KICK, which starts it */
bool start_ring(uint32_t base);
bool all_up(void);			/* a new ring, from the first message on */

/* Memory, eventfds, a folder with an empty disk of @disk_size bytes. */
bool front_set_up(size_t disk_size);
/* Start the program with socket, and up to three more arguments. */
bool front_start(const char *program, const char *a, const char *b,
    const char *c);
void front_clean_up(void);

#endif
