// SPDX-License-Identifier: Apache-2.0
/* The kinds of back end in the shipped programs. Tests have their own. */
#include <stddef.h>

#include "device-workers/net/backend.h"
#include "device-workers/net/stream.h"
#include "device-workers/net/tap.h"

const struct net_backend *
net_backend_of(Bh__NetBackend kind)
{
	switch ((int)kind) {
	case BH__NET_BACKEND__NET_BACKEND_TAP:
		return &net_tap;
	case BH__NET_BACKEND__NET_BACKEND_STREAM:
		return &net_stream;
	default:
		return NULL;
	}
}
