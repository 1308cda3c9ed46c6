// SPDX-License-Identifier: Apache-2.0
/*
 * Flat VMDK: monolithicFlat, twoGbMaxExtentFlat and vmfs. A descriptor, text of
 * at most 64 KiB, names the extents, which the caller opens one after the other.
 * Called through layer_ops. Changes nothing of the descriptor but the number that
 * says that the contents have changed.
 */
#include <errno.h>

#include "device-workers/blk/image_int.h"

#define LINE_MAX_LEN 2048u
#define CID_DIGITS 8

/* A line, or what is left of it. */
struct text {
	const char *at, *end;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
skip_blank(struct text *t)
{
	while (t->at < t->end && is_blank(*t->at))
		t->at++;
}

/* The next line of @t, without its end. False: there is none. */
static bool
next_line(struct text *t, struct text *line)
{
	if (t->at >= t->end || *t->at == '\0')
		return false;
	line->at = t->at;
	while (t->at < t->end && *t->at != '\n' && *t->at != '\0')
		t->at++;
	line->end = t->at;
	if (t->at < t->end && *t->at == '\n')
		t->at++;
	while (line->end > line->at && is_blank(line->end[-1]))
		line->end--;
	skip_blank(line);
	return true;
}

/* Up to the next blank. */
static struct text
next_word(struct text *t)
{
	struct text word;

	skip_blank(t);
	word.at = t->at;
	while (t->at < t->end && !is_blank(*t->at))
		t->at++;
	word.end = t->at;
	return word;
}

static bool
is(const struct text *t, const char *s)
{
	size_t len = strlen(s);

	return (size_t)(t->end - t->at) == len && memcmp(t->at, s, len) == 0;
}

static bool
number(const struct text *t, uint64_t *value)
{
	*value = 0;
	for (const char *p = t->at; p < t->end; p++) {
		if (*p < '0' || *p > '9' ||
		    __builtin_mul_overflow(*value, 10u, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*p - '0'), value))
			return false;
	}
	return t->at < t->end;
}

/* What is between quotes. */
static bool
quoted(struct text *t, struct text *name)
{
	skip_blank(t);
	if (t->at >= t->end || *t->at != '"')
		return false;
	name->at = ++t->at;
	while (t->at < t->end && *t->at != '"')
		t->at++;
	if (t->at >= t->end)
		return false;
	name->end = t->at++;
	return true;
}

/* key = value, quotes taken off. */
static bool
assignment(struct text line, struct text *key, struct text *value)
{
	const char *eq = memchr(line.at, '=', (size_t)(line.end - line.at));
	struct text rest;

	if (eq == NULL)
		return false;
	*key = (struct text){ line.at, eq };
	while (key->end > key->at && is_blank(key->end[-1]))
		key->end--;
	rest = (struct text){ eq + 1, line.end };
	if (!quoted(&rest, value)) {
		skip_blank(&rest);
		*value = rest;
	}
	return true;
}

static int
unsupported(struct blk_image *img, const char **why, const char *what,
    const struct text *t)
{
	char name[40];
	size_t len = (size_t)(t->end - t->at);

	if (len >= sizeof(name))
		len = sizeof(name) - 1;
	memcpy(name, t->at, len);
	name[len] = '\0';
	return image_fail(img, why, what, name, NULL);
}

static int
parse_setting(struct blk_image *img, const char *text, const struct text *key,
    const struct text *value, bool *has_type, const char **why)
{
	if (is(key, "version") && !is(value, "1") && !is(value, "2") &&
	    !is(value, "3"))
		return unsupported(img, why,
		    "VMDK image of an unknown version: ", value);
	/* Some write it without leading zeros: one in sixteen is shorter then. */
	if (is(key, "CID") && value->end > value->at &&
	    value->end - value->at <= CID_DIGITS) {
		img->vmdk.cid_at = (uint32_t)(value->at - text);
		img->vmdk.cid_len = (uint32_t)(value->end - value->at);
	}
	if (is(key, "parentCID") && !is(value, "ffffffff") &&
	    !is(value, "FFFFFFFF"))
		return unsupported(img, why,
		    "VMDK images with a parent are not supported: ", value);
	if (is(key, "createType")) {
		*has_type = true;
		if (!is(value, "monolithicFlat") &&
		    !is(value, "twoGbMaxExtentFlat") && !is(value, "vmfs"))
			return unsupported(img, why, "VMDK images of this type are "
			    "not supported, only flat ones: ", value);
	}
	return 0;
}

