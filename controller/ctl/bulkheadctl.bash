# SPDX-License-Identifier: Apache-2.0
# bash completion of bulkheadctl

_bulkheadctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local commands="doctor audit gc ping shutdown-vmm create boot shutdown reboot power-button delete info counters crashes boot-timeline pause resume nmi add-disk add-net add-fs add-generic-vhost-user add-pmem add-vsock add-vdpa add-device add-user-device remove-device resize resize-disk resize-zone upgrade-worker snapshot restore coredump send-migration receive-migration"
	case $prev in
	--api-socket | create) COMPREPLY=($(compgen -f -- "$cur")) ;;
	--output) COMPREPLY=($(compgen -W "json table" -- "$cur")) ;;
	resize) COMPREPLY=($(compgen -W "--cpus --memory --balloon" -- "$cur")) ;;
	resize-disk) COMPREPLY=($(compgen -W "--disk --size" -- "$cur")) ;;
	upgrade-worker) COMPREPLY=($(compgen -W "--all --binary" -- "$cur")) ;;
	--binary) COMPREPLY=($(compgen -f -- "$cur")) ;;
	resize-zone) COMPREPLY=($(compgen -W "--id --size" -- "$cur")) ;;
	*) COMPREPLY=($(compgen -W "--api-socket --output --help --version $commands" -- "$cur")) ;;
	esac
}
complete -o default -F _bulkheadctl bulkheadctl
