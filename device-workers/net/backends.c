// SPDX-License-Identifier: Apache-2.0
/* The kinds of back end in the shipped programs. Tests have their own. */
#include <stddef.h>

#include "device-workers/net/backend.h"
#include "device-workers/net/tap.h"

const struct net_backend *
net_backend_of(Bh__NetBackend kind)
{
	return kind == BH__NET_BACKEND__NET_BACKEND_TAP ? &net_tap : NULL;
}
