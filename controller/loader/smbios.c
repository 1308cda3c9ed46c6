/* SPDX-License-Identifier: Apache-2.0 */
/* SMBIOS tables, see smbios.h. Chapters are those of DSP0134 3.4. */
#include "controller/loader/smbios.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "arch/x86_64/layout.h"
#include "build_id.h"
#include "controller/loader/acpi.h"
#include "controller/loader/writer.h"

#define ENTRY_SIZE 24u
#define TABLE_OFFSET 32u	/* of the first structure, 16-byte aligned */
#define MAX_STRINGS 255u	/* a string number is a byte */

_Static_assert(SMBIOS_MAX_SIZE == LAYOUT_HIGH_RAM - LAYOUT_SMBIOS, "layout.h");

/* A structure that is being written: its fixed part, then its strings. */
struct structures {
	struct writer w;
	uint16_t handle;
	unsigned int strings;
	const char *string[MAX_STRINGS];
	int error;
};

/* @length: of the fixed part with this header (6.1.2). */
static void
begin(struct structures *d, uint8_t type, uint8_t length)
{
	d->strings = 0;
	put(&d->w, type, 1);
	put(&d->w, length, 1);
	put(&d->w, d->handle++, 2);
}

/* A string's number; the empty one has number 0 (6.1.3). */
static void
put_string(struct structures *d, const char *string)
{
	if (string == NULL || string[0] == '\0') {
		put(&d->w, 0, 1);
		return;
	}
	if (d->strings == MAX_STRINGS) {
		d->w.error = -ENOSPC;
		return;
	}
	d->string[d->strings++] = string;
	put(&d->w, d->strings, 1);
}

static void
end(struct structures *d)
{
	for (unsigned int i = 0; i < d->strings; i++)
		put_bytes(&d->w, d->string[i], strlen(d->string[i]) + 1);
	/* Two NULs end a structure without strings. */
	put_bytes(&d->w, "\0", d->strings == 0 ? 2 : 1);
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
put_bios(struct structures *d)
{
	begin(d, 0, 0x18);
	put_string(d, "Bulkhead");
	put_string(d, BULKHEAD_VERSION[0] != '\0' ? BULKHEAD_VERSION : "0");
	put(&d->w, 0, 2);			/* segment: none */
	put_string(d, "01/01/2026");
	put(&d->w, 0, 1);			/* 64 KiB */
	put(&d->w, 1u << 3, 8);		/* characteristics: not supported */
	put(&d->w, 0, 1);
	put(&d->w, 1u << 4, 1);		/* this is a virtual machine */
	put(&d->w, 0, 2);			/* release */
	put(&d->w, 0xffff, 2);		/* no embedded controller */
	end(d);
}

/* Type 1 (7.2) */
static void
put_system(struct structures *d, const Bh__Smbios *s)
{
	uint8_t uuid[16];
	int rc = parse_uuid(s->uuid, uuid);

	if (rc < 0)
		d->w.error = rc;
	begin(d, 1, 0x1b);
	put_string(d, or_default(s->manufacturer, "Bulkhead"));
	put_string(d, or_default(s->product_name, "bulkhead"));
	put_string(d, s->version);
	put_string(d, s->serial_number);
	put_bytes(&d->w, uuid, sizeof(uuid));
	put(&d->w, 6, 1);			/* woken by the power switch */
	put_string(d, s->sku_number);
	put_string(d, s->family);
	end(d);
}

/* Type 3 (7.4) */
static void
put_chassis(struct structures *d, const Bh__Smbios *s)
{
	begin(d, 3, 0x16);
	put_string(d, or_default(s->manufacturer, "Bulkhead"));
	put(&d->w, 1, 1);			/* type: other */
	put_string(d, NULL);		/* version */
	put_string(d, NULL);		/* serial number */
	put_string(d, s->chassis_asset_tag);
	put(&d->w, 3, 1);			/* boot-up state: safe */
	put(&d->w, 3, 1);			/* power supply: safe */
	put(&d->w, 3, 1);			/* thermal: safe */
	put(&d->w, 2, 1);			/* security: unknown */
	put(&d->w, 0, 4);			/* OEM-defined */
	put(&d->w, 0, 1);			/* height */
	put(&d->w, 1, 1);			/* power cords */
	put(&d->w, 0, 1);			/* contained elements */
	put(&d->w, 3, 1);			/* ... and their length */
	put_string(d, NULL);		/* SKU number */
	end(d);
}

/* Type 11 (7.12) */
static void
put_oem_strings(struct structures *d, const Bh__Smbios *s)
{
	if (s->n_oem_strings == 0)
		return;
	if (s->n_oem_strings > MAX_STRINGS) {
		d->w.error = -ENOSPC;
		return;
	}
	begin(d, 11, 5);
	put(&d->w, s->n_oem_strings, 1);
	for (size_t i = 0; i < s->n_oem_strings; i++)
		/* An empty one would end the list: it has to be something. */
		d->string[d->strings++] = or_default(s->oem_strings[i], " ");
	end(d);
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
	struct structures d = {
		.w = { .bytes = tables->bytes, .size = sizeof(tables->bytes) },
	};

	put_zeros(&d.w, TABLE_OFFSET);
	put_bios(&d);
	put_system(&d, s);
	put_chassis(&d, s);
	put_oem_strings(&d, s);
	begin(&d, 127, 4);		/* end of table (7.45) */
	end(&d);
	tables->len = d.w.len;
	set_entry(tables);
	return d.w.error;
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
