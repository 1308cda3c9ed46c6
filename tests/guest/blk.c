/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk, every request type on every kind of ring that is offered. On the
 * command line: "packed" where packed rings must be offered, "readonly",
 * "sectors=N", "id=XXX". The runner looks at the image afterwards: sector 8 is
 * to hold "bulkhead" from its start.
 */
#include "lib/blk.h"

static struct blk blk;

static void read_write(const char *name, uint64_t features)
{
	uint8_t *out = alloc(16384, PAGE), *in = alloc(16384, PAGE);

	begin(name);
	check(blk_restart(&blk, features));
	for (uint32_t i = 0; i < 80; i++) {	/* round the ring */
		uint64_t sector = 16 + i % 64;

		blk_pattern(out, 512, i);
		check(blk_do(&blk, BLK_OUT, sector, out, 512) == BLK_OK);
		check(blk_do(&blk, BLK_IN, sector, in, 512) == BLK_OK);
		check(memcmp(in, out, 512) == 0);
	}
	blk_pattern(out, 16384, 77);
	check(blk_do(&blk, BLK_OUT, 256, out, 16384) == BLK_OK);
	memset(in, 0, 16384);
	check(blk_do(&blk, BLK_IN, 256, in, 16384) == BLK_OK);
	check(memcmp(in, out, 16384) == 0);
	check(blk_do(&blk, BLK_FLUSH, 0, NULL, 0) == BLK_OK ||
	    !(blk.d.features & BLK_F_FLUSH));
	end();
}

/* 5.2.4: the cache mode reads as it was written, at once, until a reset. */
static void cache_mode(void)
{
	static uint8_t data[512];
	volatile uint8_t *mode;

	begin("cache-mode");
	check(blk_restart(&blk, BLK_F_FLUSH | BLK_F_CONFIG_WCE));
	check(blk.d.features & BLK_F_CONFIG_WCE);
	mode = (volatile uint8_t *)blk.d.config + 32;
	check(*mode == 1);
	for (int i = 0; i < 20; i++) {
		*mode = (uint8_t)(i & 1);
		check(*mode == (i & 1));
		check(blk_do(&blk, BLK_OUT, 1, data, 512) == BLK_OK);
	}
	mode[1] = 0xff;			/* not for a driver to write */
	check(mode[1] == 0);
	*mode = 0xfe;			/* bit 0 is all there is */
	check(*mode == 0);
	check(blk_restart(&blk, BLK_F_FLUSH | BLK_F_CONFIG_WCE));
	check(*mode == 1);
	end();
}

/* Many requests at once, in one kick. */
static void batch(const char *name, uint64_t features)
{
	enum { N = 24 };
	static struct blk_header h[N];
	static volatile uint8_t status[N];
	uint8_t *data = alloc(N * 512, PAGE);
	int id[N], got;
	uint32_t len;
	unsigned int done = 0;

	begin(name);
	check(blk_restart(&blk, features));
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < N; i++) {
			struct buf v[3];

			h[i] = (struct blk_header){
				round ? BLK_IN : BLK_OUT, 0, 512 + i };
			status[i] = 0xaa;
			if (!round)
				blk_pattern(data + i * 512, 512, 9000 + i);
			else
				memset(data + i * 512, 0, 512);
			v[0] = BUF_OUT(&h[i], 16);
			v[1] = (struct buf){ (uintptr_t)data + i * 512, 512,
				round != 0 };
			v[2] = BUF_IN(&status[i], 1);
			id[i] = vq_add(&blk.q, v, 3, blk.indirect);
			check(id[i] >= 0);
		}
		vq_kick(&blk.q, false);
		for (done = 0; done < N; done++)
			if (!vq_wait(&blk.q, &got, &len, 10000)) {
				fail("%u of %u came back", done, N);
				break;
			}
		for (unsigned int i = 0; i < N; i++)
			check_eq(status[i], BLK_OK);
	}
	for (unsigned int i = 0; i < N; i++) {
		uint8_t want[512];

		blk_pattern(want, 512, 9000 + i);
		check(memcmp(want, data + i * 512, 512) == 0);
	}
	end();
}

