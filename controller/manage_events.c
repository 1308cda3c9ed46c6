/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event monitor's events, see manage.h: kept until there is an api-worker to
 * take them, which writes them as JSON.
 */
#include <stdio.h>
#include <string.h>

#include "controller/manage.h"
#include "controller/requests.h"
#include "controller/supervise.h"

#define MAX_EVENTS 64u		/* kept for an api-worker that is to come */

static char *
constless(const char *text)
{
	union { const char *in; char *out; } u = { .in = text };

	return u.out;
}

struct event {
	uint64_t ns;
	const char *source, *event;
	char id[96];		/* "": none */
	const char *name, *value;	/* one property more; value "": none */
};

/* Of the one VMM; sent in order as soon as there is somebody to take them. */
static struct event events[MAX_EVENTS];
static uint32_t nevents;

static void
send_event(struct vm *vm, const struct event *e)
{
	Bh__ApiEvent event = BH__API_EVENT__INIT;
	Bh__ApiValue values[2], *properties[2];
	CHAN_PACKET(p, API_EVENT, api_event, &event);
	uint64_t since = e->ns - vm->started_ns;

	event.seconds = since / SECOND;
	event.nanoseconds = (uint32_t)(since % SECOND);
	event.source = constless(e->source);
	event.event = constless(e->event);
	event.properties = properties;
	for (unsigned int i = 0; i < 2; i++) {
		const char *text = i == 0 ? e->id : e->value;
		Bh__ApiValue *v = &values[event.n_properties];

		if (text[0] == '\0')
			continue;
		bh__api_value__init(v);
		v->name = constless(i == 0 ? "id" : e->name);
		v->value_case = BH__API_VALUE__VALUE_TEXT;
		v->text = constless(text);
		properties[event.n_properties++] = v;
	}
	child_send(vm->api, &p, NULL, 0, 0, 0);
}

void
manage_send_events(struct vm *vm)
{
	if (vm->api == NULL || !vm->api->ready)
		return;
	for (uint32_t i = 0; i < nevents; i++)
		send_event(vm, &events[i]);
	nevents = 0;
}

void
manage_event_with(struct vm *vm, const char *source, const char *event,
    const char *id, const char *name, const char *value)
{
	struct event *e;

	if (vm->spec.events.path == NULL && vm->spec.events.fd == 0)
		return;
	if (nevents == MAX_EVENTS) {	/* the oldest is lost */
		memmove(events, events + 1, sizeof(events) - sizeof(events[0]));
		nevents--;
	}
	e = &events[nevents++];
	*e = (struct event){ .ns = now_ns(), .source = source, .event = event,
	    .name = name, .value = value };
	(void)snprintf(e->id, sizeof(e->id), "%s", id);
	manage_send_events(vm);
}

void
manage_event_id(struct vm *vm, const char *source, const char *event,
    const char *id)
{
	manage_event_with(vm, source, event, id, "", "");
}

void
manage_event(struct vm *vm, const char *source, const char *event)
{
	manage_event_with(vm, source, event, "", "", "");
}
