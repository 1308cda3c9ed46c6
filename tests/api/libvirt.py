# SPDX-License-Identifier: Apache-2.0
#
# What libvirt's ch driver sent to Bulkhead, and what it was answered: recorded from
# Debian's libvirt 9.0.0 (bookworm) and 11.3.0 (trixie), each built with
# -Ddriver_ch=enabled, whose virtchd found bulkhead as `cloud-hypervisor` and was told
# by virsh to define, start, suspend, resume, reboot and shut down a domain of two
# vCPUs, two disks, a net and a console. A line of libvirt/VERSION.jsonl is a step: a
# connection, the bytes of one send and how many fds went with them, or the status
# that came. The four paths of that machine are names in it (@KERNEL@ and so on),
# for which the replay puts its own, and their length into Content-Length.
import array
import json
import os
import re
import socket

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'libvirt')
VERSIONS = ('9.0.0', '11.3.0')

# chMonitorCreateSocket: backlog 1; the VMM gets it as --api-socket fd=
BACKLOG = 1


def steps(version):
    with open(os.path.join(HERE, version + '.jsonl')) as f:
        return [json.loads(line) for line in f]


def with_paths(text, paths, with_net):
    """The bytes as recorded, of this machine's paths."""
    head, sep, body = text.partition('\r\n\r\n')
    for name, path in paths.items():
        body = body.replace('@%s@' % name, path)
    if not with_net and '"net":' in body:
        value = json.loads(body)
        del value['net']
        body = json.dumps(value, separators=(',', ':'))
    head = re.sub('(Content-Length: )[1-9][0-9]*',
                  lambda m: m.group(1) + str(len(body.encode())), head)
    return (head + sep + body).encode()


def answer(s):
    """The status and body of an answer; that of 100 is its head alone."""
    data = b''
    while b'\r\n\r\n' not in data:
        part = s.recv(1)
        if not part:
            return 0, b''
        data += part
    n = re.search(rb'(?i)\r\ncontent-length: *([0-9]+)', data)
    body = b''
    while n and len(body) < int(n.group(1)):
        body += s.recv(int(n.group(1)) - len(body))
    return int(data.split()[1]), body


def replay(version, path, timeout, paths, tap):
    """(what was asked, status that libvirt got, ours, our body) of each answer.
    @tap makes an fd of a new tap; None: leave out the nets."""
    connections, asked = {}, {}
    skip = False
    for kind, c, *rest in steps(version):
        if kind == 'connect':
            s = connections[c] = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(path)
        elif kind == 'send':
            text, nfds = rest
            skip = nfds > 0 and tap is None
            if skip:
                continue
            if text.startswith(('PUT', 'GET')):
                asked[c] = text.split()[1].rpartition('/')[2]
            fds = [tap() for _ in range(nfds)]
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                        array.array('i', fds))] if fds else []
            connections[c].sendmsg([with_paths(text, paths, tap is not None)],
                                   control)
            for fd in fds:
                os.close(fd)
        elif not skip:
            status, body = answer(connections[c])
            yield asked[c], rest[0], status, body
    for s in connections.values():
        s.close()
