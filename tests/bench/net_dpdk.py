# SPDX-License-Identifier: Apache-2.0
"""64-byte frames, device to driver by polling: our back end without a tap
(bulkhead-test-source-net) and DPDK's vhost port in turns, each with DPDK's
virtio-user as driver. For net.sh: net_dpdk.py TESTPMD OURS RUNS FOLDER"""
import os, statistics, subprocess, sys, time

testpmd, ours, runs, folder = sys.argv[1], os.path.abspath(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
testpmd = os.path.abspath(testpmd)
os.chdir(folder)
EAL = ['--no-huge', '-m', '512', '--no-pci', '--no-telemetry']
TAIL = ['--txpkts=64', '--total-num-mbufs=32768', '--auto-start', '-i']
realtime = os.environ.get('REALTIME') == '1'


def alone(pid, on):
    """Threads that poll below those that answer."""
    for t in os.listdir(f'/proc/{pid}/task'):
        name = open(f'/proc/{pid}/task/{t}/comm').read()
        prio = 1 if name.startswith(('rte-worker', 'lcore-worker', 'bulkhead')) else 2
        os.sched_setscheduler(int(t), os.SCHED_FIFO if on else os.SCHED_OTHER,
                              os.sched_param(prio if on else 0))


def received(driver):
    driver.stdin.write('show port stats all\n')
    driver.stdin.flush()
    for line in driver.stdout:
        if 'RX-packets:' in line:
            return time.monotonic(), int(line.split('RX-packets:')[1].split()[0])
    sys.exit('net_dpdk: the driver ended')


def one(kind):
    if os.path.exists('sock'):
        os.unlink('sock')
    if kind == 'ours':
        command = ['taskset', '-c', '0', ours, '--socket-path=sock']
    else:
        command = [testpmd, *EAL, '--lcores', '0@0,1@0', '--file-prefix', f'vh{os.getpid()}',
                   '--vdev', 'net_vhost0,iface=sock,queues=1', '--', '--forward-mode=txonly', *TAIL]
    back_end = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    for _ in range(200):
        if os.path.exists('sock'):
            break
        time.sleep(.05)
    time.sleep(.5)
    driver = subprocess.Popen(
        ['stdbuf', '-oL', testpmd, *EAL, '--lcores', '0@1,1@1', '--file-prefix', f'vu{os.getpid()}',
         '--vdev', 'net_virtio_user0,path=sock,queues=1,queue_size=1024,mrg_rxbuf=1,in_order=0',
         '--', '--forward-mode=rxonly', *TAIL],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        received(driver)
        time.sleep(1)
        for p in (back_end, driver) if realtime else ():
            alone(p.pid, True)
        time.sleep(.3)
        t0, n0 = received(driver)
        time.sleep(1)
        t1, n1 = received(driver)
        for p in (back_end, driver) if realtime else ():
            alone(p.pid, False)
        return (n1 - n0) / (t1 - t0) / 1e6
    finally:
        for p in (driver, back_end):
            p.kill()
            p.wait()


if realtime:
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(3))
rates = {'ours': [], 'dpdk': []}
for _ in range(runs):
    for kind in rates:
        rates[kind].append(one(kind))
middle = {k: statistics.median(v) for k, v in rates.items()}
print(f"device to driver by polling, 64 bytes, medians of {runs}: "
      f"{middle['ours']:.2f} Mpps of DPDK's {middle['dpdk']:.2f}, "
      f"{middle['ours'] / middle['dpdk']:.2f}")
print('  each:', *(f"{a:.2f}/{b:.2f}" for a, b in zip(rates['ours'], rates['dpdk'])))
