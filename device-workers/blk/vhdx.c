// SPDX-License-Identifier: Apache-2.0
/*
 * Opening a VHDX image: headers, regions and metadata ([MS-VHDX] 2.2, 2.6), all
 * of them with checksums that are checked. Called through layer_ops.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define HEADER_SIZE 4096u
#define HEADER_AT(n) (65536ull * (1u + (n)))
#define REGIONS_AT(n) (65536ull * (3u + (n)))
#define REGIONS_SIZE 65536u
#define ENTRIES_MAX 2047u
#define LOG_MAX ((uint64_t)64 << 20)
#define REQUIRED_REGION 1u
#define REQUIRED_ITEM 4u

static const uint8_t bat_region[16] = {
	0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
	0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08,
};
static const uint8_t meta_region[16] = {
	0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
	0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e,
};
static const uint8_t file_parameters[16] = {
	0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
	0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b,
};
static const uint8_t disk_size[16] = {
	0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
	0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8,
};
static const uint8_t disk_id[16] = {
	0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45,
	0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46,
};
static const uint8_t logical_sector[16] = {
	0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47,
	0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f,
};
static const uint8_t physical_sector[16] = {
	0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44,
	0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56,
};
static const uint8_t parent_locator[16] = {
	0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45,
	0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c,
};

uint32_t
vhdx_crc32c(uint32_t crc, const void *buf, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *p = buf;

	while (len-- > 0) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

uint32_t
vhdx_checksum(const uint8_t *buf, size_t len, size_t at)
{
	static const uint8_t zeros[4];
	uint32_t crc = vhdx_crc32c(~0u, buf, at);

	crc = vhdx_crc32c(crc, zeros, sizeof(zeros));
	return ~vhdx_crc32c(crc, buf + at + 4, len - at - 4);
}

static bool
header_ok(const uint8_t *h)
{
	return memcmp(h, "head", 4) == 0 &&
	    vhdx_checksum(h, HEADER_SIZE, 4) == le32(h + 4) &&
	    (le32(h + 64) >> 16) == 1;
}

/* The current header: of those that are valid, the later one. */
static int
read_headers(struct blk_image *img, struct layer *l, const char **why)
{
	struct vhdx *v = &l->u.vhdx;
	bool found = false;

	for (unsigned int n = 0; n < 2; n++) {
		uint8_t *h = img->work + (size_t)n * HEADER_SIZE;

		if (file_read(l->file, h, HEADER_SIZE, HEADER_AT(n)) != 0 ||
		    !header_ok(h) || (found && le64(h + 8) <= v->sequence))
			continue;
		found = true;
		v->header = n;
		v->sequence = le64(h + 8);
		memcpy(v->log_guid, h + 48, sizeof(v->log_guid));
		v->log_size = le32(h + 68);
		v->log_offset = le64(h + 72);
	}
	if (found)
		return 0;
	*why = "VHDX image without a valid header";
	return -EINVAL;
}

int
vhdx_update_header(struct blk_image *img, struct layer *l, bool data)
{
	struct vhdx *v = &l->u.vhdx;
	uint8_t *h = img->work;
	uint64_t seq;
	uint32_t sum;
	int err = 0;

	/* Twice: afterwards both are new, whichever of them a crash spoils. */
	for (int i = 0; err == 0 && i < 2; i++) {
		err = file_read(l->file, h, HEADER_SIZE, HEADER_AT(v->header));
		if (err != 0)
			break;
		seq = htole64(++v->sequence);
		memcpy(h + 8, &seq, sizeof(seq));
		memcpy(h + 16, img->random, 16);
		if (data)
			memcpy(h + 32, img->random + 16, 16);
		memset(h + 48, 0, 16);		/* no log */
		sum = htole32(vhdx_checksum(h, HEADER_SIZE, 4));
		memcpy(h + 4, &sum, sizeof(sum));
		v->header = 1 - v->header;
		err = file_sync(l->file);
		if (err == 0)
			err = file_write(l->file, h, HEADER_SIZE,
			    HEADER_AT(v->header));
		if (err == 0)
			err = file_sync(l->file);
	}
	return err;
}

