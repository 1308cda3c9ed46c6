// SPDX-License-Identifier: Apache-2.0
//
// The walk over the arguments: finds each option's row and hands its value on.
// Help is in options_help.c, the rows in option_table.c.
#include "controller/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/usage.h"
#include "controller/values.h"

struct walk {
	struct vm_spec *spec;
	int argc;
	char *const *argv;
	int at;			/* the argument that is being read */
	int result;
	struct spec_error *err;
};

const struct option_row *
options_find(const char *name, size_t len)
{
	struct span s = { .at = name, .len = len };

	for (unsigned int i = 0; i < option_nrows; i++)
		if (span_is(s, option_rows[i].name))
			return &option_rows[i];
	return NULL;
}

/* Letters that differ, by place and length: enough to catch a slip. */
static size_t
difference(struct span s, const char *name)
{
	size_t n = strlen(name), same_start = 0, same_end = 0;
	size_t shorter = s.len < n ? s.len : n;
	size_t longer = s.len < n ? n : s.len;

	while (same_start < shorter && s.at[same_start] == name[same_start])
		same_start++;
	while (same_end < shorter - same_start &&
	    s.at[s.len - 1 - same_end] == name[n - 1 - same_end])
		same_end++;
	return longer - same_start - same_end;
}

static int
unknown(struct walk *w, struct span name)
{
	const char *best = NULL;
	size_t least = 3;

	for (unsigned int i = 0; i < option_nrows; i++) {
		size_t d = difference(name, option_rows[i].name);

		if (d < least && d < strlen(option_rows[i].name)) {
			least = d;
			best = option_rows[i].name;
		}
	}
	if (best != NULL)
		return usage(w->err, "--%S: unknown option; did you mean --%s?",
		    &name, best);
	return usage(w->err, "--%S: unknown option; see bulkhead --help", &name);
}

/* Is the next argument a value, and not an option? */
static bool
value_follows(const struct walk *w)
{
	return w->at + 1 < w->argc && w->argv[w->at + 1][0] != '-';
}

int
options_string(struct vm_spec *spec, const struct option_row *row,
    const char *value, struct spec_error *err)
{
	struct span s = span_of(value);
	bool cmdline = row->offset ==
	    offsetof(struct vm_spec, payload.cmdline);
	/* The command line travels in one packet with the rest. */
	size_t most = cmdline ? 61440 : 4095;
	char *text;

	if (s.len == 0 && !cmdline)
		return usage(err, "--%s: value missing; write --%s %s",
		    row->name, row->name, row->meta);
	if (!value_printable(s))
		return usage(err, "--%s %S: not printable UTF-8; use other "
		    "characters", row->name, &s);
	if (s.len > most)
		return usage(err, "--%s %S: too long; at most %l bytes",
		    row->name, &s, (uint64_t)most);
	text = spec_text(spec, value, s.len);
	if (text == NULL)
		return -ENOMEM;
	*(const char **)(void *)((uint8_t *)spec + row->offset) = text;
	return 0;
}

static int
take_word(struct walk *w, const struct option_row *row, const char *value)
{
	struct span s = span_of(value);

	for (uint32_t i = 0; row->words[i] != NULL; i++)
		if (strcmp(value, row->words[i]) == 0) {
			*(uint32_t *)(void *)((uint8_t *)w->spec +
			    row->offset) = i;
			return 0;
		}
	return usage(w->err, "--%s %S: not known; %s are possible", row->name,
	    &s, row->meta);
}

void *
options_element(struct vm_spec *spec, const struct option_row *row,
    struct spec_error *err)
{
	uint32_t *count = (void *)((uint8_t *)spec + row->count_offset);
	uint8_t *array = (uint8_t *)spec + row->offset;
	void *element;

	if (*count == row->max_elements) {
		(void)usage(err, "--%s: too many; at most %u", row->name,
		    row->max_elements);
		return NULL;
	}
	element = array + (size_t)*count * row->element_size;
	memcpy(element, row->element_default, row->element_size);
	(*count)++;
	return element;
}

static int
take_element(struct walk *w, const struct option_row *row, const char *value)
{
	void *element = options_element(w->spec, row, w->err);

	return element == NULL ? -EINVAL :
	    options_subs(w->spec, row, element, value, w->err);
}

/* "path", "path=path" or "fd=n". */
static int
take_place(struct walk *w, const struct option_row *row, const char *value)
{
	struct place_spec *place = (void *)((uint8_t *)w->spec + row->offset);
	struct span s = span_of(value);

	if (strncmp(value, "path=", 5) == 0 || strncmp(value, "fd=", 3) == 0) {
		int err = options_subs(w->spec, row, place, value, w->err);

		if (err == 0 && place->path != NULL && place->fd != 0)
			return usage(w->err, "--%s %S: path and fd; leave one "
			    "out", row->name, &s);
		return err;
	}
	if (s.len == 0 || s.len > 4095 || !value_printable(s))
		return usage(w->err, "--%s %S: not a path; write --%s <path> "
		    "or fd=<n>", row->name, &s, row->name);
	place->path = spec_text(w->spec, value, s.len);
	return place->path == NULL ? -ENOMEM : 0;
}

