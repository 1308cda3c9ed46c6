// SPDX-License-Identifier: Apache-2.0
//
// The client's side of HTTP, see remote_http.h: as much of it as one request on
// one connection needs.
#include "controller/ctl/remote_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/ctl/progress.h"

#define MAX_FDS 16u
#define MAX_ANSWER (64u << 20)

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, rc;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int
send_all(int fd, const char *bytes, size_t len, const int *fds,
    unsigned int nfds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control = { .bytes = { 0 } };

	while (len > 0) {
		union { const char *in; char *out; } u = { .in = bytes };
		struct iovec iov = { .iov_base = u.out, .iov_len = len };
		struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (nfds > 0) {
			hdr.msg_control = control.bytes;
			hdr.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
			control.header.cmsg_level = SOL_SOCKET;
			control.header.cmsg_type = SCM_RIGHTS;
			control.header.cmsg_len = CMSG_LEN(nfds * sizeof(int));
			memcpy(CMSG_DATA(&control.header), fds,
			    nfds * sizeof(int));
		}
		n = sendmsg(fd, &hdr, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		nfds = 0;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Where the body begins, 0: the head is not whole; *want: how long it is. */
static size_t
head_end(const char *text, size_t *want)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\nContent-Length:");

	if (end == NULL)
		return 0;
	*want = 0;
	if (length != NULL && length < end)
		*want = strtoul(length + strlen("\r\nContent-Length:"), NULL,
		    10);
	return (size_t)(end - text) + 4;
}

static int
receive(int fd, struct remote_answer *answer)
{
	char *text = NULL, *more;
	size_t have = 0, room = 0, want = 0, head = 0;
	ssize_t n;

	while (head == 0 || have - head < want) {
		if (have + 1 >= room) {
			room = room == 0 ? 8192 : 2 * room;
			more = room > MAX_ANSWER ? NULL : realloc(text, room);
			if (more == NULL) {
				free(text);
				return -ENOMEM;
			}
			text = more;
		}
		progress_wait(fd, 0);
		n = recv(fd, text + have, room - have - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int rc = n < 0 ? -errno : -EPROTO;

			free(text);
			return rc;
		}
		have += (size_t)n;
		text[have] = '\0';
		head = head_end(text, &want);
	}
	/* "HTTP/1.1 200 OK" */
	if (strncmp(text, "HTTP/1.", 7) != 0 || strlen(text) < 12) {
		free(text);
		return -EPROTO;
	}
	answer->status = (int)strtol(text + 9, NULL, 10);
	memmove(text, text + head, want);
	text[want] = '\0';
	answer->body = text;
	answer->len = want;
	return 0;
}

int
remote_ask(const char *path, const char *method, const char *endpoint,
    const char *body, size_t len, const int *fds, unsigned int nfds,
    struct remote_answer *answer)
{
	char head[512], length[64] = "";
	int fd = connect_to(path), rc;

	if (fd < 0)
		return fd;
	if (body != NULL)
		(void)snprintf(length, sizeof(length),
		    "Content-Length: %zu\r\n", len);
	(void)snprintf(head, sizeof(head), "%s /api/v1/%s HTTP/1.1\r\n"
	    "Host: localhost\r\nAccept: */*\r\n%s\r\n", method, endpoint,
	    length);
	rc = send_all(fd, head, strlen(head), fds,
	    nfds < MAX_FDS ? nfds : MAX_FDS);
	if (rc == 0 && body != NULL)
		rc = send_all(fd, body, len, NULL, 0);
	/* Who refuses a request half way says why, and hangs up. */
	if (rc == 0 || rc == -EPIPE)
		rc = receive(fd, answer);
	progress_clear();
	close(fd);
	return rc;
}
