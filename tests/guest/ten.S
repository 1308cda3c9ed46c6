/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ten-instruction guest of tests/bench/run: one byte to COM1, then power off by
 * ACPI; where there is no such port it stands still, with STILL everywhere.
 */
	.section .note.pvh, "a", @note
	.align	4
	.long	4, 4, 18
	.asciz	"Xen"
	.long	_start

	.section .text.start, "ax", @progbits
	.globl	_start
_start:
	movw	$0x3f8, %dx
	movb	$'!', %al
	outb	%al, %dx
	movb	$'\n', %al
	outb	%al, %dx
#ifndef STILL
	movw	$0x600, %dx
	movb	$0x34, %al
	outb	%al, %dx
#endif
1:	hlt
	jmp	1b
	.data
	.long	0			/* or the data segment were empty */
	.section .note.GNU-stack, "", @progbits