/* RW 4192256 FLAT "name-f001.vmdk" 0: 1 if it was such a line. */
static int
parse_extent(struct blk_image *img, struct layer *l, const char *text,
    struct text line, const char **why)
{
	struct vmdk *v = &img->vmdk;
	struct text access = next_word(&line), size, type, name, at;
	struct vmdk_extent *e;
	uint64_t sectors, offset = 0;

	if (!is(&access, "RW") && !is(&access, "RDONLY") &&
	    !is(&access, "NOACCESS"))
		return 0;
	size = next_word(&line);
	type = next_word(&line);
	if (is(&access, "NOACCESS"))
		return unsupported(img, why, "VMDK image with an extent that may "
		    "not be used: ", &access);
	if (v->nextents == VMDK_EXTENTS) {
		*why = "VMDK image of more than 63 extents";
		return -EINVAL;
	}
	e = &v->extent[v->nextents];
	*e = (struct vmdk_extent){ .start = l->size };
	*why = "VMDK image with an extent that makes no sense";
	if (!number(&size, &sectors) || sectors == 0 ||
	    sectors > (uint64_t)INT64_MAX / 512)
		return -EINVAL;
	if (!is(&type, "ZERO")) {
		if (!is(&type, "FLAT") && !is(&type, "VMFS"))
			return unsupported(img, why, "VMDK extents of this type are "
			    "not supported, only flat ones: ", &type);
		if (!quoted(&line, &name) ||
		    !image_name_ok(name.at, (size_t)(name.end - name.at)))
			return -EINVAL;
		at = next_word(&line);
		if (at.at < at.end && (!number(&at, &offset) ||
		    offset > (uint64_t)INT64_MAX / 512 - sectors))
			return -EINVAL;
		e->name_at = (uint16_t)(name.at - text);
		e->name_len = (uint16_t)(name.end - name.at);
	}
	if (is(&access, "RDONLY") || is(&type, "ZERO"))
		v->readonly = true;
	e->len = sectors * 512;
	e->at = offset * 512;
	v->nextents++;
	if (__builtin_add_overflow(l->size, e->len, &l->size) ||
	    l->size > INT64_MAX)
		return -EINVAL;
	return 1;
}

static int
parse(struct blk_image *img, struct layer *l, size_t len, const char **why)
{
	const char *text = (const char *)img->work;
	struct text all = { text, text + len }, line, key, value;
	bool has_type = false;
	int err;

	memset(&img->vmdk, 0, sizeof(img->vmdk));
	while (next_line(&all, &line)) {
		if (line.at == line.end || *line.at == '#')
			continue;
		if ((size_t)(line.end - line.at) > LINE_MAX_LEN) {
			*why = "VMDK image with a line that is too long";
			return -EINVAL;
		}
		err = parse_extent(img, l, text, line, why);
		if (err == 0 && assignment(line, &key, &value))
			err = parse_setting(img, text, &key, &value, &has_type,
			    why);
		if (err < 0)
			return err;
	}
	*why = NULL;
	if (!has_type)
		*why = "VMDK image without a type: a descriptor, and cut off?";
	else if (img->vmdk.nextents == 0)
		*why = "VMDK image without extents";
	else if (img->vmdk.readonly && l->writable)
		*why = "VMDK image with extents that are for reading only";
	return *why != NULL ? -EINVAL : 0;
}

/* The next extent that has a file and none yet: 1 and img->want; else 0. */
static int
want_extent(struct blk_image *img, struct layer *l)
{
	struct vmdk *v = &img->vmdk;
	struct image_want *w = &img->want;

	while (v->given < v->nextents) {
		struct vmdk_extent *e = &v->extent[v->given];
		int err;

		if (e->name_len == 0) {
			v->given++;
			continue;
		}
		memset(w, 0, sizeof(*w));
		err = file_read(l->file, w->name, e->name_len, e->name_at);
		if (err != 0)
			return err;
		if (!image_name_ok(w->name, e->name_len))
			return -EINVAL;
		w->readonly = !l->writable;
		w->extent = w->wanted = true;
		return 1;
	}
	return 0;
}

