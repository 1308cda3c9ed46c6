/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the image formats share among themselves: files, the cache of their
 * tables, the chain of layers, and what a format implements. Included by image*.c
 * and the formats, by nobody else.
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_IMAGE_INT_H
#define BULKHEAD_DEVICE_WORKERS_BLK_IMAGE_INT_H

#include <endian.h>
#include <string.h>
#include <sys/uio.h>

#include "device-workers/blk/image.h"
#include "device-workers/blk/qcow2.h"
#include "device-workers/blk/vhdx.h"
#include "device-workers/blk/vmdk.h"
#include "device-workers/lib/virtq.h"

#define IMAGE_NAME_MAX 1024u
#define IMAGE_BOUNCE ((size_t)64 * 1024)

/* ---- fields of headers and tables, which need not be aligned --------------------- */

static inline uint32_t
be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t
be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline uint32_t
le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t
le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* ---- files: image_file.c ----------------------------------------------------- */

struct image_file {
	int fd;
	uint64_t size;		/* bytes; grows with what is written */
	uint64_t device, inode;
	uint32_t align;		/* 1, or the unit of O_DIRECT */
	bool block, readonly;
	bool no_punch, no_zero;	/* fallocate cannot */
	bool dirty;		/* written to since the last fdatasync */
	bool through;		/* writes are durable when they return */
	uint8_t *bounce;	/* IMAGE_BOUNCE, page aligned; shared by all files */
};

/*
 * All of it or -errno. Reading may go past the end of the file, where zeros are,
 * but not begin there: -EIO. @iov is changed.
 */
int file_read(struct image_file *f, void *buf, size_t len, uint64_t off);
int file_readv(struct image_file *f, struct iovec *iov, unsigned int n,
    uint64_t off);
int file_write(struct image_file *f, const void *buf, size_t len, uint64_t off);
int file_writev(struct image_file *f, struct iovec *iov, unsigned int n,
    uint64_t off);
int file_sync(struct image_file *f);
/* Make it at least @size long; what is new reads as zeros. */
int file_extend(struct image_file *f, uint64_t size);
/* The range, inside the file, reads as zeros. @unmap: give its storage back. */
int file_zero(struct image_file *f, uint64_t off, uint64_t len, bool unmap);
/* A hint: contents are undefined afterwards. */
void file_punch(struct image_file *f, uint64_t off, uint64_t len);

/* ---- segments: image_file.c -------------------------------------------------- */

/* What is left of a request's segments. */
struct cursor {
	struct iovec *iov;
	unsigned int n;
};

uint64_t iov_length(const struct iovec *iov, unsigned int n);
/* The next @len bytes into @out, VIRTQ_MAX_SEGS entries: how many are used. */
unsigned int cursor_take(struct cursor *c, uint64_t len, struct iovec *out);
void cursor_zero(struct cursor *c, uint64_t len);
void cursor_put(struct cursor *c, uint8_t *from, uint64_t len);
void cursor_get(struct cursor *c, uint8_t *to, uint64_t len);

/* ---- tables: image_cache.c --------------------------------------------------- */

/*
 * Tables are read by granules of one size, a power of two up to 4096, which never
 * hold table and data both. Writes go through: a worker that dies loses none.
 */
#define CACHE_GRANULE 4096u
#define CACHE_SETS 512u
#define CACHE_WAYS 4u

struct cache_line {
	const struct image_file *file;	/* NULL: empty */
	uint64_t off;
	uint32_t used;			/* when, for the choice of a victim */
};

struct image_cache {
	uint32_t granule;
	uint32_t now;
	struct cache_line line[CACHE_SETS][CACHE_WAYS];
	_Alignas(4096) uint8_t data[CACHE_SETS][CACHE_WAYS][CACHE_GRANULE];
};

void cache_init(struct image_cache *c, uint32_t granule);
/*
 * The granule of @file that byte @off is in, from @off on: *left bytes of it
 * follow. Good until the next call. -errno: *at is not set.
 */
int cache_get(struct image_cache *c, struct image_file *f, uint64_t off,
    const uint8_t **at, uint32_t *left);
/* A big-endian or little-endian word at @off, which is a multiple of 8. */
int cache_be64(struct image_cache *c, struct image_file *f, uint64_t off,
    uint64_t *value);
int cache_le64(struct image_cache *c, struct image_file *f, uint64_t off,
    uint64_t *value);
/* To the file, and into the granules that are here. */
int cache_write(struct image_cache *c, struct image_file *f, const void *buf,
    size_t len, uint64_t off);
/* The range will be, or was, written to by others. */
void cache_forget(struct image_cache *c, const struct image_file *f,
    uint64_t off, uint64_t len);

/* ---- where the tables are, a bit for each cluster: image_cache.c --------------- */

/*
 * 2 TiB of clusters of 64 KiB, 64 TiB of VHDX's units of 1 MiB. What lies beyond
 * is not watched: it only takes a net away that catches damaged images.
 */
#define MAP_BITS (1ull << 26)

bool map_test(const struct blk_image *img, uint64_t index);
void map_set(struct blk_image *img, uint64_t index);
void map_clear(struct blk_image *img, uint64_t index);
/* False: one of them was set before. */
bool map_claim(struct blk_image *img, uint64_t first, uint64_t count);

