/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-vhost-user-front: a device behind a vhost-user socket. */
#include "device-workers/vhost-user-front/vhost_user_front.h"

int
main(void)
{
	return worker_main(&front_ops);
}
