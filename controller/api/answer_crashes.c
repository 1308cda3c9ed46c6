// SPDX-License-Identifier: Apache-2.0
//
// bulkhead.crashes: the deaths of a VM's processes in JSON. Of requests there are
// types and sizes, and no data.
#include <string.h>

#include "controller/api/answer_text.h"

/* As virtio 1.2 numbers them, 5.2.6. */
static const char *const blk_types[] = {
	[0] = "read", [1] = "write", [4] = "flush", [8] = "get-id",
	[11] = "discard", [13] = "write-zeroes",
};

static void
print_type(struct text *t, const Bh__ApiDeath *d, uint32_t type)
{
	const size_t n = sizeof(blk_types) / sizeof(blk_types[0]);

	if (type == 0)
		put(t, "null");
	else if (strcmp(d->kind, "blk") == 0 && type <= n &&
	    blk_types[type - 1] != NULL)
		put_text(t, blk_types[type - 1]);
	else
		put_number(t, type - 1);
}

static void
print_requests(struct text *t, const Bh__ApiDeath *d)
{
	put(t, "[");
	for (size_t i = 0; i < d->n_taken; i++) {
		const Bh__ApiTaken *r = d->taken[i];

		put(t, i > 0 ? ",{\"queue\":" : "{\"queue\":");
		put_number(t, r->queue);
		put(t, ",\"type\":");
		print_type(t, d, r->type);
		put(t, ",\"read_len\":");
		put_number(t, r->read_len);
		put(t, ",\"write_len\":");
		put_number(t, r->write_len);
		put(t, "}");
	}
	put(t, "]");
}

static void
print_death(struct text *t, const Bh__ApiDeath *d)
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{ "worker", d->worker }, { "kind", d->kind },
		{ "id", d->device }, { "cause", d->cause },
		{ "detail", d->detail }, { "action", d->action },
		{ "build", d->build_id },
	};
	bool first = false;

	put(t, "{\"timestamp\":{\"secs\":");
	put_number(t, d->seconds);
	put(t, ",\"nanos\":");
	put_number(t, d->nanoseconds);
	put(t, "}");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put_name(t, &first, texts[i].name);
		if (texts[i].text[0] != '\0')
			put_text(t, texts[i].text);
		else
			put(t, "null");
	}
	put_name(t, &first, "pid");
	put_number(t, d->pid);
	put_name(t, &first, "replaced_us");
	if (d->replaced_us != 0)
		put_number(t, d->replaced_us);
	else
		put(t, "null");
	put_name(t, &first, "image_base");
	put_number(t, d->image_base);
	put_name(t, &first, "ip");
	if (d->ip != 0)
		put_number(t, d->ip);
	else
		put(t, "null");
	put_name(t, &first, "requests");
	print_requests(t, d);
	put(t, "}");
}

void
print_crashes(struct text *t, const Bh__ApiAnswer *answer)
{
	put(t, "[");
	for (size_t i = 0; i < answer->n_deaths; i++) {
		if (i > 0)
			put(t, ",");
		print_death(t, answer->deaths[i]);
	}
	put(t, "]");
}
