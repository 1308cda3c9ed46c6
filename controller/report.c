// SPDX-License-Identifier: Apache-2.0
//
// Words about children, see report.h.
#include "controller/report.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "controller/deaths.h"
#include "controller/life.h"
#include "controller/manage.h"
#include "controller/output.h"
#include "controller/paths.h"
#include "controller/values.h"

void
report_child_log(struct child *child, enum log_level level, const char *text)
{
	static const enum log_level shown[] = { LOG_WARN, LOG_INFO };
	uint32_t verbosity = child->vm->spec.log.verbosity;

	if (level <= (verbosity < 2 ? shown[verbosity] : LOG_DEBUG))
		output_child(child->name, child->host_pid, level, text);
}

/* The loader's text begins with the part it is about. */
static bool
about(const char *text, const char *part, const char **rest)
{
	size_t len = strlen(part);

	if (strncmp(text, part, len) != 0 || strncmp(text + len, ": ", 2) != 0)
		return false;
	*rest = text + len + 2;
	return true;
}

static void
loader_failed(struct vm *vm, const char *text)
{
	const struct payload_spec *p = &vm->spec.payload;
	char size[VALUE_SIZE_TEXT];
	const char *rest;

	value_size_text(vm->spec.memory.size, size);
	if (p->kernel != NULL && about(text, "kernel", &rest))
		life_fail(vm, "--kernel %s: %s", p->kernel, rest);
	else if (p->firmware != NULL && about(text, "firmware", &rest))
		life_fail(vm, "--firmware %s: %s", p->firmware, rest);
	else if (p->initramfs != NULL && about(text, "initramfs", &rest))
		life_fail(vm, "--initramfs %s: %s", p->initramfs, rest);
	else if (about(text, "--memory", &rest))
		life_fail(vm, "--memory size=%s: %s; give more", size, rest);
	else if (about(text, "guest memory", &rest))
		life_fail(vm, "--memory size=%s: %s; lower it", size, rest);
	else if (strncmp(text, "--", 2) == 0)
		life_fail(vm, "%s", text);
	else
		life_fail(vm, "--kernel %s: %s", p->kernel != NULL ? p->kernel :
		    p->firmware, text);
}

void
report_failed(struct child *child, const Bh__Failed *failed)
{
	struct vm *vm = child->vm;
	const char *text = failed->text;
	char option[400];

	child->failed = true;
	if (text[0] == '\0')
		text = log_errtext(failed->error);
	deaths_blame(child, DEATH_SAID, text);
	if (child->kind == PROC_LOADER) {
		loader_failed(vm, text);
		return;
	}
	paths_option_of(vm, child, option, sizeof(option));
	life_child_failed(child, "%s: %s", option, text);
}

bool
report_is_oom(const struct child *child)
{
	return child->oom && child->signal == SIGKILL;
}

static const char *
signal_name(int signal, char *buf, size_t size)
{
	const char *name = sigabbrev_np(signal);

	(void)snprintf(buf, size, "signal %d (SIG%s)", signal,
	    name != NULL ? name : "?");
	return buf;
}

void
report_end(const struct child *child, char *buf, size_t size)
{
	if (child->signal != 0) {
		char name[64];

		(void)snprintf(buf, size, "killed by %s",
		    signal_name(child->signal, name, sizeof(name)));
	} else {
		(void)snprintf(buf, size, "exit status %d", child->status);
	}
}

void
report_exit(struct child *child)
{
	struct vm *vm = child->vm;
	char end[64], option[400];
	const char *cause = "";
	bool one_shot = child->kind == PROC_LOADER ||
	    child->kind == PROC_MIGRATION ||
	    child->kind == PROC_OPENER || child->kind == PROC_GUARD ||
	    child->kind == PROC_SNAPSHOT;
	bool orderly = child->signal == 0 && child->status == 0 &&
	    (child->told_quit || one_shot);

	if (child->signal != 0)
		signal_name(child->signal, end, sizeof(end));
	else
		(void)snprintf(end, sizeof(end), "exit status %d", child->status);
	log_info("%s (pid %u) is gone: %s", child->name, child->host_pid, end);
	/* Who is ended because the VM is has not died. */
	if (!orderly && (!child->told_quit || child->why != DEATH_OF_ITSELF))
		cause = deaths_note(child);
	if (!orderly)
		manage_event_with(vm, "worker", "died", child->name,
		    "cause", cause);
	if (orderly || child->failed || vm->said_why || child->host_pid == 0)
		return;
	/* Killed by us because the time was over. */
	if (child->told_quit && child->signal != 0)
		return;
	paths_option_of(vm, child, option, sizeof(option));
	life_child_failed(child, "%s (%s, pid %u) died: %s",
	    process_kinds[child->kind].binary, option, child->host_pid,
	    deaths_detail(child));
}
