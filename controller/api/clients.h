/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clients of the API socket: accepts them, reads requests with the fds that
 * come along, hands them to the controller one at a time a client, writes the
 * answers. Each is bounded in memory and time; none waits for another's.
 */
#ifndef BULKHEAD_API_CLIENTS_H
#define BULKHEAD_API_CLIENTS_H

#include <stdbool.h>

#include "controller/api/answer.h"
#include "ipc/chan.h"
#include "ipc/loop.h"

#define CLIENTS_MAX 1024u

/*
 * Before the jail: give the JSON library its arena. The loop, the channel and
 * @about are kept.
 */
void clients_init(struct loop *loop, struct chan *ctl,
    const struct about *about, uint64_t seed);

/* In the jail: listen on FD_API. -errno. */
int clients_listen(void);

/* The controller's answer to @seq, or a part of it. */
void clients_answer(uint32_t seq, const Bh__ApiAnswer *answer);

/* Accept no more; true when everything that was to be written is. */
bool clients_finish(void);

/* A second has passed; FD_TIMER. Whether it is to go on. */
bool clients_tick(void);

#endif
