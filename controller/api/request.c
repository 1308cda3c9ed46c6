// SPDX-License-Identifier: Apache-2.0
//
// Requests, see request.h. What is wrong with a body is said by the field's path
// in the JSON; what is wrong with a value is the controller's to say.
#include "controller/api/request.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "controller/api/schema.h"

#define ROOT "/api/v1/"

/* What the JSON library allocates from: it has no argument to pass. */
static struct arena *json_arena;

struct endpoint {
	const char *name;
	Bh__ApiVerb verb;
	bool put;
	enum { BODY_NONE, BODY_CONFIG, BODY_ELEMENT, BODY_DISK_SIZE, BODY_ID, BODY_ANY,
	    BODY_IGNORED } body;
	const char *option;	/* BODY_ELEMENT */
};

static const struct endpoint endpoints[] = {
	{ "vmm.ping", BH__API_VERB__API_VERB_PING, false, BODY_IGNORED, NULL },
	{ "vmm.shutdown", BH__API_VERB__API_VERB_VMM_SHUTDOWN, true,
	  BODY_IGNORED, NULL },
	{ "vm.info", BH__API_VERB__API_VERB_INFO, false, BODY_IGNORED, NULL },
	{ "vm.counters", BH__API_VERB__API_VERB_COUNTERS, false, BODY_IGNORED,
	  NULL },
	{ "bulkhead.crashes", BH__API_VERB__API_VERB_CRASHES, false,
	  BODY_IGNORED, NULL },
	{ "vm.create", BH__API_VERB__API_VERB_CREATE, true, BODY_CONFIG, NULL },
	{ "vm.delete", BH__API_VERB__API_VERB_DELETE, true, BODY_NONE, NULL },
	{ "vm.boot", BH__API_VERB__API_VERB_BOOT, true, BODY_NONE, NULL },
	{ "vm.pause", BH__API_VERB__API_VERB_PAUSE, true, BODY_NONE, NULL },
	{ "vm.resume", BH__API_VERB__API_VERB_RESUME, true, BODY_NONE, NULL },
	{ "vm.shutdown", BH__API_VERB__API_VERB_SHUTDOWN, true, BODY_NONE,
	  NULL },
	{ "vm.reboot", BH__API_VERB__API_VERB_REBOOT, true, BODY_NONE, NULL },
	{ "vm.power-button", BH__API_VERB__API_VERB_POWER_BUTTON, true,
	  BODY_NONE, NULL },
	{ "vm.nmi", BH__API_VERB__API_VERB_NMI, true, BODY_NONE, NULL },
	{ "vm.resize", BH__API_VERB__API_VERB_RESIZE, true, BODY_ANY, NULL },
	{ "vm.resize-disk", BH__API_VERB__API_VERB_RESIZE_DISK, true,
	  BODY_DISK_SIZE, NULL },
	{ "vm.resize-zone", BH__API_VERB__API_VERB_RESIZE_ZONE, true, BODY_ANY,
	  NULL },
	{ "vm.add-device", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT,
	  "device" },
	{ "vm.add-user-device", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT,
	  "user-device" },
	{ "vm.add-disk", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT,
	  "disk" },
	{ "vm.add-fs", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT, "fs" },
	{ "vm.add-generic-vhost-user", BH__API_VERB__API_VERB_ADD, true,
	  BODY_ELEMENT, "generic-vhost-user" },
	{ "vm.add-pmem", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT,
	  "pmem" },
	{ "vm.add-net", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT, "net" },
	{ "vm.add-vsock", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT,
	  "vsock" },
	{ "vm.add-vdpa", BH__API_VERB__API_VERB_ADD, true, BODY_ELEMENT,
	  "vdpa" },
	{ "vm.remove-device", BH__API_VERB__API_VERB_REMOVE, true, BODY_ID,
	  "remove-device" },
	{ "vm.snapshot", BH__API_VERB__API_VERB_SNAPSHOT, true, BODY_ANY, NULL },
	{ "vm.restore", BH__API_VERB__API_VERB_RESTORE, true, BODY_ANY, NULL },
	{ "vm.coredump", BH__API_VERB__API_VERB_COREDUMP, true, BODY_ANY, NULL },
	{ "vm.send-migration", BH__API_VERB__API_VERB_SEND_MIGRATION, true,
	  BODY_ANY, NULL },
	{ "vm.receive-migration", BH__API_VERB__API_VERB_RECEIVE_MIGRATION,
	  true, BODY_ANY, NULL },
	{ "bulkhead.upgrade-worker", BH__API_VERB__API_VERB_UPGRADE_WORKER,
	  true, BODY_ID, "upgrade-worker" },
};

