// SPDX-License-Identifier: Apache-2.0
//
// Files of a spec that are no paths but fds, see spec.h: what such a value may be,
// and that no two have the same. What an fd is, taken by adopt.c, is not known here.
#include <errno.h>
#include <string.h>

#include "controller/spec_int.h"
#include "controller/usage.h"
#include "controller/values.h"

#define LAST_FD 1048575u	/* fs.nr_open */
#define TOLD_APART 1024u	/* who passes more has none of them taken */

int
spec_fd(const char *path)
{
	uint64_t n;

	if (path == NULL || strncmp(path, "fd=", 3) != 0 ||
	    value_u64(span_of(path + 3), &n) != 0 || n < 3 || n > LAST_FD)
		return -1;
	return (int)n;
}

int
spec_each_file(struct vm_spec *s, spec_file_fn *fn, void *arg)
{
	int rc = 0;

#define EACH(option, name, text)					\
	do {								\
		if (rc == 0 && (text) != NULL)				\
			rc = fn(arg, option, name, &(text));		\
	} while (0)

	EACH("log-file", "", s->log.file);
	EACH("kernel", "", s->payload.kernel);
	EACH("firmware", "", s->payload.firmware);
	EACH("initramfs", "", s->payload.initramfs);
	EACH("rng", "src=", s->rng.src);
	EACH("console", s->console.mode == PORT_FILE ? "file=" : "socket=",
	    s->console.path);
	EACH("serial", s->serial.mode == PORT_FILE ? "file=" : "socket=",
	    s->serial.path);
	EACH("debug-console", "file=", s->debug_console.path);
	for (uint32_t i = 0; i < s->ndisks; i++) {
		EACH("disk", "path=", s->disks[i].path);
		EACH("disk", "socket=", s->disks[i].vhost.socket);
	}
	for (uint32_t i = 0; i < s->nnets; i++)
		EACH("net", "socket=", s->nets[i].vhost.socket);
	for (uint32_t i = 0; i < s->nfs; i++) {
		EACH("fs", "path=", s->fs[i].path);
		EACH("fs", "socket=", s->fs[i].vhost.socket);
	}
	for (uint32_t i = 0; i < s->npmems; i++)
		EACH("pmem", "file=", s->pmems[i].file);
	for (uint32_t i = 0; i < s->ngenerics; i++)
		EACH("generic-vhost-user", "socket=",
		    s->generics[i].vhost.socket);
	for (uint32_t i = 0; i < s->nlandlock_rules; i++)
		EACH("landlock-rules", "path=", s->landlock_rules[i].path);
#undef EACH
	return rc;
}

/* ---- each fd once -------------------------------------------------------------- */

struct users {
	const char *of[TOLD_APART];	/* the option that has this fd */
	struct spec_error *err;
};

static int
use(struct users *u, const char *option, uint32_t fd)
{
	if (fd >= TOLD_APART)
		return 0;
	if (u->of[fd] != NULL)
		return usage(u->err, "--%s fd=%u: the --%s has this one; pass "
		    "another", option, fd, u->of[fd]);
	u->of[fd] = option;
	return 0;
}

static int
use_file(void *arg, const char *option, const char *name, const char **text)
{
	struct users *u = arg;
	int fd = spec_fd(*text);
	struct span value;

	if (fd >= 0)
		return use(u, option, (uint32_t)fd);
	if (*text == NULL)
		return 0;
	value = span_of(*text);
	if (strncmp(*text, "fd=", 3) == 0)
		return usage(u->err, "--%s %s%S: not an inherited fd; numbers "
		    "from 3 on (a file of this name is ./%S)", option, name,
		    &value, &value);
	return 0;
}

int
spec_check_files(struct vm_spec *spec, struct spec_error *err)
{
	static struct users u;
	const struct { const char *option; uint32_t fd; } places[] = {
		{ "api-socket", spec->api.fd },
		{ "event-monitor", spec->events.fd },
		{ "cgroup", spec->cgroup.fd }, { "kvm", spec->kvm.fd },
		{ "libexec", spec->libexec.fd },
	};
	int bad = 0;

	memset(&u, 0, sizeof(u));
	u.err = err;
	for (size_t i = 0; bad == 0 &&
	    i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].fd != 0)
			bad = use(&u, places[i].option, places[i].fd);
	for (uint32_t i = 0; bad == 0 && i < spec->nnets; i++)
		for (uint32_t k = 0; bad == 0 && k < spec->nets[i].nfds; k++)
			bad = use(&u, "net", (uint32_t)spec->nets[i].fds[k]);
	return bad != 0 ? bad : spec_each_file(spec, use_file, &u);
}
