/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For vhost_user_lies_test.c: of each device a good request, and those that lie. The
 * rings are that file's.
 */
#ifndef BULKHEAD_TESTS_NATIVE_VHU_REQUESTS_H
#define BULKHEAD_TESTS_NATIVE_VHU_REQUESTS_H

#include <linux/fuse.h>
#include <string.h>

#include "tests/native/vhu_front.h"

#define DISK (1u << 20)
#define DATA 0x100000u
#define TABLE 0x180000u

/* A number below @n. */
uint32_t rnd(uint32_t n);
/* Queue it and wait: 1 and *len, or 0: the device wants a reset. */
int run(const struct drvq_buf *bufs, unsigned int n, uint64_t table,
    uint32_t *len);
/* A new connection; a driver's reset on the one that there is, and a good request. */
bool fresh(void);
bool again(void);
/* Does it want a reset? */
bool breaks(void);

/* ---- good ones -------------------------------------------------------------------- */

static void
blk_header(uint32_t type, uint64_t sector)
{
	memset(t.ram + DATA, 0, 16);
	memcpy(t.ram + DATA, &type, 4);
	memcpy(t.ram + DATA + 8, &sector, 8);
	t.ram[DATA + 0x800] = 0xee;
}

static bool
blk_good(void)
{
	const struct drvq_buf bufs[] = { { DATA, 16, false },
		{ DATA + 0x1000, 512, true }, { DATA + 0x800, 1, true } };
	uint32_t len;

	blk_header(0, 3);
	MUST(run(bufs, 3, 0, &len) == 1 && len == 513);
	MUST(t.ram[DATA + 0x800] == 0);
	return true;
}

static bool
rng_good(void)
{
	const struct drvq_buf buf = { DATA, 64, true };
	uint32_t len;

	MUST(run(&buf, 1, 0, &len) == 1 && len == 64);
	return true;
}

static bool
net_good(void)
{
	const struct drvq_buf bufs[] = { { DATA, 12, false },
		{ DATA + 0x100, 60, false } };
	uint32_t len;

	memset(t.ram + DATA, 0, 0x200);
	memset(t.ram + DATA + 0x100, 0xff, 6);
	MUST(run(bufs, 2, 0, &len) == 1 && len == 0);
	return true;
}

/* FUSE_STATFS, or what begins a session. */
static unsigned int
fs_request(struct drvq_buf bufs[2], uint32_t opcode)
{
	const struct fuse_init_in init = { .major = 7, .minor = 38 };
	struct fuse_in_header h = { .len = sizeof(h), .opcode = opcode, .unique = 8,
		.nodeid = opcode == FUSE_INIT ? 0 : FUSE_ROOT_ID };

	if (opcode == FUSE_INIT)
		h.len += sizeof(init);
	memset(t.ram + DATA, 0, 0x2000);
	memcpy(t.ram + DATA, &h, sizeof(h));
	memcpy(t.ram + DATA + sizeof(h), &init, sizeof(init));
	bufs[0] = (struct drvq_buf){ DATA, h.len, false };
	bufs[1] = (struct drvq_buf){ DATA + 0x1000, 256, true };
	return 2;
}

static bool
fs_answered(uint32_t opcode, int error)
{
	struct fuse_out_header o;
	struct drvq_buf bufs[2];
	uint32_t len;

	(void)fs_request(bufs, opcode);
	MUST(run(bufs, 2, 0, &len) == 1);
	memcpy(&o, t.ram + DATA + 0x1000, sizeof(o));
	return len >= sizeof(o) && o.len == len && o.unique == 8 && o.error == -error;
}

static bool
fs_good(void)
{
	return fs_answered(FUSE_INIT, 0);
}

/* ---- block requests ----------------------------------------------------------------- */

static bool
blk_answer(const struct drvq_buf *bufs, unsigned int n, uint8_t want)
{
	uint32_t len;

	MUST(run(bufs, n, n > 4 ? TABLE : 0, &len) == 1);
	if (t.ram[DATA + 0x800] != want)
		printf("# status %u instead of %u\n", t.ram[DATA + 0x800], want);
	return t.ram[DATA + 0x800] == want;
}

