// SPDX-License-Identifier: Apache-2.0
/*
 * Compressed clusters of a qcow2 image, zlib or zstd. Called for reads and for
 * what is copied around a write. All memory is the image's own, of fixed size:
 * nothing is allocated here.
 */
#include <errno.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "device-workers/blk/image_int.h"

static voidpf
arena_take(voidpf opaque, uInt items, uInt size)
{
	struct packed *p = opaque;
	size_t len;

	if (__builtin_mul_overflow((size_t)items, (size_t)size, &len) ||
	    len > PACKED_ARENA - p->arena_used)
		return Z_NULL;
	len = (len + 63) & ~(size_t)63;
	p->arena_used += len;
	if (p->arena_used > PACKED_ARENA)
		p->arena_used = PACKED_ARENA;
	return p->arena + p->arena_used - len;
}

static void
arena_give(voidpf opaque, voidpf at)
{
	(void)opaque;
	(void)at;
}

static int
unpack_zlib(struct packed *p, size_t len, size_t out)
{
	z_stream z = {
		.zalloc = arena_take,
		.zfree = arena_give,
		.opaque = p,
		.next_in = p->input,
		.avail_in = (uInt)len,
		.next_out = p->data,
		.avail_out = (uInt)out,
	};
	int rc;

	/* A raw stream; what follows in its last sector is not a part of it. */
	p->arena_used = 0;
	if (inflateInit2(&z, -15) != Z_OK)
		return -EIO;
	rc = inflate(&z, Z_FINISH);
	return (rc == Z_STREAM_END || rc == Z_BUF_ERROR) && z.avail_out == 0 ?
	    0 : -EIO;
}

static int
unpack_zstd(struct packed *p, size_t len, size_t out)
{
	ZSTD_DCtx *ctx = ZSTD_initStaticDCtx(p->arena, sizeof(p->arena));
	size_t in = 0, done = 0;

	if (ctx == NULL)
		return -EIO;
	/* One frame or several, and rubbish after them. */
	while (done < out) {
		size_t frame, got;

		frame = ZSTD_findFrameCompressedSize(p->input + in, len - in);
		if (ZSTD_isError(frame) || frame == 0)
			return -EIO;
		got = ZSTD_decompressDCtx(ctx, p->data + done, out - done,
		    p->input + in, frame);
		if (ZSTD_isError(got))
			return -EIO;
		in += frame;
		done += got;
	}
	return 0;
}

int
qcow2_unpack(struct blk_image *img, const struct layer *l,
    struct image_file *file, uint64_t entry)
{
	const struct qcow2 *q = &l->u.qcow2;
	struct packed *p = &img->packed;
	uint64_t off, len;
	int err;

	if (p->layer == l && p->entry == entry)
		return 0;
	p->layer = NULL;
	qcow2_packed_range(l, entry, &off, &len);
	if (len > sizeof(p->input))
		return -EIO;
	err = file_read(file, p->input, (size_t)len, off);
	if (err != 0)
		return err;
	err = q->zstd ? unpack_zstd(p, (size_t)len, (size_t)q->cluster_size) :
	    unpack_zlib(p, (size_t)len, (size_t)q->cluster_size);
	if (err == 0) {
		p->layer = l;
		p->entry = entry;
	}
	return err;
}