/* Header and data cut at odd places (2.7.4: no assumption about framing). */
static void framing(void)
{
	static uint8_t parts[1024] __attribute__((aligned(16)));
	struct buf v[8];
	uint8_t *in = alloc(512, 16);

	begin("framing");
	check(blk_restart(&blk, F_INDIRECT));
	memset(parts, 0, sizeof(parts));
	memcpy(parts + 100, &(struct blk_header){ BLK_OUT, 0, 8 }, 16);
	memset(parts + 200, 'z', 512);
	memcpy(parts + 200, "bulkhead", 8);
	v[0] = BUF_OUT(parts + 100, 3);
	v[1] = BUF_OUT(parts + 103, 10);
	v[2] = BUF_OUT(parts + 113, 3);
	v[3] = BUF_OUT(parts + 200, 1);
	v[4] = BUF_OUT(parts + 201, 510);
	v[5] = BUF_OUT(parts + 711, 1);
	v[6] = BUF_IN(blk.status, 1);
	*blk.status = 0xaa;
	check(vq_do(&blk.q, v, 7, false) >= 0);
	check_eq(*blk.status, BLK_OK);
	/* Header and data in one descriptor; data and status in one. */
	memcpy(parts + 184, &(struct blk_header){ BLK_OUT, 0, 9 }, 16);
	v[0] = BUF_OUT(parts + 184, 16 + 512);
	v[1] = BUF_IN(blk.status, 1);
	*blk.status = 0xaa;
	check(vq_do(&blk.q, v, 2, false) >= 0);
	check_eq(*blk.status, BLK_OK);
	*blk.header = (struct blk_header){ BLK_IN, 0, 9 };
	memset(parts + 400, 0, 513);
	parts[400 + 512] = 0xaa;
	v[0] = BUF_OUT(blk.header, 16);
	v[1] = BUF_IN(parts + 400, 100);
	v[2] = BUF_IN(parts + 500, 413);
	check_eq(vq_do(&blk.q, v, 3, true), 513);
	check_eq(parts[400 + 512], BLK_OK);
	check(memcmp(parts + 400, "bulkheadz", 9) == 0);
	check(blk_do(&blk, BLK_IN, 8, in, 512) == BLK_OK);
	check(memcmp(in, "bulkheadzz", 10) == 0);
	end();
}

static void get_id(void)
{
	char id[21] = { 0 };

	begin("get-id");
	check(blk_restart(&blk, F_INDIRECT));
	check(blk_do(&blk, BLK_GET_ID, 0, id, 20) == BLK_OK);
	print("# id %s\n", id);
	end();
}

static bool all_bytes(const uint8_t *p, uint32_t n, uint8_t v)
{
	while (n--)
		if (*p++ != v)
			return false;
	return true;
}