/* A region of whole units inside the file, on no other. */
static int
claim_region(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    const char *what, const char **why)
{
	if (off % VHDX_UNIT != 0 || len % VHDX_UNIT != 0 || off < VHDX_UNIT ||
	    len == 0 || off > l->file->size || len > l->file->size - off)
		return image_fail(img, why, "VHDX image with its ", what,
		    " out of place or cut off");
	if (!map_claim(img, off / VHDX_UNIT, len / VHDX_UNIT))
		return image_fail(img, why, "VHDX image with its ", what,
		    " on top of something else");
	return 0;
}

static int
check_log(struct blk_image *img, struct layer *l, const char **why)
{
	static const uint8_t none[16];
	struct vhdx *v = &l->u.vhdx;
	int err;

	err = claim_region(img, l, v->log_offset, v->log_size, "log", why);
	if (err != 0 || memcmp(v->log_guid, none, sizeof(none)) == 0)
		return err;
	if (!l->writable) {
		*why = "VHDX image that was not closed in order: its log can only "
		    "be replayed when it is opened for writing";
		return -EROFS;
	}
	if (v->log_size > LOG_MAX) {
		*why = "VHDX image with a log of more than 64 MiB";
		return -EINVAL;
	}
	err = vhdx_replay(img, l, why);
	return err != 0 ? err : vhdx_update_header(img, l, false);
}

static int
read_regions(struct blk_image *img, struct layer *l, const char **why)
{
	struct vhdx *v = &l->u.vhdx;
	uint8_t *t = img->work;
	uint32_t n;

	for (unsigned int copy = 0;; copy++) {
		if (copy == 2) {
			*why = "VHDX image without a valid region table";
			return -EINVAL;
		}
		if (file_read(l->file, t, REGIONS_SIZE, REGIONS_AT(copy)) == 0 &&
		    memcmp(t, "regi", 4) == 0 &&
		    vhdx_checksum(t, REGIONS_SIZE, 4) == le32(t + 4) &&
		    le32(t + 8) <= ENTRIES_MAX)
			break;
	}
	n = le32(t + 8);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *e = t + 16 + (size_t)32 * i;

		if (memcmp(e, bat_region, 16) == 0) {
			v->bat_offset = le64(e + 16);
			v->bat_size = le32(e + 24);
		} else if (memcmp(e, meta_region, 16) == 0) {
			v->meta_offset = le64(e + 16);
			v->meta_size = le32(e + 24);
		} else if ((le32(e + 28) & REQUIRED_REGION) != 0) {
			*why = "VHDX image with a region that is not supported";
			return -EINVAL;
		}
	}
	return 0;
}

/* What the metadata items say. */
struct items {
	uint64_t size;
	uint32_t block, flags, logical, physical;
};

static int
read_item(struct layer *l, const uint8_t *e, struct items *it, const char **why)
{
	struct vhdx *v = &l->u.vhdx;
	uint32_t off = le32(e + 16), len = le32(e + 20);
	uint8_t value[8] = { 0 };
	bool known = false;
	int err;

	if (memcmp(e, disk_id, 16) == 0 || memcmp(e, parent_locator, 16) == 0)
		return 0;
	known = memcmp(e, file_parameters, 16) == 0 ||
	    memcmp(e, disk_size, 16) == 0 || memcmp(e, logical_sector, 16) == 0 ||
	    memcmp(e, physical_sector, 16) == 0;
	if (!known) {
		if ((le32(e + 24) & REQUIRED_ITEM) == 0)
			return 0;
		*why = "VHDX image with metadata that is not supported";
		return -EINVAL;
	}
	if (off < REGIONS_SIZE || len < 4 || len > sizeof(value) ||
	    off > v->meta_size || len > v->meta_size - off) {
		*why = "VHDX image with metadata out of place";
		return -EINVAL;
	}
	err = file_read(l->file, value, len, v->meta_offset + off);
	if (err != 0)
		return err;
	if (memcmp(e, file_parameters, 16) == 0) {
		it->block = le32(value);
		it->flags = le32(value + 4);
	} else if (memcmp(e, disk_size, 16) == 0) {
		it->size = le64(value);
	} else if (memcmp(e, logical_sector, 16) == 0) {
		it->logical = le32(value);
	} else {
		it->physical = le32(value);
	}
	return 0;
}

