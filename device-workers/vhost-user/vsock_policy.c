/* SPDX-License-Identifier: Apache-2.0 */
/* What bulkhead-vhost-user-vsock may do: the library's calls, and the device's own. */
#include "device-workers/vhost-user/policy.h"

#define VSOCK_PORT_RULES						\
	SB_ALLOW2(sendmsg, SB_FD(0, FD_VHU_PORTS),			\
	    SB_EQ32(2, MSG_NOSIGNAL | MSG_DONTWAIT), "ask for a port of the host's"), \
	SB_ALLOW1(recvmsg, SB_FD(0, FD_VHU_PORTS), "the connection to it")
#define VSOCK_PORT_FDS							\
	SB_SLOT(FD_VHU_PORTS, SB_IS_CHANNEL, "who connects to the host's ports")

/* One list for both programs. NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "device-workers/vsock/vsock_policy.c"
