// SPDX-License-Identifier: Apache-2.0
//
// Values of JSON as values of options, see fields.h. What is wrong is said by the
// field's path in the JSON.
#include "controller/api/fields.h"

#include <stdio.h>
#include <string.h>

#include "controller/api/schema.h"

int
fields_refuse(struct request_error *err, unsigned int status, const char *text)
{
	err->status = status;
	err->texts[0] = text;
	err->texts[1] = NULL;
	return -1;
}

int
fields_too_large(struct build *b)
{
	(void)fields_refuse(b->err, 400, "Failed to deserialize JSON");
	b->err->texts[1] = "the configuration is too large";
	return -1;
}

/* "disks[0].readonly: not a boolean". */
int
fields_bad(struct build *b, const char *field, const char *what)
{
	const char *name = b->member != NULL ? b->member->json : "";
	char index[24] = "";

	if (b->index >= 0)
		(void)snprintf(index, sizeof(index), "[%ld]", b->index);
	(void)snprintf(b->err->detail, sizeof(b->err->detail), "%s%s%s%.100s: %s",
	    name, index, name[0] != '\0' && field[0] != '\0' ? "." : "", field,
	    what);
	(void)fields_refuse(b->err, 400, "Failed to deserialize JSON");
	b->err->texts[1] = b->err->detail;
	return -1;
}

/* ---- values ---------------------------------------------------------------------- */

int
fields_option(struct build *b, const char *name, size_t room)
{
	if (b->out->noptions == REQUEST_MAX_OPTIONS)
		return fields_too_large(b);
	b->option = arena_take(b->arena, 1, sizeof(*b->option));
	if (b->option == NULL)
		return fields_too_large(b);
	bh__api_option__init(b->option);
	b->option->option = arena_text(b->arena, name, strlen(name));
	b->option->values = arena_pointers(b->arena, room);
	if (b->option->option == NULL || b->option->values == NULL)
		return fields_too_large(b);
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
		return fields_too_large(b);
	v->value_case = BH__API_VALUE__VALUE_FLAG;
	v->flag = on;
	return 0;
}

int
fields_add_number(struct build *b, const char *name, uint64_t n)
{
	Bh__ApiValue *v = add(b, name);

	if (v == NULL)
		return fields_too_large(b);
	v->value_case = BH__API_VALUE__VALUE_NUMBER;
	v->number = n;
	return 0;
}

