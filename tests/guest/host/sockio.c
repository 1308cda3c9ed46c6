// SPDX-License-Identifier: Apache-2.0
//
// sockio PATH SECONDS WAIT-FOR TEXT: connects to the unix socket of a console,
// copies what comes to standard output, sends TEXT and a newline once WAIT-FOR
// has come, and ends when the other side does or the time is over. Used by
// tests/guest/run.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char seen[1 << 16] = "";
	size_t n = 0;
	int fd, sent = 0, tries;
	time_t end;

	if (argc != 5 || strlen(argv[1]) >= sizeof(a.sun_path))
		return 2;
	strcpy(a.sun_path, argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	end = time(NULL) + atoi(argv[2]);
	for (tries = 0; connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0;
	    tries++) {
		if (tries == 1000)
			return 1;
		usleep(5000);
	}
	while (time(NULL) < end && n < sizeof(seen) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, 200) <= 0)
			continue;
		got = read(fd, seen + n, sizeof(seen) - 1 - n);
		if (got <= 0)
			break;
		fwrite(seen + n, 1, (size_t)got, stdout);
		fflush(stdout);
		n += (size_t)got;
		seen[n] = '\0';
		if (!sent && strstr(seen, argv[3]) != NULL) {
			dprintf(fd, "%s\n", argv[4]);
			sent = 1;
		}
	}
	return sent ? 0 : 1;
}
