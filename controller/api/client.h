/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of the API socket, for clients.c (who is there, what they send),
 * exchange.c (what goes to the controller and comes back) and client.c (its life,
 * what it is sent). For nobody else.
 */
#ifndef BULKHEAD_API_CLIENT_H
#define BULKHEAD_API_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "controller/api/answer.h"
#include "controller/api/clients.h"
#include "controller/api/http.h"
#include "ipc/chan.h"
#include "ipc/loop.h"
#include "proto/limits.h"

#define CLIENT_READ_SIZE 4096u
#define CLIENT_SMALL_ANSWER 2048u

enum client_state {
	CLIENT_FREE,
	CLIENT_READING,
	CLIENT_READY,		/* a request is there, the window is full */
	CLIENT_WAITING,		/* ... and with the controller */
	CLIENT_WRITING,
};

struct client {
	struct clients *all;
	struct http http;
	struct loop_source src;
	struct http_room large;	/* of the answer */
	char *out;
	size_t out_at, out_len;
	size_t rest_at, rest_len;
	uint8_t rest[CLIENT_READ_SIZE];
	char small[CLIENT_SMALL_ANSWER];
	int fds[API_LIMIT_FDS];
	unsigned int nfds;
	enum client_state state;
	unsigned int since;	/* ticks, of the last progress */
	uint32_t seq;
	Bh__ApiVerb verb;
	bool close;		/* after the answer */
	bool continued;		/* 100 Continue was sent */
};

/* All of them. clients.c has the one there is. */
struct clients {
	struct loop *loop;
	struct chan *ctl;
	const struct about *about;
	struct loop_source listener;
	unsigned int ticks, in_use, waiting;
	unsigned int top;	/* none from here on has been in use */
	uint32_t info;		/* the vm.info that is with the controller */
	bool ticking, closing;
	struct client of[CLIENTS_MAX];
};

/* ---- client.c ------------------------------------------------------------------ */

/* One of the few large rooms; at NULL: all are taken. */
struct http_room client_take_room(void);
void client_give_room(struct http_room *room);

void client_close_fds(struct client *c);
/* Hang up. A request of its that is with the controller is answered to nobody. */
void client_forget(struct client *c);
void client_watch(struct client *c, uint32_t events);
void client_enter(struct client *c, enum client_state state);

/* Bytes that may get lost, as 100 Continue. */
ssize_t client_send(int fd, const void *bytes, size_t len);
/* Go on with the answer that is under way. */
void client_write(struct client *c);

/* Room for a body, small first; false: there is no large one. */
struct text client_small_body(struct client *c);
bool client_large_body(struct client *c, struct text *t);
/* Answer; the body lies where one of these said. */
void client_respond(struct client *c, unsigned int status, struct text *body);
void client_refuse(struct client *c, unsigned int status,
    const char *const *texts, size_t n);
/* What is no request any more: say so, and hang up. */
void client_refuse_http(struct client *c, unsigned int status);

/* ---- exchange.c ---------------------------------------------------------------- */

/* Before the jail: the JSON library gets its arena. */
void exchange_init(uint64_t seed);

/* Is the controller busy enough for this request to be kept back? */
bool exchange_must_wait(const struct client *c);

/* Its request is whole: say what is wrong with it, or pass it on. */
void exchange_request(struct client *c);

/*
 * The controller's answer to @seq, or a part of it: printed and sent when it is
 * whole. *@whole; whose it was, or NULL.
 */
struct client *exchange_answer(struct clients *all, uint32_t seq,
    const Bh__ApiAnswer *answer, bool *whole);

#endif