int
fields_add_text(struct build *b, const char *name, const char *text, size_t len)
{
	Bh__ApiValue *v;
	char *copy;

	/* What may be in a message; the reader would end our life for it. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
		    ((unsigned char)text[i] == 0xc2 && i + 1 < len &&
		    (unsigned char)text[i + 1] < 0xa0))
			return fields_bad(b, name, "a control character");
	if (len > (strcmp(name, "cmdline") == 0 ? 61440u : 4095u))
		return fields_bad(b, name, "too long");
	v = add(b, name);
	copy = arena_text(b->arena, text, len);
	if (v == NULL || copy == NULL)
		return fields_too_large(b);
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
		return fields_bad(b, f->json, "not a string");
	while (w->json != NULL && strcmp(w->json, text) != 0)
		w++;
	if (w->json == NULL)
		return fields_bad(b, f->json, "unknown variant");
	if (w->name == NULL || (f->plain_text != NULL &&
	    strcmp(f->plain_text, w->name) == 0))
		return 0;
	return fields_add_text(b, schema_name(f), w->name, strlen(w->name));
}

static int
take_topology(struct build *b, const struct field *f, const json_t *value)
{
	static const char *const parts[] = { "threads_per_core",
	    "cores_per_die", "dies_per_package", "packages" };
	json_int_t n[4];
	char text[64];

	if (!json_is_object(value))
		return fields_bad(b, f->json, "not an object");
	for (size_t i = 0; i < 4; i++) {
		const json_t *part = json_object_get(value, parts[i]);

		if (!json_is_integer(part))
			return fields_bad(b, f->json, "four numbers are needed");
		n[i] = json_integer_value(part);
		if (n[i] < 0 || n[i] > UINT16_MAX)
			return fields_bad(b, f->json, "out of range");
	}
	if (json_object_size(value) != 4)
		return fields_bad(b, f->json, "unknown field");
	(void)snprintf(text, sizeof(text), "%lld:%lld:%lld:%lld", n[0], n[1],
	    n[2], n[3]);
	return fields_add_text(b, schema_name(f), text, strlen(text));
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
		return fields_bad(b, f->json, "not an array");
	if (json_array_size(value) == 0)
		return 0;
	for (size_t i = 0; i < json_array_size(value); i++) {
		size_t n;

		text[at++] = i == 0 ? '[' : ',';
		n = sizeof(text) - at < 64 ? 0 : affinity_item(
		    json_array_get(value, i), text + at, sizeof(text) - at);
		if (n == 0)
			return fields_bad(b, f->json, "not a list of CPUs, or too long");
		at += n;
	}
	text[at++] = ']';
	return fields_add_text(b, schema_name(f), text, at);
}

static int
take_texts(struct build *b, const struct field *f, const json_t *value)
{
	if (!json_is_array(value))
		return fields_bad(b, f->json, "not an array");
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *t = json_array_get(value, i);

		if (!json_is_string(t))
			return fields_bad(b, f->json, "not an array of strings");
		if (fields_add_text(b, schema_name(f), json_string_value(t),
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
		return fields_bad(b, f->json, "not a number");
	(void)snprintf(text, sizeof(text), "%lld", json_integer_value(value));
	return fields_add_text(b, schema_name(f), text, strlen(text));
}

static int
take_numbers(struct build *b, const struct field *f, const json_t *value)
{
	char text[4096];
	size_t at = 0;

	if (!json_is_array(value))
		return fields_bad(b, f->json, "not an array");
	if (json_array_size(value) == 0)
		return 0;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *n = json_array_get(value, i);

		if (!json_is_integer(n) || json_integer_value(n) < 0 ||
		    sizeof(text) - at < 32)
			return fields_bad(b, f->json, "not a list of numbers, or too "
			    "long");
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%c%lld",
		    i == 0 ? '[' : ',', json_integer_value(n));
	}
	text[at++] = ']';
	return fields_add_text(b, schema_name(f), text, at);
}

static int
take_distances(struct build *b, const struct field *f, const json_t *value)
{
	char text[4096];
	size_t at = 0;

	if (!json_is_array(value))
		return fields_bad(b, f->json, "not an array");
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *item = json_array_get(value, i);
		const json_t *to = json_object_get(item, "destination");
		const json_t *n = json_object_get(item, "distance");

		if (!json_is_integer(to) || !json_is_integer(n) ||
		    json_object_size(item) != 2 || json_integer_value(to) < 0 ||
		    json_integer_value(n) < 0 || sizeof(text) - at < 64)
			return fields_bad(b, f->json, "not a list of destination and "
			    "distance, or too long");
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%c%lld@%lld",
		    i == 0 ? '[' : ',', json_integer_value(to),
		    json_integer_value(n));
	}
	if (at == 0)
		return 0;
	text[at++] = ']';
	return fields_add_text(b, schema_name(f), text, at);
}

/*
 * Numbers of another process say nothing, and are ignored, as Cloud Hypervisor's are;
 * "fd=#0" is the first fd of this request.
 */
static int
take_fds(struct build *b, const struct field *f, const json_t *value)
{
	char text[256];
	size_t at = 0, words = 0, n = json_array_size(value);

	if (!json_is_array(value))
		return fields_bad(b, f->json, "not an array");
	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_array_get(value, i));

		if (word == NULL && json_is_integer(json_array_get(value, i)))
			continue;
		if (word == NULL || strncmp(word, "fd=#", 4) != 0 ||
		    strspn(word + 4, "0123456789") != strlen(word + 4) ||
		    strlen(word) > 6 || word[4] == '\0' ||
		    sizeof(text) - at < 8)
			return fields_bad(b, f->json, "not a list of fd=#0 and so on");
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%c%s",
		    words++ == 0 ? '[' : ',', word + 3);
	}
	if (words == 0)
		return 0;
	if (words != n)
		return fields_bad(b, f->json, "numbers, and fds of the request");
	text[at++] = ']';
	return fields_add_text(b, schema_name(f), text, at);
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
		return fields_bad(b, "rate_limiter_config", "not a token bucket");
	for (size_t i = 0; i < 3; i++) {
		const json_t *n = json_object_get(bucket, parts[i]);

		known += n != NULL;
		if (n == NULL && i == 1)
			continue;
		if (i == 1 && json_is_null(n))
			continue;
		if (!json_is_integer(n) || json_integer_value(n) < 0)
			return fields_bad(b, "rate_limiter_config", n == NULL ?
			    "a token bucket needs size and refill_time" :
			    "not a number");
		if (json_integer_value(n) == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s_%s", kind, parts[i]);
		if (fields_add_number(b, name, (uint64_t)json_integer_value(n)) != 0)
			return -1;
	}
	if (known != json_object_size(bucket))
		return fields_bad(b, "rate_limiter_config", "unknown field");
	return 0;
}

