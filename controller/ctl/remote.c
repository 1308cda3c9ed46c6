// SPDX-License-Identifier: Apache-2.0
//
// ch-remote's commands, see remote.h.
#include "controller/ctl/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/api/answer.h"
#include "controller/ctl/progress.h"
#include "controller/ctl/remote_crashes.h"
#include "controller/ctl/remote_http.h"
#include "controller/ctl/remote_timeline.h"
#include "controller/ctl/remote_upgrade.h"
#include "controller/describe.h"
#include "controller/options.h"
#include "ipc/log.h"

#define EXIT_USAGE 2
#define MAX_BODY (4u << 20)

enum takes {
	TAKES_NOTHING,
	TAKES_DEVICE,		/* the value of an option: "path=x,readonly=on" */
	TAKES_FILE,		/* JSON in a file, or from standard input */
	TAKES_ID,
	TAKES_URL,
	TAKES_VALUES,		/* "name=value,.." into JSON by `fields` */
	TAKES_FLAGS,		/* "--name value" likewise */
	TAKES_OWN,		/* remote_upgrade.c */
};

struct flag {
	const char *name, *json;
	enum { FLAG_TEXT, FLAG_NUMBER, FLAG_BOOL } type;
};

static const struct flag resize_flags[] = {
	{ "cpus", "desired_vcpus", FLAG_NUMBER },
	{ "memory", "desired_ram", FLAG_NUMBER },
	{ "balloon", "desired_balloon", FLAG_NUMBER },
	{ NULL, NULL, FLAG_TEXT },
};
static const struct flag disk_flags[] = {
	{ "disk", "id", FLAG_TEXT }, { "size", "desired_size", FLAG_NUMBER },
	{ NULL, NULL, FLAG_TEXT },
};
static const struct flag zone_flags[] = {
	{ "id", "id", FLAG_TEXT }, { "size", "desired_ram", FLAG_NUMBER },
	{ NULL, NULL, FLAG_TEXT },
};
static const struct flag restore_values[] = {
	{ "source_url", "source_url", FLAG_TEXT },
	{ "prefault", "prefault", FLAG_BOOL },
	{ "resume", "resume", FLAG_BOOL },
	{ "memory_restore_mode", "memory_restore_mode", FLAG_TEXT },
	{ NULL, NULL, FLAG_TEXT },
};
static const struct flag send_values[] = {
	{ "destination_url", "destination_url", FLAG_TEXT },
	{ "local", "local", FLAG_BOOL },
	{ "downtime_ms", "downtime_ms", FLAG_NUMBER },
	{ "timeout_s", "timeout_s", FLAG_NUMBER },
	{ "timeout_strategy", "timeout_strategy", FLAG_TEXT },
	{ "connections", "connections", FLAG_NUMBER },
	{ "tls_dir", "tls_dir", FLAG_TEXT },
	{ "memory_mode", "memory_mode", FLAG_TEXT },
	{ NULL, NULL, FLAG_TEXT },
};
static const struct flag receive_values[] = {
	{ "receiver_url", "receiver_url", FLAG_TEXT },
	{ "tls_dir", "tls_dir", FLAG_TEXT },
	{ "memory_mode", "memory_mode", FLAG_TEXT },
	{ NULL, NULL, FLAG_TEXT },
};