static void discard(void)
{
	uint8_t *data = alloc(16384, PAGE);
	struct blk_range r = { 1024, 32, 0 };
	uint64_t f = BLK_F_DISCARD | BLK_F_WRITE_ZEROES;

	begin("write-zeroes");
	check(blk_restart(&blk, f | F_INDIRECT));
	if (blk.d.features & BLK_F_WRITE_ZEROES) {
		for (uint32_t unmap = 0; unmap < 2; unmap++) {
			memset(data, 0xee, 16384);
			check(blk_do(&blk, BLK_OUT, 1024, data, 16384) == 0);
			r.flags = unmap;
			check(blk_do(&blk, BLK_WRITE_ZEROES, 0, &r, 16) == 0);
			check(blk_do(&blk, BLK_IN, 1024, data, 16384) == 0);
			check(all_bytes(data, 16384, 0));
		}
		/* Past the end, an unknown flag: refused. */
		r = (struct blk_range){ blk.capacity - 1, 2, 0 };
		check(blk_do(&blk, BLK_WRITE_ZEROES, 0, &r, 16) != BLK_OK);
		r = (struct blk_range){ 0xffffffffffffffffull, 2, 0 };
		check(blk_do(&blk, BLK_WRITE_ZEROES, 0, &r, 16) != BLK_OK);
		r = (struct blk_range){ 1024, 1, 0x80 };
		check_eq(blk_do(&blk, BLK_WRITE_ZEROES, 0, &r, 16),
		    BLK_UNSUPP);
	} else {
		print("# write-zeroes is not offered\n");
	}
	end();
	begin("discard");
	if (blk.d.features & BLK_F_DISCARD) {
		r = (struct blk_range){ 1024, 32, 0 };
		check(blk_do(&blk, BLK_DISCARD, 0, &r, 16) == BLK_OK);
		check(blk_works(&blk, 1030));
		r.flags = 1;		/* unmap must be 0 there */
		check_eq(blk_do(&blk, BLK_DISCARD, 0, &r, 16), BLK_UNSUPP);
		r = (struct blk_range){ blk.capacity, 1, 0 };
		check(blk_do(&blk, BLK_DISCARD, 0, &r, 16) != BLK_OK);
	} else {
		print("# discard is not offered\n");
	}
	end();
}

/* Requests that a device answers with a status, not with its death. */
static void refusals(void)
{
	uint8_t *data = alloc(PAGE, PAGE);
	struct buf v[3];

	begin("refusals");
	check(blk_restart(&blk, F_INDIRECT));
	check_eq(blk_do(&blk, BLK_IN, blk.capacity, data, 512), BLK_IOERR);
	check_eq(blk_do(&blk, BLK_OUT, blk.capacity, data, 512), BLK_IOERR);
	check_eq(blk_do(&blk, BLK_IN, blk.capacity - 1, data, 1024), BLK_IOERR);
	check_eq(blk_do(&blk, BLK_IN, 0xffffffffffffffffull, data, 512),
	    BLK_IOERR);
	check_eq(blk_do(&blk, BLK_OUT, 0x0080000000000000ull, data, 512),
	    BLK_IOERR);
	check_eq(blk_do(&blk, 99, 0, data, 512), BLK_UNSUPP);
	check_eq(blk_do(&blk, 0xffffffff, 0, data, 512), BLK_UNSUPP);
	check(blk_do(&blk, BLK_IN, 0, data, 100) == BLK_IOERR);
	check(blk_works(&blk, 5));
	(void)v;
	end();
}

static void read_only(void)
{
	uint8_t data[512];
	struct blk_range r = { 0, 1, 0 };

	begin("read-only");
	check(blk_restart(&blk, BLK_F_RO | F_INDIRECT));
	check(blk.d.features & BLK_F_RO);
	check(!(blk.d.offered & (BLK_F_DISCARD | BLK_F_WRITE_ZEROES)));
	check(blk_do(&blk, BLK_IN, 0, data, 512) == BLK_OK);
	check_eq(blk_do(&blk, BLK_OUT, 0, data, 512), BLK_IOERR);
	check(blk_do(&blk, BLK_WRITE_ZEROES, 0, &r, 16) != BLK_OK);
	check(blk_do(&blk, BLK_IN, 1, data, 512) == BLK_OK);
	end();
}