static bool
lies_to_block(void)
{
	struct drvq_buf bufs[18] = { { DATA, 16, false },
		{ DATA + 0x1000, 512, true }, { DATA + 0x800, 1, true } };

	MUST(fresh());
	for (uint32_t type = 0; type < 70; type++) {
		static const uint8_t known[] = { 0, 1, 4, 8, 11, 13, 14 };

		if (memchr(known, (int)type, sizeof(known)) != NULL)
			continue;
		blk_header(type, 0);
		MUST(blk_answer(bufs, 3, 2));	/* UNSUPP */
	}
	for (uint64_t sector = DISK / 512; sector != 0; sector *= 16) {
		blk_header(0, sector);
		MUST(blk_answer(bufs, 3, 1));
	}
	blk_header(0, UINT64_MAX);
	MUST(blk_answer(bufs, 3, 1));
	for (uint32_t odd = 1; odd < 512; odd += 73) {
		blk_header(0, 0);
		bufs[1].len = odd;
		MUST(blk_answer(bufs, 3, 1));
	}
	/* The header in two parts, at every byte, and in sixteen. */
	for (uint32_t at = 1; at < 16; at++) {
		const struct drvq_buf parts[] = { { DATA, at, false },
			{ DATA + at, 16 - at, false }, { DATA + 0x1000, 512, true },
			{ DATA + 0x800, 1, true } };

		blk_header(0, 0);
		MUST(blk_answer(parts, 4, 0));
	}
	for (unsigned int i = 0; i < 16; i++)
		bufs[i] = (struct drvq_buf){ DATA + i, 1, false };
	bufs[16] = (struct drvq_buf){ DATA + 0x1000, 512, true };
	bufs[17] = (struct drvq_buf){ DATA + 0x800, 1, true };
	blk_header(0, 0);
	MUST(blk_answer(bufs, 18, 0));
	/* Headers too short: no status can be told of a request that is none. */
	for (uint32_t have = 0; have < 16; have++) {
		const struct drvq_buf parts[] = { { DATA, have, false },
			{ DATA + 0x800, 1, true } };
		uint32_t len;

		blk_header(0, 0);
		MUST(run(parts, 2, 0, &len) >= 0);
		MUST(again());
	}
	/* The wrong direction: nothing to write the status to. */
	for (int i = 0; i < 2; i++) {
		const struct drvq_buf parts[] = { { DATA, 16, false },
			{ DATA + 0x1000, 512, false }, { DATA + 0x800, 1, i == 1 } };
		uint32_t len;

		blk_header(0, 0);
		MUST(run(parts, 3, 0, &len) >= 0);
		MUST(i == 0 ? breaks() : t.ram[DATA + 0x800] <= 2);
		MUST(again());
	}
	return true;
}

static bool
lies_to_net(void)
{
	MUST(fresh());
	/* Headers in two parts, and frames that end within one. */
	for (uint32_t at = 1; at < 40; at++) {
		const struct drvq_buf parts[] = { { DATA, at, false },
			{ DATA + at, 72 - at, false } };
		const struct drvq_buf cut = { DATA, at, false };
		uint32_t len;

		MUST(run(parts, 2, 0, &len) == 1 && len == 0);
		MUST(run(&cut, 1, 0, &len) == 1 && len == 0);
	}
	/* Any header, and buffers for the device to write. */
	for (int i = 0; i < 2000; i++) {
		const struct drvq_buf parts[] = { { DATA, 12, false },
			{ DATA + 0x100, 1 + rnd(65000), false },
			{ DATA + 0x800, 1, true } };
		uint32_t len;

		for (unsigned int k = 0; k < 12; k++)
			t.ram[DATA + k] = (uint8_t)(rnd(2) ? rnd(256) : rnd(4));
		MUST(run(parts, i % 10 == 0 ? 3 : 2, 0, &len) >= 0);
	}
	return again();
}

/* ---- FUSE ---------------------------------------------------------------------------- */

static bool
lies_to_fs(void)
{
	struct drvq_buf bufs[3];
	uint32_t len;

	MUST(fresh() && fs_good() && fs_answered(FUSE_STATFS, 0));
	/* In two parts, at every byte; cut there, it is none. */
	for (uint32_t at = 1; at < sizeof(struct fuse_in_header); at++) {
		(void)fs_request(bufs, FUSE_STATFS);
		bufs[2] = bufs[1];
		bufs[1] = (struct drvq_buf){ DATA + at, bufs[0].len - at, false };
		bufs[0].len = at;
		MUST(run(bufs, 3, 0, &len) == 1 && len == 16 + 80);
		(void)fs_request(bufs, FUSE_STATFS);
		bufs[0].len = at;
		MUST(run(bufs, 2, 0, &len) >= 0 && len < 16 + 80);
		MUST(again());
	}
	/* No room for all of the answer, down to none. */
	for (uint32_t room = 96; room-- > 1;) {
		(void)fs_request(bufs, FUSE_STATFS);
		bufs[1].len = room;
		MUST(run(bufs, 2, 0, &len) >= 0 && len <= room);
		MUST(t.ram[DATA + 0x1000 + room] == 0);
	}
	/* What there is none of, and each word of the header. */
	for (uint32_t i = 0; i < 40; i++) {
		(void)fs_request(bufs, i < 20 ? 57 + i : 1u << (i - 8));
		MUST(run(bufs, 2, 0, &len) >= 0);
	}
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t word = rnd(10), value = rnd(3) ? rnd(64) : ~rnd(64);

		(void)fs_request(bufs, FUSE_STATFS);
		memcpy(t.ram + DATA + 4ull * word, &value, 4);
		MUST(run(bufs, 2, 0, &len) >= 0);
	}
	return again();
}

#endif