/* Asked of "vm.<name>" by PUT, unless it says otherwise. */
static const struct command {
	const char *name;
	enum takes takes;
	const char *argument, *help;
	const char *option;	/* TAKES_DEVICE */
	const struct flag *flags;
	const char *asks, *puts;	/* another endpoint, by GET or PUT */
} commands[] = {
#define PLAIN(n, h) { n, TAKES_NOTHING, "", h, NULL, NULL, NULL, NULL }
#define ASKS(n, e, h) { n, TAKES_NOTHING, "", h, NULL, NULL, e, NULL }
#define ADDS(o, h) { "add-" o, TAKES_DEVICE, "<values>", h, o, NULL, NULL, NULL }
#define VALUES(n, t, f, a) { n, t, a, "", NULL, f, NULL, NULL }
#define TAKES(n, t, a, h) { n, t, a, h, NULL, NULL, NULL, NULL }
	ASKS("ping", "vmm.ping", "is the VMM there?"),
	{ "shutdown-vmm", TAKES_NOTHING, "", "end the VM and its VMM", NULL,
	  NULL, NULL, "vmm.shutdown" },
	TAKES("create", TAKES_FILE, "[path|-] [fd ..]",
	    "make a VM of a configuration in JSON; fd=#0 is the first fd"),
	PLAIN("boot", "start it"),
	PLAIN("shutdown", "stop it, as if its power was cut"),
	PLAIN("reboot", "reset it"),
	PLAIN("power-button", "press its button: the guest shuts down"),
	PLAIN("delete", "forget it"),
	ASKS("info", "vm.info", "its state and configuration"),
	ASKS("counters", "vm.counters", "what its devices have done"),
	ASKS("crashes", "bulkhead.crashes",
	    "which of its processes have died, of what"),
	ASKS("boot-timeline", "bulkhead.boot-timeline",
	    "where the time of its last start went, by process"),
	PLAIN("pause", "stop its vCPUs"),
	PLAIN("resume", "let them run"),
	PLAIN("nmi", "inject an NMI"),
	ADDS("disk", "as bulkhead --disk; fd= is passed on"),
	ADDS("net", "as bulkhead --net; fd= are passed on"),
	ADDS("fs", ""), ADDS("generic-vhost-user", ""), ADDS("pmem", ""),
	ADDS("vsock", ""), ADDS("vdpa", ""), ADDS("device", ""),
	ADDS("user-device", ""),
	TAKES("remove-device", TAKES_ID, "<id> [--force]",
	    "unplug a device; by force, if the guest does not let it go"),
	VALUES("resize", TAKES_FLAGS, resize_flags,
	    "[--cpus <n>] [--memory <size>] [--balloon <size>]"),
	VALUES("resize-disk", TAKES_FLAGS, disk_flags,
	    "--disk <id> --size <size>"),
	VALUES("resize-zone", TAKES_FLAGS, zone_flags,
	    "--id <id> --size <size>"),
	TAKES("upgrade-worker", TAKES_OWN, UPGRADE_USAGE,
	    "another program for a device, under the guest"),
	TAKES("snapshot", TAKES_URL, "file://<folder>", ""),
	VALUES("restore", TAKES_VALUES, restore_values,
	    "source_url=<url>[,..]"),
	TAKES("coredump", TAKES_URL, "file://<path>", ""),
	VALUES("send-migration", TAKES_VALUES, send_values,
	    "destination_url=<url>[,..]"),
	VALUES("receive-migration", TAKES_VALUES, receive_values,
	    "receiver_url=<url>[,..]"),
};

struct call {
	const struct command *command;
	const char *socket, *output;
	int argc;
	char **argv;		/* of the command */
	char *body;
	size_t len;
	int fds[API_LIMIT_FDS];
	unsigned int nfds;
};

static const struct command *
find(const char *word)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, word) == 0)
			return &commands[i];
	return NULL;
}

static bool
is_option(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 &&
	    (word[n] == '\0' || word[n] == '=');
}

bool
remote_takes(const char *word)
{
	return find(word) != NULL || is_option(word, "--api-socket") ||
	    is_option(word, "--output");
}

void
remote_help(void)
{
	(void)fputs("\n  --api-socket <path>   the VMM's; or in BULKHEAD_SOCKET\n"
	    "  --output json|table   of ping, info, counters, crashes and\n"
	    "                         boot-timeline; a table on a "
	    "terminal\n\n", stdout);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int n = printf("  %s %s", commands[i].name,
		    commands[i].argument);

		if (commands[i].help[0] == '\0')
			(void)putchar('\n');
		else
			printf("%*s%s\n", n < 28 ? 28 - n : 2, "",
			    commands[i].help);
	}
	(void)fputs("\n  Exit status: 0 done, 1 refused or failed, 2 usage\n",
	    stdout);
}

static int
wrong(const struct call *call, const char *what)
{
	const char *name = call->command != NULL ? call->command->name : "";

	(void)fprintf(stderr, "bulkheadctl%s%s: %s; see bulkheadctl --help\n",
	    name[0] != '\0' ? " " : "", name, what);
	return EXIT_USAGE;
}

