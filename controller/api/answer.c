// SPDX-License-Identifier: Apache-2.0
//
// JSON for clients, see answer.h. vm.info walks the same tables that vm.create
// is read by.
#include "controller/api/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/api/answer_text.h"
#include "controller/api/schema.h"

/* ---- text -------------------------------------------------------------------- */

static void
put_bytes(struct text *t, const char *bytes, size_t n)
{
	if (t->full || n > t->size - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->at + t->len, bytes, n);
	t->len += n;
}

void
put(struct text *t, const char *s)
{
	put_bytes(t, s, strlen(s));
}

void
put_number(struct text *t, uint64_t n)
{
	char s[24];

	(void)snprintf(s, sizeof(s), "%llu", (unsigned long long)n);
	put(t, s);
}

/* Length of a UTF-8 sequence by its first byte, if the rest is there; else 0. */
static size_t
sequence(const char *s)
{
	unsigned char c = (unsigned char)s[0];
	size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 :
	    (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void
put_text(struct text *t, const char *s)
{
	char hex[8];

	put(t, "\"");
	while (*s != '\0') {
		size_t n = sequence(s);

		if (*s == '"' || *s == '\\') {
			put(t, "\\");
			put_bytes(t, s, 1);
			n = 1;
		} else if (n == 1 && ((unsigned char)*s < 0x20 || *s == 0x7f)) {
			(void)snprintf(hex, sizeof(hex), "\\u%04x",
			    (unsigned int)*s);
			put(t, hex);
		} else if (n == 0) {
			put(t, "?");
			n = 1;
		} else {
			put_bytes(t, s, n);
		}
		s += n;
	}
	put(t, "\"");
}

void
put_name(struct text *t, bool *first, const char *name)
{
	if (!*first)
		put(t, ",");
	*first = false;
	put_text(t, name);
	put(t, ":");
}

/* ---- gathering ----------------------------------------------------------------- */

void
gather_begin(struct gathered *g, struct arena *arena)
{
	*g = (struct gathered){ .arena = arena };
	arena->used = 0;
	g->options = arena_pointers(arena, ANSWER_MAX_OPTIONS);
	g->full = g->options == NULL;
}

static bool
copy_value(struct arena *a, const Bh__ApiValue *from, Bh__ApiValue **to)
{
	Bh__ApiValue *v = arena_take(a, 1, sizeof(*v));

	*to = v;
	if (v == NULL)
		return false;
	*v = *from;
	v->name = arena_text(a, from->name, strlen(from->name));
	if (from->value_case == BH__API_VALUE__VALUE_TEXT)
		v->text = arena_text(a, from->text, strlen(from->text));
	if (from->value_case == BH__API_VALUE__VALUE_CMDLINE) {
		v->value_case = BH__API_VALUE__VALUE_TEXT;
		v->text = arena_text(a, from->cmdline, strlen(from->cmdline));
	}
	return v->name != NULL &&
	    (v->value_case != BH__API_VALUE__VALUE_TEXT || v->text != NULL);
}

static bool
copy_option(struct gathered *g, const Bh__ApiOption *from)
{
	Bh__ApiOption *o = arena_take(g->arena, 1, sizeof(*o));

	if (o == NULL || g->noptions == ANSWER_MAX_OPTIONS)
		return false;
	*o = *from;
	o->option = arena_text(g->arena, from->option, strlen(from->option));
	o->values = arena_pointers(g->arena, from->n_values);
	if (o->option == NULL || o->values == NULL)
		return false;
	for (size_t i = 0; i < from->n_values; i++)
		if (!copy_value(g->arena, from->values[i], &o->values[i]))
			return false;
	g->options[g->noptions++] = o;
	return true;
}

void
gather(struct gathered *g, const Bh__ApiAnswer *part)
{
	for (size_t i = 0; i < part->n_options && !g->full; i++)
		g->full = !copy_option(g, part->options[i]);
}

/* ---- vm.info --------------------------------------------------------------------- */

static const Bh__ApiValue *
value_of(const Bh__ApiOption *o, const char *name)
{
	for (size_t i = 0; o != NULL && i < o->n_values; i++)
		if (strcmp(o->values[i]->name, name) == 0)
			return o->values[i];
	return NULL;
}

static const Bh__ApiOption *
option_of(const struct gathered *g, const char *name)
{
	for (size_t i = 0; i < g->noptions; i++)
		if (strcmp(g->options[i]->option, name) == 0)
			return g->options[i];
	return NULL;
}

static void
print_word(struct text *t, const struct field *f, const char *name)
{
	for (const struct word *w = f->words; w->json != NULL; w++)
		if (w->name != NULL && strcmp(w->name, name) == 0) {
			put_text(t, w->json);
			return;
		}
	put_text(t, name);
}

static const char *
text_of(const Bh__ApiValue *v)
{
	return v != NULL && v->value_case == BH__API_VALUE__VALUE_TEXT ?
	    v->text : "";
}

static void
print_topology(struct text *t, const char *s)
{
	static const char *const parts[] = { "threads_per_core",
	    "cores_per_die", "dies_per_package", "packages" };
	bool first = true;
	char *end;

	put(t, "{");
	for (size_t i = 0; i < 4; i++) {
		put_name(t, &first, parts[i]);
		put_number(t, strtoull(s, &end, 10));
		s = *end != '\0' ? end + 1 : end;
	}
	put(t, "}");
}

/* "[0@[1,2],1@[3]]": all of it is digits and these marks. */
static void
print_affinity(struct text *t, const struct field *f, const char *s)
{
	bool vcpu = strcmp(f->json, "affinity") == 0;
	bool inside = false;

	for (; *s != '\0'; s++) {
		if (*s == '@') {
			put(t, ",\"host_cpus\":");
		} else if (*s == '[' && s[1] != '\0' && !inside) {
			put(t, "[");
			inside = true;
			put(t, vcpu ? "{\"vcpu\":" : "{\"queue_index\":");
		} else if (*s == ']' && s[1] == ',') {
			put(t, vcpu ? "]},{\"vcpu\":" : "]},{\"queue_index\":");
			s++;
		} else if (*s == ']' && s[1] == ']') {
			put(t, "]}]");
			return;
		} else {
			put_bytes(t, s, 1);
		}
	}
}

static bool
print_bucket(struct text *t, const Bh__ApiOption *o, const char *kind,
    const char *json, bool *first)
{
	static const char *const parts[] = { "size", "one_time_burst",
	    "refill_time" };
	bool inner = true;
	char name[32];

	(void)snprintf(name, sizeof(name), "%s_size", kind);
	if (value_of(o, name) == NULL)
		return false;
	put_name(t, first, json);
	put(t, "{");
	for (size_t i = 0; i < 3; i++) {
		const Bh__ApiValue *v;

		(void)snprintf(name, sizeof(name), "%s_%s", kind, parts[i]);
		v = value_of(o, name);
		put_name(t, &inner, parts[i]);
		put_number(t, v != NULL ? v->number : 0);
	}
	put(t, "}");
	return true;
}

static void
print_limiter(struct text *t, const struct field *f, const Bh__ApiOption *o,
    bool *first)
{
	bool inner = true;

	if (value_of(o, "bw_size") == NULL && value_of(o, "ops_size") == NULL)
		return;
	put_name(t, first, f->json);
	put(t, "{");
	(void)print_bucket(t, o, "bw", "bandwidth", &inner);
	(void)print_bucket(t, o, "ops", "ops", &inner);
	put(t, "}");
}

static void
print_mode(struct text *t, const struct field *f, const Bh__ApiOption *o,
    bool *first)
{
	put_name(t, first, f->json);
	for (const struct word *w = f->words; w->json != NULL; w++) {
		const Bh__ApiValue *v = value_of(o, w->name);

		if (v == NULL)
			continue;
		put_text(t, w->json);
		if (v->value_case == BH__API_VALUE__VALUE_TEXT) {
			put_name(t, first, strcmp(w->name, "pty") == 0 ?
			    "file" : w->name);
			put_text(t, v->text);
		}
		return;
	}
	print_word(t, f, f->plain_text);
}

static void
print_texts(struct text *t, const struct field *f, const Bh__ApiOption *o,
    bool *first)
{
	bool inner = true;

	for (size_t i = 0; o != NULL && i < o->n_values; i++) {
		if (strcmp(o->values[i]->name, schema_name(f)) != 0)
			continue;
		if (inner) {
			put_name(t, first, f->json);
			put(t, "[");
		} else {
			put(t, ",");
		}
		inner = false;
		put_text(t, text_of(o->values[i]));
	}
	if (!inner)
		put(t, "]");
}

static void
print_plain(struct text *t, const struct field *f, const Bh__ApiValue *v,
    bool *first)
{
	if (v == NULL && !f->shown)
		return;
	put_name(t, first, f->json);
	switch (f->type) {
	case FIELD_BOOL:
		put(t, (v != NULL ? v->flag != 0 : f->plain != 0) ? "true" :
		    "false");
		return;
	case FIELD_NUMBER:
		put_number(t, v != NULL ? v->number : (uint64_t)f->plain);
		return;
	case FIELD_WORD:
		print_word(t, f, v != NULL ? text_of(v) : f->plain_text);
		return;
	case FIELD_TOPOLOGY:
		print_topology(t, text_of(v));
		return;
	case FIELD_AFFINITY:
		print_affinity(t, f, text_of(v));
		return;
	case FIELD_DIGITS:	/* both are JSON as they are */
	case FIELD_NUMBERS:
		put(t, v != NULL ? text_of(v) : "null");
		return;
	case FIELD_TEXT:
		put_text(t, v != NULL ? text_of(v) : f->plain_text);
		return;
	case FIELD_TEXTS:
	case FIELD_LIMITER:
	case FIELD_MODE:
	case FIELD_MODE_PATH:
	case FIELD_FDS:
	case FIELD_DISTANCES:
	case FIELD_LIST:
	case FIELD_OTHER:
		put(t, "null");
		return;
	}
}

/* Values of kinds that tables and messages agree on; others are left out. */
static const Bh__ApiValue *
fitting(const struct field *f, const Bh__ApiValue *v)
{
	Bh__ApiValue__ValueCase want = f->type == FIELD_BOOL ?
	    BH__API_VALUE__VALUE_FLAG : f->type == FIELD_NUMBER ?
	    BH__API_VALUE__VALUE_NUMBER : BH__API_VALUE__VALUE_TEXT;

	return v != NULL && v->value_case == want ? v : NULL;
}

/* "[1@20,2@30]": all of it is digits and these marks. */
static void
print_distances(struct text *t, const struct field *f, const Bh__ApiOption *o,
    bool *first)
{
	const char *s = text_of(value_of(o, schema_name(f)));

	if (*s == '\0')
		return;
	put_name(t, first, f->json);
	put(t, "[{\"destination\":");
	for (s++; *s != '\0'; s++)
		if (*s == '@')
			put(t, ",\"distance\":");
		else if (*s == ',')
			put(t, "},{\"destination\":");
		else if (*s == ']')
			put(t, "}");
		else
			put_bytes(t, s, 1);
	put(t, "]");
}

static void
print_fields(struct text *t, const struct member *m, const Bh__ApiOption *o,
    bool *first)
{
	for (unsigned int i = 0; i < m->nfields; i++) {
		const struct field *f = &m->fields[i];

		if (f->type == FIELD_LIMITER)
			print_limiter(t, f, o, first);
		else if (f->type == FIELD_MODE)
			print_mode(t, f, o, first);
		else if (f->type == FIELD_TEXTS)
			print_texts(t, f, o, first);
		else if (f->type == FIELD_DISTANCES)
			print_distances(t, f, o, first);
		else if (f->type != FIELD_MODE_PATH && f->type != FIELD_FDS &&
		    f->type != FIELD_LIST && f->type != FIELD_OTHER && (i == 0 ||
		    strcmp(m->option, "platform") != 0 ||
		    (strcmp(f->json, "uuid") != 0 &&
		    strcmp(f->json, "serial_number") != 0)))
			print_plain(t, f, fitting(f, value_of(o,
			    schema_name(f))), first);
	}
}

static void
print_object(struct text *t, const struct member *m, const Bh__ApiOption *o)
{
	bool first = true;

	put(t, "{");
	print_fields(t, m, o, &first);
	put(t, "}");
}

void
answer_option(struct text *t, const Bh__ApiOption *option)
{
	const struct member *m = schema_member_of(option->option);

	if (m != NULL)
		print_object(t, m, option);
}

static void
print_payload(struct text *t, const struct member *m, const struct gathered *g)
{
	bool first = true;

	put(t, "{");
	for (unsigned int i = 0; i < m->nfields; i++) {
		const char *name = schema_name(&m->fields[i]);
		const Bh__ApiOption *o = option_of(g, name);

		if (o == NULL)
			continue;
		put_name(t, &first, m->fields[i].json);
		put_text(t, text_of(value_of(o, name)));
	}
	put(t, "}");
}

static void
print_list(struct text *t, const struct member *m, const struct gathered *g)
{
	bool first = true;

	put(t, "[");
	for (size_t i = 0; i < g->noptions; i++) {
		if (strcmp(g->options[i]->option, m->option) != 0)
			continue;
		if (!first)
			put(t, ",");
		first = false;
		print_object(t, m, g->options[i]);
	}
	put(t, "]");
}

/* One object, and the lists that are within it. */
static void
print_single(struct text *t, const struct member *m, const struct gathered *g,
    const Bh__ApiOption *o)
{
	bool first = true;

	put(t, "{");
	print_fields(t, m, o, &first);
	for (unsigned int i = 0; i < m->nfields; i++) {
		const struct field *f = &m->fields[i];

		if (f->type != FIELD_LIST || option_of(g, schema_name(f)) == NULL)
			continue;
		put_name(t, &first, f->json);
		print_list(t, schema_member_of(schema_name(f)), g);
	}
	put(t, "}");
}

static void
print_member(struct text *t, const struct member *m, const struct gathered *g,
    bool *first)
{
	const Bh__ApiOption *o = option_of(g, m->option);

	if (strcmp(m->option, "payload") == 0) {
		put_name(t, first, m->json);
		print_payload(t, m, g);
		return;
	}
	if (o == NULL && !m->shown)
		return;
	if (m->nfields == 0 || (m->flag && (o == NULL || o->n_values == 0))) {
		if (m->flag) {
			put_name(t, first, m->json);
			put(t, o != NULL ? "true" : "false");
		}
		return;
	}
	if (!m->list && !m->shown && o->n_values == 0 &&
	    strcmp(m->option, "platform") == 0)
		return;
	put_name(t, first, m->json);
	if (m->list)
		print_list(t, m, g);
	else
		print_single(t, m, g, o);
}

static void
print_bdf(struct text *t, uint32_t bdf)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%04x:00:%02x.%x", bdf >> 8,
	    (bdf >> 3) & 0x1f, bdf & 7);
	put_text(t, text);
}

