/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit as JSON, and the comparison of two. docs/audit.md is the schema: a field
 * is never taken away or given another meaning while AUDIT_SCHEMA stays.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "controller/ctl/audit.h"
#include "sandbox/notify.h"

static json_t *
number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

/* Text of the kernel's that may hold any byte: what is no UTF-8 is not shown. */
static json_t *
text(const char *s)
{
	json_t *j = json_string(s);

	return j != NULL ? j : json_string("(not UTF-8)");
}

static json_t *
tri(enum answer t)
{
	return t == ANSWER_UNKNOWN ? json_null() : json_boolean(t == ANSWER_YES);
}

static void
put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static json_t *
hex(uint64_t v)
{
	char s[24];

	(void)snprintf(s, sizeof(s), "%016llx", (unsigned long long)v);
	return json_string(s);
}

static json_t *
fd_json(const struct audit_fd *f)
{
	json_t *o = json_object();
	char is[120], mode[2] = "?";

	if (f->mode != '\0')
		mode[0] = f->mode;
	sb_fd_is_text(f->is, is, sizeof(is));
	put(o, "fd", number(f->nr));
	put(o, "class", text(is));
	put(o, "target", text(f->text));
	put(o, "mode", text(mode));
	if (f->is == SB_IS_MEMFD) {
		put(o, "seals", number(f->seals));
		put(o, "size", number(f->size));
	}
	if (f->peer_text[0] != '\0')
		put(o, "peer", text(f->peer_text));
	return o;
}