/* The request that is being built, and where in its JSON we are. */
struct build {
	struct arena *arena;
	struct request_built *out;
	struct request_error *err;
	const struct member *member;
	long index;		/* of a list; -1 */
	Bh__ApiOption *option;
	size_t room;		/* values that fit into option */
};

static void *
json_take(size_t size)
{
	return arena_take(json_arena, size, 1);
}

static void
json_give(void *ptr)
{
	(void)ptr;		/* the arena goes as a whole */
}

void
request_init(struct arena *arena, uint64_t seed)
{
	json_arena = arena;
	json_set_alloc_funcs(json_take, json_give);
	json_object_seed(seed != 0 ? (size_t)seed : 1);
}

static int
refuse(struct request_error *err, unsigned int status, const char *text)
{
	err->status = status;
	err->texts[0] = text;
	err->texts[1] = NULL;
	return -1;
}

static int
too_large(struct build *b)
{
	(void)refuse(b->err, 400, "Failed to deserialize JSON");
	b->err->texts[1] = "the configuration is too large";
	return -1;
}

/* "disks[0].readonly: not a boolean". */
static int
bad(struct build *b, const char *field, const char *what)
{
	const char *name = b->member != NULL ? b->member->json : "";
	char index[24] = "";

	if (b->index >= 0)
		(void)snprintf(index, sizeof(index), "[%ld]", b->index);
	(void)snprintf(b->err->detail, sizeof(b->err->detail), "%s%s%s%.100s: %s",
	    name, index, name[0] != '\0' && field[0] != '\0' ? "." : "", field,
	    what);
	(void)refuse(b->err, 400, "Failed to deserialize JSON");
	b->err->texts[1] = b->err->detail;
	return -1;
}

/* ---- values ---------------------------------------------------------------------- */

static int
begin_option(struct build *b, const char *name, size_t room)
{
	if (b->out->noptions == REQUEST_MAX_OPTIONS)
		return too_large(b);
	b->option = arena_take(b->arena, 1, sizeof(*b->option));
	if (b->option == NULL)
		return too_large(b);
	bh__api_option__init(b->option);
	b->option->option = arena_text(b->arena, name, strlen(name));
	b->option->values = arena_pointers(b->arena, room);
	if (b->option->option == NULL || b->option->values == NULL)
		return too_large(b);
	b->room = room;
	b->out->options[b->out->noptions++] = b->option;
	return 0;
}

static Bh__ApiValue *
add(struct build *b, const char *name)
{
	Bh__ApiValue *v = arena_take(b->arena, 1, sizeof(*v));

	if (v == NULL || b->option->n_values == b->room)
		return NULL;
	bh__api_value__init(v);
	v->name = arena_text(b->arena, name, strlen(name));
	b->option->values[b->option->n_values++] = v;
	return v->name != NULL ? v : NULL;
}

static int
add_flag(struct build *b, const char *name, bool on)
{
	Bh__ApiValue *v = add(b, name);

	if (v == NULL)
		return too_large(b);
	v->value_case = BH__API_VALUE__VALUE_FLAG;
	v->flag = on;
	return 0;
}

static int
add_number(struct build *b, const char *name, uint64_t n)
{
	Bh__ApiValue *v = add(b, name);

	if (v == NULL)
		return too_large(b);
	v->value_case = BH__API_VALUE__VALUE_NUMBER;
	v->number = n;
	return 0;
}

