/* SPDX-License-Identifier: Apache-2.0 */
/* What bulkhead-vhost-user-net may do: the library's calls, and the device's own. */
#include "device-workers/vhost-user/policy.h"

/* One list for both programs. NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "device-workers/net/net_policy.c"
