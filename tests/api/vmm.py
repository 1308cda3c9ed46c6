# SPDX-License-Identifier: Apache-2.0
#
# For tests/api: a VMM with an API socket in a folder of its own, and a client that
# is as plain as can be, so that a test may break the rules of HTTP.
import array
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
GUESTS = os.path.join(BUILD, 'guest')
SLOWNESS = float(os.environ.get('SLOWNESS', '1'))

number = 0
failed = 0


def ok(good, text, why=''):
    global number, failed
    number += 1
    if not good:
        failed += 1
    print('%s %d - %s' % ('ok' if good else 'not ok', number, text), flush=True)
    if not good and why:
        print('#   ' + str(why)[:600], flush=True)
    return good


def done():
    print('1..%d' % number)
    raise SystemExit(1 if failed else 0)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return '%s %r' % (self.status, self.body[:300])


class Gone(Exception):
    pass


class Client:
    def __init__(self, path, timeout=20):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout * SLOWNESS)
        self.s.connect(path)
        self.left = b''

    def close(self):
        self.s.close()

    def send(self, data, fds=()):
        if fds:
            self.s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                     array.array('i', fds))])
        else:
            self.s.sendall(data)

    def more(self):
        data = self.s.recv(65536)
        if not data:
            raise Gone()
        self.left += data

    def answer(self):
        while b'\r\n\r\n' not in self.left:
            self.more()
        head, self.left = self.left.split(b'\r\n\r\n', 1)
        lines = head.decode('latin1').split('\r\n')
        status = int(lines[0].split(' ')[1])
        headers = {k.lower(): v for k, v in
                   (x.split(': ', 1) for x in lines[1:])}
        n = int(headers.get('content-length', '0'))
        while len(self.left) < n:
            self.more()
        body, self.left = self.left[:n], self.left[n:]
        return Answer(status, headers, body)

    def ask(self, method, name, body=None, fds=()):
        head = '%s /api/v1/%s HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n' \
            % (method, name)
        # As ch-remote sends it: the fds with the head, then the rest.
        self.send(head.encode(), fds)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            self.send(b'Content-Length: %d\r\n' % len(body))
        self.send(b'\r\n')
        if body is not None:
            self.send(body)
        return self.answer()


class Vmm:
    all = []

    def __init__(self, *options, path=None, pass_fds=()):
        Vmm.all.append(self)
        self.dir = tempfile.mkdtemp(prefix='bh-api-')
        os.chmod(self.dir, 0o755)
        self.path = path or os.path.join(self.dir, 's')
        self.err = open(os.path.join(self.dir, 'stderr'), 'wb')
        args = [os.path.join(BUILD, 'bulkhead')]
        if '--api-socket' not in options:
            args += ['--api-socket', self.path]
        self.p = subprocess.Popen(args + list(options), stderr=self.err,
                                  stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL,
                                  cwd=self.dir, pass_fds=pass_fds)
        self.c = None

    def wait_up(self):
        end = time.time() + 10 * SLOWNESS
        while time.time() < end and self.p.poll() is None:
            try:
                self.c = Client(self.path)
                return self
            except OSError:
                time.sleep(0.01)
        raise Exception('the VMM does not listen: ' + self.stderr())

    def ask(self, method, name, body=None, fds=()):
        try:
            return self.c.ask(method, name, body, fds)
        except (Gone, OSError):
            self.c = Client(self.path)
            raise

    def put(self, name, body=None, fds=()):
        return self.ask('PUT', name, body, fds)

    def get(self, name):
        return self.ask('GET', name)

    def state(self):
        a = self.get('vm.info')
        return 'None' if a.status == 404 else a.json()['state']

    def config(self, guest='traffic', **more):
        disk = os.path.join(self.dir, 'disk')
        if not os.path.exists(disk):
            with open(disk, 'wb') as f:
                f.truncate(8 << 20)
        config = {
            'payload': {'kernel': os.path.join(GUESTS, guest + '.elf')},
            'memory': {'size': 64 << 20},
            'serial': {'mode': 'File', 'file': os.path.join(self.dir, 'serial')},
            'console': {'mode': 'Off'},
            'disks': [{'path': disk}],
        }
        config.update(more)
        return config

    def children(self):
        found, todo = [], [self.p.pid]
        while todo:
            pid = todo.pop()
            try:
                with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
                    kids = [int(x) for x in f.read().split()]
            except OSError:
                kids = []
            found += kids
            todo += kids
        return found

    def child(self, name):
        for pid in self.children():
            try:
                with open('/proc/%d/cmdline' % pid, 'rb') as f:
                    if f.read().startswith(name.encode()):
                        return pid
            except OSError:
                pass
        return None

    def fds(self, pid=None):
        return len(os.listdir('/proc/%d/fd' % (pid or self.p.pid)))

    def memory(self, pid=None, what='Pss'):
        total = 0
        with open('/proc/%d/smaps_rollup' % (pid or self.p.pid)) as f:
            for line in f:
                if line.startswith(what + ':'):
                    total = int(line.split()[1])
        return total

    def stderr(self):
        with open(os.path.join(self.dir, 'stderr'), 'rb') as f:
            return f.read().decode('utf-8', 'replace')

    def end(self):
        if self.c:
            self.c.close()
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(10 * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        return self.p.returncode


@atexit.register
def end_all():
    """Whatever ends a test: no VMM is left behind."""
    for v in Vmm.all:
        v.end()
