/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management side of the controller: keeps the api-worker there, answers the
 * requests that it passes on, and tells it what happens. HTTP and JSON are the
 * api-worker's; what arrives here are checked messages. Private to the
 * controller; written state: the part of struct vm named manage.c.
 */
#ifndef BULKHEAD_CONTROLLER_MANAGE_H
#define BULKHEAD_CONTROLLER_MANAGE_H

#include "controller/vm.h"

/* In manage_worker.c: start the api-worker, if the user asked for a socket or an event monitor. */
void manage_start(struct vm *vm);

/* From life.c: it is jailed and listens; it is gone, its exit reported. */
void manage_up(struct vm *vm);
void manage_down(struct vm *vm);

/* A request of a client; its answer bears @seq, and may come later. */
void manage_request(struct child *api, uint32_t seq, const Bh__ApiRequest *req,
    struct chan_msg *msg);

/* The state of the VM has changed: answer who waited for it. */
void manage_progress(struct vm *vm);

/* It is paused, or is so no more: answer who asked for it. */
void manage_paused(struct vm *vm);

/* The answer to a device's removal: NULL, or why not. */
void manage_removed(struct vm *vm, const char *failed);

/* vm.resize that was under way has ended so. */
void manage_resized(struct vm *vm, uint32_t status, const char *why);

/* A worker of the VM that is to stop does not even die. */
void manage_stuck(struct vm *vm);

/* The VM was deleted: forget its spec. */
void manage_forget(struct vm *vm);

/* The api-worker is there: it gets the events that were kept. */
void manage_send_events(struct vm *vm);

/* For the event monitor. All words but @id, which is copied, are static. */
void manage_event(struct vm *vm, const char *source, const char *event);
void manage_event_id(struct vm *vm, const char *source, const char *event,
    const char *id);
/* With a property @name more, unless @value is "". */
void manage_event_with(struct vm *vm, const char *source, const char *event,
    const char *id, const char *name, const char *value);

#endif
