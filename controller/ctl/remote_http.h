/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request over a unix socket, with fds; for remote.c. */
#ifndef BULKHEAD_CTL_REMOTE_HTTP_H
#define BULKHEAD_CTL_REMOTE_HTTP_H

#include <stddef.h>

struct remote_answer {
	int status;
	char *body;		/* ended by a NUL; to be freed */
	size_t len;
};

/*
 * Ask @path's VMM for @method /api/v1/@endpoint with @body (NULL: none) and @fds.
 * 0 or -errno, -EPROTO: it does not speak HTTP.
 */
int remote_ask(const char *path, const char *method, const char *endpoint,
    const char *body, size_t len, const int *fds, unsigned int nfds,
    struct remote_answer *answer);

#endif