static int
add_text(struct build *b, const char *name, const char *text, size_t len)
{
	Bh__ApiValue *v;
	char *copy;

	/* What may be in a message; the reader would end our life for it. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
		    ((unsigned char)text[i] == 0xc2 && i + 1 < len &&
		    (unsigned char)text[i + 1] < 0xa0))
			return bad(b, name, "a control character");
	if (len > (strcmp(name, "cmdline") == 0 ? 61440u : 4095u))
		return bad(b, name, "too long");
	v = add(b, name);
	copy = arena_text(b->arena, text, len);
	if (v == NULL || copy == NULL)
		return too_large(b);
	if (strcmp(name, "cmdline") == 0) {
		v->value_case = BH__API_VALUE__VALUE_CMDLINE;
		v->cmdline = copy;
	} else {
		v->value_case = BH__API_VALUE__VALUE_TEXT;
		v->text = copy;
	}
	return 0;
}

/* ---- fields --------------------------------------------------------------------- */

static int
take_word(struct build *b, const struct field *f, const json_t *value)
{
	const struct word *w = f->words;
	const char *text = json_string_value(value);

	if (text == NULL)
		return bad(b, f->json, "not a string");
	while (w->json != NULL && strcmp(w->json, text) != 0)
		w++;
	if (w->json == NULL)
		return bad(b, f->json, "unknown variant");
	if (w->name == NULL || (f->plain_text != NULL &&
	    strcmp(f->plain_text, w->name) == 0))
		return 0;
	return add_text(b, schema_name(f), w->name, strlen(w->name));
}

static int
take_topology(struct build *b, const struct field *f, const json_t *value)
{
	static const char *const parts[] = { "threads_per_core",
	    "cores_per_die", "dies_per_package", "packages" };
	json_int_t n[4];
	char text[64];

	if (!json_is_object(value))
		return bad(b, f->json, "not an object");
	for (size_t i = 0; i < 4; i++) {
		const json_t *part = json_object_get(value, parts[i]);

		if (!json_is_integer(part))
			return bad(b, f->json, "four numbers are needed");
		n[i] = json_integer_value(part);
		if (n[i] < 0 || n[i] > UINT16_MAX)
			return bad(b, f->json, "out of range");
	}
	if (json_object_size(value) != 4)
		return bad(b, f->json, "unknown field");
	(void)snprintf(text, sizeof(text), "%lld:%lld:%lld:%lld", n[0], n[1],
	    n[2], n[3]);
	return add_text(b, schema_name(f), text, strlen(text));
}

/* One "0@[1,2]"; returns how far the text came, 0: it is no such. */
static size_t
affinity_item(const json_t *item, char *text, size_t size)
{
	const json_t *who = json_object_get(item, "vcpu");
	const json_t *cpus = json_object_get(item, "host_cpus");
	size_t at;

	if (who == NULL)
		who = json_object_get(item, "queue_index");
	if (!json_is_integer(who) || !json_is_array(cpus) ||
	    json_object_size(item) != 2 || json_integer_value(who) < 0)
		return 0;
	at = (size_t)snprintf(text, size, "%lld@[", json_integer_value(who));
	for (size_t i = 0; i < json_array_size(cpus); i++) {
		const json_t *cpu = json_array_get(cpus, i);

		if (!json_is_integer(cpu) || json_integer_value(cpu) < 0 ||
		    size - at < 32)
			return 0;
		at += (size_t)snprintf(text + at, size - at, "%s%lld",
		    i == 0 ? "" : ",", json_integer_value(cpu));
	}
	if (size - at < 32)
		return 0;
	text[at++] = ']';
	return at;
}

static int
take_affinity(struct build *b, const struct field *f, const json_t *value)
{
	char text[4096];
	size_t at = 0;

	if (!json_is_array(value))
		return bad(b, f->json, "not an array");
	if (json_array_size(value) == 0)
		return 0;
	for (size_t i = 0; i < json_array_size(value); i++) {
		size_t n;

		text[at++] = i == 0 ? '[' : ',';
		n = sizeof(text) - at < 64 ? 0 : affinity_item(
		    json_array_get(value, i), text + at, sizeof(text) - at);
		if (n == 0)
			return bad(b, f->json, "not a list of CPUs, or too long");
		at += n;
	}
	text[at++] = ']';
	return add_text(b, schema_name(f), text, at);
}

static int
take_texts(struct build *b, const struct field *f, const json_t *value)
{
	if (!json_is_array(value))
		return bad(b, f->json, "not an array");
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *t = json_array_get(value, i);

		if (!json_is_string(t))
			return bad(b, f->json, "not an array of strings");
		if (add_text(b, schema_name(f), json_string_value(t),
		    json_string_length(t)) != 0)
			return -1;
	}
	return 0;
}

static int
take_digits(struct build *b, const struct field *f, const json_t *value)
{
	char text[24];

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return bad(b, f->json, "not a number");
	(void)snprintf(text, sizeof(text), "%lld", json_integer_value(value));
	return add_text(b, schema_name(f), text, strlen(text));
}

static int
take_numbers(struct build *b, const struct field *f, const json_t *value)
{
	char text[1024];
	size_t at = 0;

	if (!json_is_array(value))
		return bad(b, f->json, "not an array");
	if (json_array_size(value) == 0)
		return 0;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *n = json_array_get(value, i);

		if (!json_is_integer(n) || json_integer_value(n) < 0 ||
		    sizeof(text) - at < 32)
			return bad(b, f->json, "not a list of numbers, or too "
			    "long");
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%c%lld",
		    i == 0 ? '[' : ',', json_integer_value(n));
	}
	text[at++] = ']';
	return add_text(b, schema_name(f), text, at);
}