static int
read_metadata(struct blk_image *img, struct layer *l, struct items *it,
    const char **why)
{
	struct vhdx *v = &l->u.vhdx;
	uint8_t *t = img->work;
	uint32_t n;
	int err;

	err = file_read(l->file, t, REGIONS_SIZE, v->meta_offset);
	if (err != 0)
		return err;
	n = (uint32_t)t[10] | (uint32_t)t[11] << 8;
	if (memcmp(t, "metadata", 8) != 0 || n > ENTRIES_MAX) {
		*why = "VHDX image without a valid metadata table";
		return -EINVAL;
	}
	for (uint32_t i = 0; err == 0 && i < n; i++)
		err = read_item(l, t + 32 + (size_t)32 * i, it, why);
	return err;
}

static bool
is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int
check_items(struct blk_image *img, struct layer *l, const struct items *it,
    const char **why)
{
	struct vhdx *v = &l->u.vhdx;
	uint64_t entries;

	*why = NULL;
	if ((it->flags & 2) != 0)
		*why = "differencing VHDX images are not supported";
	else if (!is_power_of_two(it->block) || it->block < VHDX_UNIT ||
	    it->block > VHDX_UNIT << 8)
		*why = "VHDX image with an impossible block size";
	else if ((it->logical != 512 && it->logical != 4096) ||
	    (it->physical != 512 && it->physical != 4096))
		*why = "VHDX image with an impossible sector size";
	else if (it->size == 0 || it->size % it->logical != 0 ||
	    it->size > (uint64_t)64 << 40)
		*why = "VHDX image of an impossible size";
	if (*why != NULL)
		return -EINVAL;
	l->size = it->size;
	if (l == &img->layer[0])
		img->block_size = it->logical;
	v->block_bits = (uint32_t)__builtin_ctz(it->block);
	v->ratio_bits = 23 + (uint32_t)__builtin_ctz(it->logical) - v->block_bits;
	v->nblocks = ((it->size - 1) >> v->block_bits) + 1;
	entries = v->nblocks + ((v->nblocks - 1) >> v->ratio_bits);
	if (entries * 8 > v->bat_size) {
		*why = "VHDX image with too small a block allocation table";
		return -EINVAL;
	}
	return 0;
}

static int
vhdx_open(struct blk_image *img, struct layer *l, const char **why)
{
	struct items it = { 0 };
	uint8_t magic[8];
	int err;

	if (l->file->size < VHDX_UNIT) {
		*why = "VHDX image that is cut off";
		return -EINVAL;
	}
	err = file_read(l->file, magic, sizeof(magic), 0);
	if (err == 0 && memcmp(magic, "vhdxfile", 8) != 0) {
		*why = "not a VHDX image";
		return -EINVAL;
	}
	if (err != 0)
		return err;
	cache_init(&img->cache, CACHE_GRANULE);
	map_set(img, 0);
	err = read_headers(img, l, why);
	if (err == 0)
		err = check_log(img, l, why);
	if (err == 0)
		err = read_regions(img, l, why);
	if (err == 0)
		err = claim_region(img, l, l->u.vhdx.bat_offset,
		    l->u.vhdx.bat_size, "block allocation table", why);
	if (err == 0)
		err = claim_region(img, l, l->u.vhdx.meta_offset,
		    l->u.vhdx.meta_size, "metadata", why);
	if (err == 0)
		err = read_metadata(img, l, &it, why);
	if (err == 0)
		err = check_items(img, l, &it, why);
	return err == 0 ? vhdx_check_bat(img, l, why) : err;
}

static int
vhdx_touch(struct blk_image *img, struct layer *l)
{
	return vhdx_update_header(img, l, true);
}

const struct layer_ops vhdx_layer_ops = {
	.name = "vhdx",
	.format = BLK_FORMAT_VHDX,
	.open = vhdx_open,
	.map = vhdx_map,
	.write = vhdx_write,
	.touch = vhdx_touch,
};
