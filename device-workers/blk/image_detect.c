// SPDX-License-Identifier: Apache-2.0
/*
 * What format a file is, by its first and last bytes, and what bytes would make
 * it one. Called before an image is opened and before a guest's write to a disk
 * whose format was guessed. Pure.
 */
#include <string.h>

#include "device-workers/blk/image.h"

static bool
begins(const uint8_t *head, size_t len, size_t at, const char *magic, size_t n)
{
	return len >= at + n && memcmp(head + at, magic, n) == 0;
}

#define BEGINS(at, magic) begins(head, len, at, magic, sizeof(magic) - 1)

/* A VMDK descriptor may begin with comments and empty lines. */
static bool
is_descriptor(const uint8_t *head, size_t len)
{
	size_t i = 0;

	if (BEGINS(0, "# Disk DescriptorFile"))
		return true;
	while (i < len && (head[i] == '#' || head[i] == ' ' ||
	    head[i] == '\n' || head[i] == '\r')) {
		if (head[i] == '#')
			while (i < len && head[i] != '\n')
				i++;
		else
			i++;
	}
	return BEGINS(i, "version=");
}

enum blk_format
blk_format_detect(const uint8_t *head, size_t len, const uint8_t *tail)
{
	if (BEGINS(0, "QFI\xfb"))
		return BLK_FORMAT_QCOW2;
	if (BEGINS(0, "vhdxfile"))
		return BLK_FORMAT_VHDX;
	if (BEGINS(0, "KDMV") || BEGINS(0, "COWD") || is_descriptor(head, len))
		return BLK_FORMAT_VMDK;
	if (BEGINS(0, "conectix") ||
	    (tail != NULL && memcmp(tail, "conectix", 8) == 0))
		return BLK_FORMAT_VHD;
	return BLK_FORMAT_RAW;
}

bool
blk_format_would_change(const uint8_t first_sector[512])
{
	const uint8_t *head = first_sector;
	const size_t len = 512;

	return blk_format_detect(head, len, NULL) != BLK_FORMAT_RAW ||
	    /* What qemu-img and others would take it for. */
	    BEGINS(0, "LUKS\xba\xbe") || BEGINS(0, "QED\0") ||
	    BEGINS(0, "WithoutFreeSpace") || BEGINS(0, "WithouFreSpacExt") ||
	    BEGINS(0, "Bochs Virtual HD Image") || BEGINS(64, "\x7f\x10\xda\xbe");
}

bool
blk_format_tail_would_change(const uint8_t last_sector[512])
{
	return memcmp(last_sector, "conectix", 8) == 0;
}