/* ---- bodies ---------------------------------------------------------------------- */

static int
use_json(struct call *call, json_t *object)
{
	call->body = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (call->body == NULL)
		return wrong(call, "out of memory");
	call->len = strlen(call->body);
	return 0;
}

struct printed {
	struct text text;
	const char *option;
};

static void
print_part(void *arg, size_t n, Bh__ApiOption **options)
{
	struct printed *p = arg;

	for (size_t i = 0; i < n; i++)
		if (strcmp(options[i]->option, p->option) == 0)
			answer_option(&p->text, options[i]);
}

/* "fd=5" is ours: it goes with the request, by the place that it has there. */
static int
pass_on(void *arg, const char *option, const char *name, const char **text)
{
	static const char *const places[API_LIMIT_FDS] = {
		"fd=#0", "fd=#1", "fd=#2", "fd=#3", "fd=#4", "fd=#5", "fd=#6",
		"fd=#7", "fd=#8", "fd=#9", "fd=#10", "fd=#11", "fd=#12",
		"fd=#13", "fd=#14", "fd=#15",
	};
	struct call *call = arg;
	const int fd = spec_fd(*text);

	(void)option;
	(void)name;
	if (fd < 0)
		return 0;
	*text = places[call->nfds];
	call->fds[call->nfds++] = fd;
	return 0;
}

/* As bulkhead itself reads the option; what it says is printed as vm.info is. */
static int
device_body(struct call *call)
{
	static struct vm_spec spec;
	static const struct vm_plan plan;
	struct spec_error err = { .line = "" };
	struct printed p = { .option = call->command->option };
	const struct option_row *row = options_find(p.option,
	    strlen(p.option));
	struct net_spec *net = &spec.nets[0];
	void *element;

	if (row == NULL || row->kind != OPTION_SUBS_LIST) {
		(void)fprintf(stderr, "bulkheadctl %s: not supported yet\n",
		    call->command->name);
		return 1;
	}
	spec_init(&spec);
	element = options_element(&spec, row, &err);
	if (element == NULL || options_subs(&spec, row, element, call->argv[0],
	    &err) != 0) {
		(void)fprintf(stderr, "bulkheadctl %s: %s\n",
		    call->command->name, err.line);
		return EXIT_USAGE;
	}
	if (strcmp(p.option, "net") == 0)
		for (; call->nfds < net->nfds; call->nfds++)
			call->fds[call->nfds] = net->fds[call->nfds];
	else
		(void)spec_each_file(&spec, pass_on, call);
	p.text = (struct text){ .at = malloc(65536), .size = 65535 };
	if (p.text.at == NULL)
		return wrong(call, "out of memory");
	describe_spec(&spec, &plan, print_part, &p);
	call->body = p.text.at;
	call->len = p.text.len;
	return p.text.full ? wrong(call, "too long") : 0;
}

static int
file_body(struct call *call)
{
	const char *path = call->argc > 0 ? call->argv[0] : "-";
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO :
	    open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	for (int i = 1; i < call->argc; i++) {
		uint64_t number;

		if (call->nfds == API_LIMIT_FDS || value_u64(
		    span_of(call->argv[i]), &number) != 0 || number > INT32_MAX)
			return wrong(call, "at most 16 numbers of open files");
		call->fds[call->nfds++] = (int)number;
	}
	call->body = malloc(MAX_BODY + 1);
	if (call->body == NULL)
		return wrong(call, "out of memory");
	while (fd >= 0 && n > 0 && call->len <= MAX_BODY) {
		n = read(fd, call->body + call->len, MAX_BODY + 1 - call->len);
		call->len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0) {
		(void)fprintf(stderr, "bulkheadctl create: %s: %s\n", path,
		    log_errtext(errno));
		return 1;
	}
	if (fd != STDIN_FILENO)
		close(fd);
	return call->len > MAX_BODY ? wrong(call, "more than 4 MiB") : 0;
}

