/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port of the host that leads to the guest: as the user writes it and as passt
 * reads it. Pure functions; called by the option parser, the spawner and the
 * controller.
 */
#ifndef BULKHEAD_CONTROLLER_PUBLISH_H
#define BULKHEAD_CONTROLLER_PUBLISH_H

#include "controller/spec.h"
#include "controller/values.h"

#define PUBLISH_TEXT 64u	/* "fd00::1/65535:65535" and more */

/*
 * "tcp:8080:80", "udp:53", "tcp:127.0.0.1:2222:22", "tcp:[::1]:8080:80": protocol,
 * address on the host (all, if left out), port on the host, port in the guest
 * (the same, if left out). 0 or -EINVAL.
 */
int publish_parse(struct span s, struct published_port *port);

/* Ports of a list, "[..]", more to @user. NULL, or what is wrong with them. */
const char *publish_add(struct user_net_spec *user, struct span value);

/* "127.0.0.1/2222:22", for passt's -t or -u. */
void publish_text(const struct published_port *port, char text[PUBLISH_TEXT]);

/* An address in words; "" for one that is not given. */
void publish_address(const uint8_t *bytes, size_t len, char text[PUBLISH_TEXT]);

#endif
