/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where bytes of a request are read, see door.h. */
#include "device-workers/fs/door.h"

#include <errno.h>
#include <string.h>

int
fs_door_name(const char *name, size_t len)
{
	if (len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || memchr(name, '/', len) != NULL ||
	    memchr(name, '\0', len) != NULL ||
	    (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
		return -EINVAL;
	return 0;
}

/* The next text of the tail, with its NUL. NULL: it does not end. */
static const char *
take_text(struct fs_req *req, size_t *len)
{
	const char *text = (const char *)req->tail;
	const uint8_t *end;

	if (req->tail_len == 0)
		return NULL;
	end = memchr(req->tail, '\0', req->tail_len);
	if (end == NULL)
		return NULL;
	*len = (size_t)(end - req->tail);
	req->tail += *len + 1;
	req->tail_len -= *len + 1;
	return text;
}

static int
take_name(struct fs_req *req, const char **name)
{
	size_t len = 0;

	*name = take_text(req, &len);
	return *name == NULL ? -EINVAL : fs_door_name(*name, len);
}

static int
take_target(struct fs_req *req)
{
	size_t len = 0;

	req->name2 = take_text(req, &len);
	if (req->name2 == NULL || len == 0)
		return -EINVAL;
	return len > FS_TARGET_MAX ? -ENAMETOOLONG : 0;
}

static int
take_xattr(struct fs_req *req)
{
	size_t len = 0;

	req->name = take_text(req, &len);
	if (req->name == NULL || len == 0)
		return -EINVAL;
	return len > FS_NAME_MAX ? -ERANGE : 0;
}

static int
take_tail(struct fs_req *req)
{
	int rc = 0;

	switch ((enum fs_tail)req->op->tail) {
	case FS_TAIL_NONE:
		return 0;
	case FS_TAIL_NAME:
	case FS_TAIL_TWO_NAMES:
		rc = take_name(req, &req->name);
		if (rc == 0 && req->op->tail == FS_TAIL_TWO_NAMES)
			rc = take_name(req, &req->name2);
		break;
	case FS_TAIL_LINK:
		rc = take_name(req, &req->name);
		if (rc == 0)
			rc = take_target(req);
		break;
	case FS_TAIL_XATTR:
		return take_xattr(req);
	case FS_TAIL_VALUE:
		rc = take_xattr(req);
		return rc != 0 ? rc : req->tail_len != req->in.setxattr.size ?
		    -EINVAL : 0;
	case FS_TAIL_FORGETS:
		return req->tail_len / sizeof(struct fuse_forget_one) <
		    req->in.batch.count ? -EINVAL : 0;
	case FS_TAIL_DATA:
		/* Not here but in the chain: as much as is said has to be there. */
		return req->in.write.size > req->head.len - sizeof(req->head) -
		    sizeof(req->in.write) ? -EINVAL : 0;
	}
	return rc != 0 ? rc : req->tail_len != 0 ? -EINVAL : 0;
}

int
fs_door(struct fs_req *req, const struct virtq_chain *chain,
    const struct fs_op *ops, size_t nops, uint8_t *arg)
{
	size_t len, fixed;

	memset(req, 0, sizeof(*req));
	req->chain = chain;
	if (virtq_copy_out_of(chain, 0, &req->head, sizeof(req->head)) !=
	    sizeof(req->head))
		return -EBADMSG;
	req->room = chain->write_len < sizeof(struct fuse_out_header) ? 0 :
	    chain->write_len - sizeof(struct fuse_out_header);
	if (req->head.opcode >= nops || ops[req->head.opcode].run == NULL)
		return -ENOSYS;
	req->op = &ops[req->head.opcode];
	if (req->head.len < sizeof(req->head) + req->op->size ||
	    req->head.len > chain->read_len)
		return -EINVAL;
	len = req->head.len - sizeof(req->head);
	if (req->op->tail == FS_TAIL_DATA)
		len = req->op->size;
	if (len > FS_ARG_MAX)
		return -E2BIG;
	if (virtq_copy_out_of(chain, sizeof(req->head), arg, len) != len)
		return -EINVAL;
	/* INIT alone may be longer or shorter: it has grown over the years. */
	fixed = req->op->size;
	if (req->head.opcode == FUSE_INIT)
		fixed = len < sizeof(req->in.init) ? len : sizeof(req->in.init);
	memcpy(&req->in, arg, fixed);
	req->tail = arg + fixed;
	req->tail_len = len - fixed;
	return take_tail(req);
}

int
fs_door_span(const struct virtq_chain *chain, bool writable, uint64_t from,
    uint64_t len, struct iovec *iov)
{
	unsigned int at = writable ? chain->nread : 0;
	unsigned int end = at + (writable ? chain->nwrite : chain->nread);
	int n = 0;

	for (; at < end && len > 0; at++) {
		uint64_t have = chain->iov[at].iov_len;

		if (from >= have) {
			from -= have;
			continue;
		}
		have -= from;
		if (have > len)
			have = len;
		iov[n].iov_base = (uint8_t *)chain->iov[at].iov_base + from;
		iov[n++].iov_len = have;
		len -= have;
		from = 0;
	}
	return n;
}
