// SPDX-License-Identifier: Apache-2.0
//
// bulkheadctl upgrade-worker, see remote_upgrade.h. The new program is opened here,
// by the user, and goes to the VMM as an fd.
#include "controller/ctl/remote_upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/ctl/progress.h"
#include "controller/ctl/remote_http.h"
#include "ipc/log.h"

#define COMMAND "bulkheadctl upgrade-worker"
#define EXIT_USAGE 2
#define NOT_REPLACED 405	/* of this kind no worker is */

struct upgrade {
	const char *socket, *device, *binary;
	bool all;
	json_t *tree;		/* device_tree of vm.info */
};

static int
usage(void)
{
	(void)fputs(COMMAND ": " UPGRADE_USAGE "; see bulkheadctl --help\n", stderr);
	return EXIT_USAGE;
}

static bool
parse(struct upgrade *u, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0)
			u->all = true;
		else if (strncmp(argv[i], "--binary=", 9) == 0)
			u->binary = argv[i] + 9;
		else if (strcmp(argv[i], "--binary") == 0 && i + 1 < argc)
			u->binary = argv[++i];
		else if (argv[i][0] != '-' && u->device == NULL)
			u->device = argv[i];
		else
			return false;
	}
	return u->all != (u->device != NULL);
}

/* One line of what the VMM says of @device, or of all of it. */
static void
complain(const char *device, const struct remote_answer *a)
{
	json_t *list = json_loadb(a->body, a->len, 0, NULL), *text;
	size_t i;

	(void)fprintf(stderr, COMMAND "%s%s", device[0] != '\0' ? " " : "", device);
	json_array_foreach(list, i, text)
		(void)fprintf(stderr, ": %s", json_is_string(text) ?
		    json_string_value(text) : "?");
	if (json_array_size(list) == 0)
		(void)fprintf(stderr, ": refused with status %d", a->status);
	(void)fputc('\n', stderr);
	json_decref(list);
}

static int
ask(const struct upgrade *u, const char *method, const char *endpoint,
    const char *body, const int *fd, struct remote_answer *a)
{
	int rc = remote_ask(u->socket, method, endpoint, body,
	    body != NULL ? strlen(body) : 0, fd, fd != NULL, a);

	if (rc != 0)
		(void)fprintf(stderr, COMMAND ": %s: %s\n", u->socket,
		    rc == -EPROTO ? "it does not answer as a VMM does" :
		    log_errtext(rc));
	return rc;
}

static int
get_tree(struct upgrade *u)
{
	struct remote_answer a = { .body = NULL };
	json_t *info;

	if (ask(u, "GET", "vm.info", NULL, NULL, &a) != 0)
		return 1;
	if (a.status != 200) {
		complain("", &a);
		free(a.body);
		return 1;
	}
	info = json_loadb(a.body, a.len, 0, NULL);
	u->tree = json_incref(json_object_get(info, "device_tree"));
	json_decref(info);
	free(a.body);
	return 0;
}

/* The file, or of a folder the one called as @device's worker is. -1, said. */
static int
open_binary(const struct upgrade *u, const char *device)
{
	const char *name = json_string_value(json_object_get(
	    json_object_get(u->tree, device), "worker"));
	char path[4096];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s", u->binary);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && name != NULL)
		(void)snprintf(path, sizeof(path), "%s/%s", u->binary, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int rc = errno;

		progress_clear();
		(void)fprintf(stderr, COMMAND " %s: %s: %s\n", device, path,
		    log_errtext(rc));
	}
	return fd;
}

static int
upgrade(const struct upgrade *u, const char *device)
{
	struct remote_answer a = { .body = NULL };
	json_t *request = json_pack("{s:s}", "id", device);
	char *body = json_dumps(request, JSON_COMPACT);
	int fd = -1, rc = 1;

	json_decref(request);
	if (u->binary != NULL)
		fd = open_binary(u, device);
	if (body != NULL && (u->binary == NULL || fd >= 0) && ask(u, "PUT",
	    "bulkhead.upgrade-worker", body, fd >= 0 ? &fd : NULL, &a) == 0) {
		rc = a.status == 204 ? 0 : 1;
		if (a.status == NOT_REPLACED && u->all)
			rc = 0;
		else if (rc != 0)
			complain(device, &a);
	}
	if (fd >= 0)
		close(fd);
	free(a.body);
	free(body);
	return rc;
}

int
remote_upgrade(const char *socket, int argc, char **argv)
{
	struct upgrade u = { .socket = socket };
	unsigned int n = 0;
	const char *id;
	json_t *v;
	int rc = 0;

	if (!parse(&u, argc, argv))
		return usage();
	progress_begin("upgrade-worker");
	if ((u.all || u.binary != NULL) && get_tree(&u) != 0)
		return 1;
	if (!u.all)
		rc = upgrade(&u, u.device);
	else
		json_object_foreach(u.tree, id, v) {
			progress_at(n++, (unsigned int)json_object_size(u.tree),
			    "devices");
			if (rc == 0)
				rc = upgrade(&u, id);
		}
	progress_clear();
	json_decref(u.tree);
	return rc;
}
