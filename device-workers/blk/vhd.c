// SPDX-License-Identifier: Apache-2.0
/*
 * Fixed VHD (Microsoft's Virtual Hard Disk Image Format Specification 1.0): the
 * disk, and a footer of 512 bytes that is never written to. Called through
 * layer_ops.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define FOOTER 512u
#define TYPE_FIXED 2u
#define TYPE_DYNAMIC 3u
#define TYPE_DIFFERENCING 4u

static bool
checksum_ok(const uint8_t footer[FOOTER])
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < FOOTER; i++)
		if (i < 64 || i >= 68)
			sum += footer[i];
	return ~sum == be32(footer + 64);
}

static int
vhd_open(struct blk_image *img, struct layer *l, const char **why)
{
	uint8_t footer[FOOTER];
	uint64_t size;
	int err;

	(void)img;
	if (l->file->size < FOOTER) {
		*why = "VHD image without a footer";
		return -EINVAL;
	}
	err = file_read(l->file, footer, FOOTER, l->file->size - FOOTER);
	if (err != 0)
		return err;
	memcpy(&size, footer + 48, sizeof(size));
	size = be64toh(size);
	*why = NULL;
	if (memcmp(footer, "conectix", 8) != 0)
		*why = "VHD image without a footer at its end: cut off, or no VHD";
	else if (!checksum_ok(footer))
		*why = "VHD image whose footer has a wrong checksum";
	else if (be32(footer + 12) >> 16 != 1)
		*why = "VHD image of an unknown version";
	else if (be32(footer + 60) == TYPE_DYNAMIC)
		*why = "dynamic VHD images are not supported, only fixed ones";
	else if (be32(footer + 60) == TYPE_DIFFERENCING)
		*why = "differencing VHD images are not supported, only fixed ones";
	else if (be32(footer + 60) != TYPE_FIXED)
		*why = "VHD image of an unknown type";
	else if (size % 512 != 0 || size > l->file->size - FOOTER)
		*why = "VHD image that is shorter than its disk";
	else if (l->writable && size % l->file->align != 0)
		*why = "VHD image whose size direct=on cannot write to";
	l->size = size;
	return *why != NULL ? -EINVAL : 0;
}

static int
vhd_map(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    struct extent *ext)
{
	(void)img;
	*ext = (struct extent){ EXTENT_DATA, len, l->file, off };
	return 0;
}

const struct layer_ops vhd_layer_ops = {
	.name = "vhd",
	.format = BLK_FORMAT_VHD,
	.open = vhd_open,
	.map = vhd_map,
};