/* One of a table's values into @object. 0, or not such a value. */
static int
set_value(json_t *object, const struct flag *flags, struct span name,
    const char *value)
{
	struct span s = span_of(value);
	uint64_t n;
	bool on;

	while (flags->name != NULL && !span_is(name, flags->name))
		flags++;
	if (flags->name == NULL)
		return -EINVAL;
	switch (flags->type) {
	case FLAG_NUMBER:
		if (value_size(s, &n) != 0 || n > INT64_MAX)
			return -EINVAL;
		return json_object_set_new(object, flags->json,
		    json_integer((json_int_t)n));
	case FLAG_BOOL:
		if (value_toggle(s, &on) != 0)
			return -EINVAL;
		return json_object_set_new(object, flags->json,
		    json_boolean(on));
	case FLAG_TEXT:
		break;
	}
	return json_object_set_new(object, flags->json, json_string(value));
}

static int
flags_body(struct call *call)
{
	json_t *object = json_object();

	for (int i = 0; i < call->argc; i++) {
		struct span name = span_of(call->argv[i]);
		const char *equals = strchr(call->argv[i], '=');
		const char *value = equals != NULL ? equals + 1 :
		    i + 1 < call->argc ? call->argv[++i] : "";

		if (equals != NULL)
			name.len = (size_t)(equals - name.at);
		if (name.len < 3 || strncmp(name.at, "--", 2) != 0) {
			json_decref(object);
			return wrong(call, call->command->argument);
		}
		name.at += 2;
		name.len -= 2;
		if (set_value(object, call->command->flags, name, value) != 0) {
			json_decref(object);
			return wrong(call, call->command->argument);
		}
	}
	return use_json(call, object);
}

static int
values_body(struct call *call)
{
	json_t *object = json_object();
	struct span rest = span_of(call->argv[0]), item;
	char text[4096];

	while (value_next(&rest, ',', &item) == 1) {
		const char *equals = memchr(item.at, '=', item.len);
		struct span value;

		if (equals == NULL)
			break;
		value = (struct span){ .at = equals + 1,
		    .len = item.len - (size_t)(equals + 1 - item.at) };
		item.len = (size_t)(equals - item.at);
		if (value_unquote(value, text, sizeof(text)) != 0 ||
		    set_value(object, call->command->flags, item, text) != 0)
			break;
		if (rest.at == NULL)
			return use_json(call, object);
	}
	json_decref(object);
	return wrong(call, call->command->argument);
}

static int
make_body(struct call *call)
{
	enum takes takes = call->command->takes;

	bool force = takes == TAKES_ID && call->argc == 2 &&
	    strcmp(call->argv[1], "--force") == 0;

	if (takes == TAKES_NOTHING ? call->argc > 0 : takes != TAKES_FILE &&
	    takes != TAKES_FLAGS && !force && call->argc != 1)
		return wrong(call, takes == TAKES_NOTHING ?
		    "takes no argument" : call->command->argument);
	switch (takes) {
	case TAKES_NOTHING:
		return 0;
	case TAKES_DEVICE:
		return device_body(call);
	case TAKES_FILE:
		return file_body(call);
	case TAKES_ID:
		return use_json(call, json_pack(force ? "{s:s,s:b}" : "{s:s}", "id",
		    call->argv[0], "force", 1));
	case TAKES_URL:
		return use_json(call, json_pack("{s:s}", "destination_url",
		    call->argv[0]));
	case TAKES_VALUES:
		return values_body(call);
	case TAKES_FLAGS:
		return flags_body(call);
	case TAKES_OWN:
		break;
	}
	return EXIT_USAGE;
}

/* ---- answers ------------------------------------------------------------------------ */

/* A line a value: "config.cpus.boot_vcpus  2". The schema bounds the depth. */
static void
print_table(const char *where, json_t *value, unsigned int depth)
{
	char name[256];
	const char *key;
	json_t *v;
	size_t i;

	if (depth > 8)
		return;
	if (json_is_object(value)) {
		json_object_foreach(value, key, v) {
			(void)snprintf(name, sizeof(name), "%s%s%s", where,
			    where[0] != '\0' ? "." : "", key);
			print_table(name, v, depth + 1);
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, v) {
			(void)snprintf(name, sizeof(name), "%s[%zu]", where, i);
			print_table(name, v, depth + 1);
		}
	} else {
		char *text = json_dumps(value, JSON_ENCODE_ANY);

		printf("%-40s %s\n", where, json_is_string(value) ?
		    json_string_value(value) : text != NULL ? text : "");
		free(text);
	}
}

