// SPDX-License-Identifier: Apache-2.0
//
// Unanswered requests, see requests.h. One pool for the whole VM, searched from
// the front: there are few at a time, and only while something starts or stops.
#include "controller/requests.h"

#include <sys/timerfd.h>
#include <time.h>

#include "controller/deaths.h"
#include "controller/life.h"
#include "controller/supervise.h"

uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

struct request *
request_new(struct child *child, struct chan *chan, Bh__Packet__BodyCase type,
    uint32_t subject, unsigned int seconds)
{
	struct vm *vm = child->vm;
	static const struct itimerspec tick = {
		.it_interval = { .tv_nsec = SECOND / 10 },
		.it_value = { .tv_nsec = SECOND / 10 },
	};

	for (size_t i = 0; i < VM_MAX_REQUESTS; i++) {
		struct request *r = &vm->requests[i];

		if (r->child != NULL)
			continue;
		*r = (struct request){ .child = child, .chan = chan,
		    .type = type, .subject = subject,
		    .seq = chan_next_seq(chan),
		    .deadline = now_ns() + seconds * SECOND };
		if (!vm->timer_armed) {
			(void)timerfd_settime(vm->timer.fd, 0, &tick, NULL);
			vm->timer_armed = true;
		}
		return r;
	}
	return NULL;
}

struct request *
request_find(struct vm *vm, const struct chan *chan, uint32_t seq)
{
	for (size_t i = 0; i < VM_MAX_REQUESTS; i++)
		if (vm->requests[i].child != NULL &&
		    vm->requests[i].chan == chan && vm->requests[i].seq == seq)
			return &vm->requests[i];
	return NULL;
}

void
request_extend(struct child *child, Bh__Packet__BodyCase type,
    unsigned int seconds)
{
	for (size_t i = 0; i < VM_MAX_REQUESTS; i++) {
		struct request *r = &child->vm->requests[i];

		if (r->child == child && r->type == type)
			r->deadline = now_ns() + seconds * SECOND;
	}
}

void
requests_drop(struct child *child)
{
	for (size_t i = 0; i < VM_MAX_REQUESTS; i++)
		if (child->vm->requests[i].child == child)
			child->vm->requests[i].child = NULL;
}

uint32_t
child_waiting(const struct child *child, Bh__Packet__BodyCase type)
{
	uint32_t n = 0;

	for (size_t i = 0; i < VM_MAX_REQUESTS; i++)
		if (child->vm->requests[i].child == child &&
		    (type == BH__PACKET__BODY__NOT_SET ||
		    child->vm->requests[i].type == type))
			n++;
	return n;
}

void
supervise_deadlines(struct vm *vm)
{
	uint64_t now = now_ns();

	for (size_t i = 0; i < VM_MAX_REQUESTS; i++) {
		struct request *r = &vm->requests[i];
		struct child *child = r->child;

		if (child == NULL || now < r->deadline)
			continue;
		deaths_blame(child, DEATH_LATE, proto_name_of(r->type));
		life_child_failed(child, "%s did not answer %s in time; it was killed",
		    child->name, proto_name_of(r->type));
		requests_drop(child);
		child_kill(child);
	}
}

bool
request_takes(Bh__Packet__BodyCase type, Bh__Packet__BodyCase answer)
{
	if (answer == BH__PACKET__BODY_FAILED)
		return true;
	switch ((int)type) {
	case BH__PACKET__BODY_OPEN:
		return answer == BH__PACKET__BODY_OPENED;
	case BH__PACKET__BODY_LOAD_CONFIG:
		return answer == BH__PACKET__BODY_LOADED;
	case BH__PACKET__BODY_DEVICE_CONFIG:
		return answer == BH__PACKET__BODY_DEVICE_READY;
	case BH__PACKET__BODY_SPAWN:
		return answer == BH__PACKET__BODY_SPAWNED;
	default:
		return answer == BH__PACKET__BODY_ACK;
	}
}
