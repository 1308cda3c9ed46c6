# SPDX-License-Identifier: Apache-2.0
#
# For tests/api/run: clients that ask without a pause while the api-worker is killed
# again and again. Each request is answered in full, or its connection ends.
import json
import os
import random
import threading
import time

from vmm import Client, Gone, SLOWNESS

PATIENCE = 20 * SLOWNESS        # seconds; connections wait for the next worker


class Asker(threading.Thread):
    """Asks what next_one() says, on one connection or (fresh) on a new one each."""

    def __init__(self, v, next_one, fresh=False):
        super().__init__(daemon=True)
        self.path, self.next_one, self.fresh = v.path, next_one, fresh
        self.answered = self.cut = self.slowest = 0
        self.wrong, self.over, self.last = [], False, None

    def run(self):
        c = None
        while not self.over:
            begin = time.time()
            method, name = self.next_one(self.last)
            try:
                if c is None:
                    c = Client(self.path, PATIENCE / SLOWNESS)
                self.take(name, c.ask(method, name))
            except (Gone, ConnectionError):
                self.cut += 1
                c = None
            except Exception as e:      # late, or no HTTP, or no JSON
                self.wrong.append((name, repr(e)))
                c = None
            self.slowest = max(self.slowest, time.time() - begin)
            if self.fresh and c is not None:
                c.close()
                c = None

    def take(self, name, answer):
        if answer.body:
            self.last = answer.json()
        good = {200, 204}
        if name in ('vm.pause', 'vm.resume'):
            good |= {405, 429, 500}     # somebody died between look and leap
        if answer.status not in good:
            self.wrong.append((name, answer))
        self.answered += 1


def pauser():
    names = {'Running': 'vm.pause', 'Paused': 'vm.resume'}
    asked = []

    def next_one(last):
        asked.append(None)
        if len(asked) % 2 or not isinstance(last, dict) or 'state' not in last:
            return 'GET', 'vm.info'
        return 'PUT', names[last['state']]
    return next_one


def look(v):
    """What is there of fds and processes, once nothing is on its way."""
    seen, same = None, 0
    while same < 3:
        time.sleep(0.05)
        stay = [v.p.pid, v.child('bulkhead-vcpu'), v.child('bulkhead-blk')]
        now = [v.fds(p) for p in stay] + [len(v.children())]
        same = same + 1 if now == seen else 0
        seen = now
    return seen


def serves(v, before):
    """The pid of the worker after that one, when it answers."""
    end = time.time() + PATIENCE
    while time.time() < end:
        pid = v.child('bulkhead-api')
        if pid not in (None, before):
            try:
                c = Client(v.path, PATIENCE / SLOWNESS)
                c.ask('GET', 'vmm.ping')
                c.close()
                return pid
            except (OSError, Gone):
                pass
        time.sleep(0.005)
    return None


def under_requests(v, kills):
    r = random.Random(7)
    askers = [Asker(v, lambda last: ('GET', 'vm.info')),
              Asker(v, lambda last: ('GET', 'vm.counters'), fresh=True),
              Asker(v, pauser())]
    for a in askers:
        a.start()
    pid, done, memory = serves(v, None), 0, 0
    while pid and done < kills:
        # It is there for longer than it was waited for.
        time.sleep(r.uniform(0.15, 0.2))
        os.kill(pid, 9)
        done += 1
        pid = serves(v, pid)
        if done == min(20, kills // 2):
            memory = v.memory(what='Private_Dirty')
    for a in askers:
        a.over = True
    for a in askers:
        a.join(PATIENCE)
    return done, pid, askers, v.memory(what='Private_Dirty') - memory