static int
take_bucket(struct build *b, const char *kind, const json_t *bucket)
{
	static const char *const parts[] = { "size", "one_time_burst",
	    "refill_time" };
	size_t known = 0;
	char name[32];

	if (json_is_null(bucket))
		return 0;
	if (!json_is_object(bucket))
		return bad(b, "rate_limiter_config", "not a token bucket");
	for (size_t i = 0; i < 3; i++) {
		const json_t *n = json_object_get(bucket, parts[i]);

		known += n != NULL;
		if (n == NULL && i == 1)
			continue;
		if (i == 1 && json_is_null(n))
			continue;
		if (!json_is_integer(n) || json_integer_value(n) < 0)
			return bad(b, "rate_limiter_config", n == NULL ?
			    "a token bucket needs size and refill_time" :
			    "not a number");
		if (json_integer_value(n) == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s_%s", kind, parts[i]);
		if (add_number(b, name, (uint64_t)json_integer_value(n)) != 0)
			return -1;
	}
	if (known != json_object_size(bucket))
		return bad(b, "rate_limiter_config", "unknown field");
	return 0;
}

static int
take_limiter(struct build *b, const json_t *value)
{
	const json_t *bw, *ops;

	if (!json_is_object(value))
		return bad(b, "rate_limiter_config", "not an object");
	bw = json_object_get(value, "bandwidth");
	ops = json_object_get(value, "ops");
	if (json_object_size(value) !=
	    (size_t)(bw != NULL) + (size_t)(ops != NULL))
		return bad(b, "rate_limiter_config", "unknown field");
	if (bw != NULL && take_bucket(b, "bw", bw) != 0)
		return -1;
	return ops != NULL ? take_bucket(b, "ops", ops) : 0;
}

/* A mode and the file or socket beside it: one value, as on the command line. */
static int
take_mode(struct build *b, const struct field *f, const json_t *object,
    const json_t *value)
{
	const struct word *w = f->words;
	const char *text = json_string_value(value);
	const json_t *path;

	if (text == NULL)
		return bad(b, f->json, "not a string");
	while (w->json != NULL && strcmp(w->json, text) != 0)
		w++;
	if (w->json == NULL)
		return bad(b, f->json, "unknown variant");
	if (strcmp(w->name, "file") != 0 && strcmp(w->name, "socket") != 0)
		return strcmp(w->name, f->plain_text) == 0 ? 0 :
		    add_flag(b, w->name, true);
	path = json_object_get(object, w->name);
	if (!json_is_string(path))
		return bad(b, w->name, "missing; the mode needs it");
	return add_text(b, w->name, json_string_value(path),
	    json_string_length(path));
}

/* Does it say nothing, whatever it is called? */
static bool
is_nothing(const json_t *value)
{
	if (json_is_null(value) || json_is_false(value))
		return true;
	if (json_is_object(value)) {
		const char *key;
		json_t *v, *rest;

		/* {"amx": false}; no deeper */
		union { const json_t *in; json_t *out; } u = { .in = value };

		rest = u.out;
		json_object_foreach(rest, key, v)
			if (!json_is_null(v) && !json_is_false(v))
				return false;
		return true;
	}
	return json_is_array(value) && json_array_size(value) == 0;
}

static int
take_number(struct build *b, const struct field *f, const json_t *value)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value))
		return bad(b, f->json, "not a whole number");
	if (n < 0)
		return bad(b, f->json, "negative");
	if (n == f->plain && !f->required)
		return 0;
	return add_number(b, schema_name(f), (uint64_t)n);
}

