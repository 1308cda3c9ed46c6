/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disk image formats: qcow2, fixed VHD, VHDX, flat VMDK, and raw files whose
 * format was guessed, behind blk_backend_ops. Called by blk.c and the tests.
 *
 * blk_image_new() allocates all that is ever needed and looks at no byte of a
 * file: call it before the jail. Everything else allocates nothing and makes no
 * calls but preadv2, pwritev2, fdatasync and fallocate, on fds that it was given.
 *
 *	img = blk_image_new(random);			before the jail
 *	err = blk_image_open(img, &file, BLK_FORMAT_AUTO, &how, &why);
 *	while (err > 0) {				it wants another file
 *		name = blk_image_wants(img, &extent);
 *		... the controller opens it ...
 *		err = blk_image_give(img, &another, &why);
 *	}
 *	if (err == 0)
 *		blk_image_attach(img, &backend);	ops, size, block_size
 */
#ifndef BULKHEAD_DEVICE_WORKERS_BLK_IMAGE_H
#define BULKHEAD_DEVICE_WORKERS_BLK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device-workers/blk/backend.h"

/* Images of one chain, the guest's own included; all files of it. */
#define BLK_IMAGE_LAYERS 16u
#define BLK_IMAGE_FILES 64u

enum blk_format {
	BLK_FORMAT_AUTO,	/* detect; what is nothing known is raw */
	BLK_FORMAT_RAW,
	BLK_FORMAT_QCOW2,
	BLK_FORMAT_VHD,
	BLK_FORMAT_VHDX,
	BLK_FORMAT_VMDK,
};

/* One file of an image, as whoever opened it saw it. */
struct blk_image_file {
	int fd;
	uint64_t size;		/* bytes */
	uint64_t device, inode;	/* to tell a file that comes twice */
	uint32_t align;		/* the fd is O_DIRECT: its unit; else 0 or 1 */
	bool block;		/* a block device: it cannot grow */
	bool readonly;		/* the fd cannot be written to */
};

struct blk_image_how {
	bool readonly;		/* nothing is written, no repair is made */
	bool sparse;		/* offer discard, punch holes for it */
	bool backing;		/* the image may name a backing file */
};

struct blk_image;

/* @random: for the identifiers that VHDX and VMDK want changed. NULL: no memory. */
struct blk_image *blk_image_new(const uint8_t random[32]);
void blk_image_free(struct blk_image *img);

/*
 * 0: ready; 1: blk_image_wants() another file; -errno, with *why good for as
 * long as @img. Nothing has been written when an error is returned before the
 * first 0, but for the repair and the log replay that a writable image needed.
 */
int blk_image_open(struct blk_image *img, const struct blk_image_file *file,
    enum blk_format format, const struct blk_image_how *how, const char **why);

/*
 * The file that is to be given next, in the image's own words: 1 to 1023 bytes
 * without control characters, hostile. To be opened below the image's folder:
 * an @extent for writing if the image is, a backing file for reading only.
 */
const char *blk_image_wants(const struct blk_image *img, bool *extent);
int blk_image_give(struct blk_image *img, const struct blk_image_file *file,
    const char **why);

/* "qcow2"; what was detected or named. */
const char *blk_image_format(const struct blk_image *img);
bool blk_image_is_raw(const struct blk_image *img);

/*
 * What damage was found while it was in use, so that nothing is written to it any
 * more: said once; NULL: none, or said before.
 */
const char *blk_image_damage(struct blk_image *img);

/*
 * Was it guessed to be raw, so that a write of [@off, @off + @len) has to go through
 * blk_image_ops, which refuses one that makes it something else (-EPERM)?
 */
bool blk_image_guards(const struct blk_image *img, uint64_t off, uint64_t len);

/* What was guessed to be raw has another size: its last sector is elsewhere. */
void blk_image_raw_resized(struct blk_image *img, uint64_t size);

/* Fills in all fields of @be that a backend's start() sets, size and ops too. */
void blk_image_attach(struct blk_image *img, struct blk_backend *be);

/*
 * Nothing is in flight: make the disk @size bytes large, where the format can. 0, or
 * -errno and *why; then it is as it was.
 */
int blk_image_resize(struct blk_image *img, uint64_t size, const char **why);

/*
 * Give back what was set aside for growth, make everything durable. The image
 * can be used again afterwards.
 */
int blk_image_close(struct blk_image *img);

extern const struct blk_backend_ops blk_image_ops;

/* ---- image_detect.c ---------------------------------------------------------- */

/*
 * The format of a file by its first bytes (@head, up to 512 of them) and its last
 * 512 (@tail, or NULL). BLK_FORMAT_RAW: none of ours.
 */
enum blk_format blk_format_detect(const uint8_t *head, size_t len,
    const uint8_t *tail);

/*
 * Would these first 512 bytes, or last 512 of a file, make it something else
 * than raw, here or for others who guess? Formats that are refused here count.
 */
bool blk_format_would_change(const uint8_t first_sector[512]);
bool blk_format_tail_would_change(const uint8_t last_sector[512]);

#endif