static int
read_descriptor(struct blk_image *img, struct layer *l, const char **why)
{
	size_t len = (size_t)l->file->size;
	int err;

	*why = "VMDK descriptor of more than 64 KiB, or an empty one";
	if (l->file->size == 0 || l->file->size > VMDK_DESCRIPTOR_MAX)
		len = l->file->size == 0 ? 0 : 512;
	if (len == 0)
		return -EINVAL;
	err = file_read(l->file, img->work, len, 0);
	if (err != 0)
		return err;
	if (len >= 4 && (memcmp(img->work, "KDMV", 4) == 0 ||
	    memcmp(img->work, "COWD", 4) == 0)) {
		*why = "sparse VMDK images are not supported, only flat ones";
		return -EINVAL;
	}
	if (l->file->size > VMDK_DESCRIPTOR_MAX)
		return -EINVAL;
	return parse(img, l, len, why);
}

/* Called first for the descriptor, and then for each extent that was given. */
static int
vmdk_open(struct blk_image *img, struct layer *l, const char **why)
{
	struct vmdk *v = &img->vmdk;
	int err;

	if (l->size == 0) {
		err = read_descriptor(img, l, why);
		if (err != 0)
			return err;
	} else {
		struct vmdk_extent *e = &v->extent[v->given++];
		struct image_file *f = &img->file[img->nfiles - 1];

		if (e->at > f->size || e->len > f->size - e->at) {
			*why = "VMDK image with an extent that is cut off";
			return -EINVAL;
		}
		if (l->writable && ((e->at | e->len) & (f->align - 1)) != 0) {
			*why = "VMDK image with an extent of a size that "
			    "direct=on cannot write to";
			return -EINVAL;
		}
		e->file = img->nfiles - 1;
	}
	*why = "the VMDK descriptor cannot be read";
	return want_extent(img, l);
}

static int
vmdk_map(struct blk_image *img, struct layer *l, uint64_t off, uint64_t len,
    struct extent *ext)
{
	struct vmdk *v = &img->vmdk;
	const struct vmdk_extent *e = v->extent;

	(void)l;
	while (off - e->start >= e->len)
		e++;		/* one of them holds it: off is inside the disk */
	if (len > e->len - (off - e->start))
		len = e->len - (off - e->start);
	*ext = (struct extent){ EXTENT_ZERO, len, NULL, 0 };
	if (e->file != 0) {
		ext->kind = EXTENT_DATA;
		ext->file = &img->file[e->file];
		ext->at = e->at + (off - e->start);
	}
	return 0;
}

/* A new content ID, by which a child would see that it no longer fits. */
static int
vmdk_touch(struct blk_image *img, struct layer *l)
{
	static const char hex[16] = "0123456789abcdef";
	uint32_t len = img->vmdk.cid_len;
	char cid[CID_DIGITS], old[CID_DIGITS];
	int err;

	/* O_DIRECT writes whole sectors, which the text may not have. */
	if (img->vmdk.cid_at == 0 || l->file->align > 1)
		return 0;
	for (uint32_t i = 0; i < len; i++)
		cid[i] = hex[img->random[i] & 15];
	cid[0] = hex[img->random[0] & 7];	/* not ffffffff: no parent */
	/* In its place, so that few digits may be the same by chance. */
	err = file_read(l->file, old, len, img->vmdk.cid_at);
	if (err != 0)
		return err;
	if (memcmp(cid, old, len) == 0)
		cid[len - 1] = hex[(img->random[len - 1] & 7) ^ 1];
	return file_write(l->file, cid, len, img->vmdk.cid_at);
}

const struct layer_ops vmdk_layer_ops = {
	.name = "vmdk",
	.format = BLK_FORMAT_VMDK,
	.open = vmdk_open,
	.map = vmdk_map,
	.touch = vmdk_touch,
};
