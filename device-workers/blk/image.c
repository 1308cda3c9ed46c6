// SPDX-License-Identifier: Apache-2.0
/*
 * A disk image as a chain of layers: opened step by step, then read and written
 * as a block backend. Called by blk.c through image.h. Knows no format but raw.
 */
#include <errno.h>
#include <sys/mman.h>

#include "device-workers/blk/image_int.h"

static const struct layer_ops *const formats[] = {
	[BLK_FORMAT_RAW] = &raw_layer_ops,
	[BLK_FORMAT_QCOW2] = &qcow2_layer_ops,
	[BLK_FORMAT_VHD] = &vhd_layer_ops,
	[BLK_FORMAT_VHDX] = &vhdx_layer_ops,
	[BLK_FORMAT_VMDK] = &vmdk_layer_ops,
};

/* ---- errors --------------------------------------------------------------------- */

static size_t
append(char *text, size_t at, size_t size, const char *s)
{
	while (s != NULL && *s != '\0' && at + 1 < size) {
		unsigned char c = (unsigned char)*s++;

		if (c < ' ' || c >= 0x7f)
			c = '?';
		text[at++] = (char)c;
	}
	text[at] = '\0';
	return at;
}

int
image_fail(struct blk_image *img, const char **why, const char *a, const char *b,
    const char *c)
{
	size_t at = append(img->text, 0, sizeof(img->text), a);

	at = append(img->text, at, sizeof(img->text), b);
	append(img->text, at, sizeof(img->text), c);
	*why = img->text;
	return -EINVAL;
}

int
image_broken(struct blk_image *img, const char *what)
{
	if (!img->broken)
		append(img->text, 0, sizeof(img->text), what);
	img->broken = true;
	return -EIO;
}

bool
image_name_ok(const char *name, size_t len)
{
	if (len == 0 || len >= IMAGE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c < ' ' || c == 0x7f)
			return false;
	}
	return true;
}

/* ---- opening ---------------------------------------------------------------------- */

