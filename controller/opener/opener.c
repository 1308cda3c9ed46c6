// SPDX-License-Identifier: Apache-2.0
//
// The opener: opens each path of the configuration as the user who started the
// VM, checks what it got, passes the fd, and goes. It exists so that a path that
// hangs (a dead network file system, a FIFO) or a special file holds up a process
// that nobody waits for, and so that the controller itself opens nothing. The guard
// process has the same channel and jail, and another opened_make().
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "controller/opener/opened.h"
#include "ipc/chan.h"
#include "ipc/log.h"
#include "ipc/slots.h"
#include "sandbox/control.h"
#include "sandbox/jail.h"

static struct chan_buffers buffers;

static bool restricted;	/* by --landlock */

static int
answer(struct chan *ch, uint32_t seq, const Bh__Open *req, int folder)
{
	static struct opened o;
	int rc;

	memset(&o, 0, sizeof(o));
	bh__opened__init(&o.msg);
	o.msg.name = o.name;
	o.folder = folder;
	rc = opened_make(&o, req);
	if (rc == -EACCES && restricted && allow_refused(&o, req)) {
		rc = -ECANCELED;
		o.why = "not in --landlock-rules; add it there";
	}
	if (rc == 0) {
		CHAN_PACKET(p, OPENED, opened, &o.msg);

		p.seq = seq;
		rc = chan_send(ch, &p, o.fds, o.nfds);
	} else {
		rc = chan_send_failed(ch, seq, -rc,
		    o.why != NULL ? o.why : log_errtext(rc));
	}
	for (unsigned int i = 0; i < o.nfds; i++)
		close(o.fds[i]);
	return rc;
}

/* Wait for the next message: 0, to be ended by chan_done(), or -errno. */
static int
await(struct chan *ch, struct chan_msg *msg)
{
	struct pollfd p = { .fd = ch->fd, .events = POLLIN };
	int rc;

	do {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -EIO;
		rc = chan_recv(ch, msg, NULL);
	} while (rc == 0);
	return rc < 0 ? rc : 0;
}

/* Until Quit, or until the controller hangs up. */
static int
serve(struct chan *ch)
{
	for (;;) {
		struct chan_msg msg;
		int rc = await(ch, &msg);

		if (rc < 0)
			return rc;
		if (msg.packet->body_case == BH__PACKET__BODY_QUIT)
			return 0;
		if (msg.packet->body_case == BH__PACKET__BODY_OPEN)
			rc = answer(ch, msg.packet->seq, msg.packet->open,
			    msg.nfds > 0 ? msg.fds[0] : -1);
		chan_done(&msg);
		if (rc < 0)
			return rc;
	}
}

/*
 * Wait for the message that says how to close the jail, and take those before it,
 * about paths: JAIL_ENFORCE and so on, or -errno.
 */
static int
await_config(struct chan *ch)
{
	struct chan_msg msg;
	int ruleset = -1;
	int rc = await(ch, &msg);

	while (rc == 0 && msg.packet->body_case == BH__PACKET__BODY_ALLOW_PATHS) {
		rc = allow_add(&ruleset, msg.packet->allow_paths, msg.fds,
		    msg.nfds);
		chan_done(&msg);
		if (rc == 0)
			rc = await(ch, &msg);
	}
	if (rc != 0)
		return rc;
	if (msg.packet->body_case != BH__PACKET__BODY_OPENER_CONFIG) {
		rc = -ECANCELED;
	} else {
		restricted = msg.packet->opener_config->landlock;
		rc = restricted ? allow_close(&ruleset) : 0;
		if (rc == 0)
			rc = (int)msg.packet->opener_config->seccomp;
	}
	chan_done(&msg);
	return rc;
}

int
main(void)
{
	struct chan ch;
	const char *stage = "";
	int listener = -1;
	int rc, mode = 0;

	chan_init(&ch, FD_CTL, PEER_OPENER, PEER_CONTROLLER, &buffers);
	ch.states = PROTO_NEW;
	rc = control_hello(&ch);
	if (rc == 0)
		rc = mode = await_config(&ch);
	ch.states = PROTO_RUNNING;
	if (rc >= 0) {
		stage = "what it needs";
		rc = opened_prepare();
	}
	if (rc >= 0) {
		rc = jail_confine_opener(&stage);
		if (rc == 0)
			rc = jail_load((enum jail_mode)mode, &listener, &stage);
		if (rc != 0)
			(void)chan_send_failed(&ch, 0, -rc, stage);
	}
	if (rc == 0)
		rc = control_listener(&ch, listener);
	if (rc == 0)
		rc = serve(&ch);
	_exit(rc == 0 ? 0 : 1);
}
