// SPDX-License-Identifier: Apache-2.0
//
// Requests, see request.h: which there are, and their bodies. Single values are
// fields.c's; what is wrong with one is the controller's to say.
#include "controller/api/request.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "controller/api/fields.h"
#include "controller/api/schema.h"

#define ROOT "/api/v1/"

/* What the JSON library allocates from: it has no argument to pass. */
static struct arena *json_arena;

struct endpoint {
	const char *name;
	Bh__ApiVerb verb;
	bool put;
	enum { BODY_NONE, BODY_CONFIG, BODY_ELEMENT, BODY_DISK_SIZE, BODY_SIZES,
	    BODY_ZONE_SIZE, BODY_ID, BODY_URL, BODY_ANY, BODY_IGNORED } body;
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
	{ "bulkhead.boot-timeline", BH__API_VERB__API_VERB_TIMELINE, false,
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
	{ "vm.resize", BH__API_VERB__API_VERB_RESIZE, true, BODY_SIZES, NULL },
	{ "vm.resize-disk", BH__API_VERB__API_VERB_RESIZE_DISK, true,
	  BODY_DISK_SIZE, NULL },
	{ "vm.resize-zone", BH__API_VERB__API_VERB_RESIZE_ZONE, true,
	  BODY_ZONE_SIZE, NULL },
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
	{ "vm.snapshot", BH__API_VERB__API_VERB_SNAPSHOT, true, BODY_URL,
	  "destination_url" },
	{ "vm.restore", BH__API_VERB__API_VERB_RESTORE, true, BODY_URL,
	  "source_url" },
	{ "vm.coredump", BH__API_VERB__API_VERB_COREDUMP, true, BODY_ANY, NULL },
	{ "vm.send-migration", BH__API_VERB__API_VERB_SEND_MIGRATION, true,
	  BODY_ANY, NULL },
	{ "vm.receive-migration", BH__API_VERB__API_VERB_RECEIVE_MIGRATION,
	  true, BODY_ANY, NULL },
	{ "bulkhead.upgrade-worker", BH__API_VERB__API_VERB_UPGRADE_WORKER,
	  true, BODY_ID, "upgrade-worker" },
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

/* ---- objects ------------------------------------------------------------------- */

/* A field that is in no table: nothing is lost by ignoring what says nothing. */
static int
take_unknown(struct build *b, const char *key, const json_t *value)
{
	if (fields_say_nothing(value))
		return 0;
	return fields_bad(b, key, "unknown field");
}

static int
take_object(struct build *b, const json_t *object)
{
	const struct member *m = b->member;
	union { const json_t *in; json_t *out; } u = { .in = object };
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return fields_bad(b, "", "not an object");
	for (unsigned int i = 0; i < m->nfields; i++)
		if (m->fields[i].required &&
		    json_object_get(object, m->fields[i].json) == NULL)
			return fields_bad(b, m->fields[i].json, "missing field");
	if (fields_option(b, m->option, 64) != 0)
		return -1;
	json_object_foreach(u.out, key, value) {
		const struct field *f = NULL;

		for (unsigned int i = 0; i < m->nfields; i++)
			if (strcmp(m->fields[i].json, key) == 0)
				f = &m->fields[i];
		if ((f != NULL ? fields_take(b, f, object, value) :
		    take_unknown(b, key, value)) != 0)
			return -1;
	}
	return 0;
}

/* Two members may say the same: an older form, and the newer. */
static bool
is_given(const struct build *b, const char *option)
{
	for (size_t i = 0; i < b->out->noptions; i++)
		if (strcmp(b->out->options[i]->option, option) == 0)
			return true;
	return false;
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
		return fields_bad(b, "", "not an object");
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
		if (is_given(b, schema_name(f)))
			return fields_bad(b, key, "given twice");
		if (fields_option(b, schema_name(f), 1) != 0 ||
		    fields_take(b, f, object, value) != 0)
			return -1;
	}
	return 0;
}

/* One that the controller does not have yet goes there by its name. */
static int
take_bare(struct build *b, const json_t *value)
{
	if (b->member->flag && !json_is_boolean(value))
		return fields_bad(b, "", "not a boolean");
	if (b->member->list && !json_is_array(value))
		return fields_bad(b, "", "not an array");
	if (!b->member->flag && !b->member->list && !json_is_object(value) &&
	    !json_is_boolean(value))
		return fields_bad(b, "", "not an object");
	return fields_say_nothing(value) ? 0 : fields_option(b, b->member->option, 1);
}

static int
take_list(struct build *b, const json_t *list)
{
	if (!json_is_array(list))
		return fields_bad(b, "", "not an array");
	for (size_t i = 0; i < json_array_size(list); i++) {
		b->index = (long)i;
		if (take_object(b, json_array_get(list, i)) != 0)
			return -1;
	}
	b->index = -1;
	return 0;
}

/* Lists that @value, of b->member, has within it: options of their own. */
static int
take_inner(struct build *b, const json_t *value)
{
	const struct member *m = b->member;

	for (unsigned int i = 0; i < m->nfields; i++) {
		const json_t *list = json_object_get(value, m->fields[i].json);

		if (m->fields[i].type != FIELD_LIST || list == NULL ||
		    json_is_null(list))
			continue;
		b->member = schema_member_of(schema_name(&m->fields[i]));
		if (b->member == NULL || take_list(b, list) != 0)
			return -1;
	}
	return 0;
}

static int
take_config(struct build *b, json_t *root)
{
	const char *key;
	json_t *value;

	if (!json_is_object(root))
		return fields_bad(b, "", "not an object");
	json_object_foreach(root, key, value) {
		b->member = NULL;
		for (unsigned int i = 0; i < schema_nmembers; i++)
			if (!schema_members[i].within &&
			    strcmp(schema_members[i].json, key) == 0)
				b->member = &schema_members[i];
		if (b->member == NULL) {
			if (take_unknown(b, key, value) != 0)
				return -1;
			continue;
		}
		if (json_is_null(value))
			continue;
		if (b->member->nfields == 0 || (b->member->flag &&
		    !json_is_object(value)) ? take_bare(b, value) != 0 :
		    b->member->list ? take_list(b, value) != 0 :
		    strcmp(b->member->option, "payload") == 0 ?
		    take_payload(b, value) != 0 : take_object(b, value) != 0 ||
		    take_inner(b, value) != 0)
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

/* @field: the size's name in JSON. */
static int
take_id_size(struct build *b, const json_t *root, const char *option,
    const char *field)
{
	const json_t *id = json_object_get(root, "id");
	const json_t *size = json_object_get(root, field);

	if (!json_is_string(id))
		return fields_bad(b, "id", id == NULL ? "missing field" :
		    "not a string");
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return fields_bad(b, field, size == NULL ? "missing field" :
		    "not a number of bytes");
	if (fields_option(b, option, 2) != 0 ||
	    fields_add_text(b, "id", json_string_value(id),
	    json_string_length(id)) != 0)
		return -1;
	return fields_add_number(b, "size", (uint64_t)json_integer_value(size));
}

/* vm.resize: what is not named stays as it is. */
static int
take_sizes(struct build *b, const json_t *root)
{
	static const struct { const char *json, *name; } sizes[] = {
		{ "desired_vcpus", "cpus" }, { "desired_ram", "memory" },
		{ "desired_balloon", "balloon" },
	};

	if (fields_option(b, "resize", 3) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const json_t *n = json_object_get(root, sizes[i].json);

		if (n == NULL || json_is_null(n))
			continue;
		if (!json_is_integer(n) || json_integer_value(n) < 0)
			return fields_bad(b, sizes[i].json, "not a number");
		if (fields_add_number(b, sizes[i].name,
		    (uint64_t)json_integer_value(n)) != 0)
			return -1;
	}
	return 0;
}

static int
take_id(struct build *b, const json_t *root, const char *option)
{
	const json_t *id = json_object_get(root, "id");
	const json_t *force = json_object_get(root, "force");

	if (!json_is_string(id))
		return fields_bad(b, "id", id == NULL ? "missing field" :
		    "not a string");
	if (fields_option(b, option, 2) != 0)
		return -1;
	/* Of vm.remove-device: it is taken from the guest, ready or not. */
	if (force != NULL && !json_is_boolean(force))
		return fields_bad(b, "force", "not a boolean");
	if (json_is_true(force) && fields_add_number(b, "force", 1) != 0)
		return -1;
	return fields_add_text(b, "id", json_string_value(id),
	    json_string_length(id));
}

/* vm.snapshot and vm.restore: @key is where the snapshot is. */
static int
take_url(struct build *b, json_t *root, const char *key)
{
	const char *name;
	json_t *value, *url = json_object_get(root, key);

	if (!json_is_string(url))
		return fields_bad(b, key, url == NULL ? "missing field" :
		    "not a string");
	if (fields_option(b, key, 2) != 0 || fields_add_text(b, key,
	    json_string_value(url), json_string_length(url)) != 0)
		return -1;
	json_object_foreach(root, name, value) {
		bool mode = strcmp(name, "memory_restore_mode") == 0;

		if (strcmp(name, key) == 0 || fields_say_nothing(value) ||
		    (mode && json_is_string(value) &&
		    strcmp(json_string_value(value), "Copy") == 0))
			continue;
		if (strcmp(name, "resume") != 0)
			return fields_bad(b, name, "not supported yet");
		if (!json_is_true(value))
			return fields_bad(b, name, "not a boolean");
		if (fields_add_number(b, name, 1) != 0)
			return -1;
	}
	return 0;
}

static int
take_body(struct build *b, const struct endpoint *e, const uint8_t *body,
    size_t len)
{
	json_error_t error;
	json_t *root;

	if (too_deep(body, len))
		return fields_bad(b, "", "nested too deeply");
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
		return fields_bad(b, "", where);
	}
	if (e->body == BODY_CONFIG)
		return take_config(b, root);
	if (!json_is_object(root))
		return fields_bad(b, "", "not an object");
	if (e->body == BODY_DISK_SIZE)
		return take_id_size(b, root, "resize-disk", "desired_size");
	if (e->body == BODY_ZONE_SIZE)
		return take_id_size(b, root, "resize-zone", "desired_ram");
	if (e->body == BODY_SIZES)
		return take_sizes(b, root);
	if (e->body == BODY_ID)
		return take_id(b, root, e->option);
	if (e->body == BODY_URL)
		return take_url(b, root, e->option);
	if (e->body != BODY_ELEMENT)
		return 0;
	b->member = schema_member_of(e->option);
	if (b->member == NULL)
		return fields_refuse(b->err, 500, "Internal Server Error");
	return b->member->nfields == 0 ?
	    fields_option(b, b->member->option, 1) : take_object(b, root);
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
		return fields_refuse(err, 404, "Not Found");
	if (put != e->put || (e->body == BODY_NONE && len > 0) ||
	    (e->body != BODY_NONE && e->body != BODY_IGNORED && len == 0))
		return fields_refuse(err, 400, "Bad Request");
	out->verb = e->verb;
	out->options = arena_pointers(arena, REQUEST_MAX_OPTIONS);
	if (out->options == NULL)
		return fields_too_large(&b);
	if (e->body == BODY_NONE || e->body == BODY_IGNORED)
		return 0;
	return take_body(&b, e, body, len);
}
