/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-vhost-user-fs: a shared directory for other VMMs. The tag is the front
 * end's to give. Started by root, the guest's users are the host's; by others every
 * file is theirs.
 */
#include "device-workers/fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "device-workers/fs/slots.h"
#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/place.h"

#define QUEUES_MAX 8u

static struct {
	const char *dir;
	Bh__FsCache cache;
	bool writeback, posix_acl;
	uint32_t queues;
} opt = { .cache = BH__FS_CACHE__FS_CACHE_AUTO, .queues = 1 };

static struct vhu_share share;

/* :GUEST:HOST:COUNT:, as virtiofsd has it; the outer colons may be missing. */
static int
parse_ids(const char *text, struct vhu_ids *ids)
{
	uint32_t *const out[] = { &ids->inside, &ids->outside, &ids->count };
	char copy[40], *at = copy;

	if (text == NULL || strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);
	at += *at == ':';
	for (size_t i = 0; i < 3; i++) {
		char *end = strchrnul(at, ':');
		bool last = *end == '\0';

		*end = '\0';
		if ((last && i < 2) || vhu_number(at, i == 2, UINT32_MAX - 1,
		    out[i]) < 0)
			return -EINVAL;
		at = last ? end : end + 1;
	}
	return *at != '\0' || ids->inside + (uint64_t)ids->count > UINT32_MAX ||
	    ids->outside + (uint64_t)ids->count > UINT32_MAX ? -EINVAL : 0;
}

static int
option(const char *name, const char *value)
{
	bool *flag = strcmp(name, "readonly") == 0 ? &share.readonly :
	    strcmp(name, "writeback") == 0 ? &opt.writeback :
	    strcmp(name, "posix-acl") == 0 ? &opt.posix_acl : NULL;

	if (flag != NULL) {
		*flag = true;
		return value == NULL ? 0 : -EINVAL;
	}
	if (strcmp(name, "uid-map") == 0)
		return parse_ids(value, &share.uids);
	if (strcmp(name, "gid-map") == 0)
		return parse_ids(value, &share.gids);
	if (strcmp(name, "num-queues") == 0)
		return vhu_number(value, 1, QUEUES_MAX, &opt.queues);
	if (strcmp(name, "shared-dir") == 0) {
		opt.dir = value;
		return value != NULL ? 0 : -EINVAL;
	}
	if (strcmp(name, "cache") != 0)
		return -ENOENT;
	if (value != NULL && strcmp(value, "never") == 0)
		opt.cache = BH__FS_CACHE__FS_CACHE_NEVER;
	else if (value != NULL && strcmp(value, "always") == 0)
		opt.cache = BH__FS_CACHE__FS_CACHE_ALWAYS;
	else if (value == NULL || strcmp(value, "auto") != 0)
		return -EINVAL;
	return 0;
}

static int
open_share(Bh__DeviceConfig *config, const char **why)
{
	static Bh__FsConfig fs;
	static char tag[] = "share";
	int fd;

	*why = "--shared-dir is needed";
	if (opt.dir == NULL)
		return -EINVAL;
	*why = opt.dir;
	fd = open(opt.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bh__fs_config__init(&fs);
	fs.tag = tag;
	fs.num_queues = opt.queues;
	fs.queue_size = VIRTQ_MAX_SIZE;
	fs.readonly = share.readonly;
	fs.writeback = opt.writeback;
	fs.posix_acl = opt.posix_acl;
	fs.only_uids = share.uids.count > 0;
	fs.only_gids = share.gids.count > 0;
	fs.cache = opt.cache;
	config->device_case = BH__DEVICE_CONFIG__DEVICE_FS;
	config->fs = &fs;
	return place_fd(fd, FD_SHARE);
}

int
main(int argc, char **argv)
{
	static const struct vhu_program program = {
		.ops = &fs_ops,
		.type = "fs",
		.what = "A shared directory of the host",
		.usage =
		    "  --shared-dir=PATH     the directory\n"
		    "  --cache=MODE          what the guest may remember of it: never, auto\n"
		    "                        (for a second, default) or always\n"
		    "  --writeback           the guest writes when it likes\n"
		    "  --posix-acl           access control lists\n"
		    "  --readonly            the guest may change nothing\n"
		    "  --uid-map=:GUEST:HOST:COUNT:, --gid-map=...\n"
		    "                        the guest's ids from GUEST on are the host's from\n"
		    "                        HOST on; an ordinary user has one, its own\n"
		    "  --num-queues=N        request queues, 1 to 8, default 1\n",
		.example = "--shared-dir=/srv/share",
		.queues_a_unit = 1,
		.share = &share,
		.option = option,
		.open = open_share,
	};

	return main_vhost_user(argc, argv, &program);
}