/* ---- layers ------------------------------------------------------------------- */

enum extent_kind {
	EXTENT_ABSENT,		/* the next layer has it; zeros below the last */
	EXTENT_ZERO,
	EXTENT_DATA,		/* at @at of @file */
	EXTENT_PACKED,		/* in a compressed cluster, entry @at */
};

struct extent {
	enum extent_kind kind;
	uint64_t len;		/* bytes, more than 0 */
	struct image_file *file;
	uint64_t at;
};

struct layer;

struct layer_ops {
	const char *name;
	enum blk_format format;
	uint32_t granule;	/* of the cache; 0: the format chooses */
	/* Look at the file: 0, 1 (img->want is filled in) or -errno and *why. */
	int (*open)(struct blk_image *img, struct layer *l, const char **why);
	/* What [off, off + len) begins with; inside the layer's size. */
	int (*map)(struct blk_image *img, struct layer *l, uint64_t off,
	    uint64_t len, struct extent *ext);
	/* Of the guest's own layer only. NULL: as map, which never allocates. */
	int (*write)(struct blk_image *img, struct layer *l, struct cursor *c,
	    uint64_t off, uint64_t len);
	int (*discard)(struct blk_image *img, struct layer *l, uint64_t off,
	    uint64_t len);
	int (*zero)(struct blk_image *img, struct layer *l, uint64_t off,
	    uint64_t len, bool unmap);
	int (*flush)(struct blk_image *img, struct layer *l);
	/* Before the first write after the start. NULL: nothing. */
	int (*touch)(struct blk_image *img, struct layer *l);
	int (*close)(struct blk_image *img, struct layer *l);
	/*
	 * Nothing is in flight: the disk is @size bytes large afterwards, or
	 * -errno and *why. NULL: it cannot.
	 */
	int (*resize)(struct blk_image *img, struct layer *l, uint64_t size,
	    const char **why);
};

struct layer {
	const struct layer_ops *ops;
	struct image_file *file;
	uint64_t size;		/* bytes of disk */
	bool writable;		/* the guest's own layer, and not read only */
	union {
		struct qcow2 qcow2;
		struct vhdx vhdx;
	} u;
};

/* A decompressed cluster, and what it takes to make one. */
#define PACKED_CLUSTER_MAX ((size_t)2 << 20)
#define PACKED_ARENA ((size_t)256 * 1024)

struct packed {
	const struct layer *layer;	/* of what is in data; NULL: nothing */
	uint64_t entry;
	size_t arena_used;
	_Alignas(64) uint8_t arena[PACKED_ARENA];
	_Alignas(4096) uint8_t data[PACKED_CLUSTER_MAX];
	_Alignas(4096) uint8_t input[2 * PACKED_CLUSTER_MAX];
};

struct image_want {
	bool wanted;
	bool readonly;
	enum blk_format format;	/* of a backing file */
	bool extent;		/* a part of a VMDK, not a backing file */
	char name[IMAGE_NAME_MAX];
};

struct blk_image {
	struct blk_image_how how;
	enum blk_format asked;
	bool guard;		/* format guessed, raw: see sector 0 */
	bool touched;
	bool broken;		/* damage was found: nothing more is written */
	bool damage_said;
	uint32_t block_size;
	unsigned int nlayers, nfiles;
	struct layer layer[BLK_IMAGE_LAYERS];
	struct image_file file[BLK_IMAGE_FILES];
	struct image_want want;
	struct vmdk vmdk;
	struct qcow2_alloc alloc;
	uint8_t random[32];
	char text[256];		/* an error that names something */
	struct iovec part[VIRTQ_MAX_SEGS];
	_Alignas(4096) uint8_t bounce[IMAGE_BOUNCE];	/* of image_file */
	_Alignas(4096) uint8_t work[IMAGE_BOUNCE];	/* of the formats */
	_Alignas(4096) uint8_t fill[IMAGE_BOUNCE];	/* copy on write, scans */
	_Alignas(4096) uint8_t map[MAP_BITS / 8];
	struct image_cache cache;
	struct packed packed;
};

extern const struct layer_ops raw_layer_ops;
extern const struct layer_ops qcow2_layer_ops;
extern const struct layer_ops vhd_layer_ops;
extern const struct layer_ops vhdx_layer_ops;
extern const struct layer_ops vmdk_layer_ops;

/* Who holds [off, off + len) of the disk: never EXTENT_ABSENT. */
int image_resolve(struct blk_image *img, uint64_t off, uint64_t len,
    struct extent *ext, struct layer **layer);
/* The disk's bytes, of all layers; past its end zeros. */
int image_read_at(struct blk_image *img, void *buf, size_t len, uint64_t off);
/* img->text as *why, from up to three pieces; what is not printable becomes '?'. */
int image_fail(struct blk_image *img, const char **why, const char *a,
    const char *b, const char *c);
/* Damage, found while running: said once, and nothing more is written. -EIO. */
int image_broken(struct blk_image *img, const char *what);
/* A file name that an image contains. False: it cannot be one. */
bool image_name_ok(const char *name, size_t len);

#endif