static int
take_limiter(struct build *b, const json_t *value)
{
	const json_t *bw, *ops;

	if (!json_is_object(value))
		return fields_bad(b, "rate_limiter_config", "not an object");
	bw = json_object_get(value, "bandwidth");
	ops = json_object_get(value, "ops");
	if (json_object_size(value) !=
	    (size_t)(bw != NULL) + (size_t)(ops != NULL))
		return fields_bad(b, "rate_limiter_config", "unknown field");
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
		return fields_bad(b, f->json, "not a string");
	while (w->json != NULL && strcmp(w->json, text) != 0)
		w++;
	if (w->json == NULL)
		return fields_bad(b, f->json, "unknown variant");
	if (strcmp(w->name, "file") != 0 && strcmp(w->name, "socket") != 0)
		return strcmp(w->name, f->plain_text) == 0 ? 0 :
		    add_flag(b, w->name, true);
	path = json_object_get(object, w->name);
	if (!json_is_string(path))
		return fields_bad(b, w->name, "missing; the mode needs it");
	return fields_add_text(b, w->name, json_string_value(path),
	    json_string_length(path));
}

/* Does it say nothing, whatever it is called? */
bool
fields_say_nothing(const json_t *value)
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
		return fields_bad(b, f->json, "not a whole number");
	if (n < 0)
		return fields_bad(b, f->json, "negative");
	if (n == f->plain && !f->required)
		return 0;
	return fields_add_number(b, schema_name(f), (uint64_t)n);
}

int
fields_take(struct build *b, const struct field *f, const json_t *object,
    const json_t *value)
{
	if (json_is_null(value) && !f->required)
		return 0;
	switch (f->type) {
	case FIELD_BOOL:
		if (!json_is_boolean(value))
			return fields_bad(b, f->json, "not a boolean");
		return json_is_true(value) == (f->plain != 0) ? 0 :
		    add_flag(b, schema_name(f), json_is_true(value));
	case FIELD_NUMBER:
		return take_number(b, f, value);
	case FIELD_TEXT:
		if (!json_is_string(value))
			return fields_bad(b, f->json, "not a string");
		return fields_add_text(b, schema_name(f), json_string_value(value),
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
	case FIELD_DISTANCES:
		return take_distances(b, f, value);
	case FIELD_LIST:	/* request.c takes its elements */
		return json_is_array(value) ? 0 :
		    fields_bad(b, f->json, "not an array");
	case FIELD_LIMITER:
		return take_limiter(b, value);
	case FIELD_MODE:
		return take_mode(b, f, object, value);
	case FIELD_MODE_PATH:
		return json_is_string(value) ? 0 :
		    fields_bad(b, f->json, "not a string");
	case FIELD_FDS:
		return take_fds(b, f, value);
	case FIELD_OTHER:
		if (f->plain != 0 ? !json_is_array(value) :
		    !json_is_object(value))
			return fields_bad(b, f->json, f->plain != 0 ? "not an array" :
			    "not an object");
		return fields_say_nothing(value) ? 0 : add_flag(b, schema_name(f), true);
	}
	return -1;
}
