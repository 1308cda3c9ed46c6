# SPDX-License-Identifier: Apache-2.0
#
# What libvirt's ch driver asks of a VMM, in its order and in its bytes. Written
# down from reading its source (libvirt, src/ch/ch_monitor.c, ch_process.c: how it
# starts the VMM, virCHMonitorBuildVMJson and the like, which functions put what
# and what they look for in an answer), not recorded from a run: no package of
# Debian's has the driver. Of libcurl's headers those that it sends for the options
# set there.
import array
import json
import socket

# chMonitorCreateSocket: backlog 1; the VMM gets it as --api-socket fd=
BACKLOG = 1


def config(kernel, disk):
    """virCHMonitorBuildVMJson of a domain with a pty console and serial, 2 of 2
    CPUs, a disk."""
    return {
        'console': {'mode': 'Pty'}, 'serial': {'mode': 'Pty'},
        'cpus': {'boot_vcpus': 2, 'max_vcpus': 2},
        'memory': {'size': 128 << 20},
        'payload': {'kernel': kernel, 'cmdline': 'console=hvc0'},
        'disks': [{'path': disk}],
    }


def net(i):
    """virCHMonitorBuildNetJson: the tap comes as an fd."""
    return {'id': 'net_%d' % i, 'mac': '52:54:00:00:00:0%d' % (i + 1),
            'num_queues': 2, 'queue_size': 256}


def answer(s):
    data = b''
    while b'\r\n\r\n' not in data:
        part = s.recv(4096)
        if not part:
            return 0, b''
        data += part
    head, body = data.split(b'\r\n\r\n', 1)
    n = [int(x.split(b':')[1]) for x in head.split(b'\r\n')
         if x.lower().startswith(b'content-length:')]
    while n and len(body) < n[0]:
        body += s.recv(4096)
    return int(head.split()[1]), body


class Driver:
    """One libcurl handle: a connection that is kept."""

    def __init__(self, path, timeout):
        self.path, self.timeout = path, timeout
        self.s = self.connect()

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(self.timeout)
        s.connect(self.path)
        return s

    def put(self, endpoint):
        """virCHMonitorPutNoContent: an upload of no bytes."""
        self.s.sendall((
            'PUT /api/v1/%s HTTP/1.1\r\nHost: localhost\r\n'
            'Accept: application/json\r\nContent-Length: 0\r\n\r\n'
            % endpoint).encode())
        return answer(self.s)[0]

    def create(self, value):
        """virCHMonitorCreateVM: CURLOPT_CUSTOMREQUEST with POSTFIELDS."""
        body = json.dumps(value, separators=(',', ':')).encode()
        self.s.sendall((
            'PUT /api/v1/vm.create HTTP/1.1\r\nHost: localhost\r\n'
            'Accept: application/json\r\nContent-Type: application/json\r\n'
            'Content-Length: %d\r\n\r\n' % len(body)).encode() + body)
        return answer(self.s)[0]

    def get(self, endpoint):
        """virCHMonitorGet"""
        self.s.sendall((
            'GET /api/v1/%s HTTP/1.1\r\nHost: localhost\r\n'
            'Accept: application/json\r\nContent-Type: application/json\r\n\r\n'
            % endpoint).encode())
        status, body = answer(self.s)
        return status, json.loads(body or b'null')

    def add_nets(self, fds):
        """Head, body and fds of each net in one message, all of them on a
        connection of its own; the driver wants 200 or 204."""
        s = self.connect()
        seen = []
        for i, fd in enumerate(fds):
            body = json.dumps(net(i)).encode()
            head = ('PUT /api/v1/vm.add-net HTTP/1.1\r\nHost: localhost\r\n'
                    'Content-Type: application/json\r\n'
                    'Content-Length: %d\r\n\r\n' % len(body)).encode()
            s.sendmsg([head + body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                       array.array('i', [fd]))])
            seen.append(answer(s)[0])
        s.close()
        return seen
