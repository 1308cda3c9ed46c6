/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one const table of every option that Cloud Hypervisor has,
 * each with its sub-options as a table too, and one parser that reads them.
 * Parsing touches nothing but the spec: no file, no host, no global state.
 *
 * Grammar of a value: k=v,k=v; double quotes embed commas; [..] lists; ranges
 * 1-3; tuples a@b and a@[b,c]; sizes with K, M, G, T; toggles on|off|true|false.
 */
#ifndef BULKHEAD_CONTROLLER_OPTIONS_H
#define BULKHEAD_CONTROLLER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/spec.h"
#include "controller/values.h"

/* How the value of a sub-option is read, and what it is stored as. */
enum sub_type {
	SUB_LATER,		/* Cloud Hypervisor has it, Bulkhead not yet */
	SUB_TEXT,		/* const char *, 1 to max bytes */
	SUB_PATH,		/* const char * */
	SUB_U32,		/* uint32_t, min to max */
	SUB_FD,			/* uint32_t, an inherited fd */
	SUB_PATH_FD,		/* an inherited fd, as the path "fd=n" */
	SUB_HEX,		/* uint32_t, min to max, 0x.. or decimal */
	SUB_SIZE,		/* uint64_t, bytes, min to max */
	SUB_TOGGLE,		/* bool */
	SUB_ENUM,		/* uint32_t, index in words */
	SUB_MODE,		/* bare word: uint32_t set to max */
	SUB_MODE_PATH,		/* port_spec: mode set to max, path to the value */
	SUB_MAC,		/* struct mac_spec */
	SUB_ADDRESS,		/* struct address_spec */
	SUB_TAP_FDS,		/* struct net_spec: nfds and fds */
	SUB_PUBLISH,		/* struct net_spec: user_net.ports */
	SUB_GUARD_IPS,		/* struct net_spec: guard_ips */
	SUB_ID_MAP,		/* struct id_map_spec */
	SUB_TOPOLOGY,		/* struct topology_spec */
	SUB_AFFINITY,		/* struct affinity_list; max: its last number */
	SUB_OEM_STRINGS,	/* struct platform_spec: oem_strings */
	SUB_DEVICE_TYPE,	/* uint32_t: a virtio device's number or name */
	SUB_QUEUE_SIZES,	/* struct generic_spec: nqueues and queue_sizes */
	SUB_BITS,		/* a list of numbers up to max: uint64_t [], a bit each */
	SUB_DISTANCES,		/* struct numa_spec: distances */
	SUB_ZONES,		/* struct numa_spec: zones */
};

struct sub_option {
	const char *name;
	enum sub_type type;
	uint32_t offset;	/* in the option's struct */
	uint64_t min, max;
	const char *const *words;	/* SUB_ENUM: NULL-terminated */
	const char *meta;	/* "<bytes>", for --help */
	const char *help;	/* with the default, for --help */
};

enum option_kind {
	OPTION_LATER,
	OPTION_LATER_FLAG,
	OPTION_STRING,		/* the whole value: const char * at offset */
	OPTION_WORD,		/* one of words: uint32_t at offset */
	OPTION_SUBS,		/* sub-options into the struct at offset */
	OPTION_SUBS_LIST,	/* as that, appended to an array: several values */
	OPTION_PLACE,		/* struct place_spec: a path, path= or fd= */
	OPTION_FLAG,		/* bool at offset; no value, but where the struct that
				 * begins there has sub-options */
	OPTION_COUNT,		/* no value: uint32_t at offset is raised */
	OPTION_HELP,
	OPTION_VERSION,
};

struct option_row {
	const char *name;	/* without -- */
	char letter;		/* -v; 0: none */
	enum option_kind kind;
	uint32_t offset;	/* in struct vm_spec */
	/* OPTION_SUBS_LIST */
	uint32_t count_offset;
	uint32_t element_size;
	uint32_t max_elements;
	const void *element_default;
	const struct sub_option *subs;
	uint32_t nsubs;
	const char *const *words;
	const char *meta;
	const char *help;
	bool bare;		/* OPTION_SUBS_LIST: no value is needed */
	bool vmm;		/* not of the VM: of the VMM */
};

extern const struct option_row option_rows[];
extern const unsigned int option_nrows;

/* The defaults of one element of an option. */
extern const struct disk_spec disk_default;
extern const struct net_spec net_default;
extern const struct fs_spec fs_default;
extern const struct generic_spec generic_default;
extern const struct balloon_spec balloon_default;
extern const struct pmem_spec pmem_default;
extern const struct vsock_spec vsock_default;
extern const struct rtc_spec rtc_default;
extern const struct zone_spec zone_default;

enum options_result {
	OPTIONS_RUN,
	OPTIONS_SHOW_HELP,
	OPTIONS_SHOW_VERSION,
};

/*
 * Read @argc arguments (argv[0] is the program) into @spec, which spec_init()
 * has prepared. An enum options_result, or -EINVAL with the line for the user,
 * or -ENOMEM.
 */
int options_parse(struct vm_spec *spec, int argc, char *const *argv,
    struct spec_error *err);

/*
 * Read one value of an option that has sub-options into @object, a struct of the
 * kind that its table describes. -EINVAL, -ENOMEM.
 */
int options_subs(struct vm_spec *spec, const struct option_row *row,
    void *object, const char *value, struct spec_error *err);

/*
 * Single steps of that, for values that come from elsewhere (describe.c), where
 * texts are not quoted. *@modes counts how often a port was told where to go; 0
 * before the first value of an object.
 */
int options_value(struct vm_spec *spec, const struct option_row *row,
    const struct sub_option *sub, void *object, struct span value,
    uint32_t *modes, struct spec_error *err);
/* The value of an OPTION_STRING. */
int options_string(struct vm_spec *spec, const struct option_row *row,
    const char *value, struct spec_error *err);
/* One more element of an OPTION_SUBS_LIST, the default; NULL: too many. */
void *options_element(struct vm_spec *spec, const struct option_row *row,
    struct spec_error *err);

/* The help text, @width columns wide, to standard output. */
void options_help(unsigned int width);

/* "--disk": option_rows[] by name, or NULL. */
const struct option_row *options_find(const char *name, size_t len);

#endif