static void
print_errors(const struct call *call, const struct remote_answer *a)
{
	json_t *list = json_loadb(a->body, a->len, 0, NULL), *text;
	size_t i;

	(void)fprintf(stderr, "bulkheadctl: %s", call->command->name);
	json_array_foreach(list, i, text)
		(void)fprintf(stderr, ": %s", json_is_string(text) ?
		    json_string_value(text) : "?");
	if (json_array_size(list) == 0)
		(void)fprintf(stderr, ": refused with status %d", a->status);
	(void)fputc('\n', stderr);
	json_decref(list);
}

static int
show(const struct call *call, const struct remote_answer *a)
{
	bool table = call->output != NULL ? strcmp(call->output, "table") == 0 :
	    isatty(STDOUT_FILENO) != 0;
	json_t *root;

	if (a->status < 200 || a->status >= 300) {
		print_errors(call, a);
		return 1;
	}
	if (a->len == 0)
		return 0;
	root = table ? json_loadb(a->body, a->len, 0, NULL) : NULL;
	if (root != NULL && strcmp(call->command->name, "crashes") == 0)
		remote_print_crashes(root);
	else if (root != NULL && strcmp(call->command->name, "boot-timeline") == 0)
		remote_print_timeline(root);
	else if (root != NULL)
		print_table("", root, 0);
	else
		printf("%s\n", a->body);
	json_decref(root);
	return 0;
}

static int
ask(const struct call *call, struct remote_answer *answer)
{
	const struct command *c = call->command;
	char endpoint[64];

	(void)snprintf(endpoint, sizeof(endpoint), "vm.%s", c->name);
	return remote_ask(call->socket, c->asks != NULL ? "GET" : "PUT",
	    c->asks != NULL ? c->asks : c->puts != NULL ? c->puts : endpoint,
	    call->body, call->len, call->fds, call->nfds, answer);
}

/* "--name value" or "--name=value" in front of the command. */
static const char *
take_option(int argc, char **argv, int *at, const char *name)
{
	size_t n = strlen(name);

	if (argv[*at][n] == '=')
		return argv[*at] + n + 1;
	return *at + 1 < argc ? argv[++*at] : NULL;
}

int
remote_main(int argc, char **argv)
{
	struct call call = { .socket = getenv("BULKHEAD_SOCKET") };
	struct remote_answer answer = { .body = NULL };
	int i, rc;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (is_option(argv[i], "--api-socket"))
			call.socket = take_option(argc, argv, &i,
			    "--api-socket");
		else if (is_option(argv[i], "--output"))
			call.output = take_option(argc, argv, &i, "--output");
		else
			return wrong(&call, "unknown option");
	}
	call.command = i < argc ? find(argv[i]) : NULL;
	if (call.command == NULL)
		return wrong(&call, i < argc ? "unknown command" :
		    "command missing");
	if (call.output != NULL && strcmp(call.output, "json") != 0 &&
	    strcmp(call.output, "table") != 0)
		return wrong(&call, "--output is json or table");
	if (call.socket == NULL)
		return wrong(&call, "which VMM? give --api-socket <path>");
	call.argc = argc - i - 1;
	call.argv = argv + i + 1;
	if (call.command->takes == TAKES_OWN)
		return remote_upgrade(call.socket, call.argc, call.argv);
	rc = make_body(&call);
	if (rc == 0) {
		progress_begin(call.command->name);
		rc = ask(&call, &answer);
		if (rc != 0)
			(void)fprintf(stderr, "bulkheadctl %s: %s: %s\n",
			    call.command->name, call.socket, rc == -EPROTO ?
			    "it does not answer as a VMM does" :
			    log_errtext(rc));
		rc = rc != 0 ? 1 : show(&call, &answer);
	}
	free(answer.body);
	free(call.body);
	return rc;
}