static int
take_field(struct build *b, const struct field *f, const json_t *object,
    const json_t *value)
{
	if (json_is_null(value) && !f->required)
		return 0;
	switch (f->type) {
	case FIELD_BOOL:
		if (!json_is_boolean(value))
			return bad(b, f->json, "not a boolean");
		return json_is_true(value) == (f->plain != 0) ? 0 :
		    add_flag(b, schema_name(f), json_is_true(value));
	case FIELD_NUMBER:
		return take_number(b, f, value);
	case FIELD_TEXT:
		if (!json_is_string(value))
			return bad(b, f->json, "not a string");
		return add_text(b, schema_name(f), json_string_value(value),
		    json_string_length(value));
	case FIELD_WORD:
		return take_word(b, f, value);
	case FIELD_TOPOLOGY:
		return take_topology(b, f, value);
	case FIELD_AFFINITY:
		return take_affinity(b, f, value);
	case FIELD_TEXTS:
		return take_texts(b, f, value);
	case FIELD_DIGITS:
		return take_digits(b, f, value);
	case FIELD_NUMBERS:
		return take_numbers(b, f, value);
	case FIELD_LIMITER:
		return take_limiter(b, value);
	case FIELD_MODE:
		return take_mode(b, f, object, value);
	case FIELD_MODE_PATH:
		return json_is_string(value) ? 0 :
		    bad(b, f->json, "not a string");
	case FIELD_FDS:
		return json_is_array(value) ? 0 :
		    bad(b, f->json, "not an array");
	case FIELD_OTHER:
		if (f->plain != 0 ? !json_is_array(value) :
		    !json_is_object(value))
			return bad(b, f->json, f->plain != 0 ? "not an array" :
			    "not an object");
		return is_nothing(value) ? 0 : add_flag(b, schema_name(f), true);
	}
	return -1;
}

/* A field that is in no table: nothing is lost by ignoring what says nothing. */
static int
take_unknown(struct build *b, const char *key, const json_t *value)
{
	if (is_nothing(value))
		return 0;
	return bad(b, key, "unknown field");
}

static int
take_object(struct build *b, const json_t *object)
{
	const struct member *m = b->member;
	union { const json_t *in; json_t *out; } u = { .in = object };
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return bad(b, "", "not an object");
	for (unsigned int i = 0; i < m->nfields; i++)
		if (m->fields[i].required &&
		    json_object_get(object, m->fields[i].json) == NULL)
			return bad(b, m->fields[i].json, "missing field");
	if (begin_option(b, m->option, 64) != 0)
		return -1;
	json_object_foreach(u.out, key, value) {
		const struct field *f = NULL;

		for (unsigned int i = 0; i < m->nfields; i++)
			if (strcmp(m->fields[i].json, key) == 0)
				f = &m->fields[i];
		if ((f != NULL ? take_field(b, f, object, value) :
		    take_unknown(b, key, value)) != 0)
			return -1;
	}
	return 0;
}

/* Each of these is an option by itself. */
static int
take_payload(struct build *b, const json_t *object)
{
	const struct member *m = b->member;
	union { const json_t *in; json_t *out; } u = { .in = object };
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return bad(b, "", "not an object");
	json_object_foreach(u.out, key, value) {
		const struct field *f = NULL;

		for (unsigned int i = 0; i < m->nfields; i++)
			if (strcmp(m->fields[i].json, key) == 0)
				f = &m->fields[i];
		if (f == NULL) {
			if (take_unknown(b, key, value) != 0)
				return -1;
			continue;
		}
		if (json_is_null(value))
			continue;
		if (begin_option(b, schema_name(f), 1) != 0 ||
		    take_field(b, f, object, value) != 0)
			return -1;
	}
	return 0;
}

/* One that the controller does not have yet goes there by its name. */
static int
take_bare(struct build *b, const json_t *value)
{
	if (b->member->flag && !json_is_boolean(value))
		return bad(b, "", "not a boolean");
	if (b->member->list && !json_is_array(value))
		return bad(b, "", "not an array");
	if (!b->member->flag && !b->member->list && !json_is_object(value) &&
	    !json_is_boolean(value))
		return bad(b, "", "not an object");
	return is_nothing(value) ? 0 : begin_option(b, b->member->option, 1);
}

static int
take_list(struct build *b, const json_t *list)
{
	if (!json_is_array(list))
		return bad(b, "", "not an array");
	for (size_t i = 0; i < json_array_size(list); i++) {
		b->index = (long)i;
		if (take_object(b, json_array_get(list, i)) != 0)
			return -1;
	}
	b->index = -1;
	return 0;
}

static int
take_config(struct build *b, json_t *root)
{
	const char *key;
	json_t *value;

	if (!json_is_object(root))
		return bad(b, "", "not an object");
	json_object_foreach(root, key, value) {
		b->member = NULL;
		for (unsigned int i = 0; i < schema_nmembers; i++)
			if (strcmp(schema_members[i].json, key) == 0)
				b->member = &schema_members[i];
		if (b->member == NULL) {
			if (take_unknown(b, key, value) != 0)
				return -1;
			continue;
		}
		if (json_is_null(value))
			continue;
		if (b->member->nfields == 0 ? take_bare(b, value) != 0 :
		    b->member->list ? take_list(b, value) != 0 :
		    strcmp(b->member->option, "payload") == 0 ?
		    take_payload(b, value) != 0 : take_object(b, value) != 0)
			return -1;
	}
	return 0;
}