/* A disk whose format was guessed stays raw, whatever is written to it. */
static void guard(void)
{
	static const char *const headers[] = {
		"QFI\xfb", "vhdxfile", "KDMV", "COWD", "# Disk DescriptorFile",
		"conectix", "\n#\n  version=1\n", "LUKS\xba\xbe",
	};
	uint8_t *data = alloc(PAGE, PAGE), *in = alloc(PAGE, PAGE);

	begin("guard");
	check(blk_restart(&blk, F_INDIRECT));
	blk_pattern(data, PAGE, 5);
	check(blk_do(&blk, BLK_OUT, 0, data, PAGE) == BLK_OK);
	for (unsigned int i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		uint32_t len = i % 2 ? 512 : PAGE;

		memset(in, 0, PAGE);
		memcpy(in, headers[i], strlen(headers[i]));
		check_eq(blk_do(&blk, BLK_OUT, 0, in, len), BLK_IOERR);
		check(blk_do(&blk, BLK_IN, 0, in, 512) == BLK_OK);
		check(memcmp(in, data, 512) == 0);
	}
	memset(in, 0, PAGE);
	memcpy(in, "QFI\xfb", 4);
	check(blk_do(&blk, BLK_OUT, 1, in, 512) == BLK_OK);
	check(blk_do(&blk, BLK_OUT, 8, in, PAGE) == BLK_OK);
	memcpy(in, "conectix", 8);
	check_eq(blk_do(&blk, BLK_OUT, blk.capacity - 1, in, 512), BLK_IOERR);
	check(blk_do(&blk, BLK_OUT, blk.capacity - 2, in, 512) == BLK_OK);
	check(blk_works(&blk, 0));
	check(blk_works(&blk, (uint32_t)blk.capacity - 1));
	end();
}

static void queues(void)
{
	static struct vq more[8];
	uint16_t n;

	begin("multi-queue");
	check(virtio_negotiate(&blk.d, BLK_F_MQ));
	n = read16(blk.d.common + CC_NUM_QUEUES);
	print("# queues %u\n", n);
	if (blk.d.features & BLK_F_MQ)
		check_eq(read16(blk.d.config + 34), n);
	n = n > 8 ? 8 : n;
	for (uint16_t i = 0; i < n; i++)
		check(vq_setup(&more[i], &blk.d, i, 64));
	virtio_driver_ok(&blk.d);
	for (uint32_t i = 0; i < 3u * n; i++) {
		struct buf v[3];
		uint8_t data[512];

		*blk.header = (struct blk_header){ BLK_IN, 0, i };
		*blk.status = 0xaa;
		v[0] = BUF_OUT(blk.header, 16);
		v[1] = BUF_IN(data, 512);
		v[2] = BUF_IN(blk.status, 1);
		check_eq(vq_do(&more[i % n], v, 3, false), 513);
		check_eq(*blk.status, BLK_OK);
	}
	end();
}

void guest_main(void)
{
	if (!blk_open(&blk, 0, 0)) {
		begin("disk");
		fail("none found, or it does not start");
		end();
		return;
	}
	print("# sectors %u offered 0x%llx\n", (uint32_t)blk.capacity,
	    blk.d.offered);
	begin("capacity");
	if (cmdline_num("sectors", 0))
		check_eq(blk.capacity, cmdline_num("sectors", 0));
	check(!cmdline_has("packed") || (blk.d.offered & F_PACKED));
	end();
	if (cmdline_has("readonly")) {
		read_only();
		return;
	}
	if (cmdline_has("guarded")) {
		guard();
		return;
	}
	read_write("split", 0);
	read_write("split-indirect", F_INDIRECT);
	read_write("split-event", F_EVENT_IDX);
	read_write("split-event-indirect", F_EVENT_IDX | F_INDIRECT);
	batch("split-batch", BLK_F_FLUSH);
	batch("split-batch-event", F_EVENT_IDX | F_INDIRECT);
	if (blk.d.offered & F_PACKED) {
		read_write("packed", F_PACKED);
		read_write("packed-indirect", F_PACKED | F_INDIRECT);
		read_write("packed-event", F_PACKED | F_EVENT_IDX);
		read_write("packed-event-indirect",
		    F_PACKED | F_EVENT_IDX | F_INDIRECT);
		batch("packed-batch", F_PACKED);
		batch("packed-batch-event", F_PACKED | F_EVENT_IDX);
	}
	if (!cmdline_has("no-cache-mode"))
		cache_mode();
	framing();
	get_id();
	discard();
	refusals();
	queues();
}
