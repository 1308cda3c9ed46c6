/* SPDX-License-Identifier: Apache-2.0 */
/* A child's end of its channel to the controller, see control.h. */
#include "sandbox/control.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "build_id.h"
#include "ipc/image.h"
#include "sandbox/jail.h"

/* The modes of messages are those of the jail. */
_Static_assert((int)JAIL_OFF == (int)BH__SECCOMP_MODE__SECCOMP_MODE_OFF &&
    (int)JAIL_ENFORCE == (int)BH__SECCOMP_MODE__SECCOMP_MODE_ENFORCE &&
    (int)JAIL_LOG == (int)BH__SECCOMP_MODE__SECCOMP_MODE_LOG &&
    (int)JAIL_ERRNO == (int)BH__SECCOMP_MODE__SECCOMP_MODE_ERRNO, "jail.h");

int
control_hello(struct chan *ctl)
{
	static char build_id[] = BULKHEAD_BUILD_ID;
	Bh__Hello hello = BH__HELLO__INIT;
	CHAN_PACKET(p, HELLO, hello, &hello);

	hello.protocol = PROTO_VERSION;
	hello.build_id = build_id;
	hello.image_base = image_base();
	return chan_send(ctl, &p, NULL, 0);
}

void
control_log(enum log_level level, const char *line, void *ctl)
{
	Bh__Log log = BH__LOG__INIT;
	/* protobuf-c wants a char *, and does not write to it. */
	union { const char *in; char *out; } constless = { .in = line };
	CHAN_PACKET(p, LOG, log, &log);

	log.level = (Bh__LogLevel)level;
	log.text = constless.out;
	(void)chan_send(ctl, &p, NULL, 0);
}

int
control_listener(struct chan *ctl, int listener)
{
	Bh__SeccompListener listening = BH__SECCOMP_LISTENER__INIT;
	CHAN_PACKET(p, SECCOMP_LISTENER, seccomp_listener, &listening);
	int rc;

	if (listener < 0)
		return 0;
	rc = chan_send(ctl, &p, &listener, 1);
	close(listener);
	return rc;
}

int
control_receive(struct chan *ctl, struct chan_msg *msg)
{
	for (;;) {
		struct pollfd p = { .fd = ctl->fd, .events = POLLIN };
		const char *why = "";
		int rc = chan_recv(ctl, msg, &why);

		if (rc == -EPROTO)
			log_error("refused a message: %s", why);
		if (rc == -EPIPE)
			return 0;
		if (rc != 0)
			return rc;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}
