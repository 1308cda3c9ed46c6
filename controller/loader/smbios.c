/* SPDX-License-Identifier: Apache-2.0 */
/* SMBIOS tables, see smbios.h. Chapters are those of DSP0134 3.4. */
#include "controller/loader/smbios.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "build_id.h"
#include "controller/loader/acpi.h"

#define ENTRY_SIZE 24u
#define TABLE_OFFSET 32u	/* of the first structure, 16-byte aligned */
#define MAX_STRINGS 255u	/* a string number is a byte */

_Static_assert(SMBIOS_MAX_SIZE == LAYOUT_HIGH_RAM - LAYOUT_SMBIOS, "layout.h");

/* A structure that is being written: its fixed part, then its strings. */
struct writer {
	struct smbios_tables *t;
	uint16_t handle;
	unsigned int strings;
	const char *string[MAX_STRINGS];
	int error;
};

static void
put_bytes(struct writer *w, const void *src, size_t len)
{
	if (len > sizeof(w->t->bytes) - w->t->len) {
		w->error = -ENOSPC;
		return;
	}
	memcpy(w->t->bytes + w->t->len, src, len);
	w->t->len += len;
}

static void
put(struct writer *w, uint64_t value, size_t width)
{
	uint8_t le[8];

	for (size_t i = 0; i < width; i++)
		le[i] = (uint8_t)(value >> (8 * i));
	put_bytes(w, le, width);
}

/* @length: of the fixed part with this header (6.1.2). */
static void
begin(struct writer *w, uint8_t type, uint8_t length)
{
	w->strings = 0;
	put(w, type, 1);
	put(w, length, 1);
	put(w, w->handle++, 2);
}

/* A string's number; the empty one has number 0 (6.1.3). */
static void
put_string(struct writer *w, const char *string)
{
	if (string == NULL || string[0] == '\0') {
		put(w, 0, 1);
		return;
	}
	if (w->strings == MAX_STRINGS) {
		w->error = -ENOSPC;
		return;
	}
	w->string[w->strings++] = string;
	put(w, w->strings, 1);
}

static void
end(struct writer *w)
{
	for (unsigned int i = 0; i < w->strings; i++)
		put_bytes(w, w->string[i], strlen(w->string[i]) + 1);
	/* Two NULs end a structure without strings. */
	put_bytes(w, "\0", w->strings == 0 ? 2 : 1);
}

