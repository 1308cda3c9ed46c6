# SPDX-License-Identifier: Apache-2.0
#
# Cloud Hypervisor's command line: every option and every value of one that its
# version 54 has, each with something that is valid there. PCI4 and PCI3 are what its
# devices on PCI share.

PCI3 = {'id': 'a', 'pci_segment': '0', 'pci_device_id': '5'}
PCI4 = dict(PCI3, iommu='on')
BUCKET = {'bw_size': '4096', 'bw_one_time_burst': '1', 'bw_refill_time': '100',
          'ops_size': '10', 'ops_one_time_burst': '1', 'ops_refill_time': '100'}

# option: what is given with each of its values; its values
SUBS = {
    'cpus': ('boot=2', {
        'max': '4', 'topology': '1:2:1:1', 'kvm_hyperv': 'on',
        'max_phys_bits': '40', 'affinity': '[0@[0]]', 'features': 'amx',
        'nested': 'off', 'core_scheduling': 'vcpu', 'profile': 'host'}),
    'memory': ('size=512M', {
        'mergeable': 'on', 'hotplug_method': 'virtio-mem', 'hotplug_size': '1G',
        'hotplugged_size': '512M', 'shared': 'on', 'hugepages': 'on',
        'hugepage_size': '2M', 'prefault': 'on', 'reserve': 'on',
        'thp': 'off'}),
    'memory-zone': ('id=z,size=512M', {
        'file': '/f', 'shared': 'on', 'hugepages': 'on', 'hugepage_size': '2M',
        'host_numa_node': '0', 'hotplug_size': '1G', 'hotplugged_size': '512M',
        'prefault': 'on', 'reserve': 'on', 'mergeable': 'on'}),
    'numa': ('guest_numa_id=0', {
        'cpus': '[0]', 'distances': '[1@20]', 'memory_zones': 'z',
        'pci_segments': '[0]', 'device_id': 'd'}),
    'platform': ('oem_strings=[a,b]', {
        'num_pci_segments': '2', 'iommu_segments': '[1]',
        'iommu_address_width': '48', 'iommufd': 'on', 'iommufd_fd': '3',
        'vfio_p2p_dma': 'off', 'system_manufacturer': 'm',
        'system_product_name': 'p', 'system_version': 'v',
        'system_serial_number': 's',
        'system_uuid': '5c2f6d3e-0b0a-4f1e-9a52-3f1e6a0b7c11',
        'system_sku_number': 'k', 'system_family': 'f',
        'chassis_asset_tag': 't', 'serial_number': 's',
        'uuid': '5c2f6d3e-0b0a-4f1e-9a52-3f1e6a0b7c11', 'tdx': 'on',
        'sev_snp': 'on'}),
    'pci-segment': ('pci_segment=0', {
        'mmio32_aperture_weight': '1', 'mmio64_aperture_weight': '1'}),
    'disk': ('path=x', dict(
        BUCKET, readonly='on', direct='on', num_queues='1', queue_size='64',
        vhost_user='on', socket='s', rate_limit_group='g',
        queue_affinity='[0@[0]]', serial='s', backing_files='on', sparse='off',
        image_type='raw', lock_granularity='full', _disable_io_uring='on',
        _disable_aio='on', **PCI4)),
    'net': ('tap=t', dict(
        BUCKET, ip='10.0.0.1', mask='255.0.0.0', mac='02:00:00:00:00:01',
        host_mac='02:00:00:00:00:02', mtu='1500', fd='[3]', num_queues='2',
        queue_size='64', vhost_user='on', socket='s', vhost_mode='client',
        offload_tso='off', offload_ufo='off', offload_csum='on', **PCI4)),
    'rate-limit-group': ('id=g', BUCKET),
    'fs': ('tag=t,socket=s', dict(num_queues='1', queue_size='64', **PCI3)),
    'generic-vhost-user': ('device_type=25,socket=s,queue_sizes=[64]', PCI3),
    'pmem': ('file=f', dict(size='2M', discard_writes='on', **PCI4)),
    'rng': ('src=/dev/urandom', PCI4),
    'rtc': ('', PCI4),
    'balloon': ('size=1M', dict(deflate_on_oom='on',
                                free_page_reporting='on', **PCI4)),
    'vsock': ('cid=3,socket=s', PCI4),
    'console': ('tty', PCI4), 'serial': ('tty', {}),
    'debug-console': ('null', {'iobase': '0xe9'}),
    'device': ('path=/sys/d', dict(fd='3', x_nv_gpudirect_clique='0',
                                   x_exclude_mmap_bars='[0]', **PCI4)),
    'user-device': ('socket=s', PCI3),
    'vdpa': ('path=/dev/v', dict(num_queues='1', **PCI4)),
    'tpm': ('socket=s', {}),
    'ivshmem': ('path=s', dict(size='1M', **PCI3)),
    'fw-cfg-config': ('e820=on', {
        'kernel': 'on', 'cmdline': 'on', 'initramfs': 'on', 'acpi_table': 'on',
        'items': '[name=n,file=f]'}),
    'landlock-rules': ('path=/x,access=r', {}),
    'restore': ('source_url=file:///x', {
        'prefault': 'on', 'memory_restore_mode': 'ondemand',
        'net_fds': '[a@[3]]', 'vfio_fds': '[a@3]', 'iommufd_fd': '3',
        'resume': 'on', 'zone_updates': '[z@0]'}),
}

MORE = (
    ['--api-socket', '/s'], ['--api-socket', 'path=/s'],
    ['--api-socket', 'fd=3'], ['--event-monitor', 'path=/e'],
    ['--event-monitor', 'fd=3'], ['--dbus-service-name', 'n'],
    ['--dbus-object-path', '/o'], ['--dbus-system-bus'],
    ['--gdb', 'path=/g'], ['--log-file', '/l'],
    ['--log-format', '{boottime} {level} {msg}'], ['-v'], ['-vv'],
    ['--no-shutdown'], ['--seccomp', 'true'], ['--seccomp', 'false'],
    ['--seccomp', 'log'], ['--seccomp', 'errno'], ['--kernel', 'k'],
    ['--firmware', 'f'], ['--initramfs', 'i'], ['--cmdline', 'c'],
    ['--igvm', 'i'], ['--host-data', '0' * 64], ['--watchdog'], ['--pvpanic'],
    ['--pvmemcontrol'], ['--landlock'], ['--console', 'off'],
    ['--console', 'null'], ['--console', 'pty'], ['--console', 'file=f'],
    ['--console', 'socket=s'], ['--serial', 'off'], ['--serial', 'null'],
    ['--serial', 'pty'], ['--serial', 'file=f'], ['--serial', 'socket=s'],
    ['--debug-console', 'off'], ['--debug-console', 'pty'],
    ['--debug-console', 'tty'], ['--debug-console', 'file=f'],
    ['--disk', 'path=a', 'path=b'], ['--disk', 'path=a', '--disk', 'path=b'],
)


def every():
    """Arguments, one option or one of its values at a time."""
    yield from MORE
    for option, (base, subs) in SUBS.items():
        yield ['--' + option, base] if base else ['--' + option]
        for name, value in subs.items():
            if name == 'max' and option == 'cpus':
                yield ['--cpus', 'boot=2,max=2']
            yield ['--' + option,
                   (base and base + ',') + '%s=%s' % (name, value)]
