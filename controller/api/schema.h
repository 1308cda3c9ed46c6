/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as Cloud Hypervisor's JSON has it, in const tables: which
 * field is which option, of which type, with which default. Read by request.c
 * (JSON to messages) and answer.c (messages to JSON). Ranges and what excludes
 * what are the controller's to check, by its own table of options.
 */
#ifndef BULKHEAD_API_SCHEMA_H
#define BULKHEAD_API_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

enum field_type {
	FIELD_BOOL,
	FIELD_NUMBER,
	FIELD_TEXT,
	FIELD_WORD,		/* a text of words */
	FIELD_TOPOLOGY,		/* an object of four numbers: "1:2:1:1" */
	FIELD_AFFINITY,		/* an array of CPU lists: "[0@[1,2]]" */
	FIELD_TEXTS,		/* an array of texts: a value each */
	FIELD_DIGITS,		/* a number, in a text */
	FIELD_NUMBERS,		/* an array of numbers: "[1,2]" */
	FIELD_LIMITER,		/* rate_limiter_config: bw_size and so on */
	FIELD_MODE,		/* where a port goes */
	FIELD_MODE_PATH,	/* ... and its file or socket; no value of its own */
	FIELD_FDS,		/* "fd=#0"; numbers of another process are ignored */
	FIELD_DISTANCES,	/* an array of destination and distance: "[1@20]" */
	FIELD_LIST,		/* elements of another member of the schema, by name */
	FIELD_OTHER,		/* an object, or with plain an array, not taken apart */
};

/* A word in JSON and on the command line; {NULL}: the end. */
struct word {
	const char *json;
	const char *name;	/* NULL: the same as leaving it out */
};

struct field {
	const char *json;
	const char *name;	/* of the sub-option; NULL: as json */
	enum field_type type;
	const struct word *words;
	bool required;
	bool shown;		/* its default is in vm.info */
	int64_t plain;		/* the default of a number or boolean */
	const char *plain_text;	/* ... of a word or text */
};

/* A member of VmConfig. */
struct member {
	const char *json;
	const char *option;
	bool list;
	bool shown;		/* also where all of it is default */
	bool flag;		/* a boolean; with fields, an object where one is given */
	bool within;		/* an element of a FIELD_LIST, not of VmConfig itself */
	bool older;		/* another's older form: read, never shown */
	const struct field *fields;
	unsigned int nfields;
};

extern const struct member schema_members[];
extern const unsigned int schema_nmembers;

/* The member for an option: "disk"; NULL: there is none. */
const struct member *schema_member_of(const char *option);

const char *schema_name(const struct field *field);

#endif