static json_t *
calls_json(const struct audit_task *t)
{
	json_t *list = json_array();

	for (int nr = 0; nr < AUDIT_LAST_NR; nr++) {
		json_t *o;

		if (t->calls[nr] == CALL_DENIED)
			continue;
		o = json_object();
		put(o, "nr", number((uint64_t)nr));
		put(o, "name", text(notify_call_name(nr)));
		put(o, "bound", json_boolean(t->calls[nr] == CALL_BOUND));
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *
task_json(const struct audit_task *t)
{
	json_t *o = json_object();

	put(o, "tid", number((uint64_t)t->tid));
	put(o, "made_by_kernel", json_boolean(t->of_kernel));
	put(o, "seccomp", json_integer(t->seccomp));
	put(o, "filters", json_integer(t->nfilters));
	put(o, "read_back", json_boolean(t->read_back));
	put(o, "as_declared", t->read_back ? json_boolean(t->declared) : json_null());
	put(o, "same_bytes", t->read_back ? json_boolean(t->same_bytes) : json_null());
	put(o, "inherited_filters", number(t->inherited));
	put(o, "differs", text(t->differs));
	put(o, "landlock", tri(t->landlock));
	put(o, "mdwe", tri(t->mdwe));
	put(o, "dumpable", tri(t->dumpable));
	put(o, "dies_with_parent", tri(t->parent_death));
	return o;
}

/* Without a limit "max"; null where the controller is not there. */
static json_t *
limit(uint64_t v)
{
	return v == 0 ? json_null() : v == UINT64_MAX ? json_string("max") :
	    number(v);
}

static json_t *
group(const struct audit_group *g)
{
	json_t *o;

	if (!g->own)
		return json_null();
	o = json_object();
	put(o, "vm.memory.max", limit(g->vm_memory));
	for (size_t i = 0; i < GROUP_COUNT; i++)
		put(o, audit_group_names[i], limit(g->limit[i]));
	return o;
}

static void
put_jail(json_t *o, const struct audit_process *p)
{
	json_t *caps = json_object(), *ns = json_object(), *limits = json_object();

	for (size_t i = 0; i < CAP_SETS; i++)
		put(caps, audit_cap_names[i], hex(p->caps[i]));
	for (size_t i = 0; i < NS_COUNT; i++)
		put(ns, audit_ns_names[i], json_pack("{s:I,s:b}", "inode",
		    (json_int_t)p->ns[i], "own", p->own[i]));
	for (size_t i = 0; p->limits_read && i < LIMIT_COUNT; i++)
		put(limits, audit_limit_names[i], p->limit[i] == UINT64_MAX ?
		    json_string("unlimited") : number(p->limit[i]));
	put(o, "capabilities", caps);
	put(o, "namespaces", ns);
	put(o, "rlimits", limits);
	put(o, "no_new_privs", json_integer(p->no_new_privs));
	put(o, "root", text(p->root));
	put(o, "cwd", text(p->cwd));
	put(o, "root_entries", json_integer(p->root_entries));
	put(o, "mounts", json_integer(p->mounts));
	put(o, "root_read_only", json_boolean(p->root_read_only));
	put(o, "interfaces", json_integer(p->interfaces));
	put(o, "cgroup", text(p->cgroup));
	put(o, "cgroup_limits", group(&p->group));
	put(o, "label", text(p->label));
	put(o, "oom_score_adj", json_integer(p->oom_score_adj));
	put(o, "core_cookie", p->core_error != 0 ? json_null() :
	    hex(p->core_cookie));
}

static void
put_memory(json_t *o, const struct audit_process *p)
{
	const struct audit_maps *m = &p->maps;
	const struct audit_elf *e = &p->elf;

	put(o, "memory", !m->read ? json_null() : json_pack(
	    "{s:I,s:I,s:i,s:i,s:o}", "guest_read_only", (json_int_t)m->ram_read,
	    "guest_writable", (json_int_t)m->ram_write, "writable_executable", m->wx,
	    "foreign_executable", m->foreign_exec, "sealed_code", tri(m->sealed_code)));
	put(o, "program", !e->read ? json_null() : json_pack(
	    "{s:b,s:b,s:b,s:b,s:b,s:b,s:b}", "pie", e->pie, "static", e->static_linked,
	    "relro", e->relro, "bind_now", e->bind_now, "executable_stack",
	    e->stack_exec, "stack_protector", e->stack_protector, "cet", e->cet));
}

static json_t *
process_json(const struct audit_process *p)
{
	json_t *o = json_object(), *list;

	put(o, "process", text(audit_name(p)));
	put(o, "known", json_boolean(p->known != NULL));
	put(o, "pid", number((uint64_t)p->pid));
	put(o, "parent", number((uint64_t)p->ppid));
	put(o, "name", text(p->comm));
	put(o, "executable", text(p->exe));
	put(o, "uid", json_pack("[I,I,I,I]", (json_int_t)p->uid[0],
	    (json_int_t)p->uid[1], (json_int_t)p->uid[2], (json_int_t)p->uid[3]));
	put(o, "gid", json_pack("[I,I,I,I]", (json_int_t)p->gid[0],
	    (json_int_t)p->gid[1], (json_int_t)p->gid[2], (json_int_t)p->gid[3]));
	put(o, "groups", number(p->ngroups));
	put_jail(o, p);
	put_memory(o, p);
	list = json_array();
	for (size_t i = 0; i < p->nfds; i++)
		(void)json_array_append_new(list, fd_json(&p->fds[i]));
	put(o, "fds", p->fds_read ? list : json_null());
	list = json_array();
	for (size_t i = 0; i < p->ntasks; i++)
		(void)json_array_append_new(list, task_json(&p->tasks[i]));
	put(o, "threads", list);
	put(o, "calls", p->ntasks > 0 && p->tasks[0].read_back ?
	    calls_json(&p->tasks[0]) : json_null());
	return o;
}

static json_t *
findings_json(const struct audit *a)
{
	static const char *const levels[] = { "note", "unknown", "drift" };
	json_t *list = json_array();

	for (size_t i = 0; i < a->nfindings; i++) {
		const struct audit_finding *f = &a->findings[i];
		json_t *o = json_object();

		put(o, "level", text(levels[f->level]));
		put(o, "process", text(f->process));
		put(o, "pid", number((uint64_t)f->pid));
		put(o, "item", text(f->item));
		put(o, "text", text(f->text));
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *
audit_object(const struct audit *a)
{
	json_t *o = json_object(), *list = json_array();

	put(o, "schema", number(AUDIT_SCHEMA));
	put(o, "version", text(BULKHEAD_VERSION));
	put(o, "build", text(BULKHEAD_BUILD_ID));
	put(o, "time", text(a->when));
	put(o, "kernel", text(a->kernel));
	put(o, "by_root", json_boolean(a->by_root));
	put(o, "controller", number((uint64_t)a->controller));
	put(o, "result", text(audit_result_text(audit_result(a))));
	put(o, "findings", findings_json(a));
	for (size_t i = 0; i < a->n; i++)
		(void)json_array_append_new(list, process_json(&a->processes[i]));
	put(o, "processes", list);
	return o;
}

char *
audit_json(const struct audit *a)
{
	json_t *o = audit_object(a);
	char *out = json_dumps(o, JSON_INDENT(1));

	json_decref(o);
	return out;
}

/* ---- differences ------------------------------------------------------------- */

/* A file of --json, or a VM by its pid. */
static json_t *
look(const char *name)
{
	json_error_t error;
	struct audit a;
	char *end;
	long pid = strtol(name, &end, 10);
	json_t *o;
	int rc;

	if (end != name && *end == '\0' && pid > 0 && pid < 1 << 30) {
		rc = audit_collect(&a, (pid_t)pid, true);
		o = rc == 0 ? audit_object(&a) : NULL;
		if (o == NULL)
			(void)fprintf(stderr, "bulkheadctl: audit: %s: %s\n", name,
			    rc == -EINVAL ? "not the controller of a VM" :
			    strerror(-rc));
		audit_free(&a);
		return o;
	}
	o = json_load_file(name, 0, &error);
	if (o == NULL)
		(void)fprintf(stderr, "bulkheadctl: audit: %s: %s, line %d\n", name,
		    error.text, error.line);
	else if (json_integer_value(json_object_get(o, "schema")) != AUDIT_SCHEMA) {
		(void)fprintf(stderr, "bulkheadctl: audit: %s: no look of schema %d\n",
		    name, AUDIT_SCHEMA);
		json_decref(o);
		o = NULL;
	}
	return o;
}

/* What differs between any two VMs, and says nothing of what they can do. */
static bool
incidental(const char *key)
{
	static const char *const keys[] = { "pid", "parent", "tid", "inode", "time", "cgroup",
	    "controller", "peer", "core_cookie", "text", "uid", "gid", "target" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static void
show(const char *path, const json_t *a, const json_t *b)
{
	char *x = a != NULL ? json_dumps(a, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	char *y = b != NULL ? json_dumps(b, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	(void)printf("%s: %.100s, %.100s\n", path, x != NULL ? x : "missing",
	    y != NULL ? y : "missing");
	free(x);
	free(y);
}

static unsigned int differ(const char *path, json_t *a, json_t *b, unsigned int depth);

static unsigned int
differ_objects(const char *path, json_t *a, json_t *b, unsigned int depth)
{
	unsigned int n = 0;
	const char *key;
	json_t *value;
	char deeper[256];

	json_object_foreach(a, key, value) {
		if (incidental(key))
			continue;
		(void)snprintf(deeper, sizeof(deeper), "%s%s%s", path,
		    path[0] != '\0' ? "." : "", key);
		n += differ(deeper, value, json_object_get(b, key), depth + 1);
	}
	json_object_foreach(b, key, value) {
		if (incidental(key) || json_object_get(a, key) != NULL)
			continue;
		(void)snprintf(deeper, sizeof(deeper), "%s%s%s", path,
		    path[0] != '\0' ? "." : "", key);
		n += differ(deeper, NULL, value, depth + 1);
	}
	return n;
}

/* An element's own name: that of a process or an item; else its place. */
static void
element_path(const char *path, const json_t *a, size_t i, char *out, size_t size)
{
	const char *name = json_string_value(json_object_get(a, "process"));

	if (name != NULL)
		(void)snprintf(out, size, "%s[%zu %s]", path, i, name);
	else
		(void)snprintf(out, size, "%s[%zu]", path, i);
}

static unsigned int
differ_arrays(const char *path, json_t *a, json_t *b, unsigned int depth)
{
	size_t most = json_array_size(a) > json_array_size(b) ? json_array_size(a) :
	    json_array_size(b);
	unsigned int n = 0;
	char deeper[256];

	for (size_t i = 0; i < most; i++) {
		json_t *x = json_array_get(a, i), *y = json_array_get(b, i);

		element_path(path, x != NULL ? x : y, i, deeper, sizeof(deeper));
		n += differ(deeper, x, y, depth + 1);
	}
	return n;
}

/* Print what is not the same; how many lines. A file is not nested without end. */
static unsigned int
differ(const char *path, json_t *a, json_t *b, unsigned int depth)
{
	if (depth < 16 && json_is_object(a) && json_is_object(b))
		return differ_objects(path, a, b, depth);
	if (depth < 16 && json_is_array(a) && json_is_array(b))
		return differ_arrays(path, a, b, depth);
	if (json_equal(a, b))
		return 0;
	show(path, a, b);
	return 1;
}

int
audit_diff(const char *a, const char *b)
{
	json_t *x = look(a), *y = x != NULL ? look(b) : NULL;
	int status = AUDIT_USAGE;

	if (y != NULL)
		status = differ("", x, y, 0) > 0 ? 1 : 0;
	json_decref(x);
	json_decref(y);
	return status;
}