static const char *
or_default(const char *string, const char *otherwise)
{
	return string != NULL && string[0] != '\0' ? string : otherwise;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * "8-4-4-4-12" to bytes: the first three fields are little endian on the wire
 * (7.2.1). Empty is all zero: not set.
 */
static int
parse_uuid(const char *text, uint8_t uuid[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11,
		12, 13, 14, 15 };

	memset(uuid, 0, 16);
	if (text == NULL || text[0] == '\0')
		return 0;
	for (unsigned int i = 0; i < 16; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -EINVAL;
		high = hex_digit(text[0]);
		low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0)
			return -EINVAL;
		uuid[order[i]] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return *text == '\0' ? 0 : -EINVAL;
}

/* Type 0 (7.1) */
static void
put_bios(struct writer *w)
{
	begin(w, 0, 0x18);
	put_string(w, "Bulkhead");
	put_string(w, BULKHEAD_VERSION[0] != '\0' ? BULKHEAD_VERSION : "0");
	put(w, 0, 2);			/* segment: none */
	put_string(w, "01/01/2026");
	put(w, 0, 1);			/* 64 KiB */
	put(w, 1u << 3, 8);		/* characteristics: not supported */
	put(w, 0, 1);
	put(w, 1u << 4, 1);		/* this is a virtual machine */
	put(w, 0, 2);			/* release */
	put(w, 0xffff, 2);		/* no embedded controller */
	end(w);
}

/* Type 1 (7.2) */
static void
put_system(struct writer *w, const Bh__Smbios *s)
{
	uint8_t uuid[16];
	int rc = parse_uuid(s->uuid, uuid);

	if (rc < 0)
		w->error = rc;
	begin(w, 1, 0x1b);
	put_string(w, or_default(s->manufacturer, "Bulkhead"));
	put_string(w, or_default(s->product_name, "bulkhead"));
	put_string(w, s->version);
	put_string(w, s->serial_number);
	put_bytes(w, uuid, sizeof(uuid));
	put(w, 6, 1);			/* woken by the power switch */
	put_string(w, s->sku_number);
	put_string(w, s->family);
	end(w);
}

/* Type 3 (7.4) */
static void
put_chassis(struct writer *w, const Bh__Smbios *s)
{
	begin(w, 3, 0x16);
	put_string(w, or_default(s->manufacturer, "Bulkhead"));
	put(w, 1, 1);			/* type: other */
	put_string(w, NULL);		/* version */
	put_string(w, NULL);		/* serial number */
	put_string(w, s->chassis_asset_tag);
	put(w, 3, 1);			/* boot-up state: safe */
	put(w, 3, 1);			/* power supply: safe */
	put(w, 3, 1);			/* thermal: safe */
	put(w, 2, 1);			/* security: unknown */
	put(w, 0, 4);			/* OEM-defined */
	put(w, 0, 1);			/* height */
	put(w, 1, 1);			/* power cords */
	put(w, 0, 1);			/* contained elements */
	put(w, 3, 1);			/* ... and their length */
	put_string(w, NULL);		/* SKU number */
	end(w);
}

/* Type 11 (7.12) */
static void
put_oem_strings(struct writer *w, const Bh__Smbios *s)
{
	if (s->n_oem_strings == 0)
		return;
	if (s->n_oem_strings > MAX_STRINGS) {
		w->error = -ENOSPC;
		return;
	}
	begin(w, 11, 5);
	put(w, s->n_oem_strings, 1);
	for (size_t i = 0; i < s->n_oem_strings; i++)
		/* An empty one would end the list: it has to be something. */
		w->string[w->strings++] = or_default(s->oem_strings[i], " ");
	end(w);
}

/* Entry point (5.2.2) */
static void
set_entry(struct smbios_tables *t)
{
	size_t size = t->len - TABLE_OFFSET;
	uint64_t at = LAYOUT_SMBIOS + TABLE_OFFSET;
	uint8_t *e = t->bytes;

	memcpy(e, "_SM3_", 5);
	e[6] = ENTRY_SIZE;
	e[7] = 3;			/* version 3.4 */
	e[8] = 4;
	e[10] = 1;			/* revision of the entry point */
	for (unsigned int i = 0; i < 4; i++)
		e[12 + i] = (uint8_t)(size >> (8 * i));
	for (unsigned int i = 0; i < 8; i++)
		e[16 + i] = (uint8_t)(at >> (8 * i));
	e[5] = acpi_checksum(e, ENTRY_SIZE);
}

int
smbios_build(struct smbios_tables *tables, const Bh__LoadConfig *config)
{
	Bh__Smbios none = { 0 };
	const Bh__Smbios *s = config->smbios != NULL ? config->smbios : &none;
	struct writer w = { .t = tables };

	memset(tables->bytes, 0, TABLE_OFFSET);
	tables->len = TABLE_OFFSET;
	put_bios(&w);
	put_system(&w, s);
	put_chassis(&w, s);
	put_oem_strings(&w, s);
	begin(&w, 127, 4);		/* end of table (7.45) */
	end(&w);
	set_entry(tables);
	return w.error;
}

int
smbios_load(struct gmem *mem, const Bh__LoadConfig *config,
    struct load_report *report)
{
	static struct smbios_tables tables;
	int rc = smbios_build(&tables, config);

	if (rc == -EINVAL)
		return load_fail(report, EINVAL, "--platform uuid",
		    "not of the form 01234567-89ab-cdef-0123-456789abcdef");
	if (rc == 0)
		rc = gmem_write(mem, gpa(LAYOUT_SMBIOS), tables.bytes,
		    tables.len);
	if (rc < 0)
		return load_fail(report, -rc, "--platform",
		    "its strings are too long");
	return 0;
}