struct blk_image *
blk_image_new(const uint8_t random[32])
{
	/* Fresh from the kernel: zeros, and only what is used takes memory. */
	struct blk_image *img = mmap(NULL, sizeof(*img), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (img == MAP_FAILED)
		return NULL;
	memcpy(img->random, random, sizeof(img->random));
	return img;
}

void
blk_image_free(struct blk_image *img)
{
	if (img != NULL)
		munmap(img, sizeof(*img));
}

const char *
blk_image_format(const struct blk_image *img)
{
	return img->nlayers > 0 ? img->layer[0].ops->name : "none";
}

const char *
blk_image_damage(struct blk_image *img)
{
	if (img == NULL || !img->broken || img->damage_said)
		return NULL;
	img->damage_said = true;
	return img->text;
}

bool
blk_image_is_raw(const struct blk_image *img)
{
	return img->nlayers > 0 && img->layer[0].ops == &raw_layer_ops;
}

bool
blk_image_guards(const struct blk_image *img, uint64_t off, uint64_t len)
{
	uint64_t size;

	if (img == NULL || !img->guard)
		return false;
	size = img->layer[0].size;
	return len > 0 && (off == 0 || size < 512 || off + len > size - 512);
}

static int
add_file(struct blk_image *img, const struct blk_image_file *in,
    struct image_file **out, const char **why)
{
	struct image_file *f;

	if (img->nfiles == BLK_IMAGE_FILES) {
		*why = "the image consists of more than 64 files";
		return -EINVAL;
	}
	if (in->size > INT64_MAX ||
	    (in->align > 1 && (in->align > 4096 ||
	    (in->align & (in->align - 1)) != 0))) {
		*why = "the file has an impossible size or alignment";
		return -EINVAL;
	}
	for (unsigned int i = 0; i < img->nfiles; i++) {
		if (img->file[i].device == in->device &&
		    img->file[i].inode == in->inode) {
			*why = "the image refers to one of its files twice";
			return -ELOOP;
		}
	}
	f = &img->file[img->nfiles++];
	*f = (struct image_file){
		.fd = in->fd,
		.size = in->size,
		.device = in->device,
		.inode = in->inode,
		.align = in->align > 1 ? in->align : 1,
		.block = in->block,
		.readonly = in->readonly || img->how.readonly,
		.no_punch = !img->how.sparse,
		.bounce = img->bounce,
	};
	*out = f;
	return 0;
}

/* The format of @f, guessed. */
static int
detect(struct blk_image *img, struct image_file *f, enum blk_format *format)
{
	uint8_t *head = img->work, *tail = img->work + 512;
	size_t len = f->size < 512 ? (size_t)f->size : 512;
	int err;

	*format = BLK_FORMAT_RAW;
	if (len == 0)
		return 0;
	err = file_read(f, head, len, 0);
	/* A footer is the last sector; a broken one at the end is none. */
	if (err == 0 && f->size % 512 == 0)
		err = file_read(f, tail, 512, f->size - 512);
	if (err == 0)
		*format = blk_format_detect(head, len,
		    f->size % 512 == 0 ? tail : NULL);
	return err;
}

static int
open_layer(struct blk_image *img, struct image_file *f, enum blk_format format,
    const char **why)
{
	struct layer *l;

	if (img->nlayers == BLK_IMAGE_LAYERS) {
		*why = "more than 16 images are chained";
		return -ELOOP;
	}
	if (format <= BLK_FORMAT_AUTO || format > BLK_FORMAT_VMDK) {
		*why = "no such image format";
		return -EINVAL;
	}
	l = &img->layer[img->nlayers];
	memset(l, 0, sizeof(*l));
	l->ops = formats[format];
	l->file = f;
	l->writable = img->nlayers++ == 0 && !f->readonly;
	*why = "the image cannot be read";
	return l->ops->open(img, l, why);
}

int
blk_image_open(struct blk_image *img, const struct blk_image_file *file,
    enum blk_format format, const struct blk_image_how *how, const char **why)
{
	struct image_file *f;
	int err;

	img->how = *how;
	img->nlayers = img->nfiles = 0;
	img->block_size = 512;
	/* A format changes it; it is one for all layers, from the smallest. */
	cache_init(&img->cache, 512);
	err = add_file(img, file, &f, why);
	if (err != 0)
		return err;
	if (!how->readonly && file->readonly) {
		*why = "the file is open for reading only";
		return -EROFS;
	}
	*why = "the image cannot be read";
	if (format == BLK_FORMAT_AUTO) {
		err = detect(img, f, &format);
		if (err != 0)
			return err;
		img->guard = format == BLK_FORMAT_RAW;
	}
	return open_layer(img, f, format, why);
}

const char *
blk_image_wants(const struct blk_image *img, bool *extent)
{
	*extent = img->want.extent;
	return img->want.wanted ? img->want.name : NULL;
}

int
blk_image_give(struct blk_image *img, const struct blk_image_file *file,
    const char **why)
{
	struct image_file *f;
	bool writable = img->want.wanted && !img->want.readonly;
	int err;

	if (!img->want.wanted) {
		*why = "no other file is needed";
		return -EINVAL;
	}
	img->want.wanted = false;
	err = add_file(img, file, &f, why);
	if (err != 0)
		return err;
	if (writable && f->readonly) {
		*why = "an extent is open for reading only";
		return -EROFS;
	}
	f->readonly = !writable;
	/* An extent belongs to the layer that asked for it. */
	if (img->want.extent)
		return img->layer[img->nlayers - 1].ops->open(img,
		    &img->layer[img->nlayers - 1], why);
	return open_layer(img, f, img->want.format, why);
}

void
blk_image_attach(struct blk_image *img, struct blk_backend *be)
{
	be->ops = &blk_image_ops;
	be->image = img;
	be->size = img->layer[0].size & ~(uint64_t)(img->block_size - 1);
	be->block_size = img->block_size;
	be->physical = 4096;
	be->readonly = !img->layer[0].writable;
	be->can_discard = img->how.sparse && !be->readonly;
}

/* ---- reading ---------------------------------------------------------------------- */

int
image_resolve(struct blk_image *img, uint64_t off, uint64_t len,
    struct extent *ext, struct layer **layer)
{
	*ext = (struct extent){ .kind = EXTENT_ABSENT, .len = len };
	for (unsigned int i = 0; i < img->nlayers; i++) {
		struct layer *l = &img->layer[i];
		int err;

		/* A backing image may be shorter than what is on top of it. */
		if (off >= l->size)
			break;
		len = ext->len;
		if (len > l->size - off)
			len = l->size - off;
		err = l->ops->map(img, l, off, len, ext);
		if (err != 0)
			return err;
		*layer = l;
		if (ext->kind != EXTENT_ABSENT)
			return 0;
	}
	ext->kind = EXTENT_ZERO;
	return 0;
}

static int
read_extent(struct blk_image *img, struct cursor *c, const struct extent *ext,
    struct layer *l, uint64_t off)
{
	uint64_t skip;
	unsigned int n;
	int err;

	switch (ext->kind) {
	case EXTENT_DATA:
		n = cursor_take(c, ext->len, img->part);
		return file_readv(ext->file, img->part, n, ext->at);
	case EXTENT_PACKED:
		err = qcow2_unpack(img, l, ext->file, ext->at);
		if (err != 0)
			return err;
		skip = off & (l->u.qcow2.cluster_size - 1);
		cursor_put(c, img->packed.data + skip, ext->len);
		return 0;
	case EXTENT_ABSENT:
	case EXTENT_ZERO:
		break;
	}
	cursor_zero(c, ext->len);
	return 0;
}

static int
read_cursor(struct blk_image *img, struct cursor *c, uint64_t off, uint64_t len)
{
	while (len > 0) {
		struct layer *l = NULL;
		struct extent ext;
		int err = image_resolve(img, off, len, &ext, &l);

		if (err == 0)
			err = read_extent(img, c, &ext, l, off);
		if (err != 0)
			return err;
		off += ext.len;
		len -= ext.len;
	}
	return 0;
}

int
image_read_at(struct blk_image *img, void *buf, size_t len, uint64_t off)
{
	struct iovec one = { buf, len };
	struct cursor c = { &one, 1 };

	return read_cursor(img, &c, off, len);
}

static int
image_read(struct blk_backend *be, struct iovec *iov, unsigned int n,
    uint64_t off)
{
	struct blk_image *img = be->image;
	uint64_t len = iov_length(iov, n);
	struct cursor c = { iov, n };
	struct layer *l = NULL;
	struct extent ext;
	int err;

	if (len == 0)
		return 0;
	/* Most often one extent holds it: then no list is copied. */
	err = image_resolve(img, off, len, &ext, &l);
	if (err != 0)
		return err;
	if (ext.kind == EXTENT_DATA && ext.len == len)
		return file_readv(ext.file, iov, n, ext.at);
	return read_cursor(img, &c, off, len);
}

/* ---- writing ---------------------------------------------------------------------- */

/* May this be written to at all, and is it the first time? */
static int
before_write(struct blk_image *img)
{
	struct layer *l = &img->layer[0];
	int err;

	if (!l->writable)
		return -EROFS;
	if (img->broken)
		return -EIO;
	if (!img->touched && l->ops->touch != NULL) {
		err = l->ops->touch(img, l);
		if (err != 0)
			return err;
	}
	img->touched = true;
	return 0;
}

static int
write_mapped(struct blk_image *img, struct layer *l, struct cursor *c,
    uint64_t off, uint64_t len)
{
	while (len > 0) {
		struct extent ext;
		unsigned int n;
		int err = l->ops->map(img, l, off, len, &ext);

		if (err != 0)
			return err;
		n = cursor_take(c, ext.len, img->part);
		/* Zeros with no file behind them cannot become anything else. */
		err = ext.kind == EXTENT_DATA ?
		    file_writev(ext.file, img->part, n, ext.at) : -EROFS;
		if (err != 0)
			return err;
		off += ext.len;
		len -= ext.len;
	}
	return 0;
}

/*
 * A disk whose format was guessed: its first and last sector are written from a
 * copy that was looked at, since the guest may change its own meanwhile.
 */
static int
write_guarded(struct blk_image *img, struct layer *l, struct cursor *c,
    uint64_t off, uint64_t len)
{
	uint64_t last = l->size >= 512 ? l->size - 512 : 0;
	uint8_t *copy = img->work;
	int err = 0;

	while (err == 0 && len > 0) {
		bool first = off == 0 && len >= 512;
		uint64_t part = len;

		if (first || (off == last && len >= 512)) {
			part = 512;
			cursor_get(c, copy, part);
			if ((first && blk_format_would_change(copy)) ||
			    (off == last && blk_format_tail_would_change(copy)))
				return -EPERM;
			err = file_write(l->file, copy, (size_t)part, off);
		} else {
			if (off < last && len > last - off)
				part = last - off;
			err = write_mapped(img, l, c, off, part);
		}
		off += part;
		len -= part;
	}
	return err;
}

static int
image_write(struct blk_backend *be, struct iovec *iov, unsigned int n,
    uint64_t off)
{
	struct blk_image *img = be->image;
	struct layer *l = &img->layer[0];
	uint64_t len = iov_length(iov, n);
	struct cursor c = { iov, n };
	int err;

	if (len == 0)
		return 0;
	err = before_write(img);
	if (err != 0)
		return err;
	if (img->guard)
		return write_guarded(img, l, &c, off, len);
	if (l->ops->write != NULL)
		return l->ops->write(img, l, &c, off, len);
	return write_mapped(img, l, &c, off, len);
}

static int
image_flush(struct blk_backend *be)
{
	struct blk_image *img = be->image;
	struct layer *l = &img->layer[0];
	int err = 0, one;

	if (l->writable && !img->broken && l->ops->flush != NULL)
		err = l->ops->flush(img, l);
	for (unsigned int i = 0; i < img->nfiles; i++) {
		one = file_sync(&img->file[i]);
		if (err == 0)
			err = one;
	}
	return err;
}

static int
image_discard(struct blk_backend *be, uint64_t off, uint64_t len)
{
	struct blk_image *img = be->image;
	struct layer *l = &img->layer[0];
	int err = before_write(img);

	if (err != 0)
		return err;
	if (l->ops->discard != NULL)
		return l->ops->discard(img, l, off, len);
	while (len > 0) {
		struct extent ext;

		err = l->ops->map(img, l, off, len, &ext);
		if (err != 0)
			return err;
		if (ext.kind == EXTENT_DATA)
			file_punch(ext.file, ext.at, ext.len);
		off += ext.len;
		len -= ext.len;
	}
	return 0;
}

static int
image_zero(struct blk_backend *be, uint64_t off, uint64_t len, bool unmap)
{
	struct blk_image *img = be->image;
	struct layer *l = &img->layer[0];
	int err = before_write(img);

	if (err != 0)
		return err;
	if (l->ops->zero != NULL)
		return l->ops->zero(img, l, off, len, unmap);
	while (err == 0 && len > 0) {
		struct extent ext;

		err = l->ops->map(img, l, off, len, &ext);
		if (err != 0)
			break;
		if (ext.kind == EXTENT_DATA)
			err = file_zero(ext.file, ext.at, ext.len, unmap);
		off += ext.len;
		len -= ext.len;
	}
	return err;
}

int
blk_image_resize(struct blk_image *img, uint64_t size, const char **why)
{
	struct layer *l = &img->layer[0];

	if (l->ops->resize == NULL) {
		(void)image_fail(img, why, "a ", l->ops->name, " image cannot "
		    "be resized while it runs; use qemu-img resize, and start "
		    "again");
		return -EOPNOTSUPP;
	}
	*why = "the image cannot be written to";
	if (!l->writable || img->broken)
		return l->writable ? -EIO : -EROFS;
	*why = "the new size is not a multiple of the disk's sectors";
	if (size == 0 || size % img->block_size != 0 || size > INT64_MAX)
		return -EINVAL;
	return l->ops->resize(img, l, size, why);
}

int
blk_image_close(struct blk_image *img)
{
	struct blk_backend be = { .image = img };
	struct layer *l = &img->layer[0];
	int err = image_flush(&be), closed = 0;

	if (err == 0 && l->writable && !img->broken && l->ops->close != NULL) {
		closed = l->ops->close(img, l);
		err = image_flush(&be);
	}
	return err != 0 ? err : closed;
}

static int
image_resize_backend(struct blk_backend *be, uint64_t size, const char **why)
{
	int err = blk_image_resize(be->image, size, why);

	if (err == 0)
		be->size = size;
	return err;
}

const struct blk_backend_ops blk_image_ops = {
	.resize = image_resize_backend,
	.read = image_read,
	.write = image_write,
	.flush = image_flush,
	.discard = image_discard,
	.zero = image_zero,
};

/* ---- raw files, whose format was guessed, and as backing files --------------------- */

static int
raw_open(struct blk_image *img, struct layer *l, const char **why)
{
	(void)img;
	l->size = l->file->size;
	if (l->writable && l->size % l->file->align != 0) {
		*why = "the size of the file is not one that direct=on can write to";
		return -EINVAL;
	}
	return 0;
}

static int
raw_map(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    struct extent *ext)
{
	(void)img;
	*ext = (struct extent){ EXTENT_DATA, len, l->file, off };
	return 0;
}

const struct layer_ops raw_layer_ops = {
	.name = "raw",
	.format = BLK_FORMAT_RAW,
	.open = raw_open,
	.map = raw_map,
};
