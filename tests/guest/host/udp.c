// SPDX-License-Identifier: Apache-2.0
/*
 * udp echo PORT: answer each datagram to 127.0.0.1:PORT with itself, for ever.
 * udp ask PORT TEXT: send TEXT there until it comes back; status 1: it did not.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const struct timeval second = { .tv_usec = 500000 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char buf[2048];
	ssize_t n;

	if (argc < 3 || fd < 0)
		return 2;
	at.sin_port = htons((unsigned short)atoi(argv[2]));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (strcmp(argv[1], "echo") == 0) {
		if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
			return 2;
		for (;;) {
			socklen_t len = sizeof(at);

			n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&at, &len);
			if (n > 0)
				(void)!sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&at, len);
		}
	}
	if (argc < 4 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return 2;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	for (int i = 0; i < 20; i++) {
		(void)!send(fd, argv[3], strlen(argv[3]), 0);
		n = recv(fd, buf, sizeof(buf), 0);
		if (n == (ssize_t)strlen(argv[3]) && memcmp(buf, argv[3], (size_t)n) == 0)
			return 0;
		if (n < 0)
			usleep(100000);
	}
	return 1;
}