/* Cloud Hypervisor's PciDeviceInfo. */
static void
print_added(struct text *t, const Bh__ApiDevice *d)
{
	put(t, "{\"id\":");
	put_text(t, d->id);
	put(t, ",\"bdf\":");
	print_bdf(t, d->bdf);
	put(t, "}");
}

static void
print_info(struct text *t, const struct gathered *g, const Bh__ApiAnswer *last)
{
	static const char *const states[] = {
		[BH__API_STATE__API_STATE_NONE] = "Created",
		[BH__API_STATE__API_STATE_CREATED] = "Created",
		[BH__API_STATE__API_STATE_RUNNING] = "Running",
		[BH__API_STATE__API_STATE_SHUTDOWN] = "Shutdown",
		[BH__API_STATE__API_STATE_PAUSED] = "Paused",
	};
	bool first = true;

	put(t, "{\"config\":{");
	for (unsigned int i = 0; i < schema_nmembers; i++)
		if (!schema_members[i].older && !schema_members[i].within)
			print_member(t, &schema_members[i], g, &first);
	put(t, "},\"state\":");
	put_text(t, states[last->state]);
	put(t, ",\"memory_actual_size\":");
	put_number(t, last->memory_size);
	put(t, ",\"device_tree\":{");
	first = true;
	for (size_t i = 0; i < last->n_devices; i++) {
		const Bh__ApiDevice *d = last->devices[i];

		put_name(t, &first, d->id);
		put(t, "{\"id\":");
		put_text(t, d->id);
		put(t, ",\"resources\":[],\"children\":[],\"pci_bdf\":");
		print_bdf(t, d->bdf);
		put(t, ",\"worker\":");
		put_text(t, d->worker);
		put(t, "}");
	}
	put(t, "}}");
}