/* ---- bodies ---------------------------------------------------------------------- */

/* The library's parser recurses; this one counts. */
static bool
too_deep(const uint8_t *body, size_t len)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (body[i] == '\\')
				i++;
			else if (body[i] == '"')
				in_string = false;
		} else if (body[i] == '"') {
			in_string = true;
		} else if (body[i] == '[' || body[i] == '{') {
			if (++depth > REQUEST_MAX_DEPTH)
				return true;
		} else if ((body[i] == ']' || body[i] == '}') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static int
take_disk_size(struct build *b, const json_t *root)
{
	const json_t *id = json_object_get(root, "id");
	const json_t *size = json_object_get(root, "desired_size");

	if (!json_is_string(id))
		return bad(b, "id", id == NULL ? "missing field" :
		    "not a string");
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return bad(b, "desired_size", size == NULL ? "missing field" :
		    "not a number of bytes");
	if (begin_option(b, "resize-disk", 2) != 0 ||
	    add_text(b, "id", json_string_value(id),
	    json_string_length(id)) != 0)
		return -1;
	return add_number(b, "size", (uint64_t)json_integer_value(size));
}

static int
take_id(struct build *b, const json_t *root, const char *option)
{
	const json_t *id = json_object_get(root, "id");

	if (!json_is_string(id))
		return bad(b, "id", id == NULL ? "missing field" :
		    "not a string");
	if (begin_option(b, option, 1) != 0)
		return -1;
	return add_text(b, "id", json_string_value(id),
	    json_string_length(id));
}

static int
take_body(struct build *b, const struct endpoint *e, const uint8_t *body,
    size_t len)
{
	json_error_t error;
	json_t *root;

	if (too_deep(body, len))
		return bad(b, "", "nested too deeply");
	root = json_loadb((const char *)body, len, JSON_REJECT_DUPLICATES |
	    JSON_DECODE_ANY, &error);
	if (root == NULL) {
		char where[230];

		(void)snprintf(where, sizeof(where), "line %d column %d: %.160s",
		    error.line, error.column, error.text);
		/* It may quote the body. */
		for (char *c = where; *c != '\0'; c++)
			if (*c < 0x20 || *c == 0x7f)
				*c = '?';
		return bad(b, "", where);
	}
	if (e->body == BODY_CONFIG)
		return take_config(b, root);
	if (!json_is_object(root))
		return bad(b, "", "not an object");
	if (e->body == BODY_DISK_SIZE)
		return take_disk_size(b, root);
	if (e->body == BODY_ID)
		return take_id(b, root, e->option);
	if (e->body != BODY_ELEMENT)
		return 0;
	b->member = schema_member_of(e->option);
	if (b->member == NULL)
		return refuse(b->err, 500, "Internal Server Error");
	return b->member->nfields == 0 ?
	    begin_option(b, b->member->option, 1) : take_object(b, root);
}

int
request_build(struct arena *arena, bool put, const char *url,
    const uint8_t *body, size_t len, struct request_built *out,
    struct request_error *err)
{
	struct build b = { .arena = arena, .out = out, .err = err, .index = -1 };
	const struct endpoint *e = NULL;
	size_t n = strcspn(url, "?#");

	*out = (struct request_built){ .noptions = 0 };
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
		if (n == strlen(ROOT) + strlen(endpoints[i].name) &&
		    strncmp(url, ROOT, strlen(ROOT)) == 0 &&
		    strncmp(url + strlen(ROOT), endpoints[i].name,
		    n - strlen(ROOT)) == 0)
			e = &endpoints[i];
	if (e == NULL)
		return refuse(err, 404, "Not Found");
	if (put != e->put || (e->body == BODY_NONE && len > 0) ||
	    (e->body != BODY_NONE && e->body != BODY_IGNORED && len == 0))
		return refuse(err, 400, "Bad Request");
	out->verb = e->verb;
	out->options = arena_pointers(arena, REQUEST_MAX_OPTIONS);
	if (out->options == NULL)
		return too_large(&b);
	if (e->body == BODY_NONE || e->body == BODY_IGNORED)
		return 0;
	return take_body(&b, e, body, len);
}
