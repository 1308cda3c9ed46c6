# SPDX-License-Identifier: Apache-2.0
#
# What each request comes to in each state of a VM, as a table; and that two of them at
# once come to what the one and then the other does, or the later is told to try
# again (429) and has changed nothing. docs/api.md, "Conflicts", is this in words.
import os
import random
import time

from vmm import Client

# A state: what vm.info says, and the names of the VM's disks.
NONE = ('None', ())
RUNS = ('Running', 'Paused')
# These change what there is, one at a time; power-button does not.
ACTIONS = ('vm.create', 'vm.boot', 'vm.delete', 'vm.pause', 'vm.resume',
           'vm.shutdown', 'vm.reboot', 'vm.add-disk', 'vm.remove-device',
           'vm.resize-disk', 'vm.power-button')


def plain(state):
    return state[0], tuple(d.rstrip('?') for d in state[1])


def after(state, action):
    """(status, state) of a request that comes alone."""
    status, new = marked(state, action)
    return status, plain(new)


def marked(state, action):
    """The same; a disk that the guest is asked to let go is marked. It never does."""
    vm, disks = state
    runs = vm in RUNS
    if action == 'vm.create':
        return (204, ('Created', ('_disk0',))) if vm == 'None' else \
            (500, state)
    if action == 'vm.delete':
        return 204, NONE
    if vm == 'None':
        return 404, state
    if action == 'vm.boot':
        return (500, state) if runs else (204, ('Running', disks))
    if action == 'vm.add-disk':
        return (409, state) if 'x' in disks else \
            (200 if runs else 204, (vm, disks + ('x',)))
    if action == 'vm.remove-device':
        if runs and '_disk0' in plain(state)[1]:
            return 204, (vm, tuple('_disk0?' if d == '_disk0' else d
                                   for d in disks))
        return (204, (vm, tuple(d for d in disks if d != '_disk0'))) \
            if '_disk0' in disks else (404, state)
    if action == 'vm.resize-disk':
        if '_disk0' not in plain(state)[1]:
            return 404, state
        return (204 if runs else 500), state
    if not runs:
        return 405, state
    if action == 'vm.pause':
        return (500, state) if vm == 'Paused' else (204, ('Paused', disks))
    if action == 'vm.resume':
        return (405, state) if vm != 'Paused' else (204, ('Running', disks))
    if action == 'vm.shutdown':
        return 204, plain(('Created', disks))
    if action == 'vm.reboot':
        return 204, ('Running', tuple(d for d in disks if '?' not in d))
    return 204, state                   # vm.power-button


def may_be(state, a, b):
    """All that (a's status, b's status, state) may be when both come at once."""
    (sa, after_a), (sb, after_b) = marked(state, a), marked(state, b)
    second, end = after(after_a, b)
    allowed = {(sa, second, end)}
    second, end = after(after_b, a)
    allowed.add((second, sb, end))
    after_a, after_b = plain(after_a), plain(after_b)
    # Who comes while another is under way; only one that takes a while is.
    if b != 'vm.power-button':
        allowed.add((sa, 429, after_a))
    if a != 'vm.power-button':
        allowed.add((429, sb, after_b))
    # What stops or is reset hears of no button.
    for stop in ('vm.shutdown', 'vm.delete', 'vm.reboot'):
        if state[0] in RUNS and (a, b) == (stop, 'vm.power-button'):
            allowed.add((sa, 405, after_a))
        if state[0] in RUNS and (a, b) == ('vm.power-button', stop):
            allowed.add((405, sb, after_b))
    return allowed


class Bench:
    def __init__(self, vmm):
        self.v = vmm
        self.other = Client(vmm.path)
        with open(os.path.join(vmm.dir, 'x'), 'wb') as f:
            f.truncate(1 << 20)
        self.config = vmm.config()
        self.config['disks'][0]['image_type'] = 'Raw'
        self.bodies = {
            'vm.create': self.config,
            'vm.add-disk': {'path': os.path.join(vmm.dir, 'x'), 'id': 'x'},
            'vm.remove-device': {'id': '_disk0'},
            'vm.resize-disk': {'id': '_disk0', 'desired_size': 16 << 20},
        }

    def put(self, action):
        return self.v.put(action, self.bodies.get(action)).status

    def state(self):
        a = self.v.get('vm.info')
        if a.status == 404:
            return NONE
        value = a.json()
        return value['state'], tuple(d['id'] for d in
                                     value['config'].get('disks', []))

    def to(self, words):
        while self.put('vm.delete') == 429:
            time.sleep(0.005)
        for action in {'None': (), 'Created': ('vm.create',),
                       'Running': ('vm.create', 'vm.boot'),
                       'Paused': ('vm.create', 'vm.boot', 'vm.pause'),
                       'shut down': ('vm.create', 'vm.boot', 'vm.shutdown'),
                       }[words]:
            status = self.put(action)
            assert status == 204, (words, action, status)
        return self.state()

    def both(self, a, b, gap):
        """Statuses of two that come at once, and the state they leave."""
        import json
        for c, action, wait in ((self.v.c, a, gap), (self.other, b, 0)):
            body = self.bodies.get(action)
            body = json.dumps(body).encode() if body else b''
            c.send(b'PUT /api/v1/%s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s' %
                   (action.encode(), len(body), body))
            if wait:
                time.sleep(wait)
        return self.v.c.answer().status, self.other.answer().status, \
            self.state()


WORDS = ('None', 'Created', 'Running', 'Paused', 'shut down')


def alone(bench):
    """(words, action, what came, what is due) where they differ."""
    for words in WORDS:
        for action in ACTIONS:
            state = bench.to(words)
            came = bench.put(action), bench.state()
            if came != after(state, action):
                yield words, action, came, after(state, action)


def pairs(bench, rounds, part, parts):
    """(what was done, what came) of each try of a @part of the pairs."""
    r = random.Random(int(os.environ.get('SEED', '7')))
    every = [(w, a, b) for w in WORDS for i, a in enumerate(ACTIONS)
             for b in ACTIONS[i:]]
    for n, (words, a, b) in enumerate(every):
        if n % parts != part:
            continue
        for _ in range(rounds):
            state = bench.to(words)
            first, second = r.choice(((a, b), (b, a)))
            came = bench.both(first, second,
                              r.choice((0, 0, 0.0005, 0.002, 0.01)))
            yield words, first, second, came, \
                came in may_be(state, first, second)