/* ---- the rest -------------------------------------------------------------------- */

void
answer_errors(struct text *t, const char *const *texts, size_t n)
{
	put(t, "[");
	for (size_t i = 0; i < n && texts[i] != NULL; i++) {
		if (i > 0)
			put(t, ",");
		put_text(t, texts[i]);
	}
	put(t, "]");
}

static void
print_ping(struct text *t, const struct about *about)
{
	put(t, "{\"build_version\":");
	put_text(t, about->build);
	put(t, ",\"version\":");
	put_text(t, about->version);
	put(t, ",\"pid\":");
	put_number(t, about->pid);
	put(t, ",\"features\":[\"kvm\"]}");
}

/* Each device (or process) is an option, and its counters are values. */
static void
print_counters(struct text *t, const struct gathered *g)
{
	bool first = true;

	put(t, "{");
	for (size_t i = 0; i < g->noptions; i++) {
		const Bh__ApiOption *o = g->options[i];
		bool inner = true;

		put_name(t, &first, o->option);
		put(t, "{");
		for (size_t k = 0; k < o->n_values; k++) {
			put_name(t, &inner, o->values[k]->name);
			put_number(t, o->values[k]->number);
		}
		put(t, "}");
	}
	put(t, "}");
}

void
answer_print(struct text *t, Bh__ApiVerb verb, const struct gathered *g,
    const Bh__ApiAnswer *last, const struct about *about)
{
	if (last->status == 204)
		return;
	if (last->status >= 300)
		answer_errors(t, (const char *const *)last->errors,
		    last->n_errors);
	else if (verb == BH__API_VERB__API_VERB_PING)
		print_ping(t, about);
	else if (verb == BH__API_VERB__API_VERB_INFO)
		print_info(t, g, last);
	else if (verb == BH__API_VERB__API_VERB_CRASHES)
		print_crashes(t, last);
	else if (verb == BH__API_VERB__API_VERB_COUNTERS ||
	    verb == BH__API_VERB__API_VERB_TIMELINE)
		print_counters(t, g);
	else if (verb == BH__API_VERB__API_VERB_ADD && last->n_devices == 1)
		print_added(t, last->devices[0]);
	else
		put(t, "{}");
}

void
answer_event(struct text *t, const Bh__ApiEvent *e)
{
	bool first = true;

	put(t, "{\n  \"timestamp\": {\n    \"secs\": ");
	put_number(t, e->seconds);
	put(t, ",\n    \"nanos\": ");
	put_number(t, e->nanoseconds);
	put(t, "\n  },\n  \"source\": ");
	put_text(t, e->source);
	put(t, ",\n  \"event\": ");
	put_text(t, e->event);
	put(t, ",\n  \"properties\": ");
	if (e->n_properties == 0) {
		put(t, "null\n}\n\n");
		return;
	}
	put(t, "{");
	for (size_t i = 0; i < e->n_properties; i++) {
		put(t, first ? "\n    " : ",\n    ");
		first = false;
		put_text(t, e->properties[i]->name);
		put(t, ": ");
		put_text(t, text_of(e->properties[i]));
	}
	put(t, "\n  }\n}\n\n");
}
