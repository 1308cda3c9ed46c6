/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-vhost-user-rng: the entropy device for other VMMs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "device-workers/rng/rng.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/place.h"

static const char *source = "/dev/urandom";

static int
option(const char *name, const char *value)
{
	if (strcmp(name, "src") != 0)
		return vhu_limit_option(name, value);
	source = value;
	return value != NULL ? 0 : -EINVAL;
}

static int
open_source(Bh__DeviceConfig *config, const char **why)
{
	static Bh__RngConfig rng;
	int fd, rc;

	bh__rng_config__init(&rng);
	rng.queue_size = VIRTQ_MAX_SIZE;
	rc = vhu_limit(&rng.rate_limit, why);
	if (rc < 0)
		return rc;
	*why = source;
	fd = open(source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	config->device_case = BH__DEVICE_CONFIG__DEVICE_RNG;
	config->rng = &rng;
	return place_fd(fd, FD_BACKEND);
}

int
main(int argc, char **argv)
{
	static const struct vhu_program program = {
		.ops = &rng_ops,
		.type = "rng",
		.what = "Entropy of the host",
		.usage = "  --src=PATH            default /dev/urandom\n" VHU_LIMIT_USAGE,
		.example = "",
		.queues_a_unit = 1,
		.option = option,
		.open = open_source,
	};

	return main_vhost_user(argc, argv, &program);
}