static int
take_flag(struct walk *w, const struct option_row *row)
{
	if (row->kind == OPTION_FLAG)
		*(bool *)((uint8_t *)w->spec + row->offset) = true;
	else if (row->kind == OPTION_COUNT)
		(*(uint32_t *)(void *)((uint8_t *)w->spec + row->offset))++;
	else if (row->kind == OPTION_HELP)
		w->result = OPTIONS_SHOW_HELP;
	else if (w->result == OPTIONS_RUN)
		w->result = OPTIONS_SHOW_VERSION;
	return 0;
}

static int
take_value(struct walk *w, const struct option_row *row, const char *value)
{
	switch (row->kind) {
	case OPTION_STRING:
		return options_string(w->spec, row, value, w->err);
	case OPTION_WORD:
		return take_word(w, row, value);
	case OPTION_SUBS:
		return options_subs(w->spec, row,
		    (uint8_t *)w->spec + row->offset, value, w->err);
	case OPTION_SUBS_LIST:
		return take_element(w, row, value);
	case OPTION_PLACE:
		return take_place(w, row, value);
	case OPTION_FLAG:
		(void)take_flag(w, row);
		return options_subs(w->spec, row,
		    (uint8_t *)w->spec + row->offset, value, w->err);
	case OPTION_LATER:
	case OPTION_LATER_FLAG:
	case OPTION_COUNT:
	case OPTION_HELP:
	case OPTION_VERSION:
		break;
	}
	return -EINVAL;
}

/* "--name", "--name value", "--name=value", "--name value value". */
static int
take_long(struct walk *w, const char *text)
{
	const char *equals = strchr(text, '=');
	struct span name = span_of(text);
	const struct option_row *row;
	bool flag, first = true;
	uint64_t bit;
	int err = 0;

	if (equals != NULL)
		name.len = (size_t)(equals - text);
	row = options_find(name.at, name.len);
	if (row == NULL)
		return unknown(w, name);
	if (row->kind == OPTION_LATER || row->kind == OPTION_LATER_FLAG)
		return usage(w->err, "--%s: not supported yet; leave it out",
		    row->name);
	flag = row->kind == OPTION_COUNT || row->kind == OPTION_HELP ||
	    row->kind == OPTION_VERSION || row->kind == OPTION_FLAG;
	if (flag && equals != NULL && row->nsubs == 0)
		return usage(w->err, "--%s: takes no value; write --%s alone",
		    row->name, row->name);
	if (flag && (row->nsubs == 0 || (equals == NULL && !value_follows(w))))
		return take_flag(w, row);

	bit = 1ull << (unsigned int)(row - option_rows);
	if ((w->spec->given & bit) != 0 && row->kind != OPTION_SUBS_LIST) {
		struct span again = span_of(equals != NULL ? equals + 1 :
		    value_follows(w) ? w->argv[w->at + 1] : "");

		return usage(w->err, "--%s%s%S: given twice; give it once",
		    row->name, again.len > 0 ? " " : "", &again);
	}
	w->spec->given |= bit;
	if (equals != NULL)
		return take_value(w, row, equals + 1);
	if (!value_follows(w) && row->bare)
		return options_element(w->spec, row, w->err) == NULL ?
		    -EINVAL : 0;
	if (!value_follows(w))
		return usage(w->err, "--%s: value missing; write --%s %s",
		    row->name, row->name,
		    row->meta != NULL ? row->meta : "<name>=<value>,...");
	while (err == 0 && value_follows(w) &&
	    (first || row->kind == OPTION_SUBS_LIST)) {
		err = take_value(w, row, w->argv[++w->at]);
		first = false;
	}
	return err;
}

/* "-v", "-vv", "-hV". */
static int
take_letters(struct walk *w, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		const struct option_row *row = NULL;
		struct span s = { .at = letters, .len = 1 };

		for (unsigned int i = 0; i < option_nrows; i++)
			if (option_rows[i].letter == *letters)
				row = &option_rows[i];
		if (row == NULL)
			return usage(w->err, "-%S: unknown option; see "
			    "bulkhead --help", &s);
		(void)take_flag(w, row);
	}
	return 0;
}

int
options_parse(struct vm_spec *spec, int argc, char *const *argv,
    struct spec_error *err)
{
	struct walk w = { .spec = spec, .argc = argc, .argv = argv, .err = err,
			  .result = OPTIONS_RUN };

	for (w.at = 1; w.at < argc; w.at++) {
		const char *text = argv[w.at];
		struct span s = span_of(text);
		int failed;

		if (s.len > 2 && text[0] == '-' && text[1] == '-')
			failed = take_long(&w, text + 2);
		else if (s.len > 1 && text[0] == '-' && text[1] != '-')
			failed = take_letters(&w, text + 1);
		else
			failed = usage(err, "%S: not an option; options begin "
			    "with --, see bulkhead --help", &s);
		if (failed != 0)
			return failed;
	}
	return w.result;
}
